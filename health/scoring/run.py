"""From features and models to everything a run publishes, in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import narwhals as nw
import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from features.catalogue import DESCRIBED
from features.tables.opened import Tables
from features.tables.truncation import as_known
from health.business.feature_table import FeatureTable
from health.business.kinds import CONTRACTS, ORDERS, business_of_tables, why_few_scores
from health.business.revenue import paid_so_far
from health.expansion.prices import peer_groups
from health.flags.actions import read_actions
from health.flags.rules import Raised, list_flags, word_flags
from health.flags.scored import READS, Scored
from health.reasons.reasons import COLUMNS as REASON_COLUMNS
from health.reasons.shown import sampled, usual_values
from health.renewals.calls import read_calls
from health.runs.directory import PublishedRun
from health.runs.part_files import decoded
from health.scorecard.portfolio import roll_up
from health.scorecard.score import percentile_columns, percentiles_with
from health.scoring.account_pass import ATTRIBUTES, IDENTITY, AccountPart, Fleet, score_part
from health.scoring.change import FEATURES, percentiles_before, settings_of
from health.scoring.contracts import ContractScoring
from health.scoring.health_part import Percentiles, known_overrides, without_effect
from health.scoring.method import ScoredAccounts, ScoringMethod
from health.scoring.orders import OrderScoring
from health.scoring.parts import (
    AT_ONCE,
    Accounts,
    KeptPart,
    Rows,
    even_parts,
    score_parts,
)
from health.settings.config import Config
from health.training.rows import TARGETS
from health.training.score_terms import SCORECARD, kept_scorecard, scorecard_of
from models.churn.candidates import SCORE

#: Columns of the features that what contracts provide is computed from.
_READ = ("account_id", "as_of", "mrr", "days_to_renewal", "notice_given")
#: How accounts are scored, by the key of the business.
METHODS: dict[str, ScoringMethod] = {CONTRACTS: ContractScoring(), ORDERS: OrderScoring()}

POINT_COLUMNS = ("account_id", "as_of", "health_score", "churn_probability")
WEEKLY_USE = "usage_events_7d"


@dataclass(frozen=True)
class ScoredRun:
    """Everything a run publishes.

    Attributes
    ----------
    scores, portfolio, points, overrides : pd.DataFrame
        Tables of the run directory; `points` is what a year's chart of an account has of the run:
        few columns, read from 52 runs.
    reasons, whitespace : pd.DataFrame
        Rows of reasons.parquet and whitespace.parquet; for a large company only those of accounts
        that are on a list or whose health changed most.
    causes : pd.DataFrame
        What changed the scores since the previous run, as from `sum_causes`.
    sums : pd.DataFrame
        Sums of the reasons in the order of the scores, one column per output.
    raised : Raised
        The flags of the week, and the conditions behind them.
    features : FeatureTable
        The inputs.
    skipped : dict of str to int
        Accounts left out, by reason.
    warnings : list of str
        What readers of the lists should know.
    """

    scores: pd.DataFrame
    reasons: pd.DataFrame
    causes: pd.DataFrame
    sums: pd.DataFrame
    raised: Raised
    portfolio: pd.DataFrame
    whitespace: pd.DataFrame
    points: pd.DataFrame
    features: FeatureTable
    overrides: pd.DataFrame
    skipped: dict[str, int]
    warnings: list[str]

    def tables(self) -> dict[str, pd.DataFrame]:
        """Return the tables by file name, except those that are written part by part."""
        return {
            "scores": self.scores,
            "flags": self.flags,
            "my_week": self.raised.week,
            "episodes": self.raised.episodes,
            "portfolio": self.portfolio,
            "points": self.points,
            "overrides": self.overrides,
        }

    @property
    def flags(self) -> pd.DataFrame:
        """The rows that the lists show."""
        return self.raised.flags


def score_accounts(
    features: pd.DataFrame | FeatureTable,
    tables: Tables,
    models: Mapping[str, Any],
    config: Config,
    *,
    previous: PublishedRun | None = None,
    keep: Callable[[Mapping[str, pa.Table]], object] = lambda tables: None,
    parts: Sequence[npt.NDArray[np.intp]] | None = None,
    processes: int = 1,
    spill: Path | None = None,
    session: Any = None,
    progress: Callable[[float], object] = lambda share: None,
    savable: Callable[[pd.DataFrame], pd.Series[float]] | None = None,
) -> ScoredRun:
    """Score every account of a feature table.

    Parameters
    ----------
    features : pd.DataFrame or FeatureTable
        One row per paying account as of one date.
    tables : Tables
        The input tables, for the products owned.
    models : mapping of str to object
        The artefacts of a trained version.
    config : Config
        Scorecard, flags, CLV and expansion settings.
    previous : PublishedRun, optional
        The previous run: for `health_change`, and the `since` of each flag.
    keep : callable
        Called with the rows of features, reasons, whitespace and changes of each part: all of them
        do not fit in memory for a large company.
    parts : sequence of array of int, optional
        The places of the accounts of each part; the result does not depend on them, apart from
        the order of rows given to `keep`. By default, `AT_ONCE` accounts after one another, or
        `data.accounts_at_once` if these are fewer.
    processes, spill, session
        As for `score_parts`.
    progress : callable
        Called with the share that is done.
    """
    table = features if isinstance(features, FeatureTable) else FeatureTable(features)
    business = business_of_tables(tables)
    method = METHODS[business.key]
    table = table.with_columns(method.added(table, tables, config))
    own = table.columns([*_READ, *ATTRIBUTES])
    day = pd.Timestamp(own["as_of"].iloc[0])
    models = method.models_on(models, tables, day.to_pydatetime(), config)
    overrides = known_overrides(tables, own["account_id"], day)
    everyone = Accounts(
        table,
        pd.DataFrame(method.terms(own, tables, config), index=own.index),
        paid_so_far(tables, day.to_pydatetime(), grace_days=config.labels.grace_days).reindex(
            own["account_id"]
        ),
        method.offers(own, tables, config),
        method.history(tables, day.to_pydatetime()),
        _percentiles(table, pd.Index(own["account_id"]), models, config, previous),
    )
    fleet = Fleet(overrides, _usual(table, own, config), previous)
    at_once = min(AT_ONCE, config.data.accounts_at_once or AT_ONCE)
    divided = even_parts(len(own), at_once) if parts is None else parts
    schema = table.schema

    def taken() -> Iterator[AccountPart]:
        for places in divided:
            part = everyone.part(places)
            rows = pa.Table.from_pandas(part.features, schema=schema, preserve_index=False)
            keep({FEATURES: rows})
            yield part

    scored_parts = score_parts(
        method,
        taken(),
        fleet,
        models,
        config,
        count=len(divided),
        processes=processes,
        spill=spill,
        session=session,
    )
    scores, sums, done = _collected(scored_parts, divided, own, keep, progress)
    with_money = business.with_money(scores)
    scored = Scored(
        with_money,
        table.columns(READS),
        _no_reasons(),
        method.has_signal(models),
        pd.concat([part.offered for part in done], ignore_index=True),
        everyone.offers.least_gain,
        read_calls(tables, day.to_pydatetime()),
    )
    raised = list_flags(
        scored,
        config,
        as_of=day.date(),
        previous=_episodes(previous),
        actions=read_actions(tables, day.to_pydatetime()),
        savable=None if savable is None else savable(scores),
    )
    result = done[0].tables
    if len(done) > 1:
        listed = scores["account_id"].isin([*raised.flags["account_id"], *_movers(scores)])
        again = everyone.part(np.flatnonzero(listed))
        of_listed = replace(fleet, with_changes=False)
        result = KeptPart.of(score_part(method, again, of_listed, models, config)).tables
    reasons = decoded(result["reasons"])
    raised = word_flags(raised, replace(scored, reasons=reasons), config, as_of=day.date())
    unpriced = pd.concat([part.unpriced for part in done]).groupby(level=0).sum()
    unpriced = unpriced.sort_values(ascending=False, kind="stable")
    limits = method.warnings(
        ScoredAccounts(scores, everyone.offers, unpriced),
        models,
        config,
        tables=tables,
        as_of=day.to_pydatetime(),
    )
    then = previous.table("portfolio") if previous and previous.has("portfolio") else None
    idle = without_effect(overrides, scores, config)
    return ScoredRun(
        scores,
        reasons,
        _causes(done),
        sums,
        raised,
        roll_up(with_money, then),
        decoded(result["whitespace"]),
        _points(scores, table),
        table,
        overrides,
        _skipped(scores, tables, day, config),
        [
            *_warnings(models, config),
            *_few_scores(scores, tables),
            *idle,
            *raised.warnings,
            *limits,
        ],
    )


def _percentiles(
    features: FeatureTable,
    accounts: pd.Index[str],
    models: Mapping[str, Any],
    config: Config,
    previous: PublishedRun | None,
) -> Percentiles:
    """Return the percentiles among all accounts that scores of this and the previous run read."""
    cards = (config.score_settings, settings_of(previous), scorecard_of(models, features.names))
    wanted = {card.hash: card for card in cards if card is not None and percentile_columns(card)}
    now = {
        key: percentiles_with(card, features.columns(percentile_columns(card)))
        for key, card in wanted.items()
    }
    before = percentiles_before(previous)
    # The names of the accounts are in memory once.
    return Percentiles(now, None if before is None else before.reindex(accounts))


def _usual(table: FeatureTable, own: pd.DataFrame, config: Config) -> pd.DataFrame:
    """Return the usual values of similar accounts, among some of all accounts."""
    some = sampled(len(own))
    described = table.rows(some, [name for name in table.names if name in DESCRIBED])
    return usual_values(described, peer_groups(own, config).iloc[some])


def _collected(
    parts: Iterator[KeptPart],
    divided: Sequence[npt.NDArray[np.intp]],
    own: pd.DataFrame,
    keep: Callable[[Mapping[str, pa.Table]], object],
    progress: Callable[[float], object],
) -> tuple[pd.DataFrame, pd.DataFrame, list[KeptPart]]:
    """Return the scores and sums of all accounts, and what else is needed of each part."""
    scores = Rows(own[[name for name in IDENTITY if name in own]])
    sums = Rows(own[[]])
    done = []
    for places, part in zip(divided, parts, strict=True):
        keep(part.tables)
        scores.put(places, part.scores)
        sums.put(places, part.sums)
        done.append(part if len(divided) == 1 else part.without_rows())
        progress(len(done) / len(divided))
    return scores.frame, sums.frame, done


def _causes(parts: Sequence[KeptPart]) -> pd.DataFrame:
    keys = ["csm", "cause"]
    return pd.concat([part.causes for part in parts]).groupby(keys).sum().reset_index()


def _points(scores: pd.DataFrame, features: FeatureTable) -> pd.DataFrame:
    use = features.columns([WEEKLY_USE]).reindex(columns=[WEEKLY_USE]).astype(float)
    return scores[list(POINT_COLUMNS)].join(use)


def _movers(scores: pd.DataFrame, most: int = 100) -> list[str]:
    """Return the accounts whose health rose or fell most."""
    change = scores["health_change"]
    # Sorting all accounts of a large company by name takes seconds.
    lowest, highest = change.nsmallest(most).max(), change.nlargest(most).min()
    ends = scores.loc[(change <= lowest) | (change >= highest), ["health_change", "account_id"]]
    ordered = ends.sort_values(["health_change", "account_id"])
    return [*ordered["account_id"].head(most), *ordered["account_id"].tail(most)]


def _episodes(previous: PublishedRun | None) -> pd.DataFrame | None:
    """Return the episodes of the previous run, or its flags if an older version wrote it."""
    if previous is None:
        return None
    return previous.table("episodes" if previous.has("episodes") else "flags")


def _no_reasons() -> pd.DataFrame:
    return pd.DataFrame(columns=list(REASON_COLUMNS))


def _skipped(
    scores: pd.DataFrame, tables: Tables, day: pd.Timestamp, config: Config
) -> dict[str, int]:
    existing = as_known(tables, day.to_pydatetime())["accounts"]
    known = int(existing.select(nw.len()).collect("pandas").item())
    unscored = int(scores["health_score"].isna().sum())
    skipped = {
        business_of_tables(tables).idle(config.features.active_order_days): known - len(scores),
        "too little data for a health score": unscored,
    }
    return {why: count for why, count in skipped.items() if count > 0}


def _few_scores(scores: pd.DataFrame, tables: Tables) -> list[str]:
    """Return that no account has a health score, and why, where the tables are the reason."""
    why = why_few_scores(tables)
    if not why or scores["health_score"].notna().any():
        return []
    return [f"health: no account has a score: {why}; what the models predict is published"]


def _warnings(models: Mapping[str, Any], config: Config) -> list[str]:
    """Return why an output has no model, and whether the scorecard of a model has changed."""
    found = [
        f"{target.replace('_', '-')}: " + "; ".join(models[target].reasons_)
        for target in TARGETS
        if models.get(target) is not None and not models[target].has_signal_
    ]
    reads = SCORECARD in models and models["churn"].basis_ == SCORE
    if reads and models[SCORECARD] != kept_scorecard(config.score_settings):
        found.append(
            "churn: the model uses the health score of the scorecard that it was trained with, "
            "which has changed since; train again"
        )
    return found
