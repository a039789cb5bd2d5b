"""Open offers: the evidence, as of a date, that an account needs a product it does not own.

One row per account, date and product, in addition to the features of the account. "Never tried" is
null where no event of the product is known, and 0 where nobody at the account used it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property

import narwhals as nw
import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from features.definitions.feature import Feature, FeatureFamily
from features.rollups.usage_rollup import known_parts, known_tables, named_codes
from features.tables.opened import Tables
from features.tables.point_in_time import collect, known_rows
from features.windows.contracts import GRACE_DAYS, known_spans, running_contracts
from features.windows.day_rows import Codes, day_number
from features.windows.table_columns import placed

#: Days of use that count as a trial, and how far back one is looked for.
TRIED_DAYS, SEEN_DAYS = 28, 180
#: A pause of this many days ends a trial; later use is a new one.
_TRIAL_PAUSE_DAYS = 14.0
#: Days over which purchases of a product are counted.
BOUGHT_DAYS = 180
#: Prior weight, in accounts, by which lifts and shares of few accounts are shrunk.
_PRIOR = 20.0
#: An event belongs to a product if at least this share of its owners use it, and this many times
#: the share of other accounts. Only for products without configured events.
_OWN_SHARE, _OWN_LIFT, _OWN_HOLDERS = 0.3, 5.0, 10
#: Days of use that show which events belong to a product.
_OWN_DAYS = 90
_KEYS = ["account_id", "product"]


_NO_EVENTS = "use of this product cannot be distinguished from other use"
_NO_PEERS = "no other account to compare with"
_OFFER = FeatureFamily(name="offers", table="subscriptions", prefix="offer_", direction=0)
FEATURES: tuple[Feature, ...] = (
    _OFFER.feature(
        name="tried_28d",
        window_days=TRIED_DAYS,
        unit="count",
        sentence="Tried it {value} times in the last 28 days without owning it",
        zero_means="did not try it in the last 28 days",
        null_means=_NO_EVENTS,
        table="usage",
    ),
    _OFFER.feature(
        name="tried_users_28d",
        window_days=TRIED_DAYS,
        unit="count",
        sentence="Users who tried it in the last 28 days: {value}",
        zero_means="nobody tried it in the last 28 days",
        null_means=_NO_EVENTS,
        table="usage",
    ),
    _OFFER.feature(
        name="days_since_tried",
        window_days=SEEN_DAYS,
        unit="days",
        sentence="Last tried it {value} days ago",
        zero_means="tried it yesterday",
        null_means="did not try it in the last 180 days",
        table="usage",
    ),
    _OFFER.feature(
        name="trial_days",
        window_days=SEEN_DAYS,
        unit="days",
        sentence="Has been trying it for {value} days",
        zero_means="started trying it yesterday",
        null_means="is not trying it now",
        table="usage",
    ),
    _OFFER.feature(
        name="peer_use_28d",
        window_days=TRIED_DAYS,
        unit="share",
        sentence="{value} of similar accounts use what it does",
        zero_means="no similar account uses what it does",
        null_means=_NO_EVENTS,
        table="usage",
    ),
    _OFFER.feature(
        name="peer_share",
        unit="share",
        sentence="{value} of similar accounts own it",
        zero_means="no similar account owns it",
        null_means=_NO_PEERS,
    ),
    _OFFER.feature(
        name="co_ownership",
        unit="ratio",
        sentence="Among accounts with the same products, ownership is {value}",
        zero_means="accounts with the same products own it as often as others",
        null_means=_NO_PEERS,
    ),
    _OFFER.feature(
        name="bought_180d",
        window_days=BOUGHT_DAYS,
        unit="share",
        sentence="{value} of accounts without it bought it in the last 180 days",
        zero_means="nobody bought it in the last 180 days",
        null_means="no account could have bought it",
    ),
    _OFFER.feature(
        name="days_since_held",
        unit="days",
        sentence="Owned it before and cancelled it {value} days ago",
        zero_means="cancelled it yesterday",
        null_means="never owned it",
    ),
)
NAMES = tuple(feature.name for feature in FEATURES)


def offer_features(
    tables: Tables,
    offers: pd.DataFrame,
    *,
    events: Mapping[str, Sequence[str]] | None = None,
    peer_column: str | None = None,
    grace_days: int = GRACE_DAYS,
) -> pd.DataFrame:
    """Describe open offers by what was known before their dates.

    Parameters
    ----------
    tables : Tables
        Needs accounts and subscriptions; without usage, features of use are NaN.
    offers : pd.DataFrame
        account_id, as_of and product of products that the account does not own on the date.
    events : mapping of str to sequence of str, optional
        The events that show use of a product. For a product that is not named, the events that
        its owners use at least five times as often as other accounts.
    peer_column : str, optional
        Column of accounts that names the peer group; all accounts are one group without it.
    grace_days : int
        A gap between two rows of a contract that is shorter does not end it.

    Returns
    -------
    pd.DataFrame, shape = (n_offers, 9)
        On the index of `offers`; float64 columns named as in `FEATURES`.
    """
    nothing = pd.DataFrame(columns=list(NAMES), dtype=float)
    parts = [nothing.reindex(offers.index[:0])]
    for day in pd.to_datetime(offers["as_of"].unique()):
        own = offers[offers["as_of"] == day]
        contracts = _Contracts(tables, day.to_pydatetime(), grace_days)
        parts.append(_as_of(contracts, own, events or {}, peer_column).astype(float))
    return pd.concat(parts[1:] or parts).reindex(offers.index)


@dataclass(frozen=True)
class _Contracts:
    """The tables as of a date, and the rule that joins the rows of a contract."""

    tables: Tables
    day: datetime
    grace_days: int

    @cached_property
    def spans(self) -> pd.DataFrame:
        """The paid rows that were known before the date."""
        return known_spans(self.tables, self.day, grace_days=self.grace_days)


def _as_of(
    contracts: _Contracts,
    offers: pd.DataFrame,
    events: Mapping[str, Sequence[str]],
    peer_column: str | None,
) -> pd.DataFrame:
    tables, day = contracts.tables, contracts.day
    held = holdings(tables, day, grace_days=contracts.grace_days)
    groups = _groups(tables, day, held.index, peer_column)
    keys = offers[_KEYS]
    held = held.reindex(
        columns=held.columns.union(offers["product"].unique().tolist()), fill_value=0.0
    )
    columns = {
        "offer_peer_share": _stacked(_group_share(held, groups), keys),
        "offer_co_ownership": _stacked(co_ownership(held), keys),
        "offer_bought_180d": offers["product"].map(_bought_share(contracts, held)).to_numpy(),
        "offer_days_since_held": _stacked(_days_since_held(contracts), keys),
    }
    if tables.has("usage"):
        columns |= _tried(tables, day, keys, held, groups, events)
    return pd.DataFrame(columns, index=offers.index).reindex(columns=list(NAMES))


def holdings(tables: Tables, as_of: datetime, *, grace_days: int = GRACE_DAYS) -> pd.DataFrame:
    """Return 1 if a paying account owns a product on a date, else 0.

    Returns
    -------
    pd.DataFrame, shape = (n_accounts, n_products)
        Indexed by account_id, one column per product, both sorted.
    """
    rows = running_contracts(tables, as_of, grace_days=grace_days)
    pairs = rows.loc[rows["mrr"] > 0, _KEYS].drop_duplicates().assign(held=1.0)
    return pairs.pivot_table(index="account_id", columns="product", values="held", fill_value=0.0)


def co_ownership(held: pd.DataFrame) -> pd.DataFrame:
    """Return how much the products of each account raise the share of owners of each product.

    The mean over the other products it owns of log lift(P | Q), where
    lift(P | Q) = P(owns P | owns Q) ÷ P(owns P), and the conditional share is shrunk to the
    unconditional one by 20 accounts.

    Parameters
    ----------
    held : pd.DataFrame, shape = (n_accounts, n_products)
        As from `holdings`.

    Returns
    -------
    pd.DataFrame, shape = (n_accounts, n_products)
        Natural logarithms; 0 where the account owns nothing else.
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
    """Return the share among the other accounts of the group, shrunk to that of all accounts."""
    overall = flags.mean()
    summed = flags.groupby(groups).transform("sum") - flags
    size = groups.map(groups.value_counts()).astype(float) - 1.0
    return (summed + _PRIOR * overall).div(size + _PRIOR, axis=0)


