"""The forecast: revenue due for renewal, expected loss and expansion, with ranges.

No further model is used: every expectation is a sum of published probabilities times published
amounts, so the forecast never contradicts the lists.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from health.report.revenue import RevenueMovements

MONTHS_OF_YEAR = 12
#: The share of outcomes that a range covers, and how many outcomes are drawn for it.
COVERED, DRAWS = 0.8, 2_000
#: Amounts of a group that are drawn one by one, the largest first.
_ONE_BY_ONE = 250
#: Rows after the months: renewal dates beyond the year, overdue, and none.
LATER, NO_DATE, OVERDUE = "later", "no date", "overdue"


@dataclass(frozen=True)
class Range:
    """An expected amount and the range that covers 80 % of outcomes.

    Attributes
    ----------
    value : float
        The expectation; NaN where no probability is published.
    low, high : float
        10th and 90th percentile of the outcomes; NaN where there is no expectation.
    """

    value: float = float("nan")
    low: float = float("nan")
    high: float = float("nan")


@dataclass(frozen=True)
class Bridge:
    """Annual recurring revenue from today to the end of the horizon, without new customers.

    Attributes
    ----------
    arr : float
        MRR × 12 of all accounts today.
    leaving, leaving_later : float
        ARR of accounts known to leave: last day within the horizon (or unknown), and after it.
    loss : Range
        Expected loss of the other accounts.
    contraction : Range
        Expected contraction of accounts that stay: the mean of the last periods, with the lowest
        and the highest of them as its range.
    expansion : Range
        Expected gain from upsell and cross-sell.
    expected : Range
        ARR at the end of the horizon. Its range covers loss and expansion; contraction enters
        with its mean.
    """

    arr: float
    leaving: float
    leaving_later: float
    loss: Range
    contraction: Range
    expansion: Range
    expected: Range


@dataclass(frozen=True)
class Forecast:
    """The numbers of the forecast page.

    Attributes
    ----------
    due : pd.DataFrame
        A row per month of the next twelve and per bucket of other dates, in order: quarter,
        month (first day; NaT of a bucket), bucket (empty for a month), accounts, arr, red_arr,
        leaving_accounts, leaving_arr, loss, loss_low, loss_high. `accounts` and `arr` leave out
        who is known to leave; those are in the month of their last day. All accounts are in
        exactly one row.
    quarters : pd.DataFrame
        The same by quarter and bucket.
    total : pd.Series
        The same for all accounts.
    bridge : Bridge
    periods : dict of pd.Timestamp to RevenueMovements
        The last periods as long as the horizon, by their end, newest first.
    """

    due: pd.DataFrame
    quarters: pd.DataFrame
    total: pd.Series
    bridge: Bridge
    periods: Mapping[pd.Timestamp, RevenueMovements]


def known_to_leave(scores: pd.DataFrame) -> pd.Series[bool]:
    """Return which accounts gave notice; nobody where the run does not say."""
    if "known_to_leave" in scores.columns:
        return scores["known_to_leave"].fillna(False).astype(bool)
    return scores["stage"].eq("leaving") if "stage" in scores.columns else _nobody(scores)


def _nobody(scores: pd.DataFrame) -> pd.Series[bool]:
    return pd.Series(False, index=scores.index)


def renewal_dates(scores: pd.DataFrame, as_of: Any) -> pd.Series[pd.Timestamp]:
    """Return the date on which each account's term ends; NaT where there is none."""
    days = pd.to_numeric(scores["days_to_renewal"], errors="coerce").round()
    # Whole numbers are converted much faster, and without a warning of missing days.
    dates = pd.Timestamp(as_of) + pd.to_timedelta(days.fillna(0.0).astype("int64"), unit="D")
    return dates.where(days.notna())


def last_days(scores: pd.DataFrame, as_of: Any) -> pd.Series[pd.Timestamp]:
    """Return the last day of each account known to leave; NaT of others and where unknown."""
    ends = renewal_dates(scores, as_of)
    if "last_day" in scores.columns:
        ends = pd.to_datetime(scores["last_day"]).fillna(ends)
    return ends.where(known_to_leave(scores))


def expected_losses(scores: pd.DataFrame) -> pd.Series[float]:
    """Return the expected loss in ARR of each account; NaN without one, or known to leave."""
    return scores["expected_loss"].astype(float).mask(known_to_leave(scores))


