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

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from health.reasons.reasons import coded, coded_once, frame_of
from health.reasons.sentences import each_once
from health.scorecard.score import HealthScores, score_with
from health.scorecard.weights import weigh
from health.settings.score import ScoreSettings
from health.settings.scorecard import Card

COLUMNS = ("account_id", "term", "kind", "before", "now", "change")
KINDS = ("measure", "missing", "returned", "override", "rule", "profile", "configuration")
#: The cause of each kind of step: the last two come from the configuration, not from the customer.
CAUSES = {
    "measure": "behaviour",
    **dict.fromkeys(("missing", "returned"), "data"),
    **{kind: kind for kind in ("override", "rule")},
    **dict.fromkeys(("profile", "configuration"), "configuration"),
}
#: A step that moves the score by less than this, in points, is left out.
LEAST = 1e-9
Numbers = npt.NDArray[np.float64]
Places = npt.NDArray[np.intp]


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


def sum_causes(changes: pd.DataFrame, csms: pd.Series[str] | None = None) -> pd.DataFrame:
    """Sum the changes of scores by CSM and cause.

    Parameters
    ----------
    changes : pd.DataFrame
        Columns of `COLUMNS`, all rows of each account.
    csms : pd.Series of str, optional
        The CSM by account_id; by default the accounts are summed as those of one.

    Returns
    -------
    pd.DataFrame
        csm (empty without one), cause as in `CAUSES`, accounts (how many it moved) and points
        (the sum of their changes).
    """
    csm = "" if csms is None else each_once(changes["account_id"], csms.to_dict().get).fillna("")
    rows = changes[["account_id", "change"]].assign(
        csm=csm, cause=each_once(changes["kind"], lambda kind: CAUSES.get(str(kind), str(kind)))
    )
    groups = rows.groupby(["csm", "cause"], observed=True)
    summed = groups.agg(accounts=("account_id", "nunique"), points=("change", "sum"))
    return summed.reset_index()


def split_changes(before: ScoreInputs, now: ScoreInputs) -> pd.DataFrame:
    """Split the change of every account that is in both runs, scored or not.

    Returns
    -------
    pd.DataFrame
        Columns `COLUMNS`: a row for each step that moved the score; `change` in points, `before`
        and `now` the values of the measure, or the points of a rule or override. Columns of texts
        are categorical.
    """
    old = before.settings
    then = before.score()
    under_old = now.score(old)
    previous = then.profile.reindex(under_old.profile.index).fillna(under_old.profile)
    moved = (previous != under_old.profile).any()
    same_profile = now.score(old, previous) if moved else under_old
    final = under_old if now.settings.hash == old.hash else now.score()
    accounts = then.score.index.intersection(final.score.index)
    places = [scores.score.index.get_indexer(accounts) for scores in (then, final)]
    sides = _Side(then, before.features, places[0]), _Side(same_profile, now.features, places[1])
    wholes = [
        scores.score.to_numpy(dtype=float)[places[1]] for scores in (same_profile, under_old, final)
    ]
    return _frame(
        [
            *_measure_steps(*sides, old),
            *_layer_steps(*sides, old),
            _Step.of("profile", "profile", wholes[:2]),
            _Step.of("configuration", "configuration", wholes[1:]),
        ],
        accounts,
    )


@dataclass(frozen=True)
class _Side:
    """The scores of one run, the values behind them, and where the accounts of both runs are."""

    scores: HealthScores
    features: pd.DataFrame
    places: Places

    def points(self, names: Sequence[str], rows: Places) -> Numbers:
        """Return the points of measures of some of the accounts."""
        points: Numbers = self.scores.points[list(names)].to_numpy()[self.places[rows]]
        return points

    def values(self, measure: str, rows: Places) -> Numbers:
        """Return the values of a measure of some of the accounts."""
        return self.features[measure].to_numpy(dtype=float)[self.places[rows]]

    def contributions(self, term: str) -> Numbers:
        """Return the points of a term; 0 where the scorecard has no such term."""
        if term not in self.scores.contributions.columns:
            return np.zeros(len(self.places))
        return self.scores.contributions[term].to_numpy(dtype=float)[self.places]


@dataclass(frozen=True)
class _Step:
    """A step of the accounts whose score it moved."""

    term: str
    kind: str
    rows: Places
    before: Numbers
    now: Numbers
    change: Numbers

    @classmethod
    def of(
        cls,
        term: str,
        kind: str,
        values: Sequence[npt.NDArray[Any]],
        change: npt.NDArray[Any] | None = None,
        rows: Places | None = None,
    ) -> _Step:
        """Return a step of some accounts, by default all, by default their change of values."""
        before, now = values
        change = now - before if change is None else change
        moved = np.flatnonzero(np.abs(change) > LEAST)
        own = moved if rows is None else rows[moved]
        return cls(term, kind, own, before[moved], now[moved], change[moved])


def _frame(steps: Sequence[_Step], accounts: pd.Index) -> pd.DataFrame:
    """Return the rows of all steps; columns of texts are categorical."""
    of_step = np.repeat(np.arange(len(steps)), [len(step.rows) for step in steps])
    columns: dict[str, Any] = {
        "account_id": coded(np.concatenate([step.rows for step in steps]), accounts),
        "term": coded_once(of_step, [step.term for step in steps]),
        "kind": coded_once(of_step, [step.kind for step in steps]),
    }
    for name in ("before", "now", "change"):
        columns[name] = np.concatenate([getattr(step, name) for step in steps])
    return frame_of(columns)


def _measure_steps(then: _Side, now: _Side, settings: ScoreSettings) -> Iterator[_Step]:
    profiles = then.scores.profile.to_numpy()[then.places]
    for card in settings.scorecard.cards:
        rows = np.flatnonzero(profiles == card.profile)
        if len(rows):
            yield from _card_steps(then, now, card, rows)


def _card_steps(before: _Side, after: _Side, card: Card, rows: Places) -> Iterator[_Step]:
    names = [m.feature for m in card.measures]
    then, now = before.points(names, rows), after.points(names, rows)
    had, has = ~np.isnan(then), ~np.isnan(now)
    weights = weigh(then, card).weights
    points = np.where(had & has, now, then)
    changes = np.where(had & has, weights * np.nan_to_num(points - then), 0.0)
    values = {name: [side.values(name, rows) for side in (before, after)] for name in names}
    for place, name in enumerate(names):
        yield _Step.of(name, "measure", values[name], changes[:, place], rows)
    for place, name in enumerate(names):
        turned = np.flatnonzero(had[:, place] != has[:, place])
        if not len(turned):
            continue
        own = points[turned]
        replaced = own.copy()
        replaced[:, place] = now[turned, place]
        change = weigh(replaced, card).score - weigh(own, card).score
        points[turned] = replaced
        for kind, chosen in (("returned", has), ("missing", had)):
            some = np.flatnonzero(chosen[turned, place])
            both = [of[turned[some]] for of in values[name]]
            yield _Step.of(name, kind, both, change[some], rows[turned[some]])


def _layer_steps(then: _Side, now: _Side, settings: ScoreSettings) -> Iterator[_Step]:
    """Compare the points of rules and overrides with those of the previous run."""
    measures = set(settings.scorecard.measures)
    sides = (then, now)
    for term in dict.fromkeys(str(term) for side in sides for term in side.scores.contributions):
        if term not in measures:
            values = [side.contributions(term) for side in sides]
            yield _Step.of(term, term.partition(":")[0], values)
