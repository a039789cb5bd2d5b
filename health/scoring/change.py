"""Why each account's health score differs from that of the previous run, in sentences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import ValidationError

from features.catalogue import CATALOGUE
from health.presentation.wording import points
from health.reasons.change_sentences import measure_title, moves
from health.reasons.reasons import (
    below_each_other,
    coded,
    coded_once,
    codes_of,
    frame_of,
    rows_where,
    values_of,
    with_columns,
)
from health.reasons.sentences import as_shown
from health.runs.directory import PublishedRun
from health.scorecard.change import COLUMNS as STEP_COLUMNS
from health.scorecard.change import LEAST, ScoreInputs, split_changes
from health.scorecard.overrides import HEALTH
from health.scorecard.score import percentile_columns, percentiles_with
from health.scoring.health_reasons import override_text
from health.settings.measure import CUSTOM_FEATURES
from health.settings.score import ScoreSettings
from health.settings.scorecard import DEFAULT_PROFILE

#: The tables of a run that its scores can be recomputed from.
FEATURES, OVERRIDES = "features", "overrides"
COLUMNS = (*STEP_COLUMNS, "text")
_NUMBERS = ("before", "now", "change")
_THEN = ("health_score", "health_profile")
#: Steps that are described by the values of their measure.
_OF_VALUES = ("measure", "missing", "returned")


def change_rows(
    now: ScoreInputs,
    scores: pd.DataFrame,
    previous: PublishedRun | None,
    percentiles: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Split each account's change since the previous run; the parts sum to `health_change`.

    Parameters
    ----------
    now : ScoreInputs
        Inputs of this run's scores.
    scores : pd.DataFrame
        account_id, health_score, health_profile of this run.
    previous : PublishedRun or None
        The run before, with the features, overrides and settings it kept.
    percentiles : pd.DataFrame, optional
        As from `percentiles_before`; None if the scorecard of that run reads none.

    Returns
    -------
    pd.DataFrame
        Columns `COLUMNS`: a row for each step of each account that was scored in both runs; empty
        if the previous run did not keep the inputs of its scores.
    """
    before = _inputs_before(previous, now.features["account_id"], percentiles)
    if previous is None or before is None:
        return pd.DataFrame(columns=list(COLUMNS)).astype(dict.fromkeys(_NUMBERS, float))
    named = ("account_id", *now.settings.columns, *before.settings.columns)
    # The feature table is wide, and only a few columns are scored.
    needed = [column for column in dict.fromkeys(named) if column in now.features]
    now = replace(now, features=now.features[needed])
    then = rows_of(previous, "scores", ["account_id", *_THEN], now.features["account_id"])
    both = then.merge(scores, on="account_id", suffixes=("_then", ""))
    both = both[both["health_score"].notna() & both["health_score_then"].notna()]
    steps = _with_rest(split_changes(before, now), both)
    (account, accounts), (term, terms) = (codes_of(steps[name]) for name in ("account_id", "term"))
    # The few distinct names are put in order, not those of every row.
    order = np.lexsort(
        (_ranks(terms)[term], -steps["change"].abs().to_numpy(), _ranks(accounts)[account])
    )
    columns = {name: values_of(steps[name])[order] for name in STEP_COLUMNS}
    return frame_of(columns | {"text": _Wording(before, now, both).texts(steps)[order]})


def settings_of(run: PublishedRun | None) -> ScoreSettings | None:
    """Return the scorecard of a run; None if it did not keep the inputs of its scores."""
    if run is None or not run.has(FEATURES) or not run.has(OVERRIDES):
        return None
    try:
        kept = run.info()["score_settings"]
        # The run kept the custom features that its scorecard read.
        present = frozenset(run.columns(FEATURES))
        return ScoreSettings.model_validate(kept, context={CUSTOM_FEATURES: present})
    except (KeyError, ValidationError):
        # Written by another version, whose scorecard this version cannot read.
        return None


def percentiles_before(run: PublishedRun | None) -> pd.DataFrame | None:
    """Return the percentiles by account_id that the scores of a run read; None without any."""
    settings = settings_of(run)
    wanted = [] if settings is None else percentile_columns(settings)
    if run is None or settings is None or not wanted:
        return None
    present = run.columns(FEATURES)
    features = run.table(FEATURES, ["account_id", *(c for c in wanted if c in present)])
    return percentiles_with(settings, features).set_axis(features["account_id"], axis=0)


def rows_of(
    run: PublishedRun, table: str, columns: Sequence[str], accounts: pd.Series[str]
) -> pd.DataFrame:
    """Read the rows of some accounts of a table of a run."""
    between = [("account_id", ">=", accounts.min()), ("account_id", "<=", accounts.max())]
    rows = run.table(table, list(columns), filters=between)
    return rows[rows["account_id"].isin(accounts)].reset_index(drop=True)


def _inputs_before(
    run: PublishedRun | None, accounts: pd.Series[str], percentiles: pd.DataFrame | None
) -> ScoreInputs | None:
    """Return the inputs of the scores of some accounts; None if the run did not keep them."""
    settings = settings_of(run)
    if run is None or settings is None or accounts.empty:
        return None
    present = run.columns(FEATURES)
    wanted = [c for c in ("account_id", *settings.columns) if c in present]
    features = rows_of(run, FEATURES, wanted, accounts)
    among = {}
    if percentiles is not None:
        among = {settings.hash: percentiles.reindex(features["account_id"])}
    return ScoreInputs(features, run.table(OVERRIDES), settings, among)


