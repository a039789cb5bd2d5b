"""A large company for benchmarks: skewed, deterministic, written once and kept.

Every table and column that features are made from is there, and every feature has values that
differ. Accounts differ by orders of magnitude in size, a few users do most of the work, people come
on weekdays and leave several actions in a visit, some accounts leave and some fall silent. Usage is
a folder of one Parquet file a week in order of time, as a warehouse exports it.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

#: The company's records begin here and last this many weeks; the last date is a Sunday.
START, WEEKS = datetime(2024, 6, 2), 57
END = START + timedelta(weeks=WEEKS)
EVENTS = [f"feature_{number:02d}" for number in range(40)]
#: Actions that a visit leaves on average.
ACTIONS_PER_VISIT = 6.0
_WEEKDAY = np.array([0.03, 0.2, 0.19, 0.19, 0.19, 0.16, 0.04])  # from Sunday on
_FORMAT = 4


@dataclass(frozen=True)
class Size:
    """How large the company is: rows of usage, accounts, tickets and orders."""

    usage: int
    accounts: int
    tickets: int
    orders: int

    @classmethod
    def of(cls, usage: int) -> Size:
        """Return the size with this many rows of usage.

        50 M have 100 k accounts, 1 M tickets and 1 M orders.
        """
        return cls(usage, max(usage // 500, 50), usage // 50, usage // 50)


@dataclass(frozen=True)
class _People:
    """The company's users: account, when it was there (days from START), and how active each is."""

    account: np.ndarray
    first: np.ndarray
    last: np.ndarray
    weight: np.ndarray


def company_folder(size: Size, cache: Path) -> Path:
    """Return the folder that holds the company's tables, written there where it is not yet."""
    folder = cache / f"usage={size.usage}-accounts={size.accounts}-format={_FORMAT}"
    if folder.is_dir():
        return folder
    building = folder.with_name(folder.name + ".building")
    shutil.rmtree(building, ignore_errors=True)
    (building / "usage").mkdir(parents=True)
    random = np.random.default_rng(size.usage)
    accounts = _accounts(size, random)
    people = _people(accounts, random)
    for week in range(WEEKS):
        table = _usage_of_week(week, size, people, np.random.default_rng([size.usage, week]))
        pq.write_table(table, building / "usage" / f"week={week:02d}.parquet")
    _small_tables(building, size, accounts, random)
    building.rename(folder)
    return folder


def _accounts(size: Size, random: np.random.Generator) -> pd.DataFrame:
    count, days = size.accounts, WEEKS * 7
    started = np.where(random.random(count) < 0.7, -random.integers(1, 900, count),
                     random.integers(0, days - 30, count))  # fmt: skip
    leaves = np.where(random.random(count) < 0.12, random.integers(60, days, count), 10 * days)
    return pd.DataFrame(
        {
            "account_id": [f"ACC-{number:06d}" for number in range(count)],
            "begun": started,
            "last": np.maximum(leaves, started + 30),
            "users": 1 + np.minimum(random.lognormal(1.0, 0.9, count), 400).astype(int),
            "activity": random.lognormal(0.0, 0.8, count),
        }
    )


def _people(accounts: pd.DataFrame, random: np.random.Generator) -> _People:
    users = accounts["users"].to_numpy()
    account = np.repeat(np.arange(len(accounts)), users)
    place = np.arange(len(account)) - np.repeat(np.cumsum(users) - users, users)
    started, last = accounts["begun"].to_numpy()[account], accounts["last"].to_numpy()[account]
    joins = started + (random.random(len(account)) < 0.3) * random.integers(0, 300, len(account))
    quits = np.where(random.random(len(account)) < 0.1, joins + 90, last)
    # Within an account the first user does most, the second half as much, and so on.
    weight = accounts["activity"].to_numpy()[account] / (1.0 + place) ** 0.7
    return _People(account, joins, np.minimum(quits, last), weight)


def _usage_of_week(week: int, size: Size, people: _People, random: np.random.Generator) -> pa.Table:
    day = week * 7
    present = (people.first < day + 7) & (people.last >= day)
    weight = np.cumsum(np.where(present, people.weight, 0.0))
    rows = size.usage // WEEKS + (week < size.usage % WEEKS)
    visits = int(rows / ACTIONS_PER_VISIT * 1.2) + 50
    user = np.searchsorted(weight, random.random(visits) * weight[-1], side="right")
    weekday = random.choice(7, visits, p=_WEEKDAY)
    seconds = (random.normal(13, 2.5, visits).clip(0, 23.9) * 3600).astype("int64")
    start = (day + weekday).astype("int64") * 86_400 + seconds
    visit = np.repeat(np.arange(visits), random.geometric(1 / ACTIONS_PER_VISIT, visits))[:rows]
    time = start[visit] + np.minimum(random.exponential(300, len(visit)), 1800).astype("int64")
    order = np.argsort(time, kind="stable")
    visit, time = visit[order], time[order]
    who = user[visit]
    event = np.minimum(random.zipf(1.5, len(visit)) - 1 + people.account[who] % 7, len(EVENTS) - 1)
    quantity = np.where(random.random(len(visit)) < 0.1, random.integers(2, 20, len(visit)), 1)
    errors = (random.random(len(visit)) < 0.01).astype(float)
    epoch = int((START - datetime(1970, 1, 1)).total_seconds())
    return pa.table(
        {
            "account_id": _labelled(people.account[who], "ACC"),
            "event": pa.DictionaryArray.from_arrays(pa.array(event.astype("int32")), EVENTS).cast(
                pa.string()
            ),
            "occurred_at": pa.array((time + epoch) * 1_000_000, pa.timestamp("us")),
            "user_id": _labelled(who, "USR"),
            "quantity": quantity.astype(float),
            "errors": errors,
        }
    )


