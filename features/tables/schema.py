"""The input tables: their columns, kinds, keys, and what each one means."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["text", "time", "number", "flag"]


@dataclass(frozen=True)
class Column:
    """One column of an input table.

    Attributes
    ----------
    name : str
        Canonical name.
    kind : str
        ``text`` (String), ``time`` (UTC, naive, microseconds), ``number`` (Float64)
        or ``flag`` (Boolean).
    required : bool
        The table cannot be read without the column.
    nullable : bool
        A null value is allowed in a row.
    minimum : float or None
        Smallest value a number may take.
    is_amount : bool
        A number of units of the row's currency.
    """

    name: str
    kind: Kind
    required: bool = False
    nullable: bool = True
    minimum: float | None = None
    is_amount: bool = False

    @property
    def is_identifier(self) -> bool:
        """Whether the values are ids: 123.0 is then a way to write 123."""
        return self.name.endswith("_id") or self.name == "csm"


@dataclass(frozen=True)
class Table:
    """One input table: its columns, its key and the column that dates a row."""

    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...] = ()
    dated_by: str = ""
    required: bool = False
    #: Rows that belong to no account are counted and excluded, unless the configuration differs.
    counts_unmatched: bool = False
    #: Rows without the time that dates them count on every date.
    may_be_undated: bool = False

    def column(self, name: str) -> Column:
        """Return the column called `name`; KeyError where the table has none."""
        for column in self.columns:
            if column.name == name:
                return column
        known = ", ".join(column.name for column in self.columns)
        raise KeyError(f"table {self.name} has no column {name!r}; it has {known}")

    @property
    def amounts(self) -> tuple[Column, ...]:
        """The columns with amounts of money; the table's `currency` column is their unit."""
        return tuple(column for column in self.columns if column.is_amount)


def _text(name: str, **options: bool) -> Column:
    return Column(name, "text", **options)


def _time(name: str, **options: bool) -> Column:
    return Column(name, "time", **options)


def _number(name: str, minimum: float | None = None, **options: bool) -> Column:
    return Column(name, "number", minimum=minimum, **options)


_KEY = {"required": True, "nullable": False}
_ACCOUNT = _text("account_id", **_KEY)
# When the row reached the warehouse: a row counts from the later of its time and this one.
_KNOWN = _time("known_at")

