"""A small hand-made company with every table, every column and the awkward cases."""

from __future__ import annotations

import warnings
from datetime import datetime, timedelta
from typing import Any

import pandas as pd
import pyarrow as pa

from features import Tables
from features.reading.frames import TableWarning, tables_from_frames
from features.tables.schema import TABLES

Row = dict[str, Any]
Rows = dict[str, list[Row]]

#: A Sunday; the company's dates are days before it (negative: after it).
DAY = datetime(2025, 6, 29)
UNTIL = datetime(2025, 9, 1)

_ARROW_TYPES = {
    "text": pa.string(),
    "number": pa.float64(),
    "time": pa.timestamp("us"),
    "flag": pa.bool_(),
}


def ago(days: float, hours: float = 0) -> datetime:
    """Return a time this many days and hours before the date."""
    return DAY - timedelta(days=days, hours=hours)


def frame(table: str, rows: list[Row]) -> pd.DataFrame:
    """Return rows as a frame with every column of the table, absent values null."""
    out = {}
    for column in TABLES[table].columns:
        values = [row.get(column.name) for row in rows]
        if column.kind == "time":
            out[column.name] = pd.Series(values, dtype="datetime64[us]")
        elif column.kind == "number":
            out[column.name] = pd.Series(values, dtype="float64")
        elif column.kind == "flag":
            out[column.name] = pd.Series(values, dtype="boolean")
        else:
            out[column.name] = pd.Series(values, dtype="object")
    return pd.DataFrame(out)


def arrow_table(table: str, rows: list[Row]) -> pa.Table:
    """Return rows as `frame` does, but as an Arrow table, which is opened in half the time."""
    return pa.table(
        {
            column.name: pa.array(
                [row.get(column.name) for row in rows], _ARROW_TYPES[column.kind], from_pandas=True
            )
            for column in TABLES[table].columns
        }
    )


def open_tables(
    rows: Rows, *, until: datetime = UNTIL, without: dict[str, set[str]] | None = None
) -> Tables:
    """Open rows as tables; `without` names columns that were not given.

    What is reported about rows (random companies have copies and versions) is not of interest.
    """
    frames = {
        name: arrow_table(name, listed).drop_columns(sorted((without or {}).get(name, ())))
        for name, listed in rows.items()
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TableWarning)
        return tables_from_frames(frames, observed_until=until)


def accounts() -> list[Row]:
    """Name the accounts by what is awkward about them."""
    base = {"csm": "Ada", "segment": "mid", "industry": "x", "region": "eu"}
    return [
        {"account_id": "busy", "created_at": ago(400), "name": "Busy", **base},
        {"account_id": "young", "created_at": ago(40), "name": "Young", **base},
        {"account_id": "never", "created_at": ago(300), "name": "Never", **base},
        {"account_id": "silent", "created_at": ago(500, 7), **base, "segment": "large"},
        {"account_id": "gone", "created_at": ago(500), "name": "Gone", **base},
        {"account_id": "late", "created_at": ago(200), "known_at": ago(-3), "segment": None},
        {"account_id": "future", "created_at": ago(0), "name": "Future", **base},
        {"account_id": "steady", "created_at": ago(600), "name": "Steady", **base},
    ]