def _with_rest(steps: pd.DataFrame, both: pd.DataFrame) -> pd.DataFrame:
    """Set the configuration's step to the rest of the published change.

    Up to rounding, this is the step itself. It also includes differences due to another version of
    this software, or to a scorecard that uses a feature that the previous run did not keep.
    """
    account, accounts = codes_of(steps["account_id"])
    place = pd.Index(both["account_id"]).get_indexer(pd.Index(accounts))[account]
    kept = (place >= 0) & (steps["kind"] != "configuration").to_numpy()
    others, place = rows_where(steps, kept), place[kept]
    moved = np.bincount(place, weights=others["change"], minlength=len(both))
    rest = (both["health_score"] - both["health_score_then"]).to_numpy() - moved
    others = with_columns(others, account_id=coded(place, both["account_id"]))
    rows = np.flatnonzero(np.abs(rest) > LEAST)
    if not len(rows):
        return others
    configuration = coded(np.zeros(len(rows), dtype=np.int8), ["configuration"])
    nothing = np.full(len(rows), np.nan)
    named = frame_of(
        {
            "account_id": coded(rows, both["account_id"]),
            "term": configuration,
            "kind": configuration,
            "before": nothing,
            "now": nothing,
            "change": rest[rows],
        }
    )
    return below_each_other([others, named])


def _ranks(names: npt.NDArray[np.object_]) -> npt.NDArray[np.intp]:
    """Return the place of each of some distinct names among all of them in order."""
    return pd.factorize(names, sort=True)[0]


class _Wording:
    """The sentences of the steps of one run."""

    def __init__(self, before: ScoreInputs, now: ScoreInputs, both: pd.DataFrame) -> None:
        cards = before.settings.scorecard.cards
        self.rules = {(c.profile, rule.term): rule for c in cards for rule in c.rules}
        self.given = {"before": _by_key(before.overrides), "now": _by_key(now.overrides)}
        profiles = both["health_profile_then"], both["health_profile"]
        self.profile_then, self.profile = (
            dict(zip(both["account_id"], own, strict=True)) for own in profiles
        )

    def texts(self, steps: pd.DataFrame) -> pd.Categorical:
        """Return the sentence of each step."""
        texts = ["The scorecard was changed"]
        text = np.zeros(len(steps), dtype=np.intp)
        others = {"rule": self.rule, "override": self.override, "profile": self.profiles}
        (terms, names), (kinds, found) = (codes_of(steps[name]) for name in ("term", "kind"))
        values = steps[["before", "now"]].to_numpy(dtype=float)
        for place, kind in enumerate(found):
            own = np.flatnonzero(kinds == place)
            if kind in others:
                text[own] = np.arange(len(own)) + len(texts)
                texts += [others[kind](row) for row in steps.iloc[own].itertuples(index=False)]
            elif kind in _OF_VALUES:
                for term in np.unique(terms[own]):
                    places = own[terms[own] == term]
                    sentence, sentences = _moved(str(names[term]), values[places])
                    text[places] = sentence + len(texts)
                    texts += sentences
        return coded_once(text, texts)

    def rule(self, step: Any) -> str:
        """Return the change in the effect of a cap or a floor."""
        rule = self.rules[self.profile_then[step.account_id], step.term]
        if abs(step.before) <= LEAST:
            return rule.text
        if abs(step.now) <= LEAST:
            return f"The rule no longer applies: {rule.name}"
        now, then = points(step.now, signed=True), points(step.before, signed=True)
        return f"{rule.text} ({now} points, before {then})"

    def override(self, step: Any) -> str:
        """Return who set an override, or that it has expired."""
        key = (step.account_id, step.term.partition(":")[2])
        then, now = self.given["before"].get(key), self.given["now"].get(key)
        if now is not None and (then is None or then["value"] != now["value"]):
            return override_text(now)
        if now is not None:
            return f"{override_text(now)} (the measures changed)"
        if then is None:
            return "An override has expired"
        what = "the health score" if key[1] == HEALTH else measure_title(key[1])
        return f"{then['author']}'s override of {what} to {then['value']:g} has expired"

    def profiles(self, step: Any) -> str:
        """Return the profiles that the account is scored with, now and before."""
        then, now = self.profile_then[step.account_id], self.profile[step.account_id]
        return f"Scored as {_profile_name(now)}, before as {_profile_name(then)}"


def _moved(term: str, both: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.intp], list[str]]:
    """Return the place of each step of a measure among distinct sentences, and the sentences.

    `both` has the value before and the one now of each step.
    """
    unit = CATALOGUE[term].unit if term in CATALOGUE else "points"
    shown = as_shown(unit, both)
    # A pair of values is the number of the one and the number of the other.
    then, values = pd.factorize(shown[:, 0], use_na_sentinel=False)
    after, others = pd.factorize(shown[:, 1], use_na_sentinel=False)
    place, pairs = pd.factorize(then * len(others) + after)
    first, second = np.divmod(pairs, max(len(others), 1))
    return place, moves(term, values[first].tolist(), others[second].tolist())


def _profile_name(name: str) -> str:
    return "any account" if name == DEFAULT_PROFILE else f"{name!r}"


def _by_key(overrides: pd.DataFrame) -> dict[tuple[str, str], Any]:
    rows = overrides.to_dict("records")
    return {(str(row["account_id"]), str(row["measure"])): row for row in rows}
