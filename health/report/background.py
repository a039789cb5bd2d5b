"""What the report reads from the input tables: revenue, survey results, products, events."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

import narwhals as nw
import numpy as np
import pandas as pd

from features.definitions.metrics import Z_95, ces, nps, nps_standard_error, wilson_interval
from features.tables.opened import Tables
from features.tables.point_in_time import collect, seen
from features.tables.survey_scales import SCALES, default_scale
from features.targets.labels import tenure_spells
from features.windows.contracts import load_contracts
from health.presentation import wording
from health.reasons.sentences import each_once
from health.renewals.outlook import Outlook
from health.report.account_tables import usual_scale
from health.report.revenue import RevenueMovements, revenue_movements
from models.survival.retention import cohorts, retention_table

#: Periods over which revenue is compared, in days; one that starts before the data is left out.
PERIODS = {"the last 12 months": 365, "the last 90 days": 90}
#: Days over which answers are summed, and over which one account's tickets and answers are shown.
VOICE_DAYS, EVENT_DAYS = 180, 90
#: Accounts expected to have left by the later rate, above which a time in which nobody left counts
#: as not observed.
MOST_UNSEEN = 10.0
#: Periods as long as the horizon that the forecast compares with.
PAST_PERIODS = 4
#: Most tickets and answers shown of one account.
MOST_EVENTS = 6
_EVENT_KINDS = ("ticket", "answer")
#: Most cohorts (by year) that are shown, and how many accounts one needs.
MOST_COHORTS, FEWEST_OF_COHORT = 4, 20


@dataclass(frozen=True)
class Voice:
    """One survey metric over all accounts, with its 95 % interval.

    Attributes
    ----------
    kind : str
        nps (−100 to 100), csat (share satisfied, 0-1) or ces (mean on 1-7).
    value, low, high : float
    answers : int
    response_rate : float
        Answered ÷ sent among those sent in the window; NaN where sending is not recorded.
    """

    kind: str
    value: float
    low: float
    high: float
    answers: int
    response_rate: float


@dataclass(frozen=True)
class Background:
    """What the report shows in addition to the tables of the run.

    Attributes
    ----------
    revenue : dict of str to RevenueMovements
        By period in words.
    periods : dict of pd.Timestamp to RevenueMovements
        The last periods as long as the horizon, by their end, newest first.
    voice : tuple of Voice
        The survey metrics that were asked.
    retention : pd.DataFrame
        As from `retention_table`: the share that still pays, by the year of the first payment,
        over the time in which somebody was observed.
    retention_by_segment : pd.DataFrame
        The same by segment.
    owned : dict of str to list of str
        Products by account_id.
    plans : dict of str to str
        Plans of the running contracts by account_id, where plans are recorded.
    nps : dict of str to str
        The latest NPS answer in words by account_id.
    open : dict of str to list of str
        Products that could be offered, the most valuable first, by account_id.
    monitor : pd.DataFrame
        Rows of monitor.parquet: the outcomes of earlier runs' lists.
    outlook : Outlook
        Renewals ahead, CSMs' calls and the ledger.
    events : pd.DataFrame
        account_id, at, text: tickets and answers, the newest first within an account.
    """

    revenue: dict[str, RevenueMovements] = field(default_factory=dict)
    periods: dict[pd.Timestamp, RevenueMovements] = field(default_factory=dict)
    voice: tuple[Voice, ...] = ()
    retention: pd.DataFrame = field(default_factory=pd.DataFrame)
    retention_by_segment: pd.DataFrame = field(default_factory=pd.DataFrame)
    owned: dict[str, list[str]] = field(default_factory=dict)
    plans: dict[str, str] = field(default_factory=dict)
    nps: dict[str, str] = field(default_factory=dict)
    open: dict[str, list[str]] = field(default_factory=dict)
    monitor: pd.DataFrame = field(default_factory=pd.DataFrame)
    outlook: Outlook = field(default_factory=Outlook)
    events: pd.DataFrame = field(
        default_factory=lambda: pd.DataFrame(columns=["account_id", "at", "text"])
    )


def build_background(
    tables: Tables,
    day: datetime,
    accounts: Collection[str],
    of_accounts: Mapping[str, pd.DataFrame],
    *,
    grace_days: int = 30,
    horizon_days: int = 90,
    whitespace: pd.DataFrame | None = None,
    monitor: pd.DataFrame | None = None,
    outlook: Outlook | None = None,
) -> Background:
    """Gather the background of a run from the input tables, as known before its date.

    Parameters
    ----------
    tables : Tables
        The input tables.
    day : datetime
        The date of the run.
    accounts : collection of str
        Accounts whose products, plans, tickets and answers are shown.
    of_accounts : mapping of str to pd.DataFrame
        The tables of `account_tables`.
    grace_days : int
        See `revenue_movements`.
    horizon_days : int
        Length of the periods that the forecast compares with.
    whitespace, monitor : pd.DataFrame, optional
        As the run writes them.
    outlook : Outlook, optional
        The run's renewals.
    """
    contracts_now, events = (_only(of_accounts[name], accounts) for name in ("contracts", "events"))
    spells = _spells(tables, day, grace_days)
    contracts = None
    if tables.has("subscriptions"):
        contracts = load_contracts(tables, grace_days=grace_days)
    moved = partial(revenue_movements, tables, grace_days=grace_days, contracts=contracts)
    asked = _asked(tables, day) if tables.has("surveys") else None
    first, length = _first_start(tables), timedelta(days=horizon_days)
    ends = [day - number * length for number in range(PAST_PERIODS)]
    return Background(
        revenue={
            words: moved(day - timedelta(days=days), day)
            for words, days in PERIODS.items()
            if first <= pd.Timestamp(day - timedelta(days=days))
        },
        periods={
            pd.Timestamp(end): moved(end - length, end)
            for end in ends
            if first <= pd.Timestamp(end - length)
        },
        voice=() if asked is None else _voices(asked, day),
        retention=_retention(spells, _years(spells)),
        retention_by_segment=_retention(spells, _segments(spells, tables)),
        owned=of_contracts(contracts_now, "product"),
        plans=plans_of(contracts_now),
        nps={} if asked is None else _latest_nps(_only(asked, accounts)),
        open=open_products(whitespace, accounts),
        monitor=pd.DataFrame() if monitor is None else monitor,
        outlook=outlook or Outlook(),
        events=latest_events(events, day),
    )


def _first_start(tables: Tables) -> pd.Timestamp:
    """Return when the first contract starts; the end of time without any."""
    if not tables.has("subscriptions"):
        return pd.Timestamp.max
    first = tables["subscriptions"].select(nw.col("started_at").min()).collect("pandas").item()
    return pd.Timestamp.max if pd.isna(first) else pd.Timestamp(first)


def _spells(tables: Tables, day: datetime, grace_days: int) -> pd.DataFrame:
    """Return who paid from when to when, as known on a date."""
    if not tables.has("subscriptions"):
        return pd.DataFrame()
    return tenure_spells(tables.until(day), grace_days=grace_days)


def _years(spells: pd.DataFrame) -> pd.Series[str]:
    """Return the year in which each account started, of the last years with enough starts."""
    if spells.empty:
        return pd.Series(dtype=object)
    began = cohorts(spells["began_at"], "Y").set_axis(spells.index)
    return began.where(began.isin(_large(began).sort_index().index[-MOST_COHORTS:]))


def _segments(spells: pd.DataFrame, tables: Tables) -> pd.Series[str]:
    """Return the segment of each, of the largest ones."""
    if spells.empty or not tables.has("accounts", "segment"):
        return pd.Series(None, index=spells.index, dtype=object)
    accounts = tables["accounts"].select("account_id", "segment").collect("pandas").to_native()
    own = spells["account_id"].map(accounts.set_index("account_id")["segment"])
    return own.where(own.isin(_large(own).index[:MOST_COHORTS]))


def _large(groups: pd.Series[str]) -> pd.Series[int]:
    sizes = groups.value_counts()
    return sizes[sizes >= FEWEST_OF_COHORT]


def _retention(spells: pd.DataFrame, groups: pd.Series[str]) -> pd.DataFrame:
    own, known = spells[groups.notna().to_numpy()], groups.dropna()
    if own.empty:
        return pd.DataFrame()
    days = np.arange(0, own["duration_days"].max() + 1, 30.0)
    entry = own["entry_days"].clip(lower=_days_until_observed(spells).reindex(own.index))
    return retention_table(own["duration_days"], own["churned"], known, days, entry_days=entry)


def _days_until_observed(spells: pd.DataFrame) -> pd.Series[float]:
    """Return the tenure of each account from which on leaving was observed; 0 or more.

    Where records keep only the accounts that were customers at some date, nobody is seen to leave
    before it: that time was not observed, whenever the contracts of those that stayed started.
    It is taken as unobserved where many accounts would have left in it at the later rate.
    """
    left = spells["began_at"] + pd.to_timedelta(spells["duration_days"], unit="D")
    first = left[spells["churned"].astype(bool)].min()
    if pd.isna(first):
        return pd.Series(0.0, index=spells.index)
    # The day before: whoever left first was observed, too.
    first -= pd.Timedelta(days=1)
    until: pd.Series[float] = (first - spells["began_at"]).dt.total_seconds() / 86_400
    until = until.clip(lower=0.0)
    before = (until - spells["entry_days"]).clip(lower=0.0).sum()
    after = (spells["duration_days"] - until).clip(lower=0.0).sum()
    expected = before * float(spells["churned"].sum()) / max(float(after), 1.0)
    return until if expected > MOST_UNSEEN else until * 0.0


def _voices(asked: pd.DataFrame, day: datetime) -> tuple[Voice, ...]:
    start = pd.Timestamp(day - timedelta(days=VOICE_DAYS))
    recent = _latest_of_each_person(asked[asked["answered_at"].ge(start) & asked["score"].notna()])
    return tuple(
        _voice(kind, recent[recent["kind"] == kind], _response(asked, kind, start))
        for kind in SCALES
        if (recent["kind"] == kind).any()
    )


def _latest_of_each_person(answers: pd.DataFrame) -> pd.DataFrame:
    """Count people, not rows: keep each one's latest answer, and every anonymous answer."""
    answers = answers.sort_values("answered_at", kind="stable")
    again = answers.duplicated(["account_id", "kind", "respondent_id"], keep="last")
    return answers[~again | answers["respondent_id"].isna()]


