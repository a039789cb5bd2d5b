"""One list of a published run: for one CSM, or for all."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from datetime import date, datetime

import pandas as pd

from features.errors import HealthError
from health.business.kinds import Business, business_of, with_money
from health.presentation.wording import LISTS, ListKind
from health.runs.account_names import find_account
from health.runs.directory import find_run
from health.settings.config import Config

#: Columns of scores.parquet that a list shows.
_SHOWN = ("account_id", "name", "csm", "mrr", "health_score", "health_band", "days_to_renewal")


@dataclass(frozen=True)
class Listing:
    """A list as it was published.

    Attributes
    ----------
    kind : ListKind
    csm : str or None
        Whose list; None for everybody's.
    as_of : date
        The run.
    rows : pd.DataFrame
        Rows of flags.parquet by CSM and rank, joined with mrr, health_score, health_band and
        days_to_renewal of the account.
    currency : str
        Currency of every amount.
    business : Business
        Whether the company has contracts or orders.
    """

    kind: ListKind
    csm: str | None
    as_of: date
    rows: pd.DataFrame
    currency: str
    business: Business


def read_list(
    config: Config,
    flag: str,
    csm: str | None = None,
    as_of: datetime | None = None,
    *,
    account: str | None = None,
) -> Listing:
    """Read a list from the run of a date, or from the last one.

    Parameters
    ----------
    config : Config
        The configuration.
    flag : str
        The list: its flag (``at_risk``) or its title (``"At risk"``).
    csm : str, optional
        Only the accounts of this CSM; part of the name is enough where only one CSM has it.
    as_of : datetime, optional
        The date of the run.
    account : str, optional
        Only this account, by account_id or by name.

    Raises
    ------
    HealthError
        There is no such list, run, CSM or account; the message lists the closest names.
    """
    run = find_run(config.runs_dir, as_of, config.file)
    business = business_of(run.info())
    kind = _known_kind(flag, business)
    columns = [*_SHOWN, business.column]
    scores = with_money(run.table("scores", [*dict.fromkeys(columns)]))
    flags = run.table("flags")
    if csm is not None:
        csm = _known_csm(csm, scores["csm"])
        flags = flags[flags["csm"] == csm]
    if account is not None:
        where = f"the run of {run.as_of} ({run.folder})"
        flags = flags[flags["account_id"] == find_account(scores, account, where=where)]
    own = flags[flags["flag"] == kind.flag]
    joined = scores.drop(columns=["name", "csm"])
    rows = own.merge(joined, on="account_id", how="left", suffixes=("", "_now"))
    rows = rows.sort_values(["csm", "rank", "account_id"], na_position="last")
    return Listing(kind, csm, run.as_of, rows.reset_index(drop=True), config.currency, business)


def _known_kind(flag: str, business: Business) -> ListKind:
    """Return the list of a flag or a title; one that the business does not have is empty."""
    named = {_plain(name): kind for kind in LISTS for name in (kind.flag, kind.title)}
    kind = named.get(_plain(flag))
    if kind is None:
        names = ", ".join(kind.flag for kind in LISTS)
        raise HealthError(f"no list is called {flag!r}", where="--flag", fix=f"one of: {names}")
    return next((own for own in business.lists if own.flag == kind.flag), kind)


def _plain(text: str) -> str:
    return " ".join(text.casefold().replace("_", " ").replace("-", " ").split())


def _known_csm(csm: str, known: pd.Series[str]) -> str:
    names = sorted(known.dropna().unique())
    if csm in names:
        return csm
    meant = _plain(csm)
    same = [name for name in names if _plain(name) == meant]
    partly = [name for name in names if meant and meant in _plain(name)]
    found = same or partly
    if len(found) == 1:
        return str(found[0])
    close = found or difflib.get_close_matches(csm, names, n=3, cutoff=0.4)
    fix = f"did you mean {', '.join(close)}?" if close else f"there are {', '.join(names[:10])}"
    if not names:
        fix = "the accounts table names no CSM: leave --csm out"
    several = f"{len(found)} CSMs match {csm!r}" if found else f"no account has the CSM {csm!r}"
    raise HealthError(several, where="--csm", fix=fix)
