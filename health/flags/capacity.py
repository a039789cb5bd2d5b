"""Lists that fit a week: each CSM's accounts by money, cut to capacity, some held out."""

from __future__ import annotations

import hashlib
import math

import numpy as np
import pandas as pd

from health.settings.flags import FlagsConfig

#: States of an episode that may be shown: on the list, not on it by lot, or for want of room.
LISTED, HELD_OUT, WAITING = "listed", "held_out", "waiting"
#: Numbers a hash may be.
_HASHES = 2**64


def fit_lists(
    candidates: pd.DataFrame, accounts: pd.Series[str], config: FlagsConfig
) -> pd.DataFrame:
    """Rank each CSM's candidates by value and say who is on the list.

    Parameters
    ----------
    candidates : pd.DataFrame
        account_id, flag, csm, value of the flags that may be shown.
    accounts : pd.Series of str
        The CSM of every scored account, None where there is none: tells how much work has no
        name on it.
    config : FlagsConfig
        Capacities, and the share that is held out.

    Returns
    -------
    pd.DataFrame
        The same with state (`LISTED`, `HELD_OUT`, `WAITING`) and rank (1 is worth most; of
        those listed). Who is held out would have been listed: such an account is worth more
        than the last one listed.
    """
    ordered = candidates.sort_values(
        ["flag", "csm", "value", "account_id"], ascending=[True, True, False, True]
    )
    held = held_out(ordered, config)
    groups = [ordered["flag"], ordered["csm"].fillna("")]
    place = (~held).groupby(groups, sort=False).cumsum()
    room = ordered["csm"].map(capacities(accounts, config)).fillna(unassigned(accounts, config))
    fits = place <= room
    # One of those held out stands behind as many as were listed before it.
    separate = held & (place < room)
    state = np.select([fits & ~held, separate], [LISTED, HELD_OUT], WAITING)
    return ordered.assign(state=state, rank=place.where(fits & ~held).astype("Int64"))


def held_out(candidates: pd.DataFrame, config: FlagsConfig) -> pd.Series[bool]:
    """Tell which candidates are held out: by the account's own hash, so every week the same."""
    if config.hold_out == 0:
        return pd.Series(False, index=candidates.index)
    concerned = candidates["flag"].isin(config.hold_out_flags)
    drawn = candidates.loc[concerned, "account_id"].map(
        lambda account: lot(account) < config.hold_out
    )
    return drawn.reindex(candidates.index, fill_value=False).astype(bool)


def lot(account: str) -> float:
    """Return a number in [0, 1) that hangs on nothing but the account."""
    digest = hashlib.sha256(f"hold-out:{account}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / _HASHES


def capacities(accounts: pd.Series[str], config: FlagsConfig) -> dict[str, int]:
    """Return how many flags of one kind fit each CSM's week."""
    names = accounts.dropna().unique()
    return {name: config.capacity.get(name, config.capacity_per_csm) for name in names}


def unassigned(accounts: pd.Series[str], config: FlagsConfig) -> int:
    """Return how many flags of one kind fit the list of the accounts that have no CSM."""
    return config.capacity_per_csm * unassigned_csms(accounts, config)


def unassigned_csms(accounts: pd.Series[str], config: FlagsConfig) -> int:
    """Return how many people the accounts without a CSM are taken to have, 1 at least."""
    if config.unassigned_csms is not None:
        return config.unassigned_csms
    return max(1, math.ceil(int(accounts.isna().sum()) / config.accounts_per_csm))


def unassigned_warning(accounts: pd.Series[str], config: FlagsConfig) -> list[str]:
    """Say how lists were sized where accounts have no CSM."""
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
        f"{count:,} of {len(accounts):,} accounts have no CSM: they share one list of each kind, "
        f"with room for {config.capacity_per_csm} accounts for each of {people} CSM(s) ({basis}); "
        "give accounts.csm, or set flags.unassigned_csms"
    ]