def _asked(tables: Tables, day: datetime) -> pd.DataFrame:
    """Return the questions asked before a date; an answer is known from its own time on."""
    rows = tables["surveys"]
    if tables.has("surveys", "known_at"):
        rows = rows.filter(nw.col("known_at").is_null() | (nw.col("known_at") < day))
    before = nw.col("answered_at") < day
    sent = nw.lit(None, dtype=nw.Datetime("us")).alias("sent_at")
    if tables.has("surveys", "sent_at"):
        before, sent = before | (nw.col("sent_at") < day), nw.col("sent_at")
    frame = collect(
        rows.filter(before).select(
            "account_id",
            nw.col("kind").str.to_lowercase().alias("kind"),
            seen("answered_at", day),
            sent,
            _or_null(tables, "surveys", "score", nw.Float64),
            _or_null(tables, "surveys", "scale", nw.String),
            _or_null(tables, "surveys", "respondent_id", nw.String),
        )
    )
    return frame.assign(scale=frame["scale"].fillna(each_once(frame["kind"], usual_scale)))


def _response(asked: pd.DataFrame, kind: str, start: pd.Timestamp) -> float:
    sent = asked[(asked["kind"] == kind) & asked["sent_at"].ge(start)]
    return float(sent["answered_at"].notna().mean()) if len(sent) else float("nan")


