"""Explain a value: a waterfall of contributions, or the shape of one term."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from health.plots.style import BLUE, INK, RULE, RUST, SOFT, axes_or_new, label

_ROW_INCHES = 0.34


def contributions_waterfall(
    contributions: pd.Series[float],
    *,
    start: float = 0.0,
    most: int = 12,
    ax: Axes | None = None,
    title: str = "",
    unit: str = "points",
) -> Axes:
    """Draw how contributions add up from `start` to their sum, the largest first.

    Parameters
    ----------
    contributions : pandas.Series, shape = (n_terms,)
        Contribution of each term, indexed by term. A missing contribution counts as 0.
    start : float
        Where the sum starts, for example the log-odds of the base rate.
    most : int
        Number of terms drawn individually; the others share one bar, so the sum is exact.
    ax : Axes, optional
        Where to draw; by default a new figure whose height depends on the number of bars.
    title, unit : str
        Heading and label of the horizontal axis.
    """
    shown = _largest(contributions.fillna(0.0), most)
    ax = axes_or_new(ax, height=1.1 + _ROW_INCHES * (len(shown) + 1))
    steps = shown.to_numpy(float)
    ends = start + np.cumsum(steps)
    places = np.arange(len(steps), 0, -1)
    ax.grid(axis="x", color=RULE)
    for place, end, step in zip(places, ends, steps, strict=True):
        up = step >= 0
        ax.barh(
            place, step, left=end - step, color=BLUE if up else RUST, height=0.7,
            hatch="" if up else "///", edgecolor="white",
        )  # fmt: skip
        ax.annotate(
            f"{step:+.2f}", (max(end, end - step), place), xytext=(4, 0),
            textcoords="offset points", va="center", fontsize=9, color=INK,
        )  # fmt: skip
    total = float(ends[-1]) if len(ends) else start
    ax.axvline(start, color=SOFT, lw=1)
    ax.plot([total], [0], marker="D", color=INK)
    ax.annotate(
        f"{total:.2f}", (total, 0), xytext=(8, 0), textcoords="offset points", va="center",
        fontsize=9, color=INK, fontweight="bold",
    )  # fmt: skip
    ax.set_yticks([*places, 0], [*map(str, shown.index), "sum"])
    ax.set_ylim(-0.6, len(steps) + 0.6)
    ax.use_sticky_edges = False
    ax.margins(x=0.12)
    return label(ax, title=title, x=unit)


def _largest(contributions: pd.Series[float], most: int) -> pd.Series[float]:
    ordered = contributions.reindex(contributions.abs().sort_values(ascending=False).index)
    if len(ordered) <= most:
        return ordered
    rest = len(ordered) - most
    return pd.concat([ordered.head(most), pd.Series({f"{rest} others": ordered[most:].sum()})])


def shape_function(
    values: Any,
    contributions: Any,
    *,
    ax: Axes | None = None,
    title: str = "",
    feature: str = "",
    unit: str = "log-odds",
) -> Axes:
    """Draw the contribution of a term at each value of its feature, and the density of the data.

    Parameters
    ----------
    values : array-like, shape = (n_samples,)
        Values of the feature: numbers, or texts (drawn as bars). A dotted line shows missing
        numbers.
    contributions : array-like, shape = (n_samples,)
        Contributions of the term in the same rows, such as a column of a model's
        ``contributions``.
    ax : Axes, optional
        Where to draw; by default a new figure.
    title, feature, unit : str
        Heading and labels of the axes.
    """
    ax = axes_or_new(ax)
    rows = pd.DataFrame({"value": np.asarray(values), "adds": np.asarray(contributions, float)})
    ax.grid(axis="y", color=RULE)
    ax.axhline(0, color=SOFT, lw=1)
    if rows["value"].dtype.kind in "fiub":
        _numbers(ax, rows)
    else:
        means = rows.groupby(rows["value"].astype(str))["adds"].mean().sort_values()
        ax.bar(means.index, means, color=BLUE)
    return label(ax, title=title, x=feature, y=unit)


def _numbers(ax: Axes, rows: pd.DataFrame) -> None:
    known = rows[rows["value"].notna()].sort_values("value", kind="stable")
    by_value = known.groupby("value")["adds"].mean()
    ax.step(by_value.index, by_value, where="mid", color=BLUE, label="known")
    # Ticks at the bottom, one per hundredth of the rows, show where data are sparse.
    if len(known):
        marks = known["value"].quantile(np.linspace(0, 1, 101))
        ax.plot(
            marks, np.zeros(len(marks)), "|", color=INK, alpha=0.5, markersize=8,
            transform=ax.get_xaxis_transform(), clip_on=False,
        )  # fmt: skip
    missing = rows.loc[rows["value"].isna(), "adds"]
    if len(missing):
        ax.axhline(missing.mean(), color=RUST, linestyle=":", label="no value")
        ax.legend(frameon=False, fontsize=9)
