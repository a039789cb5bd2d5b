"""A week that fits: each CSM's accounts by expected value, cut to capacity, some held out."""

from __future__ import annotations

import hashlib
import math

import numpy as np
import pandas as pd

from features.errors import quantity
from health.settings.flags import FlagsConfig

#: States of an episode that may be shown: listed, held out by lot, or waiting for room.
LISTED, HELD_OUT, WAITING = "listed", "held_out", "waiting"
#: Main actions, the most urgent first: of an account with several flags the first one applies.
ACTIONS = (
    *("leaving", "silent", "at_risk", "renewal", "disagreement"),
    *("expansion", "advocate"),
)
#: The flags that are offers.
OFFERS = ("upsell", "cross_sell")
#: Number of possible hashes.
_HASHES = 2**64
#: Columns of candidates that decide which of them are shown.
_DECIDES = ("flag", "csm", "value", "mrr", "asked", "order", "worth")


def action_of(flags: pd.Series[str]) -> pd.Series[str]:
    """Return the action that each kind of flag calls for: both kinds of offers are expansion."""
    return flags.where(~flags.isin(OFFERS), "expansion")


def fit_week(
    candidates: pd.DataFrame,
    csms: pd.Series[str],
    config: FlagsConfig,
    *,
    by_value: bool = True,
) -> pd.DataFrame:
    """Rank each CSM's accounts by expected value and list as many as fit the week.

    Parameters
    ----------
    candidates : pd.DataFrame
        account_id, flag, csm, value (expected loss or gain in a year; NaN where no probability
        is published), mrr and asked (the customer asked for this offer) of the flags that may be
        shown; with worth, accounts are ordered by it instead of value. If it is known, order:
        the place of the account among all in the order of account_id.
    csms : pd.Series of str
        The CSM of every scored account, None without one: decides how much room there is.
    config : FlagsConfig
        Capacities, and the share that is held out.
    by_value : bool
        Order accounts by `value` alone. Without a probability of churn an expected gain has no
        expected loss to be compared with: then the order is that of `ACTIONS`, and by MRR.

    Returns
    -------
    pd.DataFrame
        The candidates with action (of the row), state and week_rank (of the account in its
        CSM's week, from 1; missing where it is not listed), by CSM and rank. All flags of a
        listed account are listed, except that of its offers only the one worth most is, and
        those it asked for. An account that is held out would have been listed: it is worth more
        than the last one listed.
    """
    # Candidates of a large company are many: only what decides is copied.
    read = [name for name in _DECIDES if name in candidates]
    rows = candidates[read].assign(held=held_out(candidates, config))
    action = action_of(candidates["flag"])
    rows["urgency"] = action.map({name: place for place, name in enumerate(ACTIONS)})
    if "order" not in rows:
        rows["order"] = pd.factorize(candidates["account_id"], sort=True)[0]
    if "worth" not in rows:
        rows["worth"] = rows["value"]
    accounts = _ordered_accounts(rows, by_value=by_value)
    group = accounts["csm"].fillna("")
    place = (~accounts["held"]).groupby(group, sort=False).cumsum()
    room = accounts["csm"].map(capacities(csms, config)).fillna(unassigned(csms, config))
    # An account that is held out comes after as many as were listed before it.
    fits = np.where(accounts["held"], place < room, place <= room)
    rank = place.where(~accounts["held"] & (place <= room)).astype("Int64")
    at = accounts.index.get_indexer(pd.Index(rows["order"]))
    shown = fits[at] & one_offer(rows).to_numpy()
    state = np.select([shown & ~rows["held"], shown & rows["held"]], [LISTED, HELD_OUT], WAITING)
    week_rank = rank.iloc[at].set_axis(rows.index).where(state == LISTED)
    ordered = rows[["csm"]].assign(rank=week_rank).sort_values(["csm", "rank"], kind="stable")
    return candidates.loc[ordered.index].assign(
        action=action,
        order=rows["order"],
        worth=rows["worth"],
        week_rank=week_rank,
        state=pd.Series(state, index=rows.index),
    )


def _ordered_accounts(rows: pd.DataFrame, *, by_value: bool) -> pd.DataFrame:
    """Return one row per account, in the order of the weeks, with held: nothing of it is shown."""
    # What the account is ranked by is its main action among those that are not held out.
    first = rows.sort_values(
        ["held", "urgency", "worth", "mrr"], ascending=[True, True, False, False], kind="stable"
    ).drop_duplicates("order")
    tier = pd.Series(0, index=first.index) if by_value else first["urgency"]
    ordered = first.assign(tier=tier).sort_values(
        ["csm", "tier", "worth", "mrr", "order"],
        ascending=[True, True, False, False, True],
        na_position="last",
    )
    return ordered.set_index("order")[["csm", "held"]]


def one_offer(rows: pd.DataFrame) -> pd.Series[bool]:
    """Return which rows may be shown together: of an account's offers the one worth most.

    Those that the customer asked for may be shown as well.
    """
    offers = rows.loc[rows["flag"].isin(OFFERS), ["asked", "value", "order"]]
    ranked = offers.sort_values(
        ["asked", "value", "order"], ascending=[False, False, True], kind="stable"
    )
    best = ~ranked["order"].duplicated() | ranked["asked"]
    return best.reindex(rows.index, fill_value=True).astype(bool)


def held_out(candidates: pd.DataFrame, config: FlagsConfig) -> pd.Series[bool]:
    """Return which candidates are held out: by the hash of the account, the same every week."""
    if config.hold_out == 0:
        return pd.Series(False, index=candidates.index)
    concerned = candidates["flag"].isin(config.hold_out_flags)
    drawn = candidates.loc[concerned, "account_id"].map(
        lambda account: lot(account) < config.hold_out
    )
    return drawn.reindex(candidates.index, fill_value=False).astype(bool)


def lot(account: str) -> float:
    """Return a number in [0, 1) that depends on nothing but the account."""
    digest = hashlib.sha256(f"hold-out:{account}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / _HASHES


def capacities(accounts: pd.Series[str], config: FlagsConfig) -> dict[str, int]:
    """Return how many accounts fit each CSM's week."""
    names = accounts.dropna().unique()
    return {name: config.capacity.get(name, config.capacity_per_csm) for name in names}


def unassigned(accounts: pd.Series[str], config: FlagsConfig) -> int:
    """Return how many accounts fit the week of those who share the accounts without a CSM."""
    return config.capacity_per_csm * unassigned_csms(accounts, config)


def unassigned_csms(accounts: pd.Series[str], config: FlagsConfig) -> int:
    """Return how many people are assumed to share the accounts without a CSM, at least 1."""
    if config.unassigned_csms is not None:
        return config.unassigned_csms
    return max(1, math.ceil(int(accounts.isna().sum()) / config.accounts_per_csm))


def unassigned_warning(accounts: pd.Series[str], config: FlagsConfig) -> list[str]:
    """Return how lists were sized where accounts have no CSM."""
    count = int(accounts.isna().sum())
    if not count:
        return []
    people = unassigned_csms(accounts, config)
    basis = (
        "flags.unassigned_csms"
        if config.unassigned_csms is not None
        else f"one for {config.accounts_per_csm} accounts"
    )
    return [
        f"{count:,} of {len(accounts):,} accounts have no CSM: they share one week, "
        f"with room for {config.capacity_per_csm} accounts for each of {quantity(people, 'CSM')} "
        f"({basis}); "
        "give accounts.csm, or set flags.unassigned_csms"
    ]
