"""The rows that two versions are compared on, with out-of-sample predictions of both.

The cohort is the held-out rows of the version trained later, so it was fixed when that was trained.
The later version is evaluated by its held-out predictions. For the earlier one there are three
ways, and the best that the data allow is used:

1. it predicts unchanged, on dates later than all its training data;
2. its own held-out predictions, if its models were trained on the same dates;
3. its model (estimator, parameters, features) is refitted on exactly the dates that the later
   version's model of the row was trained on.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy.special import expit
from scipy.special import logit as log_odds
from sklearn.base import clone

from health.training.held_out import KEYS
from health.training.registry import Version
from health.training.rows import TargetRows
from health.training.score_terms import with_score_terms
from models.base.calibration import fit_calibration
from models.churn.few_events import BaseRateClassifier
from models.churn.later_dates import FEWEST_TESTED, FollowedRows, LabelledRows, fit_rows

UNCHANGED = "unchanged, on dates later than all its training data"
HELD_OUT = "both held out the same rows from the same training dates"
REFITTED = "refitted on the same earlier dates"
_OUTCOME_COLUMNS = [*KEYS, "logit", "probability"]


@dataclass(frozen=True)
class Candidate:
    """A version in a comparison.

    Attributes
    ----------
    version : Version
        The version with its artefacts.
    held_out : pd.DataFrame
        As from `held_out_predictions`.
    """

    version: Version
    held_out: pd.DataFrame

    @property
    def until(self) -> pd.Timestamp:
        """The date at which the version's training data ends."""
        return pd.Timestamp(str(self.version.manifest["trained_until"]))

    def of(self, target: str) -> pd.DataFrame:
        """Return its held-out rows of a target.

        If chance was not ruled out, it publishes a base rate and is ranked by that; unpublished
        model predictions do not count for or against it.
        """
        own = self.held_out[self.held_out["target"] == target]
        if self.version.manifest["evaluation"].get(target, {}).get("has_signal", True):
            return own
        return own.assign(logit=log_odds(own["probability"].astype("float64")))


@dataclass(frozen=True)
class Cohort:
    """Rows with an out-of-sample prediction of both versions.

    Attributes
    ----------
    frame : pd.DataFrame, shape = (n_rows, n_columns)
        target, account_id, as_of, product, happened, and logit and probability of the version
        trained later (``_newer``) and of the other (``_older``).
    how : str
        How the older version's predictions were made.
    """

    frame: pd.DataFrame
    how: str

    @property
    def event_accounts(self) -> int:
        """Number of accounts with the event."""
        return int(self.frame.loc[self.frame["happened"] == 1, "account_id"].nunique())

    @property
    def describes(self) -> bool:
        """Whether there are enough events, and rows without events, to compare on."""
        return self.event_accounts >= FEWEST_TESTED and not self.frame["happened"].all()


def choose_cohort(
    target: str, newer: Candidate, older: Candidate, rows: TargetRows | None, cohort_days: int
) -> Cohort:
    """Return the cohort of the best of the three ways with enough events.

    Parameters
    ----------
    target : str
        The predicted event.
    newer, older : Candidate
        The versions, by when they were trained.
    rows : TargetRows or None
        The training rows of the newer version; without them only the second way is possible.
    cohort_days : int
        Length of the cohort, back from its newest date.
    """
    held_out = newer.of(target)
    held_out = held_out[
        held_out["as_of"] > held_out["as_of"].max() - pd.Timedelta(cohort_days, "D")
    ]
    own = older.of(target)
    same = held_out.merge(own[[*KEYS, "learnt_until"]], on=[*KEYS, "learnt_until"])
    stored = _joined(same, own[_OUTCOME_COLUMNS], HELD_OUT)
    if rows is None:
        return stored
    if target == "churn":
        rows = replace(rows, frame=with_score_terms(rows.frame, older.version.artefacts))
    later = held_out[held_out["as_of"] >= older.until]
    cohort = _joined(later, _unchanged(target, older, later, rows), UNCHANGED)
    if cohort.describes:
        return cohort
    if len(stored.frame) < len(held_out):
        cohort = _joined(held_out, _refitted(target, older, held_out, rows), REFITTED)
    return cohort if cohort.describes else stored


