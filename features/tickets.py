"""Support: how much is open, how fast it is answered, how it is rated, who comes again."""

from __future__ import annotations

import narwhals as nw
import numpy as np
import pandas as pd

from features.many_dates import Frame, count_where, days_between, last_days, on_spine
from features.tables import Tables
from features.tickets_catalogue import FEATURES, NEEDS
from features.tickets_history import tickets_on_dates

__all__ = ["FEATURES", "build"]

#: A customer who comes again within so many days repeats themself.
REPEAT_DAYS = 7
#: Of 1-5: these and higher are satisfied (top-2-box), these and lower are bad.
_SATISFIED, _BAD = 4.0, 2.0
#: The account's own past: from a year to a quarter before the date.
_RECENT, _PAST = 90, 365
#: Channels on which somebody waits for an answer.
_LIVE = ("call", "chat", "live chat", "phone", "telephone", "voice")
#: What was timed, and when the timing ended.
_TIMED = {
    "first_reply": "first_replied_at",
    "first_resolution": "first_resolved_at",
    "resolution": "resolved_at",
}
_PER = {
    "contacts_per_active_user_90d": "usage_active_users_90d",
    "contacts_per_seat_90d": "seats",
    "contacts_per_order_90d": "orders_count_90d",
}


def build(tables: Tables, spine: pd.DataFrame) -> pd.DataFrame:
    """Return the ticket features of each account and date.

    Parameters
    ----------
    tables : Tables
        Without tickets every feature is NaN.
    spine : pd.DataFrame
        account_id, as_of, and what a rate or silence is held against, where it is known:
        usage_active_users_90d, usage_active_days_28d, seats, orders_count_90d.

    Returns
    -------
    pd.DataFrame, shape = (n_rows, n_features)
        The index of `spine`; a float column per feature.
    """
    names = [feature.name for feature in FEATURES]
    if not tables.has("tickets"):
        return pd.DataFrame(np.nan, index=spine.index, columns=names)
    rows = tickets_on_dates(tables, spine)
    summed = on_spine(_summed(rows), spine)
    out = _levels(summed).join(_speed(summed))
    out = out.join(_contacts(rows, spine))
    for name, denominator in _PER.items():
        known = spine.get(denominator, pd.Series(np.nan, index=spine.index))
        out[name] = out["tickets_opened_90d"] / known.where(known > 0)
    active = spine.get("usage_active_days_28d", pd.Series(np.nan, index=spine.index)) > 0
    silent = (out["tickets_opened_90d"] == 0).astype(float)
    out["tickets_silent_90d"] = silent.where(active)
    for name, needed in NEEDS.items():
        if not all(any(tables.has("tickets", c) for c in some) for some in needed):
            out[name] = np.nan
    return out[names].astype(float)


def _summed(rows: Frame) -> Frame:
    """Sum up per date and account, over the tickets that can still matter."""
    past = last_days("opened_at", _PAST)
    for end in ("first_replied_at", "ended_at", "rated_at"):
        past = past | last_days(end, _PAST)
    rows = rows.filter((nw.col("is_open") == 1.0) | past)
    is_open, urgent = nw.col("is_open") == 1.0, nw.col("is_urgent") == 1.0
    quarter, ended = last_days("opened_at", _RECENT), last_days("ended_at", _RECENT)
    rated, age = last_days("rated_at", 180) & ~nw.col("csat").is_null(), nw.col("age_days")
    return rows.group_by("as_of", "account_id").agg(
        count_where(last_days("opened_at", 28)).alias("opened_28d"),
        count_where(quarter).alias("opened_90d"),
        nw.when(last_days("opened_at", _PAST)).then(age).min().alias("youngest"),
        count_where(is_open).alias("backlog"),
        nw.when(is_open).then(age).max().alias("oldest"),
        nw.when(is_open).then(age).mean().alias("mean_age"),
        count_where(is_open & urgent).alias("urgent"),
        nw.when(is_open & urgent).then(age).max().alias("oldest_urgent"),
        count_where(quarter & nw.col("escalated")).alias("escalated"),
        count_where(ended).alias("ended"),
        count_where(ended & ~nw.col("reopened_at").is_null()).alias("reopened"),
        count_where(rated).alias("rated"),
        count_where(rated & (nw.col("csat") >= _SATISFIED)).alias("satisfied"),
        count_where(last_days("rated_at", _RECENT) & (nw.col("csat") <= _BAD)).alias("bad"),
        *(quantile for name, end in _TIMED.items() for quantile in _quantiles(name, end)),
    )