TABLES: dict[str, Table] = {
    table.name: table
    for table in (
        Table(
            "accounts",
            (
                _ACCOUNT,
                _time("created_at", **_KEY),
                _text("name"),
                _text("csm"),
                _text("segment"),
                _text("industry"),
                _text("region"),
                _text("parent_id"),
                _KNOWN,
            ),
            key=("account_id",),
            dated_by="created_at",
            required=True,
        ),
        Table(
            "subscriptions",
            (
                _ACCOUNT,
                _text("product", **_KEY),
                _time("started_at", **_KEY),
                _time("ended_at", required=True),
                _number("mrr", 0.0, is_amount=True, **_KEY),
                _text("subscription_id"),
                _text("plan"),
                _number("seats", 0.0),
                _number("quota", 0.0),
                _text("quota_event"),
                _time("renews_at"),
                _time("notice_at"),
                _text("currency"),
                # What the row would cost a month without a discount.
                _number("list_mrr", 0.0, is_amount=True),
                # Months that one invoice covers.
                _number("billing_months", 0.0),
                _KNOWN,
            ),
            dated_by="started_at",
        ),
        Table(
            "usage",
            (
                _ACCOUNT,
                _text("event", **_KEY),
                _time("occurred_at", **_KEY),
                _text("user_id"),
                _number("quantity", 0.0),
                _number("duration_s", 0.0),
                _number("errors", 0.0),
                # Distinct users behind a row that was summed up before it reached us.
                _number("active_users", 0.0),
                # Only read by the checks: duplicate rows, use outside the paid dates.
                _text("usage_id"),
                _text("subscription_id"),
                _KNOWN,
            ),
            dated_by="occurred_at",
            counts_unmatched=True,
        ),
        Table(
            "tickets",
            (
                _ACCOUNT,
                _text("ticket_id", **_KEY),
                _time("opened_at", **_KEY),
                _text("requester_id"),
                _time("first_replied_at"),
                # The first solution, where solved_at is overwritten by a later one.
                _time("first_solved_at"),
                _time("solved_at"),
                _time("reopened_at"),
                _time("closed_at"),
                _text("priority"),
                # What the priority was before it was set to the present one, at priority_at.
                _text("first_priority"),
                _time("priority_at"),
                _text("channel"),
                # Only read for what was asked for: the first line, and a reason code.
                _text("subject"),
                _text("reason"),
                Column("escalated", "flag"),
                _time("escalated_at"),
                _number("csat"),
                # The scale of the rating, as surveys.scale: 1-5 where it is empty.
                _text("csat_scale"),
                _time("csat_at"),
                # How it was closed; with merged_into, a ticket that was merged or closed unsolved.
                _text("status"),
                _text("merged_into"),
                _KNOWN,
            ),
            key=("ticket_id",),
            dated_by="opened_at",
            counts_unmatched=True,
        ),
        Table(
            "surveys",
            (
                _ACCOUNT,
                _text("kind", **_KEY),
                _time("answered_at", required=True),
                _time("sent_at"),
                _number("score"),
                _text("scale"),
                _text("respondent_id"),
                _text("role"),
                _number("expected"),
                _text("comment"),
                _text("reason"),
                _KNOWN,
            ),
            dated_by="answered_at",
            counts_unmatched=True,
        ),
        Table(
            "orders",
            (
                _ACCOUNT,
                _time("ordered_at", **_KEY),
                _number("amount", is_amount=True, **_KEY),
                _text("product"),
                _text("currency"),
                _KNOWN,
            ),
            dated_by="ordered_at",
            counts_unmatched=True,
        ),
        Table(
            "contacts",
            (
                _ACCOUNT,
                _text("contact_id", **_KEY),
                # A contact without it counts on every date.
                _time("created_at"),
                _text("role"),
                Column("is_champion", "flag"),
                _time("left_at"),
                _KNOWN,
            ),
            dated_by="created_at",
            may_be_undated=True,
        ),
        Table(
            "invoices",
            (
                _ACCOUNT,
                _text("invoice_id", **_KEY),
                _time("due_at", **_KEY),
                _number("amount", is_amount=True, **_KEY),
                _time("issued_at"),
                _time("paid_at"),
                _number("failed_attempts", 0.0),
                _text("currency"),
                _KNOWN,
            ),
            key=("invoice_id",),
            dated_by="due_at",
        ),
        Table(
            "interactions",
            (
                _ACCOUNT,
                _time("occurred_at", **_KEY),
                _text("kind", **_KEY),
                # in: from the customer; out: to them.
                _text("direction"),
                _text("contact_id"),
                _text("csm"),
                _KNOWN,
            ),
            dated_by="occurred_at",
        ),
        Table(
            "goals",
            (
                _ACCOUNT,
                _text("goal", **_KEY),
                _time("set_at", **_KEY),
                _time("target_at"),
                _time("reached_at"),
                _KNOWN,
            ),
            dated_by="set_at",
        ),
        Table(
            "interventions",
            (
                _ACCOUNT,
                _time("occurred_at", **_KEY),
                _text("kind", **_KEY),
                _text("csm"),
                _text("flag"),
                _text("arm"),
                _KNOWN,
            ),
            dated_by="occurred_at",
        ),
        Table(
            "overrides",
            (
                _ACCOUNT,
                _text("measure", **_KEY),
                _number("value", **_KEY),
                _text("author", **_KEY),
                _text("reason", **_KEY),
                _time("created_at", **_KEY),
                _time("expires_at", required=True),
                _KNOWN,
            ),
            dated_by="created_at",
        ),
        Table(
            "actions",
            (
                _ACCOUNT,
                _text("action", **_KEY),
                _time("at", **_KEY),
                # Empty: meant for every flag of the account.
                _text("flag"),
                _text("product"),
                _time("until"),
                _text("reason"),
                _text("author"),
                # From then on the row does not count.
                _time("undone_at"),
                _KNOWN,
            ),
            dated_by="at",
        ),
        Table(
            "forecasts",
            (
                _ACCOUNT,
                _text("call", **_KEY),
                _number("amount", 0.0),
                _text("author", **_KEY),
                _time("created_at", **_KEY),
                _time("renews_at"),
                _time("undone_at"),
                _KNOWN,
            ),
            dated_by="created_at",
        ),
        Table(
            "raised",
            (
                _ACCOUNT,
                # theme (of comments) or reason (of a flag: the name of the feature).
                _text("kind", **_KEY),
                _text("subject", **_KEY),
                # product, sales or support.
                _text("raised_with", **_KEY),
                _time("raised_at", **_KEY),
                _time("closed_at"),
                _text("outcome"),
                _text("author"),
                _text("record_id"),
                _time("undone_at"),
                _KNOWN,
            ),
            dated_by="raised_at",
        ),
        Table(
            # Closes what was raised before about the same subject and is open.
            "closures",
            (
                _ACCOUNT,
                _text("kind", **_KEY),
                _text("subject", **_KEY),
                _time("closed_at", **_KEY),
                _time("created_at", **_KEY),
                _text("outcome"),
                _text("author"),
                _text("record_id"),
                _time("undone_at"),
                _KNOWN,
            ),
            dated_by="created_at",
        ),
    )
}