def _stacked(wide: pd.DataFrame, keys: pd.DataFrame) -> np.ndarray:
    """Look up accounts × products in a wide frame; NaN if it lacks either."""
    if wide.empty:
        return np.full(len(keys), np.nan)
    rows = wide.index.get_indexer(pd.Index(keys["account_id"]))
    columns = wide.columns.get_indexer(pd.Index(keys["product"]))
    found = wide.to_numpy(dtype=float)[rows, columns]
    return np.where((rows >= 0) & (columns >= 0), found, np.nan)


def _bought_share(contracts: _Contracts, held: pd.DataFrame) -> pd.Series[float]:
    """Return who started a product after the account itself started ÷ who was without it."""
    starts = contracts.spans.groupby(_KEYS, sort=False)["started_at"].min()
    first = starts.rename("first").reset_index()
    started = first.groupby("account_id", sort=False)["first"].transform("min")
    since = pd.Timestamp(contracts.day) - timedelta(days=BOUGHT_DAYS)
    bought = first[(first["first"] >= since) & (first["first"] > started)]
    count = bought.groupby("product").size().reindex(held.columns).fillna(0.0)
    open_now = len(held) - held.sum()
    return count / (open_now + count).where(open_now + count > 0)


def _days_since_held(contracts: _Contracts) -> pd.DataFrame:
    """Return the days since each account cancelled each product, accounts × products."""
    ended = contracts.spans[contracts.spans["ended_at"].notna()]
    last = ended.groupby(_KEYS)["ended_at"].max()
    age = pd.Timestamp(contracts.day) - last
    days: pd.Series[float] = np.floor(age.dt.total_seconds() / 86_400)
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
    """Return product and event, one row per pair: as configured, otherwise by the use of owners."""
    pairs = [(product, event) for product, listed in named.items() for event in listed]
    unnamed = [product for product in held.columns if product not in named]
    if unnamed:
        pairs += _events_of_holders(tables, day, held, unnamed)
    return pd.DataFrame(pairs, columns=["product", "event"]).drop_duplicates()