def subscriptions() -> list[Row]:
    """Return contracts: upgrades, a pause, renewals as rows, notices, ends that lie ahead."""

    def sub(account: str, product: str, start: datetime, mrr: float, **rest: Any) -> Row:
        return {
            "account_id": account,
            "product": product,
            "started_at": start,
            "ended_at": None,
            "mrr": mrr,
            **rest,
        }

    quota = {"quota": 40.0, "quota_event": "export"}
    return [
        # An upgrade 120 days ago, a second product, a downgrade 20 days ago, a free product.
        sub("busy", "core", ago(390), 100.0, ended_at=ago(120), seats=10.0),
        sub(
            "busy",
            "core",
            ago(120),
            150.0,
            seats=15.0,
            renews_at=ago(-30),
            notice_at=ago(3),
            **quota,
        ),
        sub("busy", "addon", ago(100), 50.0, ended_at=ago(20), quota=5.0, quota_event="report"),
        sub("busy", "addon", ago(20), 40.0, renews_at=ago(-300), quota=4.0, quota_event="report"),
        sub("busy", "free", ago(50), 0.0, seats=99.0),
        # Bought at the date itself, and one the warehouse learned of later.
        sub("busy", "extra", ago(0), 70.0, seats=5.0),
        sub("busy", "hidden", ago(60), 500.0, seats=50.0, known_at=ago(0)),
        # Began 40 days ago; ends at the date exactly, so it still runs; notice at the date.
        sub(
            "young",
            "core",
            ago(40),
            80.0,
            ended_at=ago(0),
            seats=4.0,
            renews_at=ago(0),
            notice_at=ago(0),
        ),
        # Renewals as rows, the last one late by ten days; notice known; the end lies ahead.
        sub("never", "core", ago(300), 60.0, ended_at=ago(200)),
        sub("never", "core", ago(200), 60.0, ended_at=ago(110)),
        sub(
            "never",
            "core",
            ago(100),
            60.0,
            ended_at=ago(-15),
            renews_at=ago(-15),
            notice_at=ago(12, 5),
        ),
        # Paused and came back; seats fell; a renewal date gone by.
        sub("silent", "core", ago(450), 200.0, ended_at=ago(260), seats=20.0),
        sub("silent", "core", ago(200), 200.0, ended_at=ago(90), seats=20.0),
        sub("silent", "core", ago(90), 120.0, seats=12.0, renews_at=ago(5)),
        sub("gone", "core", ago(500), 90.0, ended_at=ago(10), seats=3.0),
        sub("late", "core", ago(200), 90.0, seats=3.0),
        sub("future", "core", ago(0), 90.0, seats=3.0),
        # With a list price and a billing period: came late and dearer, left for two months and
        # came back, changed its plan and its billing, and never paid what the list says.
        sub("steady", "core", ago(420), 50.0, ended_at=ago(170), seats=5.0, list_mrr=60.0),
        sub("steady", "core", ago(150), 65.0, ended_at=ago(110), seats=5.0, billing_months=1.0),
        sub(
            "steady",
            "core",
            ago(45),
            55.0,
            ended_at=ago(25),
            seats=5.0,
            plan="basic",
            list_mrr=100.0,
            billing_months=1.0,
        ),
        sub("steady", "core", ago(25), 55.0, seats=5.0, list_mrr=100.0, billing_months=12.0),
        sub("steady", "addon", ago(9), 11.0, seats=1.0, list_mrr=10.0, billing_months=3.0),
    ]


def usage() -> list[Row]:
    """Return use with every edge of every window, nameless users and rows that came late."""

    def use(account: str, event: str, at: datetime, user: str | None, **rest: Any) -> Row:
        return {"account_id": account, "event": event, "occurred_at": at, "user_id": user, **rest}

    rows = []
    for day in range(1, 200):
        for number in range(1 + day % 3):
            rows.append(
                use(
                    "busy",
                    ("view", "export", "report")[(day + number) % 3],
                    ago(day, -(number + 1) * 5),
                    f"u{(day * 7 + number) % 6}",
                    quantity=float(1 + (day + number) % 4),
                    errors=float(day % 9 == 0),
                )
            )
    edges = (0, 7, 28, 30, 35, 63, 90, 118, 126)
    rows += [use("busy", "edge", ago(day), "edgar", quantity=2.0) for day in edges]
    rows += [
        use("busy", "view", ago(-1), "u1", quantity=1000.0),
        use("busy", "view", ago(3), "u1", quantity=1000.0, known_at=ago(-2)),
        use("busy", "view", ago(2), None, quantity=7.0, active_users=3.0),
        use("busy", "export", ago(4, 3), "new", errors=2.0),
        use("busy", "old_feature", ago(150), "u9"),
        # The quarter's most active user has gone quiet.
        *(use("busy", "view", ago(day), "star", quantity=90.0) for day in (31, 45, 60)),
        *(use("young", "view", ago(day, 2), "y1", quantity=3.0) for day in (1, 2, 3, 5, 8, 29)),
        use("young", "export", ago(3), "y2", quantity=0.0),
        # Dates without a time of day, all long ago.
        *(use("silent", "view", ago(day), "s1", quantity=2.0) for day in range(99, 140, 4)),
        use("silent", "report", ago(110), "s2"),
        use("gone", "rare", ago(12), "g1"),
        use("late", "view", ago(5), "l1"),
        # With it, three accounts came back for the same feature.
        use("late", "view", ago(40), "l1"),
    ]
    return rows


#: What people write, in several languages, with markup, or nothing at all.
TEXTS = (
    "We need more seats, the reports are great",
    "Far too expensive &amp; slow!",
    "Wir sind sehr zufrieden mit der Auswertung",
    None,
    "<p>Please add an export, it is slow</p>",
    "Nous avons besoin de more seats pour les amis",
    "great",
    "   ",
    "Thinking of switching to a competitor, we will not renew",
    "Das ist zu teuer und die Kündigung kommt",
    "We like it, great reports",
    "slow",
)


