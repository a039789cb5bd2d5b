"""One list of a published run: for one CSM, or for all."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from datetime import date, datetime

import pandas as pd

from features.errors import HealthError
from health.business.kinds import Business, business_of, with_money
from health.presentation.wording import LISTS, ListKind
from health.runs.directory import find_run
from health.settings.config import Config


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
        Of every amount.
    business : Business
        How its money is called.
    """

    kind: ListKind
    csm: str | None
    as_of: date
    rows: pd.DataFrame
    currency: str
    business: Business


def read_list(
    config: Config, flag: str, csm: str | None = None, as_of: datetime | None = None
) -> Listing:
    """Read a list from the run of a date, or from the last one.

    Raises
    ------
    HealthError
        There is no such flag, run, or CSM; the nearest names are told.
    """
    kind = next((kind for kind in LISTS if kind.flag == flag), None)
    if kind is None:
        names = ", ".join(kind.flag for kind in LISTS)
        raise HealthError(f"no list is called {flag!r}", where="--flag", fix=f"one of: {names}")
    run = find_run(config.runs_dir, as_of, config.file)
    columns = ["account_id", "csm", "mrr", "health_score", "health_band", "days_to_renewal"]
    business = business_of(run.info())
    kind = next((own for own in business.lists if own.flag == flag), kind)
    scores = with_money(run.table("scores", [*dict.fromkeys([*columns, business.column])]))
    flags = run.table("flags")
    if csm is not None:
        csm = _known_csm(csm, scores["csm"])
        flags = flags[flags["csm"] == csm]
    own = flags[flags["flag"] == flag]
    rows = own.merge(scores.drop(columns="csm"), on="account_id", how="left", suffixes=("", "_now"))
    rows = rows.sort_values(["csm", "rank", "account_id"], na_position="last")
    return Listing(kind, csm, run.as_of, rows.reset_index(drop=True), config.currency, business)


def _known_csm(csm: str, known: pd.Series[str]) -> str:
    names = sorted(known.dropna().unique())
    by_case = {name.casefold(): name for name in names}
    if csm in names or csm.casefold() in by_case:
        return csm if csm in names else by_case[csm.casefold()]
    close = difflib.get_close_matches(csm, names, n=3, cutoff=0.4)
    fix = f"did you mean {', '.join(close)}?" if close else f"there are {', '.join(names[:10])}"
    if not names:
        fix = "the accounts table names no CSM: leave --csm out"
    raise HealthError(f"no account has the CSM {csm!r}", where="--csm", fix=fix)