def _quantiles(name: str, end: str) -> tuple[nw.Expr, nw.Expr, nw.Expr]:
    hours = nw.col(name)
    recent = nw.when(last_days(end, _RECENT)).then(hours)
    past = nw.when(last_days(end, _PAST, until_days=_RECENT)).then(hours)
    return (
        recent.median().alias(f"{name}_median"),
        recent.quantile(0.9, "linear").alias(f"{name}_p90"),
        past.median().alias(f"{name}_past"),
    )


def _levels(summed: pd.DataFrame) -> pd.DataFrame:
    count = summed[["opened_28d", "opened_90d", "backlog", "urgent", "escalated", "bad"]].fillna(0)
    return pd.DataFrame(
        {
            "tickets_opened_28d": count["opened_28d"],
            "tickets_opened_90d": count["opened_90d"],
            # The day before is 0, whatever its hour.
            "tickets_days_since_opened": np.ceil(summed["youngest"]) - 1,
            "tickets_backlog": count["backlog"],
            "tickets_backlog_oldest_days": summed["oldest"].fillna(0.0),
            "tickets_backlog_mean_days": summed["mean_age"].fillna(0.0),
            "tickets_urgent_open": count["urgent"],
            "tickets_urgent_oldest_days": summed["oldest_urgent"].fillna(0.0),
            "tickets_reopen_rate_90d": summed["reopened"] / _some(summed["ended"]),
            "tickets_escalated_90d": count["escalated"],
            "tickets_csat_180d": summed["satisfied"] / _some(summed["rated"]),
            "tickets_badly_rated_90d": count["bad"],
        }
    )


def _speed(summed: pd.DataFrame) -> pd.DataFrame:
    out: dict[str, pd.Series[float]] = {}
    for name in _TIMED:
        median, past = summed[f"{name}_median"], summed[f"{name}_past"]
        out[f"tickets_{name}_hours_median_90d"] = median
        out[f"tickets_{name}_hours_p90_90d"] = summed[f"{name}_p90"]
        # An hour on either side: minutes more or less are no trend.
        out[f"tickets_{name}_trend"] = ((median + 1) / (past + 1)).map(np.log)
    return pd.DataFrame(out)


def _contacts(rows: Frame, spine: pd.DataFrame) -> pd.DataFrame:
    """Return who came, by which channels, and how often somebody came again within days."""
    recent = rows.filter(last_days("opened_at", _RECENT))
    people = on_spine(_distinct(recent, "requester_id"), spine)
    channels = on_spine(_distinct(recent, "channel"), spine)
    again = on_spine(_repeated(rows), spine)
    return pd.DataFrame(
        {
            "tickets_requesters_90d": people["distinct"].fillna(0.0),
            "tickets_channels_90d": channels["distinct"].fillna(0.0),
            "tickets_top_channel_share_90d": channels["most"] / channels["all"],
            "tickets_live_channel_share_90d": channels["live"] / channels["all"],
            "tickets_repeated_share_90d": again["repeated"] / _some(again["opened"]),
        }
    )


def _distinct(rows: Frame, column: str) -> Frame:
    """Count the values of a column, and the tickets with the commonest and with any."""
    named = rows.filter(~nw.col(column).is_null())
    counted = named.group_by("as_of", "account_id", column).agg(nw.len().alias("n"))
    return counted.group_by("as_of", "account_id").agg(
        nw.len().alias("distinct"),
        nw.col("n").max().alias("most"),
        nw.col("n").sum().alias("all"),
        nw.when(nw.col(column).is_in(_LIVE)).then(nw.col("n")).otherwise(0).sum().alias("live"),
    )


def _repeated(rows: Frame) -> Frame:
    """Count tickets of a quarter, and those within days of the same requester's one before.

    Where requesters are not recorded the account's one before counts.
    """
    rows = rows.filter(last_days("opened_at", _RECENT + REPEAT_DAYS))
    rows = rows.with_columns(who=nw.coalesce(nw.col("requester_id"), nw.lit("")))
    before = nw.col("opened_at").shift(1)
    rows = rows.with_columns(
        before=before.over("as_of", "account_id", "who", order_by=["opened_at", "ticket_id"])
    )
    near = last_days("opened_at", _RECENT) & (days_between("before", "opened_at") <= REPEAT_DAYS)
    return rows.group_by("as_of", "account_id").agg(
        count_where(last_days("opened_at", _RECENT)).alias("opened"),
        count_where(near).alias("repeated"),
    )


def _some(count: pd.Series[float]) -> pd.Series[float]:
    return count.where(count > 0)