def _voice(kind: str, answers: pd.DataFrame, response_rate: float) -> Voice:
    scores, count = answers["score"].to_numpy(dtype=float), len(answers)
    if kind == "nps":
        shares = (np.mean(scores >= 9, keepdims=True), np.mean(scores <= 6, keepdims=True))
        reach = 100 * Z_95 * float(nps_standard_error(*shares, np.array([float(count)]))[0])
        value = nps(scores)
        return Voice(kind, value, value - reach, value + reach, count, response_rate)
    if kind == "csat":
        good = float(_is_good(answers).sum())
        ends = wilson_interval(np.array([good]), np.array([float(count)]))
        low, high = float(ends.low[0]), float(ends.high[0])
        return Voice(kind, good / count, low, high, count, response_rate)
    usual = answers[answers["scale"] == default_scale(kind)]["score"].to_numpy(dtype=float)
    value, spread = ces(usual), float(np.std(usual, ddof=1)) if len(usual) > 1 else float("nan")
    reach = Z_95 * spread / max(len(usual), 1) ** 0.5
    return Voice(kind, value, value - reach, value + reach, len(usual), response_rate)


def _is_good(answers: pd.DataFrame) -> pd.Series[bool]:
    least = {name: scale.good_from for scales in SCALES.values() for name, scale in scales.items()}
    by_kind = [
        SCALES[kind][scale].good_from if scale in SCALES.get(kind, {}) else least.get(scale, np.nan)
        for kind, scale in zip(answers["kind"], answers["scale"], strict=True)
    ]
    return answers["score"] >= pd.Series(by_kind, index=answers.index, dtype=float)


