"""Survival curves, compared with a Cox model with covariates on later data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
from pandas.api.types import is_numeric_dtype

from health.expansion.prices import peer_groups
from health.settings.config import Config
from health.training.fit import FEW_FEATURES
from health.training.rows import TrainingSet, model_columns
from models import CoxSurvival, ModelInputError, PeerSurvival
from models.base.inputs import FloatArray
from models.evaluation.classification import plain
from models.survival.comparison import compare_curves, landmark_follow_up

#: Names of the curves.
PEERS, OWN, COX = "peer groups", "peer groups, tilted by the churn model", "Cox"
#: Minimum number of accounts that left before the date, and after it.
_FEWEST = _FEWEST_LEARNT = 10
#: Events needed per covariate (Peduzzi et al. 1996); with fewer, only a few known features are
#: used.
_PER_COVARIATE = 10
#: Longest time at which curves are compared, and the step, in days.
_LONGEST, _STEP = 360, 30
#: Maximum number of dates, one horizon apart, that the Cox model learns from.
_DATES = 6


def judge_curves(training: TrainingSet, held_out: pd.DataFrame, config: Config) -> dict[str, Any]:
    """Compare curves on the time after one date, each fitted on what was known before it.

    Parameters
    ----------
    training : TrainingSet
        Accounts × dates with features, and spells.
    held_out : pd.DataFrame
        As from `held_out_predictions`: predictions of the churn model on dates it had not learned
        from.
    config : Config
        Horizon, grace, peer group and seed.

    Returns
    -------
    dict of str to object
        For the manifest: from (the date), until_days (the longest time), accounts, left, curves
        (by name, the published one first: concordance and integrated Brier score with intervals,
        and their differences to the first) and notes: why nothing was compared, or what did not
        converge.
    """
    result = held_out[held_out["target"] == "churn"]
    days = [pd.Timestamp(d) for d in (sorted(result["as_of"].unique()) or training.dates)]
    # The Cox model needs another date, one horizon earlier, to learn from.
    first = min(training.dates) + pd.Timedelta(days=2 * config.labels.horizon_days)
    for day in [day for day in days if day >= first] or days:
        tested = _TestDate.around(training, day, config)
        if tested.describe:
            return _compared(tested, training, result, config)
    why = (
        f"not compared: there is no date with {_FEWEST} accounts that left before it, {_FEWEST} "
        f"that left after it, and {2 * _STEP} days of data after it"
    )
    return {"curves": {}, "notes": [why]}


@dataclass(frozen=True)
class _TestDate:
    """What was known before a date, and what followed.

    Attributes
    ----------
    day : pd.Timestamp
    spells : pd.DataFrame
        As in the training set.
    before : pd.DataFrame
        group, entry_days, duration_days, churned: spells as known on the date.
    rows : pd.DataFrame
        Accounts that pay on the date, with features, group, and days and left of what followed.
    """

    day: pd.Timestamp
    spells: pd.DataFrame
    before: pd.DataFrame
    rows: pd.DataFrame

    @classmethod
    def around(cls, training: TrainingSet, day: pd.Timestamp, config: Config) -> _TestDate:
        spells, grace = training.durations, config.labels.grace_days
        now = training.accounts[training.accounts["as_of"] == day]
        end = (spells["began_at"] + pd.to_timedelta(spells["duration_days"], unit="D")).max()
        # At the end of the data it is known whether an end is churn: its grace period has passed.
        known = end + pd.Timedelta(days=grace)
        rows = now.join(landmark_follow_up(spells, now, known, grace_days=grace))
        rows = rows.assign(group=peer_groups(rows, config))
        rows = rows[rows["days"] > 0].reset_index(drop=True)
        return cls(day, spells, _as_known(spells, day, grace), rows)

    @property
    def describe(self) -> bool:
        """Whether there is enough data to fit and to compare."""
        left = int((self.rows["left"] == 1).sum())
        enough = left >= _FEWEST and int(self.before["churned"].sum()) >= _FEWEST
        return enough and len(self.times) >= 2

    @property
    def times(self) -> FloatArray:
        """Days after the date at which the curves are compared."""
        longest = float(self.rows["days"].max()) if len(self.rows) else 0.0
        return np.arange(_STEP, min(longest - 1.0, _LONGEST) + 1e-9, _STEP)


def _as_known(spells: pd.DataFrame, day: pd.Timestamp, grace_days: int) -> pd.DataFrame:
    """Return the spells that had started before a date, as known then."""
    began = spells[spells["began_at"] < day]
    age = (day - began["began_at"]).dt.total_seconds() / 86_400
    ended = began["churned"] & (began["duration_days"] + grace_days <= age)
    lasted = began["duration_days"].where(began["duration_days"] < age, age)
    known = began.assign(duration_days=lasted, churned=ended)
    return known[known["duration_days"] > known["entry_days"]]


def _compared(
    tested: _TestDate, training: TrainingSet, result: pd.DataFrame, config: Config
) -> dict[str, Any]:
    rows, times, notes = tested.rows, tested.times, []
    known = tested.before
    peers = PeerSurvival().fit(
        known["duration_days"],
        known["churned"],
        entry_days=known["entry_days"],
        groups=known["group"],
    )
    tenure = rows["tenure_days"].clip(lower=0.0)
    curves: dict[str, FloatArray] = {}
    predicted = result[result["as_of"] == tested.day].set_index("account_id")["probability"]
    if len(predicted):
        own, horizon = rows["account_id"].map(predicted), config.labels.horizon_days
        curves[OWN] = peers.account_survival(
            own, tenure, rows["group"], times, horizon_days=horizon
        )
    curves[PEERS] = peers.conditional(tenure, rows["group"], times)
    try:
        curves[COX] = _cox_curves(tested, training, times, config)
    except ModelInputError as error:
        notes.append(f"Cox: {error.what}")
    found = compare_curves(rows["days"], rows["left"], curves, times, seed=config.training.seed)
    return dict(
        plain(
            {
                "from": str(tested.day.date()),
                "until_days": int(times[-1]),
                "accounts": len(rows),
                "left": int((rows["left"] == 1).sum()),
                "curves": {name: asdict(quality) for name, quality in found.items()},
                "notes": notes,
            }
        )
    )


def _cox_curves(
    tested: _TestDate, training: TrainingSet, times: FloatArray, config: Config
) -> FloatArray:
    """Fit on accounts at dates one horizon apart before the date, with follow-up to it."""
    grace = config.labels.grace_days
    dates = _spaced(training.dates, tested.day, config.labels.horizon_days)
    past = training.accounts[training.accounts["as_of"].isin(dates)]
    past = past.join(landmark_follow_up(tested.spells, past, tested.day, grace_days=grace))
    past = past[past["days"] > 0]
    left = int(past["left"].sum())
    if left < _FEWEST_LEARNT:
        raise ModelInputError(
            f"{left} accounts left within the dates before, {_FEWEST_LEARNT} are needed",
            where="events",
        )
    columns = _covariates(past, left, config)
    learned = past[columns].assign(group=peer_groups(past, config))
    model = CoxSurvival(penalizer=0.1).fit(learned, past["days"], past["left"])
    result = model.survival(tested.rows[[*columns, "group"]], times)
    if not np.isfinite(result).all():
        raise ModelInputError("the curves are not finite: the fit did not converge", where="X")
    return result


def _spaced(dates: Sequence[Any], before: pd.Timestamp, gap_days: int) -> list[pd.Timestamp]:
    """Return the last dates before a date, at least this many days from it and each other."""
    found: list[pd.Timestamp] = []
    latest = before
    for date in sorted((pd.Timestamp(d) for d in dates), reverse=True):
        if date <= latest - pd.Timedelta(days=gap_days) and len(found) < _DATES:
            found.append(date)
            latest = date
    return found


def _covariates(past: pd.DataFrame, left: int, config: Config) -> list[str]:
    """Return all features if enough accounts left, else the tenure and a few known features."""
    numbers = [
        name
        for name in model_columns(past, config)
        if is_numeric_dtype(past[name]) and past[name].nunique() > 1
    ]
    if left >= _PER_COVARIATE * len(numbers):
        return numbers
    few = {"tenure_days", *FEW_FEATURES["churn"]}
    return [name for name in numbers if name in few]