def _events_of_holders(
    tables: Tables, day: datetime, held: pd.DataFrame, products: Sequence[str]
) -> list[tuple[str, str]]:
    accounts, events = held.index, _accounts_by_event(tables, day, held.index)
    if not events:
        return []
    used = np.array([*events.values()])
    found = []
    for product in products:
        has = held[product].to_numpy() > 0
        owners, others = has.sum(), len(accounts) - has.sum()
        if owners < _OWN_HOLDERS or others < _OWN_HOLDERS:
            continue
        among_owners = np.count_nonzero(used & has, axis=1)
        inside = among_owners / owners
        outside = (np.count_nonzero(used, axis=1) - among_owners) / others
        own = (inside >= _OWN_SHARE) & (inside >= _OWN_LIFT * outside)
        found += [(product, event) for event, is_own in zip(events, own, strict=True) if is_own]
    return found


def _accounts_by_event(
    tables: Tables, day: datetime, accounts: pd.Index[str]
) -> dict[str, npt.NDArray[np.bool_]]:
    """Return which accounts used each event in the last 90 days, by its name, in order."""
    end, found = day_number(day), dict[str, npt.NDArray[np.bool_]]()
    columns, owners = ["account_id", "event"], pa.array(accounts, pa.string())
    for table in known_tables(tables, "events", end - _OWN_DAYS, end, columns=columns):
        events, event = named_codes(table["event"])
        # The last row and the last column are those of no event and of no account.
        used = np.zeros((len(events) + 1, len(accounts) + 1), dtype=bool)
        used[event, _places(table["account_id"], owners)] = True
        for name, own in zip(events.to_pylist(), used, strict=False):
            found[name] = found.get(name, False) | own[:-1]
    return dict(sorted(found.items()))


