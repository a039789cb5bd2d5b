"""The book of contracts: every opening and closing, and the `subscriptions` table of it."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.random import Generator

from health.demo import catalogue
from health.demo.accounts import TERM_DAYS, Traits
from health.demo.latent import Flags, Floats, Ints
from health.demo.state import NEVER, State, core_price, quota

CURRENCY = "USD"
_QUOTA_EVENTS = np.array([None, catalogue.QUOTA_EVENT], dtype=object)
_PRODUCTS = np.array([catalogue.CORE, *catalogue.ADD_ONS], dtype=object)


@dataclass
class Ledger:
    """Entries in the order they were made.

    An entry opens a row of one product of one account (which closes the row before it), or,
    where `mrr` is missing, only closes.
    """

    entries: list[pd.DataFrame] = field(default_factory=list)
    notices: list[pd.DataFrame] = field(default_factory=list)

    def core(self, state: State, traits: Traits, who: Ints, day: Ints) -> None:
        """Open a row of the core product for the accounts `who`, on `day`."""
        self._open(
            who,
            0,
            day,
            core_price(state, traits)[who],
            state.renew_day[who],
            plan=state.plan[who].astype(np.float64),
            seats=state.seats[who].astype(np.float64),
            quota=quota(state)[who],
        )

    def add_on(self, state: State, which: int, who: Ints, day: Ints) -> None:
        """Open a row of add-on number `which` for the accounts `who`, on `day`."""
        self._open(who, which + 1, day, state.add_on_price[who, which], state.renew_day[who])

    def close(self, which: int, who: Ints, day: Ints) -> None:
        """End product number `which` (0: the core) of the accounts `who`."""
        self._open(who, which, day, np.full(len(who), np.nan), np.full(len(who), NEVER))

    def notice(self, who: Ints, day: Ints) -> None:
        """Write down a notice for every row that runs on `day`."""
        if len(who):
            self.notices.append(pd.DataFrame({"account": who, "notice": day}))

    def _open(
        self, who: Ints, product: int, day: Ints, mrr: Floats, renews: Ints, **columns: Floats
    ) -> None:
        if len(who) == 0:
            return
        held: dict[str, Floats] = {"plan": np.array(np.nan), "seats": np.array(np.nan)}
        held |= {"quota": np.array(np.nan)} | columns
        entry = {"account": who, "product": product, "day": day, "mrr": mrr, "renews": renews}
        self.entries.append(
            pd.DataFrame(entry | {k: v + np.zeros(len(who)) for k, v in held.items()})
        )


def open_history(ledger: Ledger, state: State, traits: Traits, first_day: int) -> None:
    """Write the contracts that ran before the window, one row for each finished term."""
    here = np.flatnonzero(state.paying)
    annual = here[traits.annual[here]]
    ledger.core(
        state, traits, here[~traits.annual[here]], traits.start_day[here[~traits.annual[here]]]
    )
    terms = (first_day - traits.start_day) // TERM_DAYS
    past = state.copy()
    for back in range(int(terms[annual].max(initial=0)), -1, -1):
        who = annual[terms[annual] >= back]
        past.price_index = state.price_index / 1.02**back
        past.renew_day = state.renew_day - back * TERM_DAYS
        ledger.core(past, traits, who, past.renew_day[who] - TERM_DAYS)
    for which in range(3):
        who = np.flatnonzero(state.held[:, which])
        term_start = np.where(traits.annual, state.renew_day - TERM_DAYS, traits.start_day)
        ledger.add_on(state, which, who, term_start[who])


def subscriptions_table(
    ledger: Ledger, ids: Ints, observed_until_day: int, rng: Generator
) -> pd.DataFrame:
    """Return the `subscriptions` table, one row for each stretch of unchanged price and seats."""
    book = pd.concat(ledger.entries, ignore_index=True)
    # Of two entries on one day the later one counts: a renewal with more seats is one row.
    book = book.drop_duplicates(["account", "product", "day"], keep="last")
    book = book.sort_values(["account", "product", "day"], ignore_index=True)
    key = book["account"] * 4 + book["product"]
    follows = key.eq(key.shift(-1))
    book["ended"] = book["day"].shift(-1).where(follows)
    # A renewal on the last midnight is not known yet, nor is the end of the row before it.
    book = book[book["mrr"].notna() & (book["day"] < observed_until_day)].copy()
    book["ended"] = book["ended"].where(book["ended"] < observed_until_day)
    book["notice"] = _notices(book, ledger)
    order = np.lexsort((rng.random(len(book)), book["day"].to_numpy()))
    return _named(book.iloc[order], ids)


def _notices(book: pd.DataFrame, ledger: Ledger) -> Floats:
    """Return for each row the day of the notice given while it ran, else NaN."""
    noted = np.full(len(book), np.nan)
    if not ledger.notices:
        return noted
    notices = pd.concat(ledger.notices, ignore_index=True)
    rows = book.assign(row=np.arange(len(book)))[["account", "day", "ended", "row"]]
    pairs = rows.merge(notices, on="account")
    ended = pairs["ended"].fillna(NEVER)
    pairs = pairs[(pairs["day"] <= pairs["notice"]) & (pairs["notice"] < ended)]
    noted[pairs["row"].to_numpy()] = pairs["notice"].to_numpy()
    return noted


def _named(book: pd.DataFrame, ids: Ints) -> pd.DataFrame:
    """Return the rows with canonical columns and values."""
    core = (book["product"] == 0).to_numpy()
    has_quota = core & (book["quota"] > 0).to_numpy()
    plans = np.full(len(book), None, dtype=object)
    plans[core] = np.array(catalogue.PLANS, dtype=object)[book.loc[core, "plan"].astype(int)]
    renews = book["renews"].where(book["renews"] < NEVER)
    return pd.DataFrame(
        {
            "subscription_id": [f"SUB-{row:06d}" for row in range(1, len(book) + 1)],
            "account_id": ids[book["account"].to_numpy()],
            "product": _PRODUCTS[book["product"].to_numpy()],
            "plan": plans,
            "seats": book["seats"].to_numpy(),
            "mrr": np.round(book["mrr"].to_numpy(), 2),
            "currency": CURRENCY,
            "quota": book["quota"].where(has_quota).to_numpy(),
            "quota_event": _QUOTA_EVENTS[has_quota.astype(np.int64)],
            "started_at": days_to_times(book["day"].to_numpy()),
            "ended_at": days_to_times(book["ended"].to_numpy()),
            "renews_at": days_to_times(renews.to_numpy()),
            "notice_at": days_to_times(book["notice"].to_numpy()),
        }
    )


def days_to_times(days: Floats | Ints) -> Floats:
    """Turn days since 1970 (NaN: none) into datetime64[us]."""
    values = np.asarray(days, dtype=np.float64)
    missing: Flags = np.isnan(values)
    times = np.where(missing, 0, values).astype("datetime64[D]").astype("datetime64[us]")
    times[missing] = np.datetime64("NaT")
    return np.asarray(times)
