"""What happened after a date: churn, upsell, cross-sell, and how long accounts stayed.

Labels come from accounts × dates, never from an account's own last event: an account that fell
silent has one too. What the data does not cover yet is NaN, never 0.
"""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pandas as pd

from features.tables.opened import Tables
from features.tables.point_in_time import collect
from features.windows.contracts import GRACE_DAYS, frame_of, known_spans, load_contracts
from features.windows.table_columns import DAY_US, moment

_KEYS = ["account_id", "as_of"]
_OWNED = ["account_id", "product", "mrr"]


def paid_spells(tables: Tables, *, grace_days: int) -> pd.DataFrame:
    """Return the uninterrupted periods in which each account paid.

    A gap shorter than the grace period does not end a spell, so that renewals written as new rows,
    even late ones, belong to the same spell, whatever their product. An end at or after
    `observed_until` has not happened yet.

    Returns
    -------
    pd.DataFrame, shape = (n_spells, 3)
        account_id, started_at, ended_at (NaT while running), ordered by account and start.
    """
    frame = known_spans(tables, tables.observed_until, grace_days=grace_days)
    frame = frame[["account_id", "started_at", "ended_at"]]
    far = pd.Timestamp.max.floor("D").as_unit("us")
    frame["ended_at"] = frame["ended_at"].fillna(far)
    frame = frame.sort_values(["account_id", "started_at", "ended_at"]).reset_index(drop=True)
    # As numbers, because pandas has no cumulative maximum of times within groups.
    ends = frame["ended_at"].astype("datetime64[us]").astype("int64")
    latest = ends.groupby(frame["account_id"], sort=False).cummax()
    before = latest.groupby(frame["account_id"], sort=False).shift()
    starts = frame["started_at"].astype("datetime64[us]").astype("int64")
    grace = int(timedelta(days=grace_days) / timedelta(microseconds=1))
    broken = before.isna() | (starts - before >= grace)
    spell = broken.cumsum()
    spells = frame.groupby(spell).agg(
        account_id=("account_id", "first"),
        started_at=("started_at", "min"),
        ended_at=("ended_at", "max"),
    )
    spells["ended_at"] = spells["ended_at"].where(spells["ended_at"] < far)
    return spells.reset_index(drop=True)


def build_labels(
    tables: Tables,
    observations: pd.DataFrame,
    *,
    horizon_days: int = 90,
    grace_days: int = 30,
    upsell_step: float = 0.05,
) -> pd.DataFrame:
    """Label accounts × dates with what happened within the horizon.

    Parameters
    ----------
    tables : Tables
        The input tables; nothing is known from `observed_until` on.
    observations : pd.DataFrame
        account_id and as_of of accounts that pay on that date.
    horizon_days, grace_days : int
        The account churned if it pays on D, stops within the horizon and pays nothing for the
        grace period after. Known only when D + horizon + grace is inside the data.
    upsell_step : float
        Smallest relative increase in MRR or seats of a product owned on D.

    Returns
    -------
    pd.DataFrame, shape = (n_rows, 5)
        account_id, as_of, churned, upsold (1, 0 or NaN), upsell_step_mrr (the largest increase in
        MRR; 0 without an upsell).
    """
    labels = observations[_KEYS].reset_index(drop=True)
    horizon = pd.Timedelta(days=horizon_days)
    reach = pd.Timestamp(tables.observed_until)
    labels["churned"] = _churned(tables, labels, horizon, grace_days)
    censored = labels["as_of"] + horizon + pd.Timedelta(days=grace_days) > reach
    labels["churned"] = labels["churned"].mask(censored)
    rises = _rises(tables, labels, horizon, upsell_step, grace_days=grace_days)
    by_account = rises.groupby(_KEYS, as_index=False)[["upsold", "step_mrr"]].agg(
        {"upsold": "max", "step_mrr": "sum"}
    )
    by_account = by_account.rename(columns={"step_mrr": "upsell_step_mrr"})
    labels = labels.merge(by_account, on=_KEYS, how="left")
    known = labels["as_of"] + horizon <= reach
    for column in ("upsold", "upsell_step_mrr"):
        labels[column] = labels[column].fillna(0.0).where(known)
    return labels


def upsell_labels(
    tables: Tables,
    observations: pd.DataFrame,
    *,
    horizon_days: int = 90,
    grace_days: int = GRACE_DAYS,
    upsell_step: float = 0.05,
) -> pd.DataFrame:
    """Label each product that an account owns on a date with whether more of it was bought.

    Parameters
    ----------
    tables, observations, horizon_days, grace_days, upsell_step
        As in `build_labels`, whose `upsold` is 1 if that of any product is.

    Returns
    -------
    pd.DataFrame, shape = (n_held, 6)
        account_id, as_of, product, mrr (of the product on the date), upsold (1, 0 or NaN),
        step_mrr (the largest increase in MRR; 0 without an upsell).
    """
    columns = [*_KEYS, "product", "mrr", "upsold", "step_mrr"]
    frame = _rises(
        tables,
        observations[_KEYS],
        pd.Timedelta(days=horizon_days),
        upsell_step,
        grace_days=grace_days,
        every=True,
    )
    known = frame["as_of"] + pd.Timedelta(days=horizon_days) <= pd.Timestamp(tables.observed_until)
    for column in ("upsold", "step_mrr"):
        frame[column] = frame[column].where(known)
    return frame[columns].reset_index(drop=True)