def _labelled(codes: np.ndarray, prefix: str) -> pa.Array:
    unique, inverse = np.unique(codes, return_inverse=True)
    labels = pa.array([f"{prefix}-{code:06d}" for code in unique])
    return pa.DictionaryArray.from_arrays(pa.array(inverse.astype("int32")), labels).cast(
        pa.string()
    )


def _at(days: np.ndarray | pd.Series[float]) -> np.ndarray:
    """Return days from START (fractions are hours) as times; none for NaN."""
    days = np.asarray(days, dtype=float)
    times = np.datetime64(START, "us") + (np.nan_to_num(days) * 86_400e6).astype("timedelta64[us]")
    return np.where(np.isnan(days), np.datetime64("NaT", "us"), times)


def _small_tables(
    folder: Path, size: Size, accounts: pd.DataFrame, random: np.random.Generator
) -> None:
    tables = {
        "accounts": _account_rows(accounts, random),
        "subscriptions": _subscription_rows(accounts, random),
        "tickets": _ticket_rows(size.tickets, accounts, random),
        "surveys": _survey_rows(size.tickets // 4, accounts, random),
        "orders": _order_rows(size.orders, accounts, random),
    }
    for name, table in tables.items():
        table.to_parquet(folder / f"{name}.parquet", index=False)


def _account_rows(accounts: pd.DataFrame, random: np.random.Generator) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "account_id": accounts["account_id"],
            "created_at": _at(accounts["begun"].to_numpy() - 1.0),
            "csm": [f"CSM {n:03d}" for n in random.integers(0, 200, len(accounts))],
            "segment": random.choice(["small", "mid", "large"], len(accounts), p=[0.6, 0.3, 0.1]),
        }
    )


def _subscription_rows(accounts: pd.DataFrame, random: np.random.Generator) -> pd.DataFrame:
    """Return a core product an account, and an add-on with a quota for a third of them."""
    core = _core_rows(accounts, random)
    addon = core.groupby("account_id", sort=False).tail(1)
    addon = addon[random.random(len(addon)) < 0.33].assign(
        product="export", mrr=50.0, list_mrr=50.0, seats=np.nan, quota=100.0, quota_event=EVENTS[3]
    )
    return pd.concat([core, addon], ignore_index=True)


def _core_rows(accounts: pd.DataFrame, random: np.random.Generator) -> pd.DataFrame:
    """Return each account's contract: a row until its seats, price or plan change, and the next."""
    rows = _cut_up(accounts, random)
    count, end = len(rows), WEEKS * 7
    # Seats are grown into: those held last suit the users there are.
    grown = _relative(random.choice([0.8, 1.0, 1.25, 1.5], count), rows["account"])
    dearer = _relative(random.choice([0.95, 1.0, 1.0, 1.08], count), rows["account"])
    seats = np.maximum(np.ceil(rows["users"] * rows["seats_per_user"] * grown), 1.0)
    mrr = (seats * rows["price"] * dearer).round(2)
    plan = np.digitize(rows["users"], [4, 15]) + (random.random(count) < 0.1)
    renews = rows["ends"].fillna(pd.Series(end + random.integers(-60, 365, count)))
    # Most who leave have said so, and so have a few of those who are still there.
    says_so = np.where(rows["ends"].notna(), 0.7, 0.02) * rows["is_last"]
    notice = rows["ends"].fillna(end) - random.integers(14, 90, count)
    return pd.DataFrame(
        {
            "account_id": rows["account_id"],
            "product": "core",
            "plan": np.array(["starter", "team", "business", "enterprise"])[plan],
            "started_at": _at(rows["starts"]),
            "ended_at": _at(rows["ends"]),
            "mrr": mrr,
            "list_mrr": (mrr / (1 - rows["discount"])).round(2),
            "billing_months": rows["billing_months"],
            "seats": seats,
            "quota": np.nan,
            "quota_event": None,
            "renews_at": _at(renews),
            "notice_at": _at(notice.where(random.random(count) < says_so)),
        }
    )


