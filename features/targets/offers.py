"""Open offers: what speaks for a product that an account does not hold, as of a date.

One row per account, date and product, beside the features of the account itself. Never tried is
null where no event of the product is known, and 0 where nobody of the account touched it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import narwhals as nw
import numpy as np
import pandas as pd

from features.definitions.feature import Feature, Unit
from features.tables.opened import Tables
from features.tables.point_in_time import collect, known_rows, running

#: Days of use that count as a trial, and how far back one is looked for.
TRIED_DAYS, SEEN_DAYS = 28, 180
#: A pause of so many days ends a trial; what comes after is a new one.
_TRIAL_PAUSE_DAYS = 14.0
#: Days over which purchases of a product are counted.
BOUGHT_DAYS = 180
#: Accounts that a lift or share of few accounts is shrunk by.
_PRIOR = 20.0
#: An event belongs to a product if so large a share of its holders use it, so many times that of
#: the others. Only for products whose events nobody named.
_OWN_SHARE, _OWN_LIFT, _OWN_HOLDERS = 0.3, 5.0, 10
_KEYS = ["account_id", "product"]


def _offer(
    name: str,
    window: int | None,
    unit: Unit,
    sentence: str,
    zero: str,
    null: str,
    *,
    table: str = "subscriptions",
    size: bool = False,
) -> Feature:
    return Feature(f"offer_{name}", "offers", table, window, unit, 0, null, zero, sentence, size)


_NO_EVENTS = "no use of this product can be told apart from other use"
FEATURES: tuple[Feature, ...] = (
    _offer(
        "tried_28d",
        TRIED_DAYS,
        "count",
        "Has tried it in 28 days, without holding it: {value} uses",
        "has not tried it in 28 days",
        _NO_EVENTS,
        table="usage",
    ),
    _offer(
        "tried_users_28d",
        TRIED_DAYS,
        "count",
        "Users who tried it in 28 days: {value}",
        "nobody tried it in 28 days",
        _NO_EVENTS,
        table="usage",
    ),
    _offer(
        "days_since_tried",
        SEEN_DAYS,
        "days",
        "Days since it was last tried: {value}",
        "tried it on the day before",
        "has not tried it in half a year",
        table="usage",
    ),
    _offer(
        "trial_days",
        SEEN_DAYS,
        "days",
        "Has been trying it for {value} days",
        "began to try it on the day before",
        "is not trying it now",
        table="usage",
    ),
    _offer(
        "peer_use_28d",
        TRIED_DAYS,
        "share",
        "{value} of accounts like this one use what it does",
        "no account like this one uses what it does",
        _NO_EVENTS,
        table="usage",
    ),
    _offer(
        "peer_share",
        None,
        "share",
        "{value} of accounts like this one hold it",
        "no account like this one holds it",
        "no other account to compare with",
    ),
    _offer(
        "co_ownership",
        None,
        "ratio",
        "Who holds what this account holds has it more or less often than others: {value}",
        "who holds what this account holds has it as often as others",
        "no other account to compare with",
    ),
    _offer(
        "bought_180d",
        BOUGHT_DAYS,
        "share",
        "{value} of those without it bought it in 180 days",
        "nobody bought it in 180 days",
        "no account could have bought it",
    ),
    _offer(
        "days_since_held",
        None,
        "days",
        "Held it before; gave it back {value} days ago",
        "gave it back on the day before",
        "never held it",
    ),
)
NAMES = tuple(feature.name for feature in FEATURES)


def offer_features(
    tables: Tables,
    offers: pd.DataFrame,
    *,
    events: Mapping[str, Sequence[str]] | None = None,
    peer_column: str | None = None,
) -> pd.DataFrame:
    """Describe open offers by what was known before their dates.

    Parameters
    ----------
    tables : Tables
        Needs accounts and subscriptions; without usage, what is told from use is NaN.
    offers : pd.DataFrame
        account_id, as_of and product of products not held on the date.
    events : mapping of str to sequence of str, optional
        The events that show use of a product. For a product that is not named, those events
        that its holders use at least five times as often as the other accounts.
    peer_column : str, optional
        Column of accounts that names the peer group; all accounts are one group without it.

    Returns
    -------
    pd.DataFrame, shape = (n_offers, 9)
        On the index of `offers`; float64 columns named as in `FEATURES`.
    """
    out = pd.DataFrame(np.nan, index=offers.index, columns=list(NAMES))
    for day in pd.to_datetime(offers["as_of"].unique()):
        own = offers[offers["as_of"] == day]
        out.loc[own.index] = _as_of(tables, day.to_pydatetime(), own, events or {}, peer_column)
    return out.astype(float)


def _as_of(
    tables: Tables,
    day: datetime,
    offers: pd.DataFrame,
    events: Mapping[str, Sequence[str]],
    peer_column: str | None,
) -> pd.DataFrame:
    held = holdings(tables, day)
    groups = _groups(tables, day, held.index, peer_column)
    keys = offers[_KEYS]
    held = held.reindex(
        columns=held.columns.union(offers["product"].unique().tolist()), fill_value=0.0
    )
    columns = {
        "offer_peer_share": _stacked(_group_share(held, groups), keys),
        "offer_co_ownership": _stacked(co_ownership(held), keys),
        "offer_bought_180d": offers["product"].map(_bought_share(tables, day, held)).to_numpy(),
        "offer_days_since_held": _stacked(_days_since_held(tables, day), keys),
    }
    if tables.has("usage"):
        columns |= _tried(tables, day, keys, held, groups, events)
    return pd.DataFrame(columns, index=offers.index).reindex(columns=list(NAMES))


def holdings(tables: Tables, as_of: datetime) -> pd.DataFrame:
    """Return 1 where a paying account holds a product on a date, else 0.

    Returns
    -------
    pd.DataFrame, shape = (n_accounts, n_products)
        Indexed by account_id, a column per product, both in order.
    """
    rows = running(tables, as_of).filter(nw.col("mrr") > 0).select(*_KEYS).unique()
    pairs = collect(rows).assign(held=1.0)
    return pairs.pivot_table(index="account_id", columns="product", values="held", fill_value=0.0)


def co_ownership(held: pd.DataFrame) -> pd.DataFrame:
    """Return by how much what each account holds raises the share of holders of each product.

    The mean over the products held, the product itself apart, of log lift(P | Q), where
    lift(P | Q) = P(holds P | holds Q) ÷ P(holds P), and the conditional share is shrunk to the
    unconditional one by 20 accounts.

    Parameters
    ----------
    held : pd.DataFrame, shape = (n_accounts, n_products)
        As from `holdings`.

    Returns
    -------
    pd.DataFrame, shape = (n_accounts, n_products)
        Natural logarithms; 0 where nothing else is held.
    """
    matrix = held.to_numpy(dtype=float)
    count = matrix.sum(axis=0)
    share = np.clip(count / max(len(matrix), 1), 1e-9, None)
    together = matrix.T @ matrix
    given = (together + _PRIOR * share[None, :]) / (count[:, None] + _PRIOR)
    lift = np.log(given / share[None, :])
    np.fill_diagonal(lift, 0.0)
    others = matrix.sum(axis=1, keepdims=True) - matrix
    mean = (matrix @ lift) / np.where(others > 0, others, 1.0)
    return pd.DataFrame(mean, index=held.index, columns=held.columns)


def _groups(
    tables: Tables, day: datetime, accounts: pd.Index[str], peer_column: str | None
) -> pd.Series[str]:
    if peer_column is None or not tables.has("accounts", peer_column):
        return pd.Series("all", index=accounts, dtype=object)
    rows = collect(known_rows(tables, "accounts", day).select("account_id", peer_column))
    known: pd.Series[str] = rows.set_index("account_id")[peer_column]
    return known.reindex(accounts).fillna("unknown").astype(object)


def _group_share(flags: pd.DataFrame, groups: pd.Series[str]) -> pd.DataFrame:
    """Return each account's share of the others of its group, shrunk to that of all accounts."""
    overall = flags.mean()
    summed = flags.groupby(groups).transform("sum") - flags
    size = groups.map(groups.value_counts()).astype(float) - 1.0
    return (summed + _PRIOR * overall).div(size + _PRIOR, axis=0)