def _with_texts(rows: list[Row], column: str) -> list[Row]:
    """Let rows have a text each in turn, and some a reason code."""
    return [
        {column: TEXTS[(5 * n) % 12], "reason": "Wants_Out" if n % 9 == 4 else None, **row}
        for n, row in enumerate(rows)
    ]


def tickets() -> list[Row]:
    """Return tickets that were open then, reopened, rated late, or closed without being solved."""

    def ticket(account: str, number: int, opened: datetime, **rest: Any) -> Row:
        return {"account_id": account, "ticket_id": f"t{number}", "opened_at": opened, **rest}

    quick = {"priority": "low", "escalated": False, "channel": "Email", "requester_id": "u1"}
    return [
        ticket(
            "busy",
            1,
            ago(50),
            first_replied_at=ago(50, -2),
            solved_at=ago(48),
            closed_at=ago(45),
            csat=5.0,
            csat_at=ago(44),
            **quick,
        ),
        # Solved, and open again since.
        ticket(
            "busy",
            2,
            ago(40),
            first_replied_at=ago(39),
            solved_at=ago(38),
            reopened_at=ago(30),
            priority="Urgent",
            escalated=True,
            channel="phone",
            requester_id="u1",
        ),
        # Reopened and solved after that.
        ticket(
            "busy",
            3,
            ago(95),
            first_replied_at=ago(91),
            reopened_at=ago(80),
            solved_at=ago(60),
            closed_at=ago(58),
            csat=2.0,
            csat_at=ago(59),
        ),
        # Solved, rated and reopened only after the date.
        ticket(
            "busy",
            4,
            ago(10),
            first_replied_at=ago(0),
            solved_at=ago(-1),
            reopened_at=ago(-2),
            csat=1.0,
            csat_at=ago(-1),
            priority="urgent",
            channel="email",
            requester_id="u2",
        ),
        ticket("busy", 5, ago(0), priority="urgent", escalated=True),
        ticket("busy", 6, ago(5), priority="urgent", known_at=ago(0)),
        # Closed without being solved; a rating whose time is not known.
        ticket("busy", 7, ago(28), closed_at=ago(27, -12), csat=5.0, **quick),
        # Reopened after it was solved, then closed for good.
        ticket("busy", 8, ago(35), solved_at=ago(34), reopened_at=ago(33), closed_at=ago(31)),
        # Half a year old, still open, and an old one rated lately.
        ticket("young", 9, ago(38, 6), first_replied_at=ago(37), priority="urgent"),
        ticket("young", 10, ago(1), solved_at=ago(0), csat=4.0, csat_at=ago(0), escalated=True),
        ticket("silent", 11, ago(200), solved_at=ago(190), csat=3.0, csat_at=ago(170)),
        ticket("silent", 12, ago(260), solved_at=ago(250), csat=4.0, csat_at=ago(180)),
        ticket("silent", 13, ago(300), priority=None),
        ticket("silent", 14, ago(310), solved_at=ago(305), reopened_at=ago(2)),
        ticket("gone", 15, ago(20)),
        # The same person again after exactly seven days, and after more; escalated and made
        # urgent only after the date, or before it.
        ticket(
            "busy",
            16,
            ago(17),
            requester_id="u2",
            channel="chat",
            escalated=True,
            escalated_at=ago(-2),
            priority="urgent",
            first_priority="low",
            priority_at=ago(0),
        ),
        ticket(
            "busy",
            17,
            ago(16, 2),
            requester_id="u1",
            channel="web",
            escalated=True,
            escalated_at=ago(15),
            priority="low",
            first_priority="urgent",
            priority_at=ago(15),
        ),
        # First solved, reopened, solved again later: with and without a word of the first time.
        ticket(
            "busy",
            18,
            ago(70),
            first_replied_at=ago(69),
            first_solved_at=ago(66),
            reopened_at=ago(50),
            solved_at=ago(-4),
            closed_at=ago(-20),
        ),
        ticket("young", 19, ago(30), reopened_at=ago(25), solved_at=ago(21, 3), channel="voice"),
        # Merged, closed unsolved, and rated with three faces or good and bad.
        ticket("busy", 24, ago(12), solved_at=ago(11), merged_into="t1"),
        ticket("busy", 25, ago(33), closed_at=ago(9), status="Spam", first_solved_at=ago(30)),
        ticket("busy", 26, ago(33), closed_at=ago(-3), status="Closed unsolved"),
        *(
            ticket(
                "never",
                30 + place,
                ago(70),
                solved_at=ago(69),
                csat=score,
                csat_scale=scale,
                csat_at=ago(68),
            )
            for place, (scale, score) in enumerate(
                [("1-3", 3.0), ("1-3", 2.0), ("1-3", 1.0), ("good/bad", 1.0), ("good/bad", 0.0)]
            )
        ),
        ticket("late", 20, ago(150), first_replied_at=ago(149), solved_at=ago(140)),
        ticket("late", 21, ago(220), first_replied_at=ago(219), solved_at=ago(200)),
        ticket("late", 22, ago(60), first_replied_at=ago(60, -4), solved_at=ago(50)),
        ticket("late", 23, ago(54), first_replied_at=ago(54, -1), solved_at=ago(53, -11.5)),
    ]