def _cut_up(accounts: pd.DataFrame, random: np.random.Generator) -> pd.DataFrame:
    """Return one to three rows an account: what stays the same of its contract, starts and ends."""
    count = len(accounts)
    contracts = accounts.assign(
        account=np.arange(count),
        parts=random.choice([1, 2, 3], count, p=[0.6, 0.3, 0.1]),
        seats_per_user=random.uniform(1, 1.5, count),
        price=random.uniform(10, 40, count),
        discount=random.choice([0.0, 0.1, 0.2], count, p=[0.6, 0.25, 0.15]),
        billing_months=random.choice([1.0, 12.0], count),
    )
    rows = contracts.loc[np.repeat(contracts.index, contracts["parts"])].reset_index(drop=True)
    rows["is_last"] = ~rows["account"].duplicated(keep="last")
    # Changes come since the records begin and never two at once; a few after a pause in paying.
    part = rows.groupby("account").cumcount()
    low, high = rows["begun"].clip(lower=0), rows["last"].clip(upper=WEEKS * 7)
    share = (part + random.uniform(0.25, 0.75, len(rows))) / rows["parts"]
    starts = rows["begun"].where(part == 0, (low + share * (high - low)).round())
    pause = (random.random(len(rows)) < 0.06) * random.integers(35, 90, len(rows))
    next_starts = np.maximum(starts.shift(-1) - pause, starts + 1)
    leaves = rows["last"].where(rows["last"] < WEEKS * 7)
    return rows.assign(starts=starts, ends=next_starts.where(~rows["is_last"], leaves))


def _relative(factors: np.ndarray, account: pd.Series[int]) -> pd.Series[float]:
    """Return levels that change by factors from row to row of an account, the last level 1."""
    level = pd.Series(factors).groupby(account).cumprod()
    return level / level.groupby(account).transform("last")


def _ticket_rows(count: int, accounts: pd.DataFrame, random: np.random.Generator) -> pd.DataFrame:
    account, opened = _dated_rows(count, accounts, random)
    hours = random.lognormal(3.0, 1.2, count) / 24
    solved = opened + hours
    rated = random.random(count) < 0.3
    never = np.datetime64("NaT", "us")
    return pd.DataFrame(
        {
            "account_id": accounts["account_id"].to_numpy()[account],
            "ticket_id": np.arange(count).astype(str),
            "requester_id": np.char.add("USR-", (account * 7 % 100_003).astype(str)),
            "opened_at": _at(opened),
            "first_replied_at": _at(opened + hours * 0.2),
            "solved_at": np.where(random.random(count) < 0.95, _at(solved), never),
            "reopened_at": np.where(random.random(count) < 0.05, _at(solved + 1), never),
            "priority": random.choice(["low", "normal", "high", "urgent"], count),
            "channel": random.choice(["email", "chat", "phone"], count),
            "escalated": random.random(count) < 0.04,
            "csat": np.where(rated, random.integers(1, 6, count), np.nan),
            "csat_at": np.where(rated, _at(solved + 0.5), never),
        }
    )


def _survey_rows(count: int, accounts: pd.DataFrame, random: np.random.Generator) -> pd.DataFrame:
    account, sent = _dated_rows(count, accounts, random)
    kind = random.choice(["nps", "csat", "ces"], count)
    most = pd.Series(kind).map({"nps": 10, "csat": 5, "ces": 7}).to_numpy()
    answered = random.random(count) < 0.4
    score = np.ceil(random.beta(4, 2, count) * most)
    # What was expected is asked in some of the surveys alone.
    expected = np.ceil(random.beta(5, 2, count) * most)
    person = account * 5 + random.integers(0, 5, count)
    roles = np.array(["user", "user", "user", "admin", "buyer", "executive", "user"])
    return pd.DataFrame(
        {
            "account_id": accounts["account_id"].to_numpy()[account],
            "kind": kind,
            "sent_at": _at(sent),
            "answered_at": np.where(answered, _at(sent + 1), np.datetime64("NaT", "us")),
            "score": np.where(answered, score, np.nan),
            "expected": np.where(answered & (random.random(count) < 0.4), expected, np.nan),
            "respondent_id": np.char.add("PER-", person.astype(str)),
            "role": roles[person % len(roles)],
        }
    )


def _order_rows(count: int, accounts: pd.DataFrame, random: np.random.Generator) -> pd.DataFrame:
    """Return what was ordered beside contracts; some of it, a row below zero, is given back."""
    account, ordered = _dated_rows(count, accounts, random)
    amount = random.lognormal(4.0, 1.0, count).round(2)
    return pd.DataFrame(
        {
            "account_id": accounts["account_id"].to_numpy()[account],
            "ordered_at": _at(ordered),
            "amount": np.where(random.random(count) < 0.03, -amount, amount),
            "product": random.choice(["training", "hardware", "service"], count),
        }
    )


def _dated_rows(
    count: int, accounts: pd.DataFrame, random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Return an account (the large ones more often) and a day within its time for each row."""
    weight = np.cumsum(np.sqrt(accounts["users"].to_numpy(dtype=float)))
    account = np.searchsorted(weight, random.random(count) * weight[-1], side="right")
    first = np.maximum(accounts["begun"].to_numpy()[account], 0.0)
    last = np.minimum(accounts["last"].to_numpy()[account], WEEKS * 7 - 10.0)
    return account, first + random.random(count) * np.maximum(last - first, 0.1)