def of_contracts(contracts: pd.DataFrame, column: str) -> dict[str, list[str]]:
    """Return the distinct values of a column of each account's running contracts, sorted."""
    own = contracts[["account_id", column]].drop_duplicates().dropna(subset=[column])
    return _values_by_account(own.sort_values(["account_id", column]), column)


def plans_of(contracts: pd.DataFrame) -> dict[str, str]:
    """Return the plans of each account's running contracts."""
    return {account: ", ".join(names) for account, names in of_contracts(contracts, "plan").items()}


def _latest_nps(asked: pd.DataFrame) -> dict[str, str]:
    """Describe the latest NPS answer of each account, with its date."""
    answers = asked[(asked["kind"] == "nps") & asked["score"].notna()]
    latest = answers.sort_values("answered_at").drop_duplicates("account_id", keep="last")
    days = each_once(latest["answered_at"].dt.normalize(), wording.day)
    return {
        str(account): f"{score:g} of 10 on {day}"
        for account, score, day in zip(latest["account_id"], latest["score"], days, strict=True)
    }


def _values_by_account(rows: pd.DataFrame, column: str) -> dict[str, list[str]]:
    """Return the values of a column of each account's rows, in their order."""
    found: dict[str, list[str]] = defaultdict(list)
    for account, value in zip(rows["account_id"], rows[column], strict=True):
        found[str(account)].append(value)
    return dict(found)


def open_products(
    whitespace: pd.DataFrame | None, accounts: Collection[str]
) -> dict[str, list[str]]:
    """Return the products that each account may be offered."""
    if whitespace is None or whitespace.empty:
        return {}
    own = _only(whitespace, accounts)
    own = own[(own["status"] == "open") & (own["gate"] == "")]
    ordered = own.sort_values(["account_id", "value", "product"], ascending=[True, False, True])
    return _values_by_account(ordered, "product")


def latest_events(events: pd.DataFrame, day: datetime) -> pd.DataFrame:
    """Return the latest tickets and answers of each account, from the run's events.

    Parameters
    ----------
    events : pd.DataFrame
        Rows of events.parquet.
    day : datetime
        The date of the run.
    """
    since = pd.Timestamp(day - timedelta(days=EVENT_DAYS))
    own = events[events["kind"].isin(_EVENT_KINDS) & (events["at"] >= since)]
    quoted = own["text"].map(lambda text: f" “{text}”" if text else "").astype(object)
    text = own["title"] + quoted.where(own["kind"] == "answer", "")
    own = own[["account_id", "at"]].assign(text=text)
    ordered = own.sort_values(["account_id", "at", "text"], ascending=[True, False, True])
    return ordered.groupby("account_id").head(MOST_EVENTS).reset_index(drop=True)


def _only(frame: pd.DataFrame, accounts: Collection[str]) -> pd.DataFrame:
    return frame[frame["account_id"].isin(list(accounts))]


def _or_null(tables: Tables, table: str, column: str, kind: type) -> nw.Expr:
    return nw.col(column) if tables.has(table, column) else _null(column, kind)


def _null(column: str, kind: object) -> nw.Expr:
    return nw.lit(None, dtype=kind).alias(column)  # type: ignore[arg-type]