def surveys() -> list[Row]:
    """Return questions on every scale, late answers, no answers, answers in words alone."""

    def ask(
        account: str, kind: str, sent: float | None, answered: float | None, **rest: Any
    ) -> Row:
        return {
            "account_id": account,
            "kind": kind,
            "sent_at": None if sent is None else ago(sent),
            "answered_at": None if answered is None else ago(answered),
            **rest,
        }

    return [
        ask("busy", "nps", 20, 19, score=9.0),
        ask("busy", "NPS", 20, 18.5, score=3.0),
        ask("busy", "nps", 60, 59, score=10.0),
        ask("busy", "nps", 181, 180, score=8.0),
        ask("busy", "nps", 300, 299, score=0.0),
        ask("busy", "nps", 5, None),
        ask("busy", "nps", 4, 0, score=0.0),
        ask("busy", "nps", 4, -3, score=0.0),
        ask("busy", "nps", 4, 2, score=0.0, known_at=ago(0)),
        ask("busy", "csat", 70, 70, score=3.0, scale="1-3"),
        ask("busy", "csat", 70, 70, score=2.0, scale="1-3"),
        ask("busy", "csat", 90, 90, score=1.0, scale="1-3"),
        ask("busy", "csat", 100, 99, score=0.0, scale="good/bad"),
        ask("busy", "csat", 100, 98, score=1.0, scale="good/bad"),
        ask("busy", "csat", None, 97, score=4.0),
        ask("busy", "csat", None, 96, score=3.0, scale="1-5"),
        ask("busy", "ces", 30, 30, score=6.0),
        ask("busy", "ces", 30, 29, score=5.0),
        ask("busy", "nps", 3, 1, comment="in words alone"),
        ask("young", "ces", 10, 9, score=3.0),
        ask("young", "csat", 10, 9, score=2.0, scale="1-5"),
        ask("young", "nps", 10, 9, score=6.0),
        # Sent after the date, yet answered before it: a fault of the data.
        ask("young", "nps", -5, 8, score=10.0),
        ask("silent", "nps", 370, 366, score=10.0),
        ask("silent", "nps", 364, 363, score=7.0),
        ask("silent", "csat", 180, None),
        ask("never", "nps", 0, None),
        # The same people again, in their roles; what was expected; every scale.
        ask("silent", "nps", 91, 90, score=2.0, respondent_id="p1", role="Executive"),
        ask("silent", "nps", 51, 50, score=9.0, respondent_id="p1", role="Executive"),
        ask("silent", "nps", 51, 49, score=5.0, respondent_id="p2", role="owner"),
        ask("silent", "nps", 51, 48, score=6.0, respondent_id="p3", role="user"),
        ask("silent", "nps", 221, 220, score=10.0, respondent_id="p3", role="user"),
        ask("late", "nps", 41, 40, score=10.0, expected=8.0),
        ask("late", "csat", 41, 40, score=3.0, expected=5.0, scale="1-5"),
        ask("late", "csat", 240, 239, score=5.0),
        ask("late", "csat", 31, 30, score=6.0, scale="1-7"),
        ask("late", "csat", 31, 29, score=7.0, scale="0-10"),
        ask("late", "csat", 31, 29, score=85.0, scale="0-100"),
        ask("late", "ces", 31, 29, score=4.0, scale="1-5"),
        ask("late", "ces", 231, 229, score=2.0, expected=6.0),
    ]


def orders() -> list[Row]:
    """Return orders with a habit, without one, twice a day, given back, at the date, and late."""

    def order(account: str, at: datetime, amount: float, **rest: Any) -> Row:
        return {"account_id": account, "ordered_at": at, "amount": amount, **rest}

    return [
        *(order("busy", ago(day, 3), 10.0 + day) for day in (1, 15, 29, 61, 90, 200, 365, 731)),
        order("busy", ago(1, 2), 7.0, product="pen"),
        order("busy", ago(0), 1000.0),
        order("busy", ago(-4), 1000.0),
        order("busy", ago(20), 500.0, known_at=ago(0)),
        *(order("silent", ago(day), 50.0) for day in (150, 160, 180, 181, 240)),
        order("young", ago(5), 30.0),
        order("late", ago(12), 0.0),
        order("gone", ago(3), 9.0),
        # Given back: on a day without an order, on one with, after all of them, by whom never.
        *(order("busy", ago(day), -4.0) for day in (2, 15, 45, 120)),
        order("busy", ago(10), -300.0, known_at=ago(0)),
        order("silent", ago(100), -20.0),
        order("never", ago(8), -5.0),
    ]


