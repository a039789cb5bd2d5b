"""The churn model compared with the simplest rivals, and each of them with every other."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain, combinations
from typing import Any

import numpy as np
import pandas as pd

from health.presentation.wording import auc_in_words
from health.scorecard.score import score_with
from health.settings.config import Config
from models.base.inputs import group_codes
from models.churn.later_dates import FEWEST_TESTED
from models.evaluation.classification import plain
from models.evaluation.ranking import Interval, RankingMeasures, resampled_weights

#: Rivals without a model, by name, with the feature whose low values mean high risk.
SINGLE_FEATURES = {"renewal": "days_to_renewal", "usage": "usage_events_28d"}
TITLES = {
    "model": "the churn model",
    "health": "the health score",
    "renewal": "days to renewal alone",
    "usage": "usage in 28 days alone",
}
#: The AUC of a ranking that knows nothing.
CHANCE = 0.5
_RESAMPLES = 200


def single_feature_risks(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the risk by single features; a column for each feature in the data.

    An account without a value gets the median of its date.

    Parameters
    ----------
    rows : pd.DataFrame, shape = (n_rows, n_columns)
        Features, as_of.
    """
    columns = {}
    for key, feature in SINGLE_FEATURES.items():
        risk = -rows[feature].astype(float)
        if risk.nunique() > 1:
            middle = risk.groupby(rows["as_of"]).transform("median")
            columns[key] = risk.fillna(middle).fillna(risk.median())
    return pd.DataFrame(columns, index=rows.index)


def compare_rivals(
    accounts: pd.DataFrame, held_out: pd.DataFrame, config: Config
) -> Mapping[str, Any] | None:
    """Compare the churn model, the health score and single features on the tested rows.

    Parameters
    ----------
    accounts : pd.DataFrame
        Features of past dates, as in `TrainingSet.accounts`.
    held_out : pd.DataFrame
        As from `held_out_predictions`.
    config : Config
        The scorecard.

    Returns
    -------
    mapping or None
        rows; auc, by contender with its 95 % interval; differences (first, second, value, low,
        high; the higher AUC first) of every pair, on the same resamples of accounts; and sentences.
        None if fewer than five churned accounts were tested.
    """
    own = held_out[held_out["target"] == "churn"]
    if own.empty:
        return None
    keys = ["account_id", "as_of"]
    dates = accounts[accounts["as_of"].isin(own["as_of"].unique())].reset_index(drop=True)
    risks = single_feature_risks(dates)
    risks["health"] = -score_with(config.score_settings, dates).machine_score
    rows = own[[*keys, "happened", "logit"]].rename(columns={"logit": "model"})
    dates = dates[keys].assign(account_id=dates["account_id"].astype(str))
    rows = rows.merge(dates.join(risks), on=keys, how="inner")
    contenders = [key for key in TITLES if key in rows and rows[key].notna().any()]
    rows = rows.dropna(subset=contenders)
    left = rows.loc[rows["happened"] == 1, "account_id"].nunique()
    if left < FEWEST_TESTED or rows["happened"].all():
        return None
    drawn = _drawn_aucs(rows, contenders, config.training.seed)
    differences = [_difference(drawn, pair) for pair in combinations(contenders, 2)]
    found: Mapping[str, Any] = plain(
        {
            "rows": len(rows),
            "auc": {key: vars(Interval.of(own[0], own[1:])) for key, own in drawn.items()},
            "differences": differences,
            "sentences": [_sentence(found) for found in differences],
        }
    )
    return found


def score_on_past(manifest: Mapping[str, Any]) -> dict[str, float] | None:
    """Return the AUC of the health score on the tested rows, with its 95 % interval.

    Parameters
    ----------
    manifest : mapping
        The manifest of a version, with what `compare_rivals` found.

    Returns
    -------
    dict or None
        value, low, high, each 0-1; None if too few churned accounts were tested.
    """
    return ((manifest.get("rivals") or {}).get("auc") or {}).get("health")


def score_verdict(auc: Mapping[str, float]) -> str:
    """State whether the health score ranked who left, from its AUC with value, low and high."""
    if auc["low"] <= CHANCE:
        return f"Past dates do not show that it predicts who leaves: {auc_in_words(auc)}"
    return f"On past dates, accounts that left had the lower scores: {auc_in_words(auc)}"


def score_warnings(manifest: Mapping[str, Any]) -> list[str]:
    """Report a health score that did not rank who left on past dates better than chance."""
    auc = score_on_past(manifest)
    if auc is None or auc["low"] > CHANCE:
        return []
    return [f"health score: {score_verdict(auc)} `health tune` looks for better weights."]


def _drawn_aucs(
    rows: pd.DataFrame, contenders: list[str], seed: int
) -> dict[str, np.ndarray[Any, np.dtype[np.float64]]]:
    """Return the AUC of each contender on the rows, followed by that on each resample."""
    target = rows["happened"].to_numpy(dtype=float)
    lists = np.zeros(len(rows), dtype=np.int64)
    measures = {
        key: RankingMeasures(target, rows[key].to_numpy(dtype=float), lists, capacity=1)
        for key in contenders
    }
    codes = group_codes(rows["account_id"], len(rows))
    drawn = chain([np.ones((1, len(rows)))], resampled_weights(codes, _RESAMPLES, seed))
    aucs = [[measure.auc(weights) for measure in measures.values()] for weights in drawn]
    return dict(zip(measures, np.concatenate(aucs, axis=1), strict=True))


def _difference(drawn: Mapping[str, Any], pair: tuple[str, str]) -> dict[str, Any]:
    first, second = sorted(pair, key=lambda key: -drawn[key][0])
    gain = drawn[first] - drawn[second]
    return {"first": first, "second": second, **vars(Interval.of(float(gain[0]), gain[1:]))}


def _sentence(found: Mapping[str, Any]) -> str:
    value, low, high = (100 * float(found[key]) for key in ("value", "low", "high"))
    text = (
        f"{TITLES[found['first']]} ranks above {TITLES[found['second']]} by {value:.1f} points of "
        f"AUC ({low:.1f} to {high:.1f})"
    )
    text += "" if low > 0 else ", which may be chance"
    return text[0].upper() + text[1:]
