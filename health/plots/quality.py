"""Quality of a probability or a score: calibration and lift."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import PercentFormatter

from health.plots.style import BLUE, INK, RULE, SOFT, axes_or_new, label


def calibration(bins: pd.DataFrame, *, ax: Axes | None = None, title: str = "Calibration") -> Axes:
    """Draw observed rates against predicted probabilities; they agree on the diagonal.

    Parameters
    ----------
    bins : pandas.DataFrame, shape = (n_bins, 4)
        mean_probability and observed_rate (0-1), rows and events, as in
        ``pandas.DataFrame(evaluation.reliability)``. With the columns low and high (0-1), each bin
        gets an interval.
    ax : Axes, optional
        Where to draw; by default a new figure.
    title : str
        Heading.
    """
    ax = axes_or_new(ax, width=4.8, height=4.2)
    predicted, observed = (
        bins["mean_probability"].to_numpy(float),
        bins["observed_rate"].to_numpy(float),
    )
    tops = [predicted, observed, *([bins["high"].to_numpy(float)] if "high" in bins else [])]
    reach = min(1.0, 1.1 * float(np.nanmax(np.concatenate([*tops, [0.01]]))))
    ax.plot([0, reach], [0, reach], color=SOFT, linestyle="--", lw=1, label="perfect calibration")
    ax.plot(predicted, observed, color=BLUE, marker="o", label="tenths of the accounts")
    if {"low", "high"} <= set(bins.columns):
        ax.vlines(predicted, bins["low"], bins["high"], color=BLUE, lw=1)
    ax.set_xlim(0, reach)
    ax.set_ylim(0, reach)
    ax.xaxis.set_major_formatter(PercentFormatter(xmax=1))
    ax.yaxis.set_major_formatter(PercentFormatter(xmax=1))
    ax.legend(frameon=False, fontsize=9)
    return label(ax, title=title, x="predicted probability", y="observed rate")


def lift(bins: pd.DataFrame, *, ax: Axes | None = None, title: str = "Lift") -> Axes:
    """Draw the event rate of each bin relative to the overall rate, the riskiest bin first.

    Parameters
    ----------
    bins : pandas.DataFrame, shape = (n_bins, 2)
        rows and events of equal-count bins, riskiest first, as in
        ``pandas.DataFrame(evaluation.reliability[::-1])``. With the columns lift_low and
        lift_high, each bar gets an interval.
    ax : Axes, optional
        Where to draw; by default a new figure.
    title : str
        Heading.
    """
    ax = axes_or_new(ax)
    rows, events = bins["rows"].to_numpy(float), bins["events"].to_numpy(float)
    usual = events.sum() / max(rows.sum(), 1.0)
    rates = np.divide(events, rows, out=np.zeros_like(events), where=rows > 0)
    heights = rates / usual if usual > 0 else np.zeros_like(rates)
    places = np.arange(1, len(bins) + 1)
    ax.grid(axis="y", color=RULE)
    ax.bar(places, heights, color=BLUE, width=0.8)
    if {"lift_low", "lift_high"} <= set(bins.columns):
        ax.vlines(places, bins["lift_low"], bins["lift_high"], color=INK, lw=1.5)
    ax.axhline(1.0, color=SOFT, linestyle="--", lw=1)
    ax.annotate(
        "as all accounts", (1, 1), xycoords=("axes fraction", "data"), ha="right", va="bottom",
        fontsize=9, color=SOFT,
    )  # fmt: skip
    ax.set_xticks(places)
    ax.set_ylim(bottom=0)
    return label(
        ax, title=title, x="tenth of the accounts, riskiest first", y="times the usual rate"
    )