def contacts() -> list[Row]:
    """Return people who came, left, decide or only use the product."""

    def person(account: str, number: int, since: float, **rest: Any) -> Row:
        name = f"{account}-{number}"
        return {"account_id": account, "contact_id": name, "created_at": ago(since), **rest}

    return [
        person("busy", 1, 300, role="Owner"),
        person("busy", 2, 200, is_champion=True),
        person("busy", 3, 90, role="user"),
        person("busy", 4, 500, is_champion=True, left_at=ago(30)),
        person("busy", 5, 500, role="champion", left_at=ago(-3)),
        person("busy", 6, 10, known_at=ago(-5)),
        person("young", 1, 30, role="user", is_champion=False),
        person("never", 1, 200, left_at=ago(181), role="buyer"),
    ]


def invoices() -> list[Row]:
    """Return bills that were paid early, late, after the date, or never."""

    def bill(account: str, number: int, due: float, paid: float | None, **rest: Any) -> Row:
        own = {"account_id": account, "invoice_id": f"{account}-{number}", "due_at": ago(due)}
        settled = None if paid is None else ago(paid)
        return {**own, "amount": 100.0 + number, "paid_at": settled, **rest}

    return [
        bill("busy", 1, 400, 399),
        bill("busy", 2, 300, 295, failed_attempts=2.0),
        bill("busy", 3, 200, 197),
        bill("busy", 4, 100, 80, failed_attempts=1.0),
        bill("busy", 5, 45, None, failed_attempts=3.0),
        bill("busy", 6, 20, -4),
        bill("busy", 7, -10, 3),
        bill("busy", 8, 15, None, amount=-50.0),
        bill("young", 1, 10, 11, failed_attempts=1.0, known_at=ago(-2)),
        bill("young", 2, 25, 20),
        bill("never", 1, 60, 60),
    ]


def interactions() -> list[Row]:
    """Return calls, meetings and emails to and from the accounts."""

    def talk(account: str, kind: str, days: float, direction: str | None, **rest: Any) -> Row:
        own = {"account_id": account, "kind": kind, "occurred_at": ago(days)}
        return {**own, "direction": direction, **rest}

    return [
        talk("busy", "Meeting", 60, None, contact_id="busy-1"),
        talk("busy", "call", 95, "out", contact_id="busy-2"),
        talk("busy", "email", 40, "in", contact_id="busy-3"),
        talk("busy", "email", 30, "Out", contact_id="busy-2"),
        talk("busy", "email", 20, "out", contact_id="busy-2"),
        talk("busy", "email", 10, "out"),
        talk("busy", "email", 1, "in", known_at=ago(-4), contact_id="busy-2"),
        talk("young", "email", 5, "out", contact_id="busy-1"),
        talk("young", "email", -5, "in"),
        talk("never", "note", 50, None),
    ]


def goals() -> list[Row]:
    """Return goals that were reached, missed, or have no date."""

    def goal(account: str, name: str, days: float, **rest: Any) -> Row:
        return {"account_id": account, "goal": name, "set_at": ago(days), **rest}

    return [
        goal("busy", "roll out", 390, target_at=ago(300), reached_at=ago(370)),
        goal("busy", "save time", 200, target_at=ago(100), reached_at=ago(50)),
        goal("busy", "more teams", 100, target_at=ago(10)),
        goal("busy", "fewer errors", 50, target_at=ago(-20), reached_at=ago(-2)),
        goal("busy", "more sales", 20, known_at=ago(-6), target_at=ago(1)),
        goal("young", "roll out", 30),
        goal("never", "roll out", -3, target_at=ago(-10)),
    ]


def company() -> Rows:
    """Return every table of the company that features are made from."""
    return {
        "accounts": accounts(),
        "subscriptions": subscriptions(),
        "usage": usage(),
        "tickets": _with_texts(tickets(), "subject"),
        "surveys": _with_texts(surveys(), "comment"),
        "orders": orders(),
        "contacts": contacts(),
        "invoices": invoices(),
        "interactions": interactions(),
        "goals": goals(),
    }
