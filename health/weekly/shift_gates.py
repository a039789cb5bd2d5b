"""Gates on a whole run: coverage, drift, and changes of all accounts at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from features.tables.schema import TABLES
from health.business.feature_table import FeatureTable
from health.settings.weekly import GatesConfig
from health.training.reference import bin_shares, reference_ranges, stability_index
from health.weekly.gates import Gate
from health.weekly.stability import chance_index, measure_drift

#: Columns of the previous run that are read.
BEFORE = ["account_id", "health_score", "health_band", "health_coverage"]
#: Minimum number of changed accounts for a fleet-wide change.
_LEAST_MOVED = 5
#: A change is fleet-wide if this share of the changed accounts went in the same direction.
_SAME_WAY = 0.75
#: Columns whose drift is measured at once.
_AT_ONCE = 16
_BANDS = {"red": 0, "yellow": 1, "green": 2}
#: What a run is compared with, in addition to the whole training data.
_RUN, _LEARNT = "the previous run", "the last training date"


@dataclass(frozen=True)
class Before:
    """The previous run, as far as gates need it.

    Attributes
    ----------
    scores : pd.DataFrame
        Columns `BEFORE`.
    drift : pd.DataFrame, optional
        Its drift.parquet, if it was scored with the same model version.
    note : str
        Why it cannot be compared with; empty if it can.
    """

    scores: pd.DataFrame
    drift: pd.DataFrame | None = None
    note: str = ""


def drift_of(
    features: FeatureTable,
    scores: pd.DataFrame,
    manifest: Mapping[str, Any],
    config: GatesConfig,
    before: Before | None,
    *,
    learned: pd.Series[bool],
    weeks: float = 1.0,
) -> pd.DataFrame:
    """Measure the drift of every feature and of the probabilities, as `measure_drift` does.

    `learned` marks the accounts that are like those in training: without a notice. `weeks` is the
    time between this run and the one it is compared with.
    """
    stays = np.flatnonzero(learned)
    earlier = before.drift if before is not None else None
    trained = int(manifest.get("rows", {}).get("accounts", 0))
    ranges: Mapping[str, Any] = manifest.get("feature_ranges", {})
    judged: dict[str, Any] = manifest.get("score_ranges", {})
    of_score = {str(name): str(name).removesuffix("_probability") for name in scores}
    chances = scores[[name for name in scores if of_score[str(name)] in judged]]
    chances = chances.rename(columns=of_score)
    # The columns of a large company do not fit in memory together.
    listed = list(ranges.items())
    blocks = [
        ("feature", features, dict(listed[begin : begin + _AT_ONCE]), config.feature_psi)
        for begin in range(0, len(listed), _AT_ONCE)
    ]
    blocks.append(("score", FeatureTable(chances), judged, config.score_psi))
    measured = [
        measure_drift(
            table.columns(list(own)).iloc[stays],
            own,
            kind=kind,
            trained_accounts=trained,
            threshold=threshold,
            before=None if earlier is None else earlier[earlier["kind"] == kind],
            weeks=weeks,
        )
        for kind, table, own, threshold in blocks
    ]
    return pd.concat([m for m in measured if len(m)] or measured[:1], ignore_index=True)


def shift_gates(
    scores: pd.DataFrame,
    drift: pd.DataFrame,
    config: GatesConfig,
    before: Before | None,
    *,
    few_scores: str = "",
) -> list[Gate]:
    """Check coverage, drift and fleet-wide changes.

    `few_scores` is why many accounts can have no health score, in words: where it is given, their
    share has no limit. That no more accounts lack one than in the previous run is another gate.
    """
    since = _RUN if before is not None and before.drift is not None else _LEARNT
    gates = [
        _unscored(scores, config, few_scores),
        _feature_drift(drift, config, since),
        *_score_drift(drift, since),
    ]
    if before is None:
        return gates
    if before.note:
        return [*gates, Gate("bands_moved", "change since the previous run", True, before.note)]
    both = scores[BEFORE].merge(before.scores, on="account_id", suffixes=("", "_then"))
    return [
        *gates,
        _coverage(scores, before.scores, config),
        _health_drift(scores, before.scores, config),
        _bands_moved(both, drift, config),
        _fleet_shift(both, drift, config),
    ]


def drift_warnings(drift: pd.DataFrame, most: int = 5) -> list[str]:
    """Return which columns are far outside the training data, the farthest first."""
    far = drift[drift["psi_training"] > drift["limit"]]
    if far.empty:
        return []
    far = far.sort_values(["psi_training", "column"], ascending=[False, True])
    named = ", ".join(f"{r.column} (PSI {r.psi_training:.2f})" for r in far.head(most).itertuples())
    more = f" and {len(far) - most} more" if len(far) > most else ""
    return [
        f"{len(far)} of {len(drift)} features and scores are outside the training data: "
        f"{named}{more}; if this persists, retrain"
    ]


def _unscored(scores: pd.DataFrame, config: GatesConfig, few_scores: str) -> Gate:
    missing = int(scores["health_score"].isna().sum())
    share = missing / max(len(scores), 1)
    held = share <= config.unscored and missing < len(scores)
    what = f"{missing:,} of {len(scores):,} accounts have no health score ({share:.0%}); "
    if few_scores and not held:
        held, what = True, what + few_scores
    else:
        what += f"at most {config.unscored:.0%} are allowed"
    metrics = {"share": share, "limit": config.unscored}
    return Gate("unscored", "accounts are scored", held, what, figures=metrics)


def _coverage(scores: pd.DataFrame, then: pd.DataFrame, config: GatesConfig) -> Gate:
    now, past = (float(frame["health_coverage"].mean()) for frame in (scores, then))
    held = not past - now > config.coverage_fall
    what = (
        f"{now:.0%} of the measures have data on average, {past:.0%} in the previous run; "
        f"a fall of at most {config.coverage_fall:.0%} of all measures is allowed"
    )
    metrics = {"coverage": now, "before": past, "limit": config.coverage_fall}
    return Gate("coverage", "coverage", held, what, figures=metrics)


def _feature_drift(drift: pd.DataFrame, config: GatesConfig, since: str) -> Gate:
    features = drift[drift["kind"] == "feature"]
    far = features[features["psi_training"] > features["limit"]]
    most = config.features_drifted
    sudden = far[far["psi_before"].isna() | (far["psi_before"] > far["limit_before"])]
    share = len(sudden) / max(len(features), 1)
    alone = sudden[_broken(sudden, config)]
    what = (
        f"{len(sudden)} of {len(features)} features are outside the training data "
        f"and changed since {since}{_named(sudden)}; at most {most:.0%} are allowed"
    )
    if len(alone):
        what += f", and none of usage or tickets by a PSI of {config.feature_psi_alone:g}"
    held = share <= most and alone.empty
    metrics = {"share": share, "limit": most, "alone": float(len(alone))}
    return Gate("feature_drift", "drift of features", held, what, figures=metrics)


def _broken(sudden: pd.DataFrame, config: GatesConfig) -> pd.Series[bool]:
    """Return which features changed more than customers can change them within a week.

    Terms and surveys may change: all contracts can end on one day, a survey can go to everyone.
    """
    events = sudden["column"].map(_family).isin(["usage", "tickets"])
    chance = sudden["limit"] - config.feature_psi
    weeks = (sudden["limit_before"] - chance) / config.feature_psi
    far = sudden["psi_training"] > config.feature_psi_alone + chance
    since = sudden["psi_before"] <= config.feature_psi_alone * weeks + chance
    return events & far & ~since


def _score_drift(drift: pd.DataFrame, than: str) -> list[Gate]:
    gates = []
    for row in drift[(drift["kind"] == "score") & (drift["missing"] < 1)].itertuples():
        index, since = float(row.psi_training), float(row.psi_before)  # type: ignore[arg-type]
        limit, then = float(row.limit), float(row.limit_before)  # type: ignore[arg-type]
        known = "" if np.isnan(since) else f", {since:.2f} against {than} (limit {then:.2f})"
        # Far from training but as in the previous run: a slow drift, which is only a warning.
        held = index <= limit or since <= then
        what = f"PSI {index:.2f} against training (limit {limit:.2f}){known}"
        name = f"drift of the {str(row.column).replace('_', '-')} probability"
        metrics = {"psi_training": index, "limit": limit}
        gates.append(Gate("score_drift", name, held, what, figures=metrics))
    return gates


def _health_drift(scores: pd.DataFrame, then: pd.DataFrame, config: GatesConfig) -> Gate:
    reference = reference_ranges(then[["health_score"]])["health_score"]
    shares, missing = bin_shares(scores["health_score"], reference)
    now, past = [*shares, missing], [*reference["shares"], reference["missing"]]
    index = stability_index(now, past, least=0.5 / max(len(scores), 1))
    limit = config.score_psi + chance_index(len(now), len(scores), len(then))
    what = f"PSI {index:.2f} compared with the previous run; the limit is {limit:.2f}"
    metrics = {"psi_before": index, "limit": limit}
    return Gate("score_drift", "drift of the health score", index <= limit, what, figures=metrics)


def _bands_moved(both: pd.DataFrame, drift: pd.DataFrame, config: GatesConfig) -> Gate:
    now, then = both["health_band"].map(_BANDS), both["health_band_then"].map(_BANDS)
    known = now.notna() & then.notna()
    steps = (now - then)[known]
    moved, down = int((steps != 0).sum()), int((steps < 0).sum())
    share = moved / max(int(known.sum()), 1)
    held = share <= config.bands_moved or moved < _LEAST_MOVED
    one_way = max(down, moved - down) >= _SAME_WAY * moved
    kind = f"; a fleet-wide shift{_causes(drift)}" if not held and one_way else ""
    what = (
        f"{moved:,} of {int(known.sum()):,} accounts changed band ({share:.0%}), "
        f"{down:,} of them for the worse; at most {config.bands_moved:.0%} are allowed{kind}"
    )
    metrics = {"share": share, "down": float(down), "limit": config.bands_moved}
    return Gate("bands_moved", "changes of band", held, what, figures=metrics)


def _fleet_shift(both: pd.DataFrame, drift: pd.DataFrame, config: GatesConfig) -> Gate:
    change = (both["health_score"] - both["health_score_then"]).dropna()
    middle = float(change.median()) if len(change) else 0.0
    held = abs(middle) <= config.fleet_shift
    kind = f"; a fleet-wide shift, not one of a few accounts{_causes(drift)}" if not held else ""
    what = (
        f"half of the accounts changed by {middle:+.1f} points of health or more; at most "
        f"{config.fleet_shift:g} is allowed{kind}"
    )
    metrics = {"median_change": middle, "limit": config.fleet_shift}
    return Gate("fleet_shift", "shift of the whole fleet", held, what, figures=metrics)


def _causes(drift: pd.DataFrame) -> str:
    """Name the features that changed most since the previous run."""
    moved = drift[(drift["kind"] == "feature") & (drift["psi_before"] > drift["limit"])]
    moved = moved.sort_values(["psi_before", "column"], ascending=[False, True])
    families = sorted({_family(str(name)) for name in moved["column"]})
    return f", in {', '.join(families)}{_named(moved, by='psi_before')}" if len(moved) else ""


def _named(rows: pd.DataFrame, most: int = 5, by: str = "psi_training") -> str:
    if rows.empty:
        return ""
    first = rows.sort_values([by, "column"], ascending=[False, True]).head(most)
    metrics = zip(first["column"], first[by], strict=True)
    named = ", ".join(f"{column} PSI {value:.2f}" for column, value in metrics)
    return f" ({named}{', …' if len(rows) > most else ''})"


def _family(feature: str) -> str:
    family = feature.partition("_")[0]
    return family if family in TABLES else "terms"
