"""The account's year as inline SVG: three lines and marks on one time axis.

Text has its own size on every screen: only the lines are stretched.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from markupsafe import Markup, escape

from health.app.reading.history import YEAR, Event, Point
from health.presentation import wording

_PANEL, _GAP, _TITLE = 64, 12, 18
#: Letters of the marks, and their titles in the legend.
MARKS = {
    "ticket": ("T", "Ticket"),
    "answer": ("A", "Survey answer"),
    "contract": ("C", "Change of contract"),
    "notice": ("N", "Notice"),
    "order": ("O", "Order"),
    "action": ("●", "What you did"),
}
_LEAST_TICK_GAP = 4.0


@dataclass(frozen=True)
class Line:
    """One panel: a title, its values by day, and the range of its axis."""

    title: str
    latest: str
    points: Sequence[tuple[date, float]]
    low: float
    high: float
    kind: str


def year_chart(
    points: Sequence[Point],
    usage: Sequence[Point],
    events: Sequence[Event],
    *,
    until: date,
    risk: str,
) -> Markup:
    """Draw score, probability and usage of a year, with what happened as marks below.

    Parameters
    ----------
    points : sequence of Point
        Scores and probabilities.
    usage : sequence of Point
        Events a week.
    events : sequence of Event
        Marks; those older than a year are left out.
    until : date
        The right end.
    risk : str
        What the probability is of, in words.
    """
    lines = _lines(points, usage, risk)
    drawn, top = [], 0.0
    for line in lines:
        drawn.append(_panel(line, until, top))
        top += _TITLE + _PANEL + _GAP
    marks, height = _marks(events, until, top)
    drawn.append(marks)
    drawn.append(_axis(until, top + height))
    summary = "; ".join(f"{line.title}: {line.latest}" for line in lines) or "no values yet"
    total = top + height + 22
    return Markup(
        f'<svg class="chart year" width="100%" height="{total:.0f}" role="img" '
        f'aria-label="The last 12 months. {escape(summary)}">{"".join(drawn)}</svg>'
    )


def marks_of(events: Sequence[Event], *, until: date) -> list[tuple[str, str]]:
    """Return the letters that `year_chart` draws for these events, and what they mean."""
    kinds = {event.kind for event in events if _in_year(event.day, until)}
    return [mark for kind, mark in MARKS.items() if kind in kinds]


def _in_year(day: date, until: date) -> bool:
    return until - timedelta(days=YEAR) < day <= until


def _lines(points: Sequence[Point], usage: Sequence[Point], risk: str) -> list[Line]:
    score = [(p.day, p.score) for p in points if p.score is not None]
    chance = [(p.day, p.probability) for p in points if p.probability is not None]
    used = [(p.day, p.events) for p in usage if p.events is not None]
    lines = []
    if score:
        lines.append(Line("Health score", wording.score(score[-1][1]), score, 0, 100, "score"))
    if chance:
        top = max(0.1, *(value for _, value in chance))
        title = risk[0].upper() + risk[1:]
        lines.append(Line(title, wording.percent(chance[-1][1]), chance, 0, top, "risk"))
    if used:
        top = max(1.0, *(value for _, value in used))
        latest = wording.count(used[-1][1])
        lines.append(Line("Events per week", latest, used, 0, top, "use"))
    return lines


def _panel(line: Line, until: date, top: float) -> str:
    floor = top + _TITLE
    path = " ".join(
        f"{_x(day, until) * 10:.1f},{_y(value, line):.1f}" for day, value in line.points
    )
    dots = "".join(
        f'<circle cx="{_x(day, until):.2f}%" cy="{floor + _y(value, line):.1f}" r="2" '
        f'class="{line.kind}"><title>{wording.day(day)}: {_worded(value, line)}</title></circle>'
        for day, value in line.points
    )
    high, low = _worded(line.high, line), _worded(line.low, line)
    return (
        f'<text x="0" y="{top + 12:.0f}" class="name">{escape(line.title)}: {line.latest}</text>'
        f'<text x="100%" y="{top + 12:.0f}" text-anchor="end">{low} to {high}</text>'
        f'<rect x="0" y="{floor:.0f}" width="100%" height="{_PANEL}" class="ground"/>'
        f'<svg x="0" y="{floor:.0f}" width="100%" height="{_PANEL}" viewBox="0 0 1000 {_PANEL}" '
        f'preserveAspectRatio="none"><polyline points="{path}" class="{line.kind}" '
        f'vector-effect="non-scaling-stroke"/></svg>{dots}'
    )


def _marks(events: Sequence[Event], until: date, top: float) -> tuple[str, float]:
    """Draw one row per kind of event, a mark per day."""
    drawn, row = [], 0
    for kind, (letter, title) in MARKS.items():
        days: dict[date, list[str]] = {}
        for event in events:
            if event.kind == kind and _in_year(event.day, until):
                days.setdefault(event.day, []).append(event.title)
        if not days:
            continue
        y = top + row * 18 + 13
        drawn += [
            f'<text x="{_x(day, until):.2f}%" y="{y:.0f}" class="mark m-{kind}">{letter}'
            f"<title>{wording.day(day)}: {escape('; '.join(titles[:5]))}</title></text>"
            for day, titles in days.items()
        ]
        drawn.append(f'<text x="0" y="{y:.0f}" class="kind">{title}</text>')
        row += 1
    return "".join(drawn), row * 18.0


def _axis(until: date, y: float) -> str:
    drawn = [f'<line x1="0" x2="100%" y1="{y:.0f}" y2="{y:.0f}" class="axis"/>']
    first = until - timedelta(days=YEAR)
    month = date(first.year + first.month // 12, first.month % 12 + 1, 1)
    number = 0
    while month <= until:
        x = _x(month, until)
        if _LEAST_TICK_GAP < x < 100 - _LEAST_TICK_GAP:
            name = wording.day(month).split(" ")[1]
            # Every third month has its name on a phone.
            kind = "tick" if number % 3 == 0 else "tick xs"
            drawn.append(f'<text x="{x:.2f}%" y="{y + 16:.0f}" class="{kind}">{name}</text>')
        number += 1
        month = date(month.year + month.month // 12, month.month % 12 + 1, 1)
    return "".join(drawn)


def _x(day: date, until: date) -> float:
    """Return where a day is, in per cent of the width; the edges leave room for marks."""
    share = 1 - (until - day).days / YEAR
    return 1.0 + 98.0 * min(max(share, 0.0), 1.0)


def _y(value: float, line: Line) -> float:
    share = (value - line.low) / ((line.high - line.low) or 1.0)
    return _PANEL - 4 - (_PANEL - 8) * min(max(share, 0.0), 1.0)


def _worded(value: float, line: Line) -> str:
    if line.kind == "risk":
        return wording.percent(value) if value else "0 %"
    return wording.score(value) if line.kind == "score" else wording.count(value)


def reliability_chart(bins: Sequence[Mapping[str, float]]) -> Markup:
    """Draw predicted against actual rates: on the diagonal, a model means what it says.

    Parameters
    ----------
    bins : sequence of mapping
        mean_probability, observed_rate and rows of groups of accounts.
    """
    top = max(0.05, *(max(b["mean_probability"], b["observed_rate"]) for b in bins))
    size, room = 220, 24
    dots = "".join(
        f'<circle cx="{room + size * b["mean_probability"] / top:.1f}" '
        f'cy="{size - size * b["observed_rate"] / top + 6:.1f}" r="4">'
        f"<title>predicted {wording.percent(b['mean_probability'], 1)}, actual "
        f"{wording.percent(b['observed_rate'], 1)}, {wording.count(b['rows'])} rows</title>"
        "</circle>"
        for b in bins
    )
    return Markup(
        f'<svg class="chart reliability" viewBox="0 0 {size + room + 8} {size + 34}" '
        f'width="{size + 32}" height="{size + 34}" role="img" '
        'aria-label="Predicted against actual rates">'
        f'<rect x="{room}" y="6" width="{size}" height="{size}" class="ground"/>'
        f'<line x1="{room}" y1="{size + 6}" x2="{room + size}" y2="6" class="axis"/>{dots}'
        f'<text x="{room}" y="{size + 24}">0</text>'
        f'<text x="{room + size}" y="{size + 24}" text-anchor="end">predicted '
        f"{wording.percent(top)}</text>"
        f'<text x="{room + 6}" y="20">actual {wording.percent(top)}</text></svg>'
    )
