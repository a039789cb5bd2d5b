"""What may be written, checked: one typed entry for each table that people write to."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)

from health.flags.actions import OUTCOMES, SNOOZE
from health.settings.flags import DEFAULT_PLAYS

#: Actions that finish a row of the week: an outcome, a call or a date to come back to it.
FINISHING = ("called", *OUTCOMES, SNOOZE)


def _naive_utc(moment: datetime) -> datetime:
    return moment if moment.tzinfo is None else moment.astimezone(UTC).replace(tzinfo=None)


#: A time, UTC without a zone; one with a zone is converted.
Moment = Annotated[datetime, AfterValidator(_naive_utc)]
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=4000)]
Short = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=300)]


class Entry(BaseModel):
    """What a person writes about one account."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    def row(self, *, now: datetime) -> dict[str, Any]:
        """Return the columns of its own; ValueError where they cannot be written now."""
        return self.model_dump()


class ActionEntry(Entry):
    """What was done about a flag; without a flag, about every flag of the account."""

    action: Literal["called", "saved", "lost", "bought", "false_alarm", "snooze"]
    flag: str | None = None
    product: Short | None = None
    until: Moment | None = None
    reason: Text | None = None

    @model_validator(mode="after")
    def _consistent(self) -> ActionEntry:
        if self.flag is not None and self.flag not in DEFAULT_PLAYS:
            raise ValueError(f"no flag is called {self.flag!r}")
        if (self.action == SNOOZE) != (self.until is not None):
            raise ValueError("“Not now until” needs a date; other actions must not have one")
        return self

    def row(self, *, now: datetime) -> dict[str, Any]:
        """Refuse a date that has passed."""
        if self.until is not None and self.until <= now:
            raise ValueError("“Not now until” needs a date in the future")
        return self.model_dump()


class OverrideEntry(Entry):
    """A person's own points of a measure, or the whole score (``health``), 0 to 100."""

    measure: Short
    value: Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)]
    computed: float | None = None
    reason: Text
    expires_at: Moment

    def row(self, *, now: datetime) -> dict[str, Any]:
        """Refuse a date that has passed."""
        if self.expires_at <= now:
            raise ValueError("an override needs an expiry in the future")
        return self.model_dump()


class ForecastEntry(Entry):
    """A person's own call on a renewal."""

    call: Literal["commit", "likely", "at_risk", "lost"]
    amount: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    renews_at: Moment | None = None


class NoteEntry(Entry):
    """A note about an account."""

    text: Text


class RaisedEntry(Entry):
    """A theme of comments, or the reason of a flag, raised with a team."""

    kind: Literal["theme", "reason"]
    subject: Short
    raised_with: Literal["product", "sales", "support"]


class ClosureEntry(Entry):
    """What was raised about a subject is closed."""

    kind: Literal["theme", "reason"]
    subject: Short
    closed_at: Moment
    outcome: Text | None = None

    def row(self, *, now: datetime) -> dict[str, Any]:
        """Refuse a date in the future."""
        if self.closed_at > now:
            raise ValueError("it cannot be closed on a date in the future")
        return self.model_dump()


class AssignmentEntry(Entry):
    """Another CSM for the account."""

    csm: Short


#: The table that each kind of entry is written to.
ENTRIES: dict[type[Entry], str] = {
    ActionEntry: "actions",
    OverrideEntry: "overrides",
    ForecastEntry: "forecasts",
    NoteEntry: "notes",
    RaisedEntry: "raised",
    ClosureEntry: "closures",
    AssignmentEntry: "assignments",
}