def _stacked(wide: pd.DataFrame, keys: pd.DataFrame) -> np.ndarray:
    """Look up accounts × products in a wide frame; NaN where it lacks either."""
    if wide.empty:
        return np.full(len(keys), np.nan)
    rows = wide.index.get_indexer(pd.Index(keys["account_id"]))
    columns = wide.columns.get_indexer(pd.Index(keys["product"]))
    found = wide.to_numpy(dtype=float)[rows, columns]
    return np.where((rows >= 0) & (columns >= 0), found, np.nan)


def _bought_share(tables: Tables, day: datetime, held: pd.DataFrame) -> pd.Series[float]:
    """Return who began with a product after the account itself began ÷ who was without it."""
    rows = known_rows(tables, "subscriptions", day).filter(nw.col("mrr") > 0)
    first = collect(rows.group_by(*_KEYS).agg(nw.col("started_at").min().alias("first")))
    started = first.groupby("account_id", sort=False)["first"].transform("min")
    since = pd.Timestamp(day) - timedelta(days=BOUGHT_DAYS)
    bought = first[(first["first"] >= since) & (first["first"] > started)]
    count = bought.groupby("product").size().reindex(held.columns).fillna(0.0)
    open_now = len(held) - held.sum()
    return count / (open_now + count).where(open_now + count > 0)


def _days_since_held(tables: Tables, day: datetime) -> pd.DataFrame:
    """Return the days since each account gave each product back, accounts × products."""
    rows = known_rows(tables, "subscriptions", day).filter(nw.col("mrr") > 0)
    ended = rows.filter(nw.col("ended_at") < day).group_by(*_KEYS).agg(nw.col("ended_at").max())
    last = collect(ended).set_index(_KEYS)["ended_at"]
    days: pd.Series[float] = np.floor((pd.Timestamp(day) - last).dt.total_seconds() / 86_400)
    return days.unstack()


