"""Small charts as inline SVG: no library, no network, no inline style.

Widths are in per cent of the drawing's own, so that a chart fits a phone without its text
shrinking.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from markupsafe import Markup, escape

from health.presentation.wording import BANDS, count

#: Points of health in one bar of the histogram.
BIN = 5
_BAR, _PLOT, _TOP = 30, 132, 18
#: A part narrower than these per cent of the bar has no room for its letter, or for its share
#: beside it, on a phone.
_LETTER_ROOM, _SHARE_ROOM = 4.0, 16.0


def stacked_bar(parts: Mapping[str, float], title: str) -> Markup:
    """Draw one bar of the bands' shares, best first, each with its letter.

    Parameters
    ----------
    parts : mapping of str to float
        Amount by band name (``""`` for not scored).
    title : str
        What is shown, for readers who do not see it.
    """
    total = sum(parts.values()) or 1.0
    drawn, left = [], 0.0
    for band in BANDS:
        width = 100 * parts.get(band.name, 0.0) / total
        if width <= 0:
            continue
        drawn.append(
            f'<rect x="{left:.2f}%" width="{width:.2f}%" height="{_BAR}" '
            f'class="{_fill(band.name)}"/>'
        )
        if width >= _LETTER_ROOM:
            share = f" {width:.0f} %" if width >= _SHARE_ROOM else ""
            drawn.append(
                f'<text x="{left + width / 2:.2f}%" y="{_BAR / 2 + 5:.0f}" '
                f'class="on-{_fill(band.name)}">{band.letter}{share}</text>'
            )
        left += width
    return _svg(drawn, _BAR, title, "bar")


def histogram(scores: pd.Series[float], bands: pd.Series[str]) -> Markup:
    """Draw how many accounts have which health score, in bars of `BIN` points.

    Parameters
    ----------
    scores : pd.Series of float, shape = (n_accounts,)
        0-100, NaN where not scored.
    bands : pd.Series of str, shape = (n_accounts,)
        The band each account is in.
    """
    known = scores.notna()
    bins = np.minimum(scores[known].to_numpy(dtype=float) // BIN, 100 // BIN - 1).astype(int)
    table = pd.crosstab(bins, bands[known].to_numpy(dtype=object))
    table = table.reindex(range(100 // BIN), fill_value=0)
    highest = max(int(table.sum(axis=1).max()), 1) if len(table) else 1
    drawn = [part for index in range(100 // BIN) for part in _column(index, table, highest)]
    floor = _TOP + _PLOT
    drawn.append(f'<line x1="0" x2="100%" y1="{floor}" y2="{floor}" class="axis"/>')
    for tick in (0, 25, 50, 75, 100):
        anchor = {0: "start", 100: "end"}.get(tick, "middle")
        drawn.append(
            f'<text x="{tick}%" y="{floor + 18}" text-anchor="{anchor}" class="tick">{tick}</text>'
        )
    title = f"Health scores of {count(int(known.sum()), 'account')}"
    return _svg(drawn, floor + 24, title, "hist")


def _column(index: int, table: pd.DataFrame, highest: int) -> list[str]:
    step = BIN
    total = int(table.loc[index].sum())
    if not total:
        return []
    bottom, drawn = float(_TOP + _PLOT), []
    tooltip = f"{index * step} to {(index + 1) * step} points: {count(total, 'account')}"
    for band in reversed(BANDS):
        own = int(table.loc[index].get(band.name, 0))
        height = _PLOT * own / highest
        if own:
            bottom -= height
            drawn.append(
                f'<rect x="{index * step + 0.4:.1f}%" y="{bottom:.1f}" width="{step - 0.8:.1f}%" '
                f'height="{height:.1f}" class="{_fill(band.name)}"><title>{tooltip}</title></rect>'
            )
    drawn.append(
        f'<text x="{(index + 0.5) * step}%" y="{bottom - 5:.1f}" class="n">{total:,}</text>'
    )
    return drawn


def _fill(band: str) -> str:
    return f"b-{band or 'none'}"


def _svg(drawn: Sequence[str], height: float, title: str, kind: str) -> Markup:
    head = (
        f'<svg class="chart {kind}" width="100%" height="{height:.0f}" role="img" '
        f'aria-label="{escape(title)}">'
    )
    return Markup(head + "".join(drawn) + "</svg>")
