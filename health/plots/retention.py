"""Retention: the share of accounts that still pay, by time since their start."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import PercentFormatter

from health.plots.style import axes_or_new, label, look

#: Days of a month on the horizontal axis.
DAYS_PER_MONTH = 365.25 / 12


def retention(
    curves: Mapping[str, pd.DataFrame], *, ax: Axes | None = None, title: str = "Retention"
) -> Axes:
    """Draw retention curves with their 95 % intervals.

    Parameters
    ----------
    curves : mapping of str to pandas.DataFrame, shape = (n_times, 4)
        By group: days, survival, low and high (0-1), as in
        ``pandas.DataFrame(models.survival.retention_curve(curve, days))``; low and high may be
        missing.
    ax : Axes, optional
        Where to draw; by default a new figure.
    title : str
        Heading.
    """
    ax = axes_or_new(ax)
    for number, (name, curve) in enumerate(curves.items()):
        own = look(number)
        months = curve["days"] / DAYS_PER_MONTH
        ax.plot(
            months,
            curve["survival"],
            color=own.colour,
            linestyle=own.line,
            marker=own.marker,
            markevery=max(1, len(curve) // 8),
            markersize=4,
            label=name,
        )
        if {"low", "high"} <= set(curve.columns):
            ax.fill_between(months, curve["low"], curve["high"], color=own.colour, alpha=0.12, lw=0)
    ax.set_ylim(0, 1.02)
    ax.yaxis.set_major_formatter(PercentFormatter(xmax=1))
    if len(curves) > 1:
        ax.legend(frameon=False, fontsize=9)
    return label(ax, title=title, x="months since the start", y="share that still pays")
