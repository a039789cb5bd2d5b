"""The style of all plots: no global state, and no information conveyed by colour alone.

Every colour has a contrast of at least 4.5 against the white background (WCAG 2.2 AA requires 3 for
graphics and 4.5 for text), and its own marker, line style or hatch.
"""

from __future__ import annotations

from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure

INK = "#17212b"
SOFT = "#52606d"
RULE = "#dde3e9"
GROUND = "#ffffff"
BLUE = "#1a5a96"
RUST = "#a04414"


@dataclass(frozen=True)
class Look:
    """What distinguishes a series from the others, with and without colour."""

    colour: str
    marker: str
    line: str
    hatch: str


LOOKS = (
    Look(BLUE, "o", "-", ""),
    Look(RUST, "s", "--", "///"),
    Look("#27794b", "^", "-.", "..."),
    Look("#6b3fa0", "D", ":", "xxx"),
    Look(SOFT, "v", (0, (5, 1, 1, 1, 1, 1)), "++"),  # type: ignore[arg-type]
)
#: Bands of the health score.
BAND_LOOKS = {
    "red": Look("#b3261e", "s", "-", "xxx"),
    "yellow": Look("#8a6100", "^", "--", "///"),
    "green": Look("#27794b", "o", "-.", ""),
}


def look(number: int) -> Look:
    """Return the look of a series by its number; the looks repeat after the last one."""
    return LOOKS[number % len(LOOKS)]


def axes_or_new(ax: Axes | None, *, width: float = 6.4, height: float = 3.6) -> Axes:
    """Return the given axes, or those of a new figure of this size in inches, in this style."""
    if ax is None:
        ax = Figure(figsize=(width, height), layout="constrained").add_subplot()
    ax.set_facecolor(GROUND)
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        ax.spines[side].set_color(SOFT)
    ax.tick_params(colors=INK, labelsize=9)
    ax.set_axisbelow(True)
    return ax


def label(ax: Axes, *, title: str = "", x: str = "", y: str = "") -> Axes:
    """Set title and axis labels in the style of all plots, except empty ones."""
    if title:
        ax.set_title(title, loc="left", fontsize=11, color=INK, fontweight="bold")
    if x:
        ax.set_xlabel(x, fontsize=9, color=SOFT)
    if y:
        ax.set_ylabel(y, fontsize=9, color=SOFT)
    return ax
