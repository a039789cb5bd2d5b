"""The ledger: after the renewal date, who was right, the model or the CSM, and by how much.

Each is judged alone; no figure averages the two. Compared are renewals with a CSM's call, each with
the probability that the newest run published before the call: both knew the same day. The last call
that was made at least `LEAD_DAYS` before the date counts, since a call on the eve of a renewal
foresees nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pandas as pd

from features.commercial.contracts import COLUMNS as CONTRACT_COLUMNS
from features.commercial.contracts import Contracts
from features.tables.opened import Tables
from features.windows.contracts import ContractRows, load_contracts
from features.windows.table_columns import DAY_US
from health.renewals.calls import called_share
from health.renewals.history import MONTHS, UPCOMING_DAYS, paid_after
from health.runs.directory import PublishedRun

#: A call counts if it was made at least this many days before the renewal.
LEAD_DAYS = 14
#: Calls that a judgement needs, over all and of one CSM.
LEAST_CALLS = 20
_RESAMPLES, _ENDS = 2_000, (2.5, 97.5)
COLUMNS = (
    "account_id",
    "author",
    "due",
    "arr",
    "kept",
    "call",
    "called_at",
    "called",
    "csm_error",
    "run",
    "chance_of_leaving",
    "expected",
    "model_error",
)


@dataclass(frozen=True)
class CallsMatched:
    """Calls with the renewal that each is about.

    Attributes
    ----------
    rows : pd.DataFrame
        The calls, with number (of the account) and due.
    unmatched : pd.DataFrame
        Calls about accounts that had no renewal ahead when the call was made.
    contracts : ContractRows or None
        The contracts whose accounts are numbered; None where no call has a renewal.
    """

    rows: pd.DataFrame
    unmatched: pd.DataFrame
    contracts: ContractRows | None = None

    @property
    def warnings(self) -> list[str]:
        """What is wrong with calls, in words."""
        if self.unmatched.empty:
            return []
        first = self.unmatched.iloc[0]
        count, total = len(self.unmatched), len(self.unmatched) + len(self.rows)
        return [
            f"forecasts: {count:,} of {total:,} calls are about accounts without a renewal when "
            f"the call was made (no term of more than 35 days that ends within a year, notice "
            f"given, or not paying), e.g. {first['call']} for {first['account_id']} on "
            f"{first['created_at']:%Y-%m-%d}; they are not compared with outcomes. Correct "
            "forecasts.account_id, or map renews_at of subscriptions"
        ]


def match_calls(
    tables: Tables, calls: pd.DataFrame, as_of: datetime, *, grace_days: int = 30
) -> CallsMatched:
    """Find the renewal that each call is about: the next end of the account's term.

    Parameters
    ----------
    tables : Tables
        Needs subscriptions where there are calls.
    calls : pd.DataFrame
        As from `read_calls`.
    as_of : datetime
        The date of the run.
    grace_days : int
        A gap between two rows of a contract that is shorter does not end it.
    """
    if calls.empty or not tables.has("subscriptions"):
        empty = calls.assign(number=-1, due=pd.Series(pd.NaT, index=calls.index))
        return CallsMatched(empty.head(0), calls)
    contracts = load_contracts(tables, grace_days=grace_days, columns=CONTRACT_COLUMNS)
    reader = Contracts(contracts)
    names = pd.Index(contracts.rows.texts["account_id"].to_pandas())
    rows = calls.assign(number=names.get_indexer(pd.Index(calls["account_id"])))
    # As known at the end of the day of the call: an account may have started on that day.
    rows["due"] = pd.Series(pd.NaT, index=rows.index, dtype="datetime64[us]")
    midnight = rows["created_at"].dt.normalize() + pd.Timedelta(days=1)
    for day, own in rows[rows["number"] >= 0].groupby(midnight.clip(upper=pd.Timestamp(as_of))):
        terms = reader.terms(contracts.as_of(day))
        lead = np.floor(terms["days_to_renewal"][own["number"]])
        pays = (terms["mrr"] > 0) & ~(terms["notice_given"] > 0)
        upcoming = pays[own["number"]] & (lead >= 0) & (lead < UPCOMING_DAYS)
        dates = day.normalize() + pd.to_timedelta(np.where(upcoming, lead, 0), unit="D")
        rows.loc[own.index[upcoming], "due"] = dates[upcoming]
    known = rows["due"].notna()
    matched = rows[known].reset_index(drop=True)
    return CallsMatched(matched, calls[~known.to_numpy()], contracts)


def build_ledger(
    matched: CallsMatched,
    earlier: Sequence[PublishedRun],
    as_of: datetime,
    *,
    grace_days: int = 30,
) -> pd.DataFrame:
    """Compare calls and probabilities with what came, where the grace period has passed.

    Parameters
    ----------
    matched : CallsMatched
        Calls with their renewals.
    earlier : sequence of PublishedRun
        Earlier runs, oldest first.
    as_of : datetime
        Nothing that became known on this date or later counts.
    grace_days : int
        What an account pays is read this many days after the renewal.

    Returns
    -------
    pd.DataFrame
        Columns `COLUMNS`, by due and account: a row per renewal with a call. `arr` is what the
        account paid in a year when it was called, `kept` what it pays of it afterwards (at most
        `arr`), `called` what the call comes to, `expected` arr × the chance of staying of the run
        before the call (NaN without such a run, or where it published none), and the errors are
        |called − kept| and |expected − kept|.
    """
    rows = matched.rows
    today = pd.Timestamp(as_of)
    over = rows["due"] + pd.Timedelta(days=grace_days) <= today
    early = rows["created_at"] <= rows["due"] - pd.Timedelta(days=LEAD_DAYS)
    rows = rows[over & early].drop_duplicates(["account_id", "due"], keep="last")
    contracts = matched.contracts
    if rows.empty or contracts is None:
        return pd.DataFrame(columns=list(COLUMNS))
    now = contracts.as_of(as_of)
    numbers = rows["number"].to_numpy()
    at = rows["created_at"].to_numpy().astype("datetime64[us]").astype("int64")
    after = rows["due"].to_numpy().astype("datetime64[us]").astype("int64") + grace_days * DAY_US
    arr, kept = np.zeros(len(rows)), np.zeros(len(rows))
    # An account may have several renewals; each round has every account once.
    for _, own in rows.assign(place=np.arange(len(rows))).groupby(
        rows.groupby("account_id").cumcount()
    ):
        place = own["place"].to_numpy()
        arr[place] = MONTHS * paid_after(contracts, now, numbers[place], at[place])
        kept[place] = MONTHS * paid_after(contracts, now, numbers[place], after[place])
    found = rows.assign(arr=arr, kept=np.minimum(kept, arr))
    found = found[found["arr"] > 0]
    found["called"] = called_share(found, found["arr"]) * found["arr"]
    found = _with_runs(found, earlier)
    found["expected"] = found["arr"] * (1 - found["chance_of_leaving"])
    found["csm_error"] = (found["called"] - found["kept"]).abs()
    found["model_error"] = (found["expected"] - found["kept"]).abs()
    found = found.rename(columns={"created_at": "called_at"})
    return found.sort_values(["due", "account_id"])[list(COLUMNS)].reset_index(drop=True)


def _with_runs(rows: pd.DataFrame, earlier: Sequence[PublishedRun]) -> pd.DataFrame:
    """Add the newest run before each call that published a probability reaching the renewal."""
    rows = rows.assign(
        run=pd.Series(pd.NaT, index=rows.index, dtype="datetime64[us]"), chance_of_leaving=np.nan
    )
    if not earlier:
        return rows
    dates = pd.DatetimeIndex([pd.Timestamp(run.as_of) for run in earlier])
    place = dates.searchsorted(rows["created_at"], side="right") - 1
    for number in np.unique(place[place >= 0]):
        run = earlier[number]
        if "churn_probability" not in run.columns("scores"):
            continue
        own = rows[place == number]
        scores = run.table("scores", ["account_id", "churn_probability"])
        chance = scores.drop_duplicates("account_id").set_index("account_id")["churn_probability"]
        horizon = pd.Timedelta(days=int(run.info().get("horizon_days", 90)))
        reached = own["due"] < dates[number] + horizon
        rows.loc[own.index, "chance_of_leaving"] = (
            own["account_id"].map(chance).astype(float).where(reached)
        )
        rows.loc[own.index, "run"] = dates[number]
    return rows


@dataclass(frozen=True)
class Judged:
    """Model against CSMs on the same renewals.

    Attributes
    ----------
    who : str
        A CSM; empty for all of them.
    renewals : int
        Renewals with a call and a probability.
    calls : int
        Renewals with a call.
    due, kept, called, expected : float
        ARR of the renewals that are compared: due, kept, by the calls, and by the model.
    csm_error, model_error : float
        Mean error per renewal in ARR.
    difference, low, high : float
        The CSM's mean error minus the model's with its 95 % interval (accounts resampled);
        positive where the model was closer. NaN with fewer than `LEAST_CALLS` renewals.
    """

    who: str
    renewals: int
    calls: int
    due: float
    kept: float
    called: float
    expected: float
    csm_error: float
    model_error: float
    difference: float
    low: float
    high: float

    @property
    def closer(self) -> str:
        """Who was closer beyond chance: ``model``, ``csm``, or nobody (empty)."""
        if self.low > 0:
            return "model"
        return "csm" if self.high < 0 else ""


def judge(ledger: pd.DataFrame, *, seed: int = 0) -> list[Judged]:
    """Judge all calls together, and those of each CSM with at least `LEAST_CALLS` renewals.

    Parameters
    ----------
    ledger : pd.DataFrame
        As from `build_ledger`, or a part of it.
    seed : int
        Of the resamples behind the intervals.

    Returns
    -------
    list of Judged
        All of them first; empty without a single call.
    """
    if ledger.empty:
        return []
    found = [_judged("", ledger, seed)]
    for author, own in ledger.groupby("author", sort=True):
        if own["model_error"].notna().sum() >= LEAST_CALLS:
            found.append(_judged(str(author), own, seed))
    return found


def _judged(who: str, rows: pd.DataFrame, seed: int) -> Judged:
    both = rows[rows["model_error"].notna()]
    sums: Mapping[str, float] = {
        name: float(both[name].sum()) for name in ("arr", "kept", "called", "expected")
    }
    count = len(both)
    means = [float(both[n].mean()) if count else np.nan for n in ("csm_error", "model_error")]
    difference, ends = means[0] - means[1], (np.nan, np.nan)
    if count >= LEAST_CALLS:
        ends = _interval(both, seed)
    else:
        difference = np.nan
    return Judged(
        who,
        count,
        len(rows),
        sums["arr"],
        sums["kept"],
        sums["called"],
        sums["expected"],
        means[0],
        means[1],
        difference,
        *ends,
    )


def _interval(rows: pd.DataFrame, seed: int) -> tuple[float, float]:
    """Resample accounts, whose renewals are not independent of each other."""
    by = (
        (rows["csm_error"] - rows["model_error"])
        .astype(float)
        .groupby(rows["account_id"], sort=True)
        .agg(["sum", "size"])
    )
    rng = np.random.default_rng(seed)
    weights = rng.multinomial(len(by), np.full(len(by), 1 / len(by)), size=_RESAMPLES)
    sums, sizes = (weights @ by[name].to_numpy(dtype=float) for name in ("sum", "size"))
    low, high = np.percentile(sums / sizes, _ENDS)
    return float(low), float(high)
