"""The state of the book: lifecycle stages, revenue retention, survey results, retention."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd
from markupsafe import Markup

from health.presentation import wording
from health.reasons.sentences import each_once
from health.report.background import Background, Voice

#: A retention curve is drawn where at least this many accounts are observed.
FEWEST_OBSERVED = 5
#: Observation from later than this is stated in a curve's name.
_FIRST_DAYS = 45


def stage_rows(scores: pd.DataFrame, run: Mapping[str, Any]) -> list[list[str]]:
    """Count the accounts of each lifecycle stage, youngest first and leaving last."""
    stage = each_once(scores["stage"], wording.text_of)
    tenure = scores["tenure_days"].groupby(stage).median().sort_values(kind="stable")
    order = [name for name in tenure.index if name and name != "leaving"]
    order += ["leaving"] if (stage == "leaving").any() else []
    # Selecting rows copies all their columns.
    few = scores[["mrr", "health_score", "health_band"]]
    return [_stage_row(name, few[stage == name], few, run) for name in order]


def _stage_row(
    name: str, own: pd.DataFrame, scores: pd.DataFrame, run: Mapping[str, Any]
) -> list[str]:
    return [
        wording.title_of(name),
        wording.count(len(own)),
        wording.percent(len(own) / len(scores)),
        wording.money_short(own["mrr"].sum(), run["currency"]),
        wording.score(own["health_score"].dropna().median()),
        wording.count(int((own["health_band"] == "red").sum())),
    ]


def revenue_rows(background: Background) -> list[list[str]]:
    """Describe the revenue retention of each period."""
    return [
        [
            words[:1].upper() + words[1:],
            wording.relative(moved.nrr),
            wording.percent(moved.grr),
            wording.percent(moved.logo_churn, 1),
            wording.ratio(moved.quick_ratio),
        ]
        for words, moved in background.revenue.items()
    ]


def retention_plot(table: pd.DataFrame, prefix: str = "") -> Markup:
    """Draw the curves of cohorts or segments; nothing where none is large enough.

    Parameters
    ----------
    table : pd.DataFrame
        As from `retention_table`: group, days, survival, low, high and, where known, at_risk.
    prefix : str
        Put before the name of each group.
    """
    curves = observed_curves(table, prefix)
    if not curves:
        return Markup("")
    # Slow to import, and only the page of the whole book draws curves.
    from health.plots import image_tag, retention  # noqa: PLC0415

    axes = retention(curves, title="")
    ends = [
        f"{name}: {wording.percent(own['survival'].iloc[-1])} after "
        f"{wording.span(own['days'].iloc[-1])}"
        for name, own in curves.items()
    ]
    return image_tag(axes.figure, "Share of accounts that still pay: " + "; ".join(ends))


def observed_curves(table: pd.DataFrame, prefix: str = "") -> dict[str, pd.DataFrame]:
    """Return each group's curve over the days on which enough accounts were observed.

    The records of some accounts start years after the account did (left entry): who left before
    is not in the data, so the curve starts where observation does, and its name states that.
    """
    if table.empty:
        return {}
    observed = table[table["at_risk"] >= FEWEST_OBSERVED] if "at_risk" in table.columns else table
    curves: dict[str, pd.DataFrame] = {}
    for group in observed["group"].unique():
        own = observed[observed["group"] == group]
        first = own["days"].iloc[0]
        entry = f", observed from {wording.span(first)} on" if first > _FIRST_DAYS else ""
        if len(own) > 1:
            curves[f"{prefix}{group}{entry}"] = own
    return curves


def voice_row(voice: Voice) -> list[str]:
    """Describe one survey metric with its interval, answers and response rate."""
    words: dict[str, tuple[str, Callable[[float], str]]] = {
        "nps": ("NPS", wording.points),
        "csat": ("CSAT (satisfied)", wording.percent),
        "ces": ("CES (1 to 7)", wording.points),
    }
    title, shown = words[voice.kind]
    return [
        title,
        shown(voice.value),
        f"{shown(voice.low)} to {shown(voice.high)}",
        wording.count(voice.answers),
        wording.percent(voice.response_rate),
    ]