def needs_rows(target: str, newer: Candidate, older: Candidate) -> bool:
    """Whether the stored predictions alone are not sufficient."""
    keys = [*KEYS, "learnt_until"]
    held_out = newer.of(target)
    return len(held_out.merge(older.of(target)[keys], on=keys)) < len(held_out)


def _joined(held_out: pd.DataFrame, result: pd.DataFrame, how: str) -> Cohort:
    own = held_out.drop(columns="learnt_until").astype({"as_of": "datetime64[us]"})
    result = result.astype({"as_of": "datetime64[us]"})
    both = own.merge(result, on=KEYS, suffixes=("_newer", "_older"))
    both = both.dropna(subset=["probability_newer", "probability_older"])
    return Cohort(both.sort_values(KEYS, ignore_index=True), how)


def _unchanged(
    target: str, older: Candidate, held_out: pd.DataFrame, rows: TargetRows
) -> pd.DataFrame:
    wanted = _with_inputs(target, held_out, rows)
    if wanted.empty:
        return pd.DataFrame(columns=_OUTCOME_COLUMNS)
    model = older.version.artefacts[target]
    probability = model.predict_proba(wanted[list(model.feature_names_in_)])[:, 1]
    return wanted[KEYS].assign(logit=log_odds(probability), probability=probability)


def _refitted(
    target: str, older: Candidate, held_out: pd.DataFrame, rows: TargetRows
) -> pd.DataFrame:
    """Refit the older version's model once for each model of the newer one."""
    model = older.version.artefacts[target]
    inputs = list(model.model_.feature_names_in_)
    labelled = rows.frame[rows.frame[rows.label].notna()]
    followed = None
    if "observed_days" in rows.frame:
        followed = FollowedRows(
            rows.frame[inputs],
            rows.frame["account_id"].to_numpy(),
            rows.frame["observed_days"].to_numpy(),
            rows.frame["observed_churn"].to_numpy() == 1,
            rows.frame["as_of"].to_numpy(),
            float(model.grace_days),
        )
    parts = []
    for learnt_until, block in held_out.groupby("learnt_until"):
        earlier = labelled[labelled["as_of"] <= learnt_until]
        known = None if followed is None else followed.known_before(block["as_of"].min())
        asked = _with_inputs(target, block, rows)
        if not len(asked) or earlier[rows.label].nunique() < 2:
            continue
        again = clone(model.model_)
        fit_rows(
            again,
            LabelledRows(
                earlier[inputs],
                earlier[rows.label].to_numpy(dtype="int64"),
                earlier["account_id"].to_numpy(),
                earlier["as_of"].to_numpy(),
                known,
            ),
        )
        parts.append(
            asked[[*KEYS, "happened"]].assign(logit=again.decision_function(asked[inputs]))
        )
    if not parts:
        return pd.DataFrame(columns=_OUTCOME_COLUMNS)
    result = pd.concat(parts, ignore_index=True)
    result["probability"] = expit(result["logit"])
    if not isinstance(model.model_, BaseRateClassifier):
        # Calibrated like the newer one's: each row without its own account.
        groups, seed = result["account_id"], older.version.manifest["seed"]
        fitted = fit_calibration(
            result["logit"].to_numpy(), result["happened"].to_numpy(), groups=groups, seed=seed
        )
        result["probability"] = expit(fitted.held_out_logit)
    return result[_OUTCOME_COLUMNS]


def _with_inputs(target: str, held_out: pd.DataFrame, rows: TargetRows) -> pd.DataFrame:
    """Join held-out rows with the inputs of the models."""
    frame = rows.frame
    # The product is part of a row's key, and may also be an input.
    offered = frame["product"].astype(str) if "product" in frame else np.full(len(frame), "")
    keyed = frame.assign(
        target=target, offered=offered, as_of=frame["as_of"].astype("datetime64[us]")
    )
    wanted = held_out[[*KEYS, "happened"]].rename(columns={"product": "offered"})
    joined = keyed.merge(wanted, on=["target", "account_id", "as_of", "offered"])
    return joined.assign(product=joined["offered"])
