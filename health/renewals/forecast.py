"""The forecast of a book, month by month: what renews, contracts, expands and leaves.

An account with a term is due in the month in which the term ends. Without terms of more than 35
days there is nothing to renew: every account is due every month, and the forecast is one of
retention. The chance of leaving is the published one as far as it reaches (the horizon), all moved
together to the level of past renewals, so that the forecast ranks accounts as the lists do; beyond
the horizon, it is the rate of past renewals seen as far ahead. The level belongs to sums of the
book; the outcomes of one account have the published chance as it is.
What accounts that stay pay is drawn from past renewals. The CSMs' calls are no part of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from scipy.optimize import brentq
from scipy.special import expit, logit

from health.renewals.calls import called_share, current_calls
from health.renewals.history import MONTHLY, MONTHS, TERM, seen_again
from models.base.inputs import FloatArray
from models.renewal.book_range import StayRatios, draw_kept, ends_of
from models.renewal.dependence import Dependence, estimate_dependence
from models.renewal.growth import DampedGrowth
from models.renewal.outcomes import RenewalOutcomes

#: Past renewals that a rate needs; below, nothing is expected of accounts without a probability.
LEAST_RENEWALS = 30
#: Losses at renewals at which past rate and model weigh the same for the level.
PRIOR_LOST = 4
#: Days of an average month.
_MONTH_DAYS = 365.25 / 12
#: Which past renewals count for an account: seen within the horizon, further ahead, or monthly.
NEAR, FAR = "near", "far"
#: Log odds further away than this are certain.
_SURE, _FAR = 1e-9, 40.0
#: Columns of what becomes of a renewal, and what is expected of it.
OUTCOMES = ("contracting", "flat", "expanding", "expected")
AMOUNTS = ("renews", "contracts", "expands", "leaves", "kept")
CALLS = ("calls", "called", "expected_of_called")
RANGES = ("kept_low", "kept_high")
#: What is kept with the published chances as they are.
PUBLISHED = "kept_as_published"
MONTH_COLUMNS = (
    *("kind", "month", "accounts", "unknown", "arr"),
    *AMOUNTS,
    *RANGES,
    *CALLS,
    PUBLISHED,
)


@dataclass(frozen=True)
class Pool:
    """Past renewals of one kind.

    Attributes
    ----------
    renewals, lost : int
        How many, each counted once however often it was seen ahead, and those that left.
    rate : float
        Share that left (with half a case more of either); NaN with fewer than `LEAST_RENEWALS`.
    kept_share : float
        ARR afterwards ÷ ARR before, over the last twelve months; NaN without any.
    ratios : StayRatios
        What those that stayed paid, as a multiple of before.
    """

    renewals: int = 0
    lost: int = 0
    rate: float = float("nan")
    kept_share: float = float("nan")
    ratios: StayRatios = field(default_factory=lambda: StayRatios(np.ones(1)))

    @property
    def level_error(self) -> float:
        """Standard error of the log odds of leaving: the rate is known from this many cases."""
        return float(1 / np.sqrt(self.lost + 1))


@dataclass(frozen=True)
class Basis:
    """What past months teach about the next ones.

    Attributes
    ----------
    pools : dict of str to Pool
        By `NEAR`, `FAR` and `MONTHLY`.
    dependence : dict of str to Dependence
        By `TERM` and `MONTHLY`: how far accounts that are due in a month leave together.
    level : dict of str to float
        By `NEAR` and `MONTHLY`: what is added to the log odds of every published probability.
    growth : DampedGrowth
        How long the growth of accounts without a term goes on.
    """

    pools: Mapping[str, Pool]
    dependence: Mapping[str, Dependence]
    level: Mapping[str, float] = field(default_factory=lambda: {NEAR: 0.0, MONTHLY: 0.0})
    growth: DampedGrowth = field(default_factory=DampedGrowth)

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {
            "pools": {
                name: {
                    "renewals": pool.renewals,
                    "lost": pool.lost,
                    "rate": _or_none(pool.rate),
                    "kept_share": _or_none(pool.kept_share),
                    "ratios": [round(float(r), 6) for r in pool.ratios.quantiles],
                    "ratio_error": round(pool.ratios.error, 6),
                }
                for name, pool in self.pools.items()
            },
            "dependence": {
                kind: {
                    "correlation": round(own.correlation, 6),
                    "estimate": round(own.estimate, 6),
                    "months": own.months,
                }
                for kind, own in self.dependence.items()
            },
            "level": {name: round(float(own), 6) for name, own in self.level.items()},
            "growth": {"damping": self.growth.damping, "months": self.growth.months},
        }

    @classmethod
    def from_dict(cls, given: Mapping[str, Any]) -> Basis:
        """Read it from JSON."""
        return cls(
            {
                name: Pool(
                    int(own["renewals"]),
                    int(own["lost"]),
                    _or_nan(own["rate"]),
                    _or_nan(own["kept_share"]),
                    StayRatios(np.array(own["ratios"], dtype=float), float(own["ratio_error"])),
                )
                for name, own in given["pools"].items()
            },
            {kind: Dependence(**own) for kind, own in given["dependence"].items()},
            dict(given["level"]),
            # Runs of earlier releases continued the growth as it was.
            DampedGrowth(**given.get("growth", {})),
        )


def no_basis() -> Basis:
    """Return the basis of a company without a past."""
    return Basis(
        {name: Pool() for name in (NEAR, FAR, MONTHLY)},
        {kind: Dependence() for kind in (TERM, MONTHLY)},
    )


def learn_basis(past: pd.DataFrame, *, horizon_days: int) -> Basis:
    """Learn from past renewals.

    Parameters
    ----------
    past : pd.DataFrame
        As from `past_renewals`.
    horizon_days : int
        How far ahead the probability of churn reaches.
    """
    if past.empty:
        return no_basis()
    is_term = past["kind"] == TERM
    term, monthly = past[is_term], past[~is_term]
    near = term["lead_days"] <= horizon_days
    pools = {
        NEAR: _pool(term[near]),
        FAR: _pool(term[~near]),
        # Of accounts that are due every month, a year is enough, and nearer to the present.
        MONTHLY: _pool(_last_year(monthly)),
    }
    # Each renewal once, as it was seen last.
    dependence = {TERM: _dependence(term[~seen_again(term)]), MONTHLY: _dependence(monthly)}
    return Basis(pools, dependence, growth=DampedGrowth.of(_paid_by_month(monthly)))


def _paid_by_month(rows: pd.DataFrame) -> FloatArray:
    """Return what accounts without a term paid at the start of each month, and after the last."""
    if rows.empty:
        return np.zeros((0, 0))
    account, accounts = pd.factorize(rows["account"])
    month = rows["as_of"].to_numpy().astype("datetime64[M]").astype(int)
    first, last = month.min(), month.max()
    table = np.zeros((len(accounts), last - first + 2))
    table[account, month - first] = rows["arr"]
    newest = month == last
    table[account[newest], -1] = rows["arr_after"][newest]
    return table


def with_level(basis: Basis, scores: pd.DataFrame, *, horizon_days: int) -> Basis:
    """Return the basis with the level of the published probabilities.

    A churn model is calibrated over all accounts. With few churned accounts it may not know how
    much leaving is bunched at renewals, so that the accounts that are due leave more often than it
    states, and those that are not less often. The model's order is kept, and its level is moved
    towards the past rate: one amount is added to the log odds of every account, such that the mean
    chance becomes the one whose log odds are w × those of the past rate + (1 − w) × those of the
    mean probability, w = lost ⁄ (lost + `PRIOR_LOST`).

    Parameters
    ----------
    basis : Basis
        As from `learn_basis`.
    scores : pd.DataFrame
        Of the whole book: mrr, days_to_renewal, churn_probability and known_to_leave.
    horizon_days : int
        How far the probabilities reach.
    """
    own = scores[~_leaving(scores) & (scores["mrr"] > 0)]
    days = pd.to_numeric(own["days_to_renewal"], errors="coerce")
    chance = own["churn_probability"].astype(float)
    monthly = basis.pools[MONTHLY].rate
    usual = {NEAR: basis.pools[NEAR].rate, MONTHLY: _over(monthly, horizon_days)}
    concerned = {NEAR: days.between(0, horizon_days - 1), MONTHLY: days.isna()}
    level = {}
    for name, rate in usual.items():
        own_chance = chance[concerned[name]].dropna()
        lost = basis.pools[name].lost
        level[name] = _shift(own_chance, rate, weight=lost / (lost + PRIOR_LOST))
    return replace(basis, level=level)


def _shift(chance: pd.Series[float], rate: float, *, weight: float) -> float:
    """Return what to add to the log odds of all, so that their mean moves towards a rate."""
    mean = float(chance.mean())
    if not (0 < rate < 1 and 0 < mean < 1):
        return 0.0
    target = expit(weight * logit(rate) + (1 - weight) * logit(mean))
    odds = logit(chance.clip(_SURE, 1 - _SURE).to_numpy())
    return float(brentq(lambda by: float(expit(odds + by).mean()) - target, -_FAR, _FAR))


def _over(monthly_rate: float, days: int) -> float:
    return float(1 - (1 - monthly_rate) ** (days / _MONTH_DAYS))


def _moved(chance: pd.Series[float], by: float) -> pd.Series[float]:
    return pd.Series(expit(logit(chance.astype(float)) + by), index=chance.index)


def _pool(rows: pd.DataFrame) -> Pool:
    if rows.empty:
        return Pool()
    left, once = rows["arr_after"] <= 0, ~seen_again(rows)
    count, lost = int(once.sum()), int((left & once).sum())
    stayed = rows[~left]
    latest = _last_year(rows)
    kept = float(latest["arr_after"].sum() / latest["arr"].sum())
    # A renewal is in as many rows as months saw it ahead; a month of an account is in one.
    alone = -1 - np.arange(len(stayed))
    cluster = np.where(stayed["kind"] == TERM, stayed["account"].to_numpy(dtype=int), alone)
    ratios = StayRatios.of(stayed["arr"], stayed["arr_after"], cluster)
    return Pool(count, lost, _rate(left, count), kept, ratios)


def _rate(left: pd.Series[bool], renewals: int) -> float:
    """Return the share that left of so many renewals; NaN if they are too few.

    Of rows of several months, it is the share that is expected of one of them.
    """
    if renewals < LEAST_RENEWALS:
        return float("nan")
    return float((left.mean() * renewals + 0.5) / (renewals + 1))


def _last_year(rows: pd.DataFrame) -> pd.DataFrame:
    found: pd.DataFrame = rows[rows["due"] > rows["due"].max() - pd.Timedelta(days=365)]
    return found


def _dependence(rows: pd.DataFrame) -> Dependence:
    left = rows["arr_after"] <= 0
    rate = _rate(left, len(rows))
    if np.isnan(rate):
        return Dependence()
    return estimate_dependence(
        np.full(len(rows), rate),
        rows["arr"].to_numpy(dtype=float),
        left.to_numpy(dtype=float),
        rows["due"].to_numpy().astype("datetime64[M]"),
    )


def quarter_title(quarter: pd.Period, as_of: pd.Timestamp) -> str:
    """Return the name of a quarter, with its months where the twelve months ahead cut it.

    Examples
    --------
    >>> quarter_title(pd.Period("2026Q4", "Q"), pd.Timestamp("2026-11-01"))
    'Q4 2026 (Nov to Dec)'
    >>> quarter_title(pd.Period("2027Q1", "Q"), pd.Timestamp("2026-11-01"))
    'Q1 2027'
    """
    first = as_of.to_period("M")
    months = pd.period_range(quarter.asfreq("M", "start"), quarter.asfreq("M", "end"), freq="M")
    shown = [month.strftime("%b") for month in months if first <= month < first + MONTHS]
    title = f"Q{quarter.quarter} {quarter.year}"
    if not shown or len(shown) == len(months):
        return title
    return f"{title} ({' to '.join(dict.fromkeys((shown[0], shown[-1])))})"


def due_accounts(
    scores: pd.DataFrame, basis: Basis, *, as_of: pd.Timestamp, horizon_days: int
) -> pd.DataFrame:
    """Return each account's renewals of the next twelve months with the chance of leaving.

    Parameters
    ----------
    scores : pd.DataFrame
        account_id, mrr, days_to_renewal, churn_probability (NaN where none is published) and
        known_to_leave; upsell_probability and upsell_base_rate, where published.
    basis : Basis
        Rates of the past.
    as_of : pd.Timestamp
        The date of the scores.
    horizon_days : int
        How far the probabilities reach.

    Returns
    -------
    pd.DataFrame
        account_id, kind, month (``2027-01``), due, arr and pool. growth_odds are the odds of an
        upsell relative to those of the peers, by which the chance of expanding differs between
        accounts where the probabilities reach. leaves, contracting, flat and
        expanding are the chances of the four outcomes, which sum to one, and expected is the ARR
        that they come to. leaves is the published probability where that reaches, otherwise the
        rate of the pool; NaN where nothing is known. book_leaves is the same with the level of the
        book; today, gone and elapsed are what it pays today, the chance (with the level) that it
        has left by the end, and how many past periods (renewals or months) fit until then; step is
        how many of them are in the month itself, as far as accounts still grow then
        (`DampedGrowth`), and grown is what is paid by the end if it stays, as a multiple of today.
        Accounts known to leave are in no row. One without
        a term has a row per month, whose ARR is what is expected of it by then.
    """
    first, *others = due_parts(scores, basis, as_of=as_of, horizon_days=horizon_days)
    if not others:
        return first
    return pd.concat([first, *others] if len(first) else others, ignore_index=True)


def due_parts(
    scores: pd.DataFrame, basis: Basis, *, as_of: pd.Timestamp, horizon_days: int
) -> Iterator[pd.DataFrame]:
    """Yield the rows of `due_accounts` in parts, so that a large book needs little memory.

    The first part has the renewals by term; of accounts without one, each part is a month.
    """
    own = scores[~_leaving(scores) & (scores["mrr"] > 0)]
    days = pd.to_numeric(own["days_to_renewal"], errors="coerce").round()
    yield _with_outcomes(_terms(own, days, basis, as_of=as_of, horizon_days=horizon_days), basis)
    monthly = own[days.isna()]
    if len(monthly):
        for part in _monthly(monthly, basis, as_of=as_of, horizon_days=horizon_days):
            yield _with_outcomes(part, basis)


def _with_outcomes(due: pd.DataFrame, basis: Basis) -> pd.DataFrame:
    """Add the chances of what becomes of each renewal, and what is expected of it."""
    found = {name: np.full(len(due), np.nan) for name in OUTCOMES}
    for (pool, step), places in _groups(due, ["pool", "step"]):
        own = due.iloc[places]
        each = RenewalOutcomes.of(
            own["leaves"],
            basis.pools[str(pool)].ratios,
            step=float(step),
            odds=own["growth_odds"],
        )
        arr = own["arr"].to_numpy(dtype=float)
        values = (each.contracts, each.flat, each.expands, each.expected(arr))
        for name, value in zip(OUTCOMES, values, strict=True):
            found[name][places] = value
    return due.assign(**found)


def _groups(rows: pd.DataFrame, by: list[str]) -> Iterable[tuple[tuple[Any, ...], Any]]:
    """Return the keys of groups, in order, with the places of their rows.

    A month of accounts without a term is one group of many rows: it is recognised without sorting,
    and its place is a slice, so that no row is copied.
    """
    if len(rows) and all((rows[name] == rows[name].iloc[0]).all() for name in by):
        return [(tuple(rows[name].iloc[0] for name in by), slice(None))]
    keys = rows[by].reset_index(drop=True)
    return [(key, own.index.to_numpy()) for key, own in keys.groupby(by, sort=True)]


def _terms(
    own: pd.DataFrame,
    days: pd.Series[float],
    basis: Basis,
    *,
    as_of: pd.Timestamp,
    horizon_days: int,
) -> pd.DataFrame:
    """Return the renewals by term, with the chance of leaving."""
    dates = as_of + pd.to_timedelta(days.fillna(-1), unit="D")
    due = (days >= 0) & (dates < (as_of.to_period("M") + MONTHS).to_timestamp())
    own, days, dates = own[due], days[due], dates[due]
    arr = own["mrr"].astype(float) * MONTHS
    chance = own["churn_probability"].astype(float)
    reaches = days < horizon_days
    far, near = (basis.pools[name].rate for name in (FAR, NEAR))
    leaves = chance.fillna(near).where(reaches, far)
    in_book = _moved(chance, basis.level[NEAR]).fillna(near).where(reaches, far)
    terms = pd.DataFrame(
        {
            "account_id": own["account_id"],
            "kind": TERM,
            "month": dates.dt.to_period("M").astype(str),
            "due": dates,
            "arr": arr,
            "leaves": leaves,
            "book_leaves": in_book,
            "pool": np.where(reaches, NEAR, FAR),
            "today": arr,
            "gone": in_book,
            "elapsed": 1.0,
            "step": 1.0,
            "grown": np.where(reaches, *(basis.pools[name].ratios.mean for name in (NEAR, FAR))),
            "growth_odds": _growth_odds(own).where(reaches, 1.0),
        }
    )
    return terms.reset_index(drop=True)


def _growth_odds(scores: pd.DataFrame) -> pd.Series[float]:
    """Return the odds of an upsell relative to those of the peers; 1 where none are published."""
    if "upsell_base_rate" not in scores:
        return pd.Series(1.0, index=scores.index)
    own, usual = (scores[name].astype(float) for name in ("upsell_probability", "upsell_base_rate"))
    return (own / (1 - own) * (1 - usual) / usual).replace(np.inf, np.nan).fillna(1.0)


def _monthly(
    own: pd.DataFrame, basis: Basis, *, as_of: pd.Timestamp, horizon_days: int
) -> Iterator[pd.DataFrame]:
    """Yield the months of accounts without a term, a row per account."""
    rate = basis.pools[MONTHLY].rate
    usual, published = _over(rate, horizon_days), own["churn_probability"].astype(float)
    in_book = _moved(published, basis.level[MONTHLY]).fillna(usual).to_numpy()
    # As published, and with the level of the book.
    chance = np.stack([published.fillna(usual).to_numpy(), in_book])
    arr = own["mrr"].to_numpy(dtype=float) * MONTHS
    starts = pd.date_range(as_of.to_period("M").to_timestamp(), periods=MONTHS + 1, freq="MS")
    usual_growth = basis.pools[MONTHLY].ratios.mean - 1
    begin, before = np.ones(chance.shape), 1.0
    for start, end in pairwise(starts):
        days, length = (end - as_of).days, (end - max(start, as_of)).days / _MONTH_DAYS
        step = length * basis.growth.share(days / _MONTH_DAYS - length)
        grown = before * (1 + usual_growth * step)
        left = np.log1p(-np.clip(chance, 0, 1 - 1e-9)) * min(days, horizon_days) / horizon_days
        # Beyond the horizon accounts leave at the past rate.
        if days > horizon_days:
            left = left + np.log1p(-rate) * (days - horizon_days) / _MONTH_DAYS
        stays = np.exp(left)
        yield pd.DataFrame(
            {
                "account_id": own["account_id"].to_numpy(),
                "kind": MONTHLY,
                "month": str(start.to_period("M")),
                "due": max(start, as_of),
                "arr": arr * begin[1] * before,
                "leaves": 1 - stays[0] / begin[0],
                "book_leaves": 1 - stays[1] / begin[1],
                "pool": MONTHLY,
                "today": arr,
                "gone": 1 - stays[1],
                "elapsed": days / _MONTH_DAYS,
                "step": step,
                "grown": grown,
                "growth_odds": 1.0,
            }
        )
        begin, before = stays, grown


def with_calls(due: pd.DataFrame, calls: pd.DataFrame, as_of: pd.Timestamp) -> pd.DataFrame:
    """Add what the CSMs' last calls come to; nothing is averaged with the chance of leaving.

    Parameters
    ----------
    due : pd.DataFrame
        As from `due_accounts`.
    calls : pd.DataFrame
        As from `current_calls`.
    as_of : pd.Timestamp
        Calls about an earlier renewal do not count (`current_calls`).

    Returns
    -------
    pd.DataFrame
        With call (missing without one) and called (ARR, NaN without one) of renewals by term.
    """
    own = current_calls(calls, as_of).set_index("account_id")
    own = own.reindex(due["account_id"]).set_axis(due.index)
    called = called_share(own, due["arr"]) * due["arr"]
    term = due["kind"] == TERM
    return due.assign(call=own["call"].where(term), called=called.where(term))


def month_table(
    due: pd.DataFrame, basis: Basis, *, by: str = "month", seed: int = 0
) -> pd.DataFrame:
    """Sum what is due by month, with 80 % ranges over the book.

    Parameters
    ----------
    due : pd.DataFrame
        As from `due_accounts`, or a part of it; with the column called of `with_calls`, the calls
        are summed as well.
    basis : Basis
        Ratios, dependence and standard errors.
    by : str
        The column to sum by; shocks are those of the months in any case.
    seed : int
        Of the draws behind the ranges.

    Returns
    -------
    pd.DataFrame
        A row per kind and month, in order: kind, month, accounts, unknown (accounts without a
        chance, in no expectation), arr (due), leaves, contracts, renews (as it was, or what is
        left after contracting), expands, kept (renews + expands), and the 80 % range of kept. NaN
        where nothing is expected. calls, called (ARR that the calls come to) and
        expected_of_called (ARR that the model expects of the same accounts) are of renewals with
        a CSM's call. The range of kept is that of everything that may come from today on.
        kept_as_published is the sum of what is expected of the accounts one by one: kept, but for
        the level of the book.
    """
    rows = [
        _month(due.iloc[places], basis, kind=str(kind), month=str(month), seed=seed)
        for (kind, month), places in _groups(due, ["kind", by])
    ]
    table = pd.DataFrame(rows, columns=list(MONTH_COLUMNS))
    return table.sort_values(["kind", "month"], ascending=[False, True], ignore_index=True)


def total_range(due: pd.DataFrame, basis: Basis, *, seed: int = 0) -> pd.Series[Any]:
    """Return the sums over all months of renewals by term, as a row of `month_table`."""
    own = due[due["kind"] == TERM]
    return pd.Series(_month(own, basis, kind=TERM, month="all", seed=seed))


def _month(own: pd.DataFrame, basis: Basis, *, kind: str, month: str, seed: int) -> dict[str, Any]:
    has_chance = own["leaves"].notna()
    known = own if has_chance.all() else own[has_chance]
    row: dict[str, Any] = {
        "kind": kind,
        "month": month,
        "accounts": len(own),
        "unknown": len(own) - len(known),
        "arr": float(own["arr"].sum()),
        **dict.fromkeys([*AMOUNTS, *RANGES, PUBLISHED], float("nan")),
        **_calls(own, basis),
    }
    if known.empty:
        return row
    sums = dict.fromkeys(AMOUNTS, 0.0)
    drawn: Any = 0.0
    for place, ((name,), places) in enumerate(_groups(known, ["pool"])):
        pool, part = basis.pools[str(name)], known.iloc[places]
        arr = part["arr"].to_numpy(dtype=float)
        step, grown = float(part["step"].max()), float(part["grown"].max())
        periods = max(round(float(part["elapsed"].max())), 1)
        usual = RenewalOutcomes.of(part["book_leaves"], pool.ratios, step=step)
        each = RenewalOutcomes.of(
            part["book_leaves"], pool.ratios, step=step, odds=part["growth_odds"]
        )
        sums["leaves"] += float(each.lost(arr).sum())
        sums["contracts"] += float(each.given_up(arr).sum())
        sums["expands"] += float(each.added(arr).sum())
        sums["kept"] += float(each.expected(arr).sum())
        # What is drawn knows the usual odds of expanding only.
        keener = each.expected(arr).sum() / max(usual.expected(arr).sum(), 1e-9)
        drawn = drawn + keener * draw_kept(
            part["today"].to_numpy(dtype=float),
            part["gone"].to_numpy(dtype=float),
            part["month"].to_numpy(),
            correlation=basis.dependence[kind].correlation,
            level_error=pool.level_error,
            ratios=pool.ratios,
            periods=periods,
            # By the months that are summed, so that a quarter of one month has its range.
            seed=[seed, place, *" ".join(sorted(part["month"].astype(str).unique())).encode()],
        ) * (grown / pool.ratios.mean**periods)
    sums["renews"] = sums["kept"] - sums["expands"]
    row |= sums | {PUBLISHED: float(known["expected"].sum())}
    row["kept_low"], row["kept_high"] = ends_of(drawn)
    return row


def _calls(own: pd.DataFrame, basis: Basis) -> dict[str, float]:
    """Sum the calls, and what the model expects of the same accounts."""
    if "called" not in own.columns:
        return dict.fromkeys(CALLS, 0.0)
    of = own[own["called"].notna()]
    ratios = of["pool"].map(lambda name: basis.pools[name].ratios.mean).astype(float)
    kept = of["arr"] * (1 - of["book_leaves"]) * ratios
    return {
        "calls": float(len(of)),
        "called": float(of["called"].sum()),
        "expected_of_called": float(kept.sum()),
    }


def _leaving(scores: pd.DataFrame) -> pd.Series[bool]:
    if "known_to_leave" not in scores.columns:
        return pd.Series(False, index=scores.index)
    return scores["known_to_leave"].astype("boolean").fillna(False).astype(bool)


def _or_none(value: float) -> float | None:
    return None if np.isnan(value) else round(float(value), 6)


def _or_nan(value: float | None) -> float:
    return float("nan") if value is None else float(value)