def cross_sell_labels(
    tables: Tables,
    observations: pd.DataFrame,
    *,
    horizon_days: int = 90,
    grace_days: int = GRACE_DAYS,
) -> pd.DataFrame:
    """Label each product that an account does not own on a date with whether it was bought.

    Returns
    -------
    pd.DataFrame, shape = (n_offers, 5)
        account_id, as_of, product, bought (1, 0 or NaN), step_mrr (its first MRR; NaN if not
        bought). The products are those that any account was known to own before the date.
    """
    horizon = pd.Timedelta(days=horizon_days)
    levels = _levels(tables, grace_days)
    contracts = load_contracts(tables, grace_days=grace_days)
    offers = []
    for day in observations["as_of"].unique():
        accounts = observations.loc[observations["as_of"] == day, "account_id"]
        running = contracts.as_of(day).running()
        # What counts on the date by the usual lag is owned, too.
        owned = frame_of(contracts.rows, running[contracts.is_paid[running]], _OWNED)
        offers.append(_open_offers(levels, accounts, day, horizon, owned=owned))
    columns = ["account_id", "as_of", "product", "bought", "step_mrr"]
    if not offers:
        none = observations[["account_id", "as_of"]]
        return none.assign(product="", bought=np.nan, step_mrr=np.nan)[columns]
    frame = pd.concat(offers)
    known = frame["as_of"] + horizon <= pd.Timestamp(tables.observed_until)
    frame["bought"] = frame["bought"].where(known)
    return frame[columns].reset_index(drop=True)


def tenure_spells(tables: Tables, *, grace_days: int) -> pd.DataFrame:
    """Return how long each paid spell lasted, for survival curves.

    Returns
    -------
    pd.DataFrame, shape = (n_spells, 5)
        account_id, began_at (what tenure counts from: for the first spell accounts.created_at
        where that is earlier), entry_days (tenure when the records begin; 0 where they cover
        the start), duration_days (tenure at the end, or at the end of the data), churned (bool).
    """
    spells = paid_spells(tables, grace_days=grace_days)
    created = collect(tables["accounts"].select("account_id", "created_at"))
    spells = spells.merge(created, on="account_id", how="left")
    first = ~spells["account_id"].duplicated()
    origin = spells[["started_at", "created_at"]].min(axis=1).where(first, spells["started_at"])
    reach = pd.Timestamp(tables.observed_until)
    # An end whose grace period has not passed may still turn out to be a late renewal.
    sure = spells["ended_at"] + pd.Timedelta(days=grace_days) <= reach
    last = spells["ended_at"].fillna(reach)
    out = pd.DataFrame(
        {
            "account_id": spells["account_id"],
            "began_at": origin,
            "entry_days": (spells["started_at"] - origin).dt.total_seconds() / 86_400,
            "duration_days": (last - origin).dt.total_seconds() / 86_400,
            "churned": sure,
        }
    )
    return out[out["duration_days"] > out["entry_days"]].reset_index(drop=True)


def _churned(
    tables: Tables, labels: pd.DataFrame, horizon: pd.Timedelta, grace_days: int
) -> pd.Series[float]:
    """Return 1 if the spell that covers the date ends within the horizon, else 0.

    On the date an account may still count as paying although its last row has ended, by the usual
    lag of the company; where no other row follows, it churned.
    """
    spells = paid_spells(tables, grace_days=grace_days)
    contracts = load_contracts(tables, grace_days=grace_days)
    lags = {day: contracts.usual_lag(moment(day)) / DAY_US for day in labels["as_of"].unique()}
    rows = labels[_KEYS].assign(row=np.arange(len(labels))).sort_values("as_of")
    spells = spells.assign(started_at=spells["started_at"].astype("datetime64[us]"))
    rows = rows.assign(as_of=rows["as_of"].astype("datetime64[us]"))
    covered = pd.merge_asof(
        rows,
        spells.sort_values("started_at"),
        left_on="as_of",
        right_on="started_at",
        by="account_id",
        allow_exact_matches=False,
    ).sort_values("row")
    lag = pd.to_timedelta(covered["as_of"].map(lags), unit="D")
    ended = (covered["ended_at"] >= covered["as_of"] - lag) & (
        covered["ended_at"] < covered["as_of"] + horizon
    )
    return pd.Series(ended.to_numpy(dtype=float), index=labels.index)


