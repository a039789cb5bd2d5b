"""How what an account pays moved: new, expansion, contraction, churn, reactivation."""

from __future__ import annotations

from datetime import timedelta

import narwhals as nw
import numpy as np
import numpy.typing as npt
import pandas as pd

from features.day_rows import summed
from features.many_dates import Frame, column_or_null, known_on_dates
from features.point_in_time import collect
from features.spine_dates import ByAccount
from features.tables import Tables

#: What a movement may be, for an account as a whole: ending one of several subscriptions is
#: contraction.
MOVEMENTS = ("new", "expansion", "contraction", "churn", "reactivation")
#: What is below this is dust of sums, not money.
_DUST = 1e-6
_TERMS = ("product", "plan", "billing_months")
_TIMES = {"as_of": "datetime64[us]", "at": "datetime64[us]"}


def movements_before(tables: Tables, spine: pd.DataFrame, *, grace_days: int) -> pd.DataFrame:
    """Return every movement of every account, and on which dates it was known.

    Parameters
    ----------
    tables : Tables
        Needs subscriptions.
    spine : pd.DataFrame
        Needs as_of.
    grace_days : int
        A pause in paying that is shorter is no churn; what follows it is held against what was
        paid before it.

    Returns
    -------
    pd.DataFrame, shape = (n_movements, 6)
        account_id; at; kind (of `MOVEMENTS`, or None where MRR stayed); amount (above 0);
        is_change (what is held changed while paying before and after); as_of, the date on which
        the movement was known, or NaT where that is every date after `at`.
    """
    known = _Steps(tables, spine)
    always = collect(known.by_account())
    always["as_of"] = pd.NaT
    parts = [_moved(always, ["account_id"], grace_days)]
    if known.may_be_late:
        parts.append(_moved(collect(known.by_date()), ["as_of", "account_id"], grace_days))
    filled = [part for part in parts if len(part)]
    return pd.concat(filled or parts[:1], ignore_index=True)


class Movements:
    """The movements of a company's accounts, summed up as of one date after another."""

    def __init__(
        self, tables: Tables, spine: pd.DataFrame, accounts: pd.Index[str], *, grace_days: int
    ) -> None:
        moved = movements_before(tables, spine, grace_days=grace_days)
        self._count = len(accounts)
        account = accounts.get_indexer(pd.Index(moved["account_id"]))
        moved = moved[account >= 0]
        self._account = account[account >= 0]
        self._at = moved["at"].to_numpy()
        self._as_of = moved["as_of"].to_numpy()
        self._always = moved["as_of"].isna().to_numpy()
        self._kinds = {kind: (moved["kind"] == kind).to_numpy() for kind in MOVEMENTS}
        self._amount = moved["amount"].fillna(0.0).to_numpy(dtype=float)
        self._is_change = moved["is_change"].to_numpy(dtype=bool)

    def as_of(self, day: pd.Timestamp) -> ByAccount:
        """Return the features of every account as of a date: 0 where nothing moved."""
        half_year, year = self._within(day, 180), self._within(day, 365)
        out = {}
        for kind, is_kind in self._kinds.items():
            rows = half_year[is_kind[half_year]]
            account = self._account[rows]
            out[f"mrr_{kind}_180d"] = summed(account, self._count, self._amount[rows])
            if kind in {"expansion", "contraction"}:
                out[f"{kind}s_180d"] = summed(account, self._count)
        changes = year[self._is_change[year]]
        return out | {"billing_changes_365d": summed(self._account[changes], self._count)}

    def _within(self, day: pd.Timestamp, days: int) -> npt.NDArray[np.intp]:
        """Return the movements in [day − days, day) that were known before the day."""
        end, start = day.to_datetime64(), (day - timedelta(days=days)).to_datetime64()
        inside = (self._at < end) & (self._at >= start)
        return np.flatnonzero(inside & (self._always | (self._as_of == end)))


