"""Metrics with their 95 % intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import PercentFormatter

from health.plots.style import BAND_LOOKS, BLUE, INK, RULE, SOFT, Look, axes_or_new, label, look

_ROW_INCHES = 0.42


def metrics_with_intervals(
    metrics: pd.DataFrame,
    *,
    ax: Axes | None = None,
    title: str = "",
    unit: str = "",
    reference: float | None = None,
    reference_name: str = "chance",
) -> Axes:
    """Draw one metric per row: a point, and a line from the low to the high end of its interval.

    Parameters
    ----------
    metrics : pandas.DataFrame, shape = (n_metrics, 4)
        name, value, low, high; the first row is at the top. A missing interval draws only the
        point; a missing value leaves its row empty.
    ax : Axes, optional
        Where to draw; by default a new figure whose height depends on the number of rows.
    title, unit : str
        Heading and label of the horizontal axis.
    reference : float, optional
        A value to compare with, drawn as a dashed line.
    reference_name : str
        Label of the reference.
    """
    ax = axes_or_new(ax, height=1.0 + _ROW_INCHES * max(len(metrics), 1))
    places = np.arange(len(metrics))[::-1]
    ax.grid(axis="x", color=RULE)
    if reference is not None:
        ax.axvline(reference, color=SOFT, linestyle="--", lw=1)
        ax.annotate(
            reference_name, (reference, 1), xycoords=("data", "axes fraction"),
            xytext=(3, -1), textcoords="offset points", va="top", fontsize=9, color=SOFT,
        )  # fmt: skip
    ax.hlines(places, metrics["low"], metrics["high"], color=BLUE, lw=2)
    ax.plot(metrics["value"], places, color=BLUE, marker="o", linestyle="none", markersize=7)
    ax.set_yticks(places, [str(name) for name in metrics["name"]])
    ax.set_ylim(-0.6, len(metrics) - 0.2)
    return label(ax, title=title, x=unit)


def rates(
    groups: pd.DataFrame,
    *,
    ax: Axes | None = None,
    title: str = "",
    unit: str = "",
    usual: float | None = None,
    looks: Mapping[str, Look] = BAND_LOOKS,
) -> Axes:
    """Draw the event rate of each group as a bar with its interval and its counts.

    Parameters
    ----------
    groups : pandas.DataFrame, shape = (n_groups, 6)
        name, rate, low, high (0-1), rows and events.
    ax : Axes, optional
        Where to draw; by default a new figure.
    title, unit : str
        Heading and label of the vertical axis.
    usual : float, optional
        Rate over all rows, drawn as a dashed line.
    looks : mapping of str to Look
        Colour and hatch by name; by default those of the bands. Other names get the next free one.
    """
    ax = axes_or_new(ax)
    places = np.arange(len(groups))
    own = [looks.get(str(name), look(number)) for number, name in enumerate(groups["name"])]
    ax.grid(axis="y", color=RULE)
    bars = ax.bar(
        places, groups["rate"], width=0.6, color=[o.colour for o in own], edgecolor="white"
    )
    for bar, each in zip(bars, own, strict=True):
        bar.set_hatch(each.hatch)
    ax.vlines(places, groups["low"], groups["high"], color=INK, lw=1.5)
    if usual is not None:
        ax.axhline(usual, color=SOFT, linestyle="--", lw=1)
        ax.annotate(
            "all accounts", (1, usual), xycoords=("axes fraction", "data"), ha="right",
            va="bottom", fontsize=9, color=SOFT,
        )  # fmt: skip
    ax.set_xticks(places, _counted(groups))
    ax.yaxis.set_major_formatter(PercentFormatter(xmax=1))
    ax.set_ylim(bottom=0)
    return label(ax, title=title, y=unit)


def _counted(groups: pd.DataFrame) -> Sequence[str]:
    counts = zip(groups["name"], groups["events"], groups["rows"], strict=True)
    return [f"{name}\n{int(events):,} of {int(rows):,}" for name, events, rows in counts]