def draw_range(
    probability: pd.Series[float],
    amount: pd.Series[float],
    groups: pd.Series[Any] | None = None,
    *,
    seed: int = 0,
) -> pd.DataFrame:
    """Return the range that covers 80 % of the sums of amounts that come with a probability.

    Each account comes or does not, independently of the others; a shock that hits many at once
    (a price rise, an outage) makes outcomes spread wider. The largest amounts of a group are drawn
    one by one; of the sum of the others, which is close to normal, by mean and variance.

    Parameters
    ----------
    probability : pd.Series of float, shape = (n_accounts,)
        Chance that the amount comes; an account without one contributes nothing.
    amount : pd.Series of float, shape = (n_accounts,)
    groups : pd.Series, optional
        Group of each account; by default all are one group called ``"all"``.
    seed : int
        Of the draws.

    Returns
    -------
    pd.DataFrame, shape = (n_groups, 3)
        value (the expectation), low and high by group.
    """
    keys = pd.Series("all", index=probability.index) if groups is None else groups
    known = (probability.notna() & amount.notna() & keys.notna()).to_numpy()
    codes, names = pd.factorize(keys[known], sort=True)
    p = probability[known].to_numpy(dtype=float)
    a = amount[known].to_numpy(dtype=float)
    rng = np.random.default_rng(seed)
    rank = pd.Series(np.abs(a)).groupby(codes).rank(method="first", ascending=False)
    drawn = (rank <= _ONE_BY_ONE).to_numpy()
    comes = rng.random((DRAWS, int(drawn.sum())), dtype=np.float32) < p[drawn]
    weights = np.zeros((comes.shape[1], len(names)))
    weights[np.arange(len(weights)), codes[drawn]] = a[drawn]
    sums = comes @ weights
    if not drawn.all():
        others, q, b = codes[~drawn], p[~drawn], a[~drawn]
        mean = np.bincount(others, q * b, len(names))
        spread = np.sqrt(np.bincount(others, q * (1 - q) * b**2, len(names)))
        sums += mean + spread * rng.standard_normal(sums.shape)
    ends = np.quantile(sums, [(1 - COVERED) / 2, (1 + COVERED) / 2], axis=0)
    value = np.bincount(codes, weights=p * a, minlength=len(names))
    return pd.DataFrame({"value": value, "low": ends[0], "high": ends[1]}, index=names)


def build_forecast(
    scores: pd.DataFrame,
    run: Mapping[str, Any],
    periods: Mapping[pd.Timestamp, RevenueMovements],
) -> Forecast:
    """Add up the forecast of a run.

    Parameters
    ----------
    scores : pd.DataFrame
        scores.parquet: mrr, health_band, days_to_renewal, churn_probability, expected_loss and
        the probabilities and values of upsell and cross-sell.
    run : mapping
        Content of run.json: as_of and horizon_days.
    periods : mapping of pd.Timestamp to RevenueMovements
        The last periods as long as the horizon, by their end: their contraction is what is
        expected.
    """
    as_of = pd.Timestamp(run["as_of"])
    leaves, loss = known_to_leave(scores), expected_losses(scores)
    chance = scores["churn_probability"].astype(float).where(loss.notna())
    arr = scores["mrr"] * MONTHS_OF_YEAR
    dates = renewal_dates(scores, as_of)
    dates = dates.where(~leaves, last_days(scores, as_of))
    places = _places(dates, as_of)
    amounts = pd.DataFrame(
        {
            "accounts": (~leaves).astype(int),
            "arr": arr.where(~leaves, 0.0),
            "red_arr": arr.where(~leaves & scores["health_band"].eq("red"), 0.0),
            "leaving_accounts": leaves.astype(int),
            "leaving_arr": arr.where(leaves, 0.0),
        }
    )
    due, quarters = (
        _grouped(amounts, places[by], chance, arr, _order(as_of, by)) for by in ("month", "quarter")
    )
    whole = draw_range(chance, arr)
    total = pd.concat([amounts.sum(), _named(whole).iloc[0] if len(whole) else _NO_LOSS])
    bridge = _bridge(scores, run, periods, _range(whole))
    return Forecast(due, quarters, total, bridge, dict(periods))


_NO_LOSS = pd.Series({"loss": np.nan, "loss_low": np.nan, "loss_high": np.nan})


def _places(dates: pd.Series[pd.Timestamp], as_of: pd.Timestamp) -> pd.DataFrame:
    """Return month and quarter of each date, or the bucket it is in."""
    bucket = pd.Series("", index=dates.index, dtype=object)
    bucket[dates.isna()] = NO_DATE
    bucket[dates < as_of.normalize()] = OVERDUE
    end = as_of.to_period("M") + MONTHS_OF_YEAR
    bucket[dates >= end.to_timestamp()] = LATER
    inside = bucket == ""
    months = dates.dt.to_period("M").astype(str).where(inside, bucket)
    quarters = dates.dt.to_period("Q").astype(str).where(inside, bucket)
    return pd.DataFrame({"month": months, "quarter": quarters})