def _levels(tables: Tables, grace_days: int) -> pd.DataFrame:
    """Return MRR and seats of each account and product after each change.

    A renewal written as a new row nets to zero, so it is not a change.
    """
    rows = known_spans(tables, tables.observed_until, grace_days=grace_days, columns=["seats"])
    keys = ["account_id", "product"]
    over = rows[rows["ended_at"].notna()]
    both = pd.concat(
        [
            rows.rename(columns={"started_at": "at"}),
            over.assign(at=over["ended_at"], mrr=-over["mrr"], seats=-over["seats"]),
        ]
    )
    steps = both.groupby([*keys, "at"], as_index=False)[["mrr", "seats"]].sum()
    levels = steps.groupby(keys, sort=False)[["mrr", "seats"]].cumsum()
    # Remove rounding errors of the sums.
    steps[["mrr", "seats"]] = levels.mask(levels.abs() < 1e-6, 0.0)
    return steps


def _rises(
    tables: Tables,
    labels: pd.DataFrame,
    horizon: pd.Timedelta,
    upsell_step: float,
    *,
    grace_days: int,
    every: bool = False,
) -> pd.DataFrame:
    """Return accounts × dates × products owned that rose enough, or `every` one of them."""
    columns = [*_KEYS, "product", "mrr", "upsold", "step_mrr"]
    if labels.empty:
        return labels[_KEYS].reindex(columns=columns)
    levels = _levels(tables, grace_days)
    found = [
        _rises_after(
            levels, labels.loc[labels["as_of"] == day, "account_id"], day, horizon, upsell_step
        )
        for day in labels["as_of"].unique()
    ]
    frame = pd.concat(found, ignore_index=True)
    return frame if every else frame[frame["upsold"] == 1.0]


def _rises_after(
    levels: pd.DataFrame,
    accounts: pd.Series[str],
    day: pd.Timestamp,
    horizon: pd.Timedelta,
    upsell_step: float,
) -> pd.DataFrame:
    keys = ["account_id", "product"]
    own = levels[levels["account_id"].isin(accounts)]
    owned = _level_at(own, day)
    owned = owned[owned["mrr"] > 0]
    upcoming = own[(own["at"] >= day) & (own["at"] < day + horizon)]
    highest = upcoming.groupby(keys)[["mrr", "seats"]].max()
    both = owned.join(highest, rsuffix="_then", how="left")
    enough = 1.0 + upsell_step - 1e-9
    more_seats = (both["seats"] > 0) & (both["seats_then"] >= enough * both["seats"])
    rose = (both["mrr_then"] >= enough * both["mrr"]) | more_seats
    step = (both["mrr_then"] - both["mrr"]).clip(lower=0.0).where(rose, 0.0)
    found = both[["mrr"]].assign(as_of=day, upsold=rose.astype(float), step_mrr=step)
    return found.reset_index()


def _open_offers(
    levels: pd.DataFrame,
    accounts: pd.Series[str],
    day: pd.Timestamp,
    horizon: pd.Timedelta,
    *,
    owned: pd.DataFrame,
) -> pd.DataFrame:
    names = np.sort(levels.loc[(levels["at"] < day) & (levels["mrr"] > 0), "product"].unique())
    ids, products = pd.Index(accounts), pd.Index(names)
    now = _last_before(levels, day)
    owns = _spread(pd.concat([now.loc[now["mrr"] > 0, _OWNED], owned]), ids, products)
    upcoming = levels[(levels["at"] >= day) & (levels["at"] < day + horizon) & (levels["mrr"] > 0)]
    first = _spread(upcoming.drop_duplicates(["account_id", "product"]), ids, products)
    row, column = np.nonzero(np.isnan(owns))
    step = first[row, column]
    return pd.DataFrame(
        {
            "account_id": ids.to_numpy()[row],
            "product": products.to_numpy()[column],
            "as_of": day,
            "step_mrr": step,
            "bought": (~np.isnan(step)).astype(float),
        }
    )


def _spread(rows: pd.DataFrame, accounts: pd.Index[str], products: pd.Index[str]) -> np.ndarray:
    """Return the MRR of rows as accounts × products, NaN where there is none."""
    spread = np.full((len(accounts), len(products)), np.nan)
    row, column = (
        accounts.get_indexer(pd.Index(rows["account_id"])),
        products.get_indexer(pd.Index(rows["product"])),
    )
    known = (row >= 0) & (column >= 0)
    spread[row[known], column[known]] = rows.loc[known, "mrr"]
    return spread


def _level_at(levels: pd.DataFrame, day: pd.Timestamp) -> pd.DataFrame:
    """Return the level of each account and product just before a date."""
    return _last_before(levels, day).set_index(["account_id", "product"])[["mrr", "seats"]]


def _last_before(levels: pd.DataFrame, day: pd.Timestamp) -> pd.DataFrame:
    """Return the rows of the levels just before a date."""
    before = levels[levels["at"] < day]
    return before.drop_duplicates(["account_id", "product"], keep="last")
