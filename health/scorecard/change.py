"""The change in a health score between two runs, split exactly into its causes.

The score of the previous run is turned into the score of this run by changing one thing after
the other, always in this order; the effect of each step is its change of the score:

1. *measure* — each measure with data in both runs takes its new points, under the weights of the
   previous run (so the order of the measures does not matter);
2. *missing* and *returned* — each measure whose data disappeared or returned, in the order of the
   scorecard: its own effect and that of redistributing its weight are one value;
3. *override* and *rule* — what overrides of measures, floors, caps and overrides of the whole
   score add or subtract now, minus what they did before. A cap that binds in both runs therefore
   offsets the effect of a falling measure, consistent with the reasons of the two runs;
4. *profile* — the account is scored by another profile of the same scorecard;
5. *configuration* — this run's scorecard instead of the previous run's, on this run's data.

The steps telescope: they sum to the difference of the scores.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from health.scorecard.score import HealthScores, score_with
from health.scorecard.weights import weigh
from health.settings.score import ScoreSettings
from health.settings.scorecard import Card

COLUMNS = ("account_id", "term", "kind", "before", "now", "change")
KINDS = ("measure", "missing", "returned", "override", "rule", "profile", "configuration")
#: A step that moves the score by less than this, in points, is left out.
LEAST = 1e-9


@dataclass(frozen=True)
class ScoreInputs:
    """The inputs of the scores of one run.

    Attributes
    ----------
    features : pd.DataFrame
        account_id and what the scorecard needs, one row per account, for one date.
    overrides : pd.DataFrame
        account_id, measure and value of the active overrides.
    settings : ScoreSettings
        The scorecard.
    percentiles : mapping of str to pd.DataFrame
        Percentiles of these accounts among all, as from `percentiles_with`, by the hash of the
        settings; without them, the accounts are all.
    """

    features: pd.DataFrame
    overrides: pd.DataFrame
    settings: ScoreSettings
    percentiles: Mapping[str, pd.DataFrame] = field(default_factory=dict)

    def score(
        self, settings: ScoreSettings | None = None, profile: pd.Series[str] | None = None
    ) -> HealthScores:
        """Score by account_id, whatever the coverage; with other settings if given."""
        own = settings or self.settings
        return score_with(
            own,
            self.features.set_index("account_id", drop=False),
            self.overrides,
            profile,
            whatever_coverage=True,
            percentiles=self.percentiles.get(own.hash),
        )


def split_changes(before: ScoreInputs, now: ScoreInputs) -> pd.DataFrame:
    """Split the change of every account that is in both runs, scored or not.

    Returns
    -------
    pd.DataFrame
        Columns `COLUMNS`: a row for each step that moved the score; `change` in points, `before`
        and `now` the values of the measure, or the points of a rule or override.
    """
    old = before.settings
    then = before.score()
    under_old = now.score(old)
    previous = then.profile.reindex(under_old.profile.index).fillna(under_old.profile)
    moved = (previous != under_old.profile).any()
    same_profile = now.score(old, previous) if moved else under_old
    final = under_old if now.settings.hash == old.hash else now.score()
    accounts = then.score.index.intersection(final.score.index)
    values = (inputs.features.set_index("account_id") for inputs in (before, now))
    pair = _Pair(then, same_profile, *values)
    parts = [
        *_measure_steps(pair, old, accounts),
        *_layer_steps(pair, old, accounts),
        _whole_step("profile", same_profile, under_old, accounts),
        _whole_step("configuration", under_old, final, accounts),
    ]
    steps = pd.concat([part for part in parts if len(part)] or parts[:1], ignore_index=True)
    return steps[list(COLUMNS)]


@dataclass(frozen=True)
class _Pair:
    """The scores of two runs under one scorecard and profile, and the values behind them."""

    then: HealthScores
    now: HealthScores
    values_then: pd.DataFrame
    values_now: pd.DataFrame

    def values(self, measure: str, accounts: pd.Index) -> tuple[np.ndarray, np.ndarray]:
        """Return the values of a measure in both runs."""
        both = (self.values_then, self.values_now)
        then, now = (frame[measure].reindex(accounts) for frame in both)
        return then.to_numpy(dtype=float), now.to_numpy(dtype=float)


def _measure_steps(
    pair: _Pair, settings: ScoreSettings, accounts: pd.Index
) -> Iterator[pd.DataFrame]:
    profiles = pair.then.profile.reindex(accounts)
    for card in settings.scorecard.cards:
        own = accounts[(profiles == card.profile).to_numpy()]
        if len(own):
            yield from _card_steps(pair, card, own)


def _card_steps(pair: _Pair, card: Card, accounts: pd.Index) -> Iterator[pd.DataFrame]:
    names = [m.feature for m in card.measures]
    then = pair.then.points.loc[accounts, names].to_numpy()
    now = pair.now.points.loc[accounts, names].to_numpy()
    had, has = ~np.isnan(then), ~np.isnan(now)
    weights = weigh(then, card).weights
    points = np.where(had & has, now, then)
    changes = np.where(had & has, weights * np.nan_to_num(points - then), 0.0)
    for place, name in enumerate(names):
        change = changes[:, place]
        yield _steps(name, "measure", accounts, change, pair.values(name, accounts))
    for place, name in enumerate(names):
        turned = had[:, place] != has[:, place]
        if not turned.any():
            continue
        rows = points[turned]
        after = rows.copy()
        after[:, place] = now[turned, place]
        change = weigh(after, card).score - weigh(rows, card).score
        points[turned] = after
        kind = np.where(has[turned, place], "returned", "missing")
        who = accounts[turned]
        yield _steps(name, kind, who, change, pair.values(name, who))


def _layer_steps(
    pair: _Pair, settings: ScoreSettings, accounts: pd.Index
) -> Iterator[pd.DataFrame]:
    """Compare the points of rules and overrides with those of the previous run."""
    measures = set(settings.scorecard.measures)
    both = (pair.then.contributions, pair.now.contributions)
    terms = dict.fromkeys(term for frame in both for term in frame.columns)
    for term in terms:
        if term in measures:
            continue
        then, now = (_column(frame, term, accounts) for frame in both)
        yield _steps(term, term.partition(":")[0], accounts, now - then, (then, now))


def _whole_step(
    kind: str, before: HealthScores, after: HealthScores, accounts: pd.Index
) -> pd.DataFrame:
    totals = [scores.score.reindex(accounts).to_numpy() for scores in (before, after)]
    return _steps(kind, kind, accounts, totals[1] - totals[0], (totals[0], totals[1]))


def _column(frame: pd.DataFrame, term: str, accounts: pd.Index) -> np.ndarray:
    if term not in frame.columns:
        return np.zeros(len(accounts))
    return frame[term].reindex(accounts).to_numpy(dtype=float)


def _steps(
    term: str,
    kind: str | np.ndarray,
    accounts: pd.Index,
    change: np.ndarray,
    values: tuple[np.ndarray, np.ndarray],
) -> pd.DataFrame:
    moved = np.abs(change) > LEAST
    kinds = kind if isinstance(kind, str) else kind[moved]
    columns = {"account_id": accounts[moved], "term": term, "kind": kinds}
    before, now = (of[moved] for of in values)
    return pd.DataFrame({**columns, "before": before, "now": now, "change": change[moved]})