def _tried(
    tables: Tables,
    day: datetime,
    keys: pd.DataFrame,
    held: pd.DataFrame,
    groups: pd.Series[str],
    events: Mapping[str, Sequence[str]],
) -> dict[str, np.ndarray]:
    own = _product_events(tables, day, held, events)
    if own.empty:
        return {}
    uses = _uses(tables, day, own)
    used = _wide(uses[uses["uses"] > 0].assign(one=1.0), "one", held)
    found = uses.set_index(_KEYS).reindex(pd.MultiIndex.from_frame(keys))
    known = keys["product"].isin(own["product"]).to_numpy()
    return {
        "offer_tried_28d": np.where(known, found["uses"].fillna(0.0), np.nan),
        "offer_tried_users_28d": np.where(known, found["users"].fillna(0.0), np.nan),
        "offer_days_since_tried": found["last"].to_numpy(),
        "offer_trial_days": found["trial"].to_numpy(),
        "offer_peer_use_28d": np.where(known, _stacked(_group_share(used, groups), keys), np.nan),
    }


def _wide(rows: pd.DataFrame, column: str, like: pd.DataFrame) -> pd.DataFrame:
    wide = rows.pivot_table(index="account_id", columns="product", values=column, fill_value=0.0)
    return wide.reindex(index=like.index, columns=like.columns, fill_value=0.0)


def _product_events(
    tables: Tables, day: datetime, held: pd.DataFrame, named: Mapping[str, Sequence[str]]
) -> pd.DataFrame:
    """Return product and event, one row a pair: as named, else as the holders' use tells."""
    pairs = [(product, event) for product, listed in named.items() for event in listed]
    unnamed = [product for product in held.columns if product not in named]
    if unnamed:
        pairs += _events_of_holders(tables, day, held, unnamed)
    return pd.DataFrame(pairs, columns=["product", "event"]).drop_duplicates()


def _events_of_holders(
    tables: Tables, day: datetime, held: pd.DataFrame, products: Sequence[str]
) -> list[tuple[str, str]]:
    since = day - timedelta(days=90)
    rows = known_rows(tables, "usage", day).filter(nw.col("occurred_at") >= since)
    pairs = collect(rows.select("account_id", "event").unique()).assign(used=1.0)
    if pairs.empty:
        return []
    used = pairs.pivot_table(index="account_id", columns="event", values="used", fill_value=0.0)
    used = used.reindex(held.index, fill_value=0.0)
    found = []
    for product in products:
        has = held[product] > 0
        if has.sum() < _OWN_HOLDERS or (~has).sum() < _OWN_HOLDERS:
            continue
        inside, outside = used[has].mean(), used[~has].mean()
        own = (inside >= _OWN_SHARE) & (inside >= _OWN_LIFT * outside)
        found += [(product, str(event)) for event in used.columns[own]]
    return found


def _uses(tables: Tables, day: datetime, own: pd.DataFrame) -> pd.DataFrame:
    """Return per account and product: uses and users of 28 days, last use, days of the trial."""
    rows = known_rows(tables, "usage", day).filter(
        (nw.col("occurred_at") >= day - timedelta(days=SEEN_DAYS))
        & nw.col("event").is_in(own["event"].unique().tolist())
    )
    quantity = nw.col("quantity").fill_null(1.0) if tables.has("usage", "quantity") else nw.lit(1.0)
    has_users = tables.has("usage", "user_id")
    user = nw.col("user_id") if has_users else nw.lit(None, dtype=nw.String)
    daily = (
        rows.with_columns(n=quantity, user=user, day=nw.col("occurred_at").dt.truncate("1d"))
        .group_by("account_id", "event", "user", "day")
        .agg(nw.col("n").sum(), nw.col("occurred_at").max().alias("last_at"))
    )
    uses = collect(daily).merge(own, on="event").sort_values([*_KEYS, "last_at"])
    age = (pd.Timestamp(day) - pd.to_datetime(uses["last_at"])).dt.total_seconds() / 86_400
    uses["age"] = np.ceil(age) - 1
    recent = uses["age"] < TRIED_DAYS
    uses["recent"], uses["seen"] = uses["n"].where(recent, 0.0), uses["user"].where(recent)
    grouped = uses.groupby(_KEYS)
    found = grouped.agg(uses=("recent", "sum"), users=("seen", "nunique"), last=("age", "min"))
    found["trial"] = _trial_days(uses).reindex(found.index)
    if not has_users:
        found["users"] = np.nan
    return found.reset_index()


def _trial_days(uses: pd.DataFrame) -> pd.Series[float]:
    """Return the days since the running trial began; absent where none runs.

    `uses` has account_id, product and age (days before the date), oldest first.
    """
    pause = uses.groupby(_KEYS)["age"].shift() - uses["age"]
    trial = (pause > _TRIAL_PAUSE_DAYS).groupby([uses[k] for k in _KEYS]).cumsum()
    spans = uses.groupby([*_KEYS, trial.rename("trial")])["age"].agg(["max", "min"])
    last = spans.groupby(level=_KEYS).tail(1).droplevel("trial")
    running_now: pd.Series[float] = last.loc[last["min"] <= _TRIAL_PAUSE_DAYS, "max"]
    return running_now