def _order(as_of: pd.Timestamp, by: str) -> list[str]:
    first = as_of.to_period("M")
    months = pd.period_range(first, periods=MONTHS_OF_YEAR, freq="M")
    named = [str(m) if by == "month" else str(m.asfreq("Q")) for m in months]
    return [OVERDUE, *dict.fromkeys(named), LATER, NO_DATE]


def _grouped(
    amounts: pd.DataFrame,
    places: pd.Series[str],
    chance: pd.Series[float],
    arr: pd.Series[float],
    order: list[str],
) -> pd.DataFrame:
    sums = amounts.groupby(places).sum().reindex(order, fill_value=0)
    ranges = _named(draw_range(chance, arr, places)).reindex(order)
    table = sums.join(ranges)
    if chance.notna().any():
        table[["loss", "loss_low", "loss_high"]] = table[["loss", "loss_low", "loss_high"]].fillna(
            0.0
        )
    empty = (table["accounts"] + table["leaving_accounts"]) == 0
    hidden = empty & table.index.isin([OVERDUE, LATER, NO_DATE])
    return table[~hidden].rename_axis("place").reset_index()


def _named(ranges: pd.DataFrame) -> pd.DataFrame:
    return ranges.rename(columns={"value": "loss", "low": "loss_low", "high": "loss_high"})


def _bridge(
    scores: pd.DataFrame,
    run: Mapping[str, Any],
    periods: Mapping[pd.Timestamp, RevenueMovements],
    lost: Range,
) -> Bridge:
    as_of = pd.Timestamp(run["as_of"])
    end = as_of + pd.Timedelta(days=int(run["horizon_days"]))
    arr = scores["mrr"] * MONTHS_OF_YEAR
    leaves = known_to_leave(scores)
    later = leaves & (last_days(scores, as_of) >= end)
    staying = float(arr[~leaves].sum())
    loss = expected_losses(scores)
    chance = scores["churn_probability"].astype(float).where(loss.notna())
    gains = [expansion_of(scores, offer) for offer in ("upsell", "cross_sell")]
    chances = pd.concat([chance, *(own["probability"] for own in gains)], ignore_index=True)
    signed = pd.concat([-arr, *(own["amount"] for own in gains)], ignore_index=True)
    gained = _range(draw_range(chances[len(chance) :], signed[len(chance) :]))
    net, shrinks = _range(draw_range(chances, signed)), contraction(periods, staying)
    leaving = float(arr[leaves & ~later].sum())
    base = float(arr.sum()) - leaving - (shrinks.value if shrinks.value == shrinks.value else 0.0)
    return Bridge(
        arr=float(arr.sum()),
        leaving=leaving,
        leaving_later=float(arr[later].sum()),
        loss=lost,
        contraction=shrinks,
        expansion=gained,
        expected=Range(base + net.value, base + net.low, base + net.high)
        if lost.value == lost.value
        else Range(),
    )


def _range(found: pd.DataFrame) -> Range:
    if found.empty:
        return Range()
    value, low, high = (float(found.iloc[0][key]) for key in ("value", "low", "high"))
    return Range(value, low, high)


def expansion_of(scores: pd.DataFrame, offer: str) -> pd.DataFrame:
    """Return chance and ARR of the offer that each account may accept; NaN without one.

    Parameters
    ----------
    scores : pd.DataFrame
        ``{offer}_probability`` and ``{offer}_value``, which is the probability times the amount.
    offer : str
        ``"upsell"`` or ``"cross_sell"``.
    """
    if f"{offer}_value" not in scores.columns:
        nothing = pd.Series(np.nan, index=scores.index)
        return pd.DataFrame({"probability": nothing, "amount": nothing})
    chance = scores[f"{offer}_probability"].astype(float)
    value = scores[f"{offer}_value"].astype(float).mask(known_to_leave(scores))
    return pd.DataFrame({"probability": chance, "amount": value / chance.where(chance > 0)})


def contraction(periods: Mapping[pd.Timestamp, RevenueMovements], arr: float) -> Range:
    """Return what accounts that stay are expected to reduce: the mean of the last periods.

    Parameters
    ----------
    periods : mapping of pd.Timestamp to RevenueMovements
        Past periods; those without revenue at their start are left out.
    arr : float
        Annual recurring revenue to which their rates apply.

    Returns
    -------
    Range
        Mean, lowest and highest; NaN without any period.
    """
    rates = [own.contraction / own.start for own in periods.values() if own.start > 0]
    if not rates:
        return Range()
    return Range(float(np.mean(rates)) * arr, min(rates) * arr, max(rates) * arr)