class _Steps:
    """The steps by which what is held changed: starts and ends, netted per account and moment.

    Rows that reached us after they began are seen on some dates and not on others, so that
    their accounts are told date by date; for all others one pass tells every date.
    """

    def __init__(self, tables: Tables, spine: pd.DataFrame) -> None:
        self._tables, self._spine = tables, spine
        self.may_be_late = tables.has("subscriptions", "known_at") and len(spine) > 0

    def by_account(self) -> Frame:
        rows = self._tables["subscriptions"]
        if self.may_be_late:
            rows = rows.join(self._late_accounts(), on="account_id", how="anti")
        rows = rows.filter(nw.col("mrr") > 0)
        if len(self._spine):
            last = self._spine["as_of"].max().to_pydatetime()
            rows = rows.filter(nw.col("started_at") < last)
        return self._netted(rows, nw.col("ended_at"), "account_id")

    def by_date(self) -> Frame:
        rows = known_on_dates(self._tables, "subscriptions", self._spine)
        rows = rows.join(self._late_accounts(), on="account_id", how="semi")
        rows = rows.filter(nw.col("mrr") > 0)
        seen = nw.when(nw.col("ended_at") < nw.col("as_of")).then(nw.col("ended_at"))
        return self._netted(rows, seen, "as_of", "account_id")

    def _late_accounts(self) -> Frame:
        first = self._spine["as_of"].min().to_pydatetime()
        known = nw.col("known_at")
        late = self._tables["subscriptions"].filter(
            (known > nw.col("started_at")) & (known >= first)
        )
        return late.select("account_id").unique()

    def _netted(self, rows: Frame, end: nw.Expr, *by: str) -> Frame:
        has_seats = self._tables.has("subscriptions", "seats")
        seats = nw.col("seats").fill_null(0.0) if has_seats else nw.lit(0.0)
        rows = rows.select(
            *by,
            "product",
            "started_at",
            "mrr",
            column_or_null(self._tables, "subscriptions", "plan", nw.String),
            column_or_null(self._tables, "subscriptions", "billing_months", nw.Float64),
            seats.alias("seats"),
            end.alias("end"),
        ).with_columns(rows=nw.lit(1.0))
        # A row that ends before it begins never ran.
        rows = rows.filter(nw.col("end").is_null() | (nw.col("end") > nw.col("started_at")))
        keys, sums = (*by, *_TERMS), ("mrr", "seats", "rows")
        starts = rows.select(*keys, nw.col("started_at").alias("at"), *sums)
        ends = rows.filter(~nw.col("end").is_null()).select(
            *keys, nw.col("end").alias("at"), *(-nw.col(c) for c in sums)
        )
        both = nw.concat([starts, ends], how="vertical")
        netted = both.group_by(*keys, "at").agg(*(nw.col(c).sum() for c in sums))
        moved = (
            (nw.col("mrr").abs() > _DUST)
            | (nw.col("seats").abs() > _DUST)
            | (nw.col("rows").abs() > _DUST)
        )
        return netted.group_by(*by, "at").agg(
            nw.col("mrr").sum(),
            nw.when(moved).then(nw.lit(1.0)).otherwise(nw.lit(0.0)).max().alias("moved"),
        )


def _moved(steps: pd.DataFrame, by: list[str], grace_days: int) -> pd.DataFrame:
    """Name the movement that each step is."""
    steps = steps[steps["moved"] > 0].sort_values([*by, "at"], ignore_index=True)
    group = steps.groupby(by, sort=False).ngroup()
    level = steps["mrr"].groupby(group).cumsum()
    level = level.where(level.abs() > _DUST, 0.0)
    before = level.groupby(group).shift().fillna(0.0)
    out = steps[["as_of", "account_id", "at"]].astype(_TIMES)
    out["is_change"] = (before > 0) & (level > 0)
    moving = (level - before).abs() > _DUST
    named = _named(steps["at"][moving], level[moving], group[moving], grace_days)
    return out.join(named)


def _named(
    at: pd.Series[pd.Timestamp], level: pd.Series[float], group: pd.Series[int], grace_days: int
) -> pd.DataFrame:
    """Return kind and amount of each change of MRR of an account, in order of time."""
    before = level.groupby(group).shift().fillna(0.0)
    earlier = level.groupby(group).shift(2).fillna(0.0)
    is_first = group != group.shift()
    grace = pd.Timedelta(days=grace_days)
    # A pause shorter than the grace period is none.
    resumed = (before == 0) & ~is_first & (at - at.groupby(group).shift() < grace)
    paused = (level == 0) & (at.groupby(group).shift(-1) - at < grace)
    was = before.mask(resumed, earlier)
    kind = pd.Series("expansion", index=level.index, dtype=object)
    kind = kind.mask(level < was, "contraction").mask((level == was) | paused, None)
    kind = kind.mask(is_first, "new").mask((was == 0) & ~is_first, "reactivation")
    kind = kind.mask((level == 0) & ~paused, "churn")
    return pd.DataFrame({"kind": kind, "amount": (level - was).abs()})