def _places(column: pa.ChunkedArray, among: pa.StringArray) -> Codes:
    """Return the place of each value of a dictionary column among some names, −1 for others."""
    own = column.unify_dictionaries().combine_chunks()
    return placed(pc.fill_null(own.indices, -1).to_numpy(), own.dictionary, among)


def _uses(tables: Tables, day: datetime, own: pd.DataFrame) -> pd.DataFrame:
    """Return per account and product: uses and users of 28 days, last use, days of the trial."""
    end, events = day_number(day), own["event"].unique().tolist()
    daily = [
        collect(
            rows.filter(nw.col("event").is_in(events))
            .group_by("account_id", "event", "day")
            .agg(nw.col("quantity").sum().alias("n"))
        )
        for rows in known_parts(tables, "events", end - SEEN_DAYS, end)
    ]
    uses = pd.concat(daily, ignore_index=True).merge(own, on="event")
    age = pd.Timestamp(day) - pd.to_datetime(uses["day"])
    uses["age"] = age.dt.days.astype(float) - 1
    uses = uses.sort_values([*_KEYS, "age"], ascending=[True, True, False])
    uses["recent"] = uses["n"].where(uses["age"] < TRIED_DAYS, 0.0)
    grouped = uses.groupby(_KEYS)
    found = grouped.agg(uses=("recent", "sum"), last=("age", "min"))
    found["trial"] = _trial_days(uses).reindex(found.index)
    found["users"] = _users(tables, day, own).reindex(found.index)
    return found.reset_index()


def _users(tables: Tables, day: datetime, own: pd.DataFrame) -> pd.Series[float]:
    """Return the users of 28 days by account and product; the engine counts them."""
    if not tables.has("usage", "user_id"):
        return pd.Series(dtype=float)
    events_of = {product: group.tolist() for product, group in own.groupby("product")["event"]}
    events = own["event"].unique().tolist()
    rows = known_rows(tables, "usage", day).filter(
        nw.col("occurred_at") >= day - timedelta(days=TRIED_DAYS),
        nw.col("event").is_in(events),
        ~nw.col("user_id").is_null(),
    )
    names = [f"product_{place}" for place in range(len(events_of))]
    tried = [
        nw.when(nw.col("event").is_in(listed)).then(nw.lit(1.0)).otherwise(nw.lit(0.0)).alias(name)
        for name, listed in zip(names, events_of.values(), strict=True)
    ]
    of_users = rows.select("account_id", "user_id", *tried).group_by("account_id", "user_id")
    of_accounts = of_users.agg(*(nw.col(name).max() for name in names)).group_by("account_id")
    counted = collect(of_accounts.agg(*(nw.col(name).sum() for name in names)))
    counted = counted[["account_id", *names]]
    wide = counted.set_index("account_id").set_axis([*events_of], axis=1).astype(float)
    long = wide.melt(ignore_index=False, var_name="product", value_name="users").reset_index()
    users_of: pd.Series[float] = long.set_index(_KEYS)["users"]
    return users_of


def _trial_days(uses: pd.DataFrame) -> pd.Series[float]:
    """Return the days since the current trial started; absent without one.

    `uses` has account_id, product and age (days before the date), oldest first.
    """
    pause = uses.groupby(_KEYS)["age"].shift() - uses["age"]
    trial = (pause > _TRIAL_PAUSE_DAYS).groupby([uses[k] for k in _KEYS]).cumsum()
    spans = uses.groupby([*_KEYS, trial.rename("trial")])["age"].agg(["max", "min"])
    last = spans.groupby(level=_KEYS).tail(1).droplevel("trial")
    running_now: pd.Series[float] = last.loc[last["min"] <= _TRIAL_PAUSE_DAYS, "max"]
    return running_now
