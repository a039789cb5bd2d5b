"""Find an account by its identifier or its name."""

from __future__ import annotations

import difflib

import pandas as pd

from features.errors import HealthError
from features.tables.identifiers import normalised
from health.presentation import wording

#: Maximum number of accounts named in a message.
_MOST_NAMED = 5


def find_account(accounts: pd.DataFrame, wanted: str, *, where: str) -> str:
    """Return the account_id of the account with an identifier or a name.

    An exact identifier comes first, then an identifier or a name that differs only in case or
    spaces.

    Parameters
    ----------
    accounts : pd.DataFrame
        account_id and, if available, name; an account may have several rows.
    wanted : str
        The identifier or name as typed.
    where : str
        Where the accounts come from, for the message.

    Raises
    ------
    HealthError
        No account has this identifier or name, or several have the name; the message lists the
        closest matches.

    Examples
    --------
    >>> accounts = pd.DataFrame({"account_id": ["A1", "A2"], "name": ["Acme", "Beta Ltd"]})
    >>> find_account(accounts, "beta  ltd", where="the run")
    'A2'
    """
    known = _known(accounts)
    account_id = normalised(wanted)
    if account_id in known.index:
        return str(account_id)
    meant = _plain(wanted)
    by_id = known.index[[_plain(account) == meant for account in known.index]]
    found = list(by_id) or list(known.index[known.map(_plain) == meant])
    if len(found) == 1:
        return str(found[0])
    if found:
        raise HealthError(
            f"{wording.count(len(found), 'account')} match {wanted!r}: {_named(known, found)}",
            where=where,
            fix="give the account_id instead",
        )
    close = _close(known, meant)
    ask = f"did you mean {_named(known, close)}?" if close else "check the spelling."
    raise HealthError(
        f"no account has the id or the name {wanted!r}",
        where=where,
        fix=f"{ask} A run contains only accounts that pay on its date",
    )


def _known(accounts: pd.DataFrame) -> pd.Series[str]:
    """Return the name of each account by its account_id; empty if it has none."""
    own = accounts.drop_duplicates("account_id").set_index("account_id")
    if "name" not in own.columns:
        return pd.Series("", index=own.index, dtype=object)
    return own["name"].map(wording.text_of)


def _plain(text: str) -> str:
    return " ".join(str(text).split()).casefold()


def _close(known: pd.Series[str], meant: str) -> list[str]:
    """Return the closest accounts: names that contain the text, then similar names."""
    plain = known.map(_plain)
    found = list(known.index[[bool(meant) and meant in name for name in plain]])[:_MOST_NAMED]
    if found:
        return found
    keys: dict[str, str] = {}
    for account, name in plain.items():
        keys.setdefault(_plain(str(account)), str(account))
        if name:
            keys.setdefault(name, str(account))
    return [keys[key] for key in difflib.get_close_matches(meant, list(keys), n=3)]


def _named(known: pd.Series[str], accounts: list[str]) -> str:
    shown = [f"{known[a]} ({a})" if known[a] else str(a) for a in accounts[:_MOST_NAMED]]
    more = len(accounts) - len(shown)
    return ", ".join(shown) + (f" and {more:,} more" if more > 0 else "")
