"""Where the book stands: lifecycle stages, revenue, the customers' voice, retention."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd
from markupsafe import Markup

from health.presentation import wording
from health.reasons.sentences import each_once
from health.report.background import Background, Voice


def stage_rows(scores: pd.DataFrame, run: Mapping[str, Any]) -> list[list[str]]:
    """Count the accounts of each lifecycle stage, youngest first and leaving last."""
    stage = each_once(scores["stage"], wording.text_of)
    tenure = scores["tenure_days"].groupby(stage).median().sort_values(kind="stable")
    order = [name for name in tenure.index if name and name != "leaving"]
    order += ["leaving"] if (stage == "leaving").any() else []
    return [_stage_row(name, scores[stage == name], scores, run) for name in order]


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
    """Word what became of the revenue of each period's start."""
    return [
        [
            f"over {words}",
            wording.percent(moved.nrr),
            wording.percent(moved.grr),
            wording.percent(moved.logo_churn, 1),
            wording.ratio(moved.quick_ratio),
        ]
        for words, moved in background.revenue.items()
    ]


def retention_plot(table: pd.DataFrame, named: str = "") -> Markup:
    """Draw the curves of cohorts or segments; nothing where none is large enough."""
    if table.empty:
        return Markup("")
    # Slow to import, and needed by the head's page alone.
    from health.plots import image_tag, retention  # noqa: PLC0415

    curves = {f"{named}{name}": own for name, own in table.groupby("group")}
    axes = retention(curves, title="")
    last = table.groupby("group").tail(1)
    said = [
        f"{named}{row['group']}: {wording.percent(row['survival'])} after "
        f"{wording.span(row['days'])}"
        for row in last.to_dict("records")
    ]
    alternative = "Share of accounts still there: " + "; ".join(said)
    return image_tag(axes.figure, alternative)


def voice_row(voice: Voice) -> list[str]:
    """Word one survey metric with its interval, answers and response rate."""
    words: dict[str, tuple[str, Callable[[float], str]]] = {
        "nps": ("Would recommend (NPS, −100 to 100)", wording.points),
        "csat": ("Satisfied (CSAT)", wording.percent),
        "ces": ("Easy to work with (CES, 1 to 7)", wording.points),
    }
    title, say = words[voice.kind]
    return [
        title,
        say(voice.value),
        f"{say(voice.low)} to {say(voice.high)}",
        wording.count(voice.answers),
        wording.percent(voice.response_rate),
    ]
