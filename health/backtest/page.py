"""The backtest as one self-contained HTML page, and as the figures of backtest.json."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import pandas as pd
from jinja2 import Environment
from markupsafe import Markup

from health.backtest.charts import charts
from health.backtest.contenders import RULES
from health.backtest.judge import Backtest
from health.backtest.verdict import Verdict
from health.presentation import wording
from health.presentation.html_page import content_policy, page_environment, source_of
from models.evaluation.classification import plain
from models.evaluation.ranking import Interval


def to_json(backtest: Backtest, verdict: Verdict, about: Mapping[str, Any]) -> dict[str, Any]:
    """Return everything as JSON can hold it; a figure that is not defined is None.

    Parameters
    ----------
    backtest : Backtest
        What was found.
    verdict : Verdict
        What it says.
    about : mapping
        Company, dates, settings and hashes.
    """
    frames = {
        name: value.to_dict("records")
        for name, value in vars(backtest).items()
        if isinstance(value, pd.DataFrame)
    }
    metrics = {name: value for name, value in asdict(backtest).items() if name not in frames}
    result: dict[str, Any] = plain({**about, "verdict": asdict(verdict), **metrics, **frames})
    return result


def render_page(backtest: Backtest, verdict: Verdict, about: Mapping[str, Any]) -> str:
    """Render the page; the parameters are those of `to_json`.

    Returns
    -------
    str
        HTML without any reference to a network; its Content-Security-Policy allows its own
        style, by its hash, and images that the page itself holds.
    """
    environment = _environment()
    style = source_of(environment, "backtest.css")
    return environment.get_template("backtest.html.j2").render(
        b=backtest,
        verdict=verdict,
        about=about,
        charts=charts(backtest, int(about["horizon_days"])),
        rules=RULES,
        style=Markup(style),
        policy=content_policy(style),
    )


def _environment() -> Environment:
    environment = page_environment("health.backtest")
    environment.filters.update(
        of100=_of_100,
        times=_times,
        metric=_metric,
        days=_days,
        sure=_sure,
    )
    return environment


def _range(interval: Interval, digits: int, factor: float = 1.0) -> str:
    if math.isnan(interval.value):
        return wording.NONE
    value = f"{factor * interval.value:.{digits}f}"
    if math.isnan(interval.low):
        return value
    return f"{value} ({factor * interval.low:.{digits}f} to {factor * interval.high:.{digits}f})"


def _of_100(interval: Interval, digits: int = 0) -> str:
    return _range(interval, digits, 100.0)


def _times(interval: Interval) -> str:
    return _range(interval, 1)


def _metric(interval: Interval) -> str:
    return _range(interval, 3)


def _days(interval: Interval) -> str:
    return _range(interval, 0)


def _sure(interval: Interval, chance: float) -> str:
    """Say on which side of chance an interval lies."""
    if math.isnan(interval.low):
        return ""
    if interval.low > chance:
        return "better"
    return "worse" if interval.high < chance else "not told apart"
