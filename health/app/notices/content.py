"""What a notice contains: a CSM's week as an email, as JSON and as a message for Slack."""

from __future__ import annotations

import html
from dataclasses import dataclass
from datetime import date
from typing import Any
from urllib.parse import quote

from health.app.page import templates
from health.app.reading.week import Summary, WeekRow
from health.presentation import wording


@dataclass(frozen=True)
class WeekNotice:
    """The week of one CSM.

    Attributes
    ----------
    csm : str
    company : str
    as_of : date
        Of the run.
    currency : str
    rows : list of WeekRow
        What is still to do, the most urgent first.
    summary : Summary
        What is new and what ended since the run before.
    titles : dict of str to str
        Title of each kind of flag.
    url : str
        Public address of the app; empty where it has none, then there are no links.
    """

    csm: str
    company: str
    as_of: date
    currency: str
    rows: list[WeekRow]
    summary: Summary
    titles: dict[str, str]
    url: str

    @property
    def subject(self) -> str:
        """The subject of an email."""
        return f"Your week: {wording.count(len(self.rows), 'account')}"

    @property
    def intro(self) -> str:
        """How much there is to do, and what changed."""
        text = f"{wording.count(len(self.rows), 'account')} to do, run of {wording.day(self.as_of)}"
        if self.summary.before is not None:
            new, ended, changed = self.summary.counts
            text += (
                f". Since {wording.day(self.summary.before)}: "
                f"{wording.count(new, 'account')} with a new flag, {ended} with one that ended, "
                f"{changed} changed band"
            )
        return f"{text}."

    def title(self, row: WeekRow) -> str:
        """Why the account is in the week, with the money it is about."""
        text = self.titles.get(row.flag, wording.title_of(row.flag))
        if row.offered or row.product:
            text += f": {row.offered or row.product}"
        if row.value:
            amount = wording.money_short(row.value, self.currency)
            text += f", {amount} {row.value_title}".rstrip()
        return text

    def when(self, row: WeekRow) -> str:
        """Write by when something has to be done."""
        parts = [f"due {wording.day(row.due)}"]
        if row.renews_at is not None:
            parts.append(f"renewal {wording.day(row.renews_at)}")
        if row.last_day is not None:
            parts.append(f"last day {wording.day(row.last_day)}")
        return ", ".join(parts)

    def link(self, account_id: str = "") -> str:
        """Return the address of an account, or of the week; empty without an address of the app."""
        if not self.url:
            return ""
        path = f"/accounts/{quote(account_id, safe='')}" if account_id else "/"
        return self.url.rstrip("/") + path


def as_text(notice: WeekNotice) -> str:
    """Return the week as plain text."""
    lines = [notice.intro, ""]
    for number, row in enumerate(notice.rows, 1):
        lines.append(f"{number}. {_line(row.name)}")
        lines.append(f"   {_line(notice.title(row))} ({notice.when(row)})")
        lines += [f"   - {_line(reason)}" for reason in row.reasons]
        lines += [f"   Do: {_line(row.play)}"] if row.play else []
        lines += [f"   {notice.link(row.account_id)}"] if notice.url else []
        lines.append("")
    lines += [f"My week: {notice.link()}"] if notice.url else []
    return "\n".join(lines)


def as_html(notice: WeekNotice) -> str:
    """Return the week as HTML; names from data are escaped."""
    return templates().get_template("week_email.html.j2").render(notice=notice)


def as_json(notice: WeekNotice, *, email: str) -> dict[str, Any]:
    """Return the week as plain values."""
    return {
        "event": "week",
        "company": notice.company,
        "as_of": notice.as_of.isoformat(),
        "currency": notice.currency,
        "csm": notice.csm,
        "email": email or None,
        "url": notice.link() or None,
        "text": notice.intro,
        "accounts": [
            {
                "account_id": row.account_id,
                "name": row.name,
                "flag": row.flag,
                "flags": list(row.flags),
                "title": notice.title(row),
                "reasons": row.reasons,
                "play": row.play,
                "value": row.value,
                "since": row.since.isoformat(),
                "due": row.due.isoformat(),
                "url": notice.link(row.account_id) or None,
            }
            for row in notice.rows
        ],
    }


def as_slack(notice: WeekNotice) -> dict[str, str]:
    """Return the week as one message of Slack; names from data stay plain text."""
    lines = [f"*{_slack(notice.csm)}*: {_slack(notice.intro)}"]
    for row in notice.rows:
        name = _slack(row.name)
        link = notice.link(row.account_id)
        # A bar would end the address of a link.
        shown = f"<{link}|{name.replace('|', '/')}>" if link else name
        lines.append(f"• {shown}: {_slack(notice.title(row))} ({notice.when(row)})")
    return {"text": "\n".join(lines)}


def _line(text: str) -> str:
    """Return a text on one line, without characters that are not printed."""
    return "".join(c for c in " ".join(text.split()) if c.isprintable())


def _slack(text: str) -> str:
    return html.escape(_line(text), quote=False)
