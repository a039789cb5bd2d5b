"""The backtest as one self-contained HTML page, and as the content of backtest.json."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import pandas as pd
from jinja2 import Environment
from markupsafe import Markup

from health import plots
from health.backtest.contenders import RULES, Contender
from health.backtest.judge import NOT_SCORED, Backtest
from health.backtest.verdict import Verdict
from health.plots.style import BAND_LOOKS, label
from health.presentation import wording
from health.presentation.html_page import content_policy, page_environment, source_of
from models.evaluation.classification import plain
from models.evaluation.ranking import Interval


def to_json(backtest: Backtest, verdict: Verdict, about: Mapping[str, Any]) -> dict[str, Any]:
    """Return everything as values for JSON; a metric that is not defined is None.

    Parameters
    ----------
    backtest : Backtest
        The results.
    verdict : Verdict
        Their verdict.
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
        style, by its hash, and images inside the page.
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
        percents=_percents,
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


def _percents(interval: Interval, digits: int = 0) -> str:
    return _range(interval, digits, 100.0)


def _times(interval: Interval) -> str:
    return _range(interval, 1)


def _metric(interval: Interval) -> str:
    return _range(interval, 3)


def _days(interval: Interval) -> str:
    return _range(interval, 0)


def _sure(interval: Interval, chance: float) -> str:
    """Describe on which side of chance an interval lies."""
    if math.isnan(interval.low):
        return ""
    if interval.low > chance:
        return "better"
    return "worse" if interval.high < chance else "no clear difference"


def charts(backtest: Backtest, horizon_days: int) -> dict[str, Markup]:
    """Draw every plot that the backtest has values for, by name."""
    left = f"left within {horizon_days} days"
    drawn: dict[str, Markup] = {}
    bands = _scored(backtest.bands)
    if len(bands):
        usual = backtest.counts.events / max(backtest.counts.rows, 1)
        ax = plots.rates(bands, usual=usual, unit=left)
        drawn["bands"] = plots.image_tag(
            ax.figure, _described("Share of accounts that left by band", bands)
        )
    if len(backtest.tenths) and backtest.enough:
        ax = plots.lift(backtest.tenths, title="")
        label(ax, x="tenth of the accounts, lowest health score first")
        text = _described(
            "Share of accounts that left by tenth of the health score", backtest.tenths
        )
        drawn["tenths"] = plots.image_tag(ax.figure, text)
    if backtest.together is not None:
        table = _aucs(backtest, backtest.contenders)
        ax = plots.metrics_with_intervals(table, unit="AUC", reference=0.5, reference_name="chance")
        text = "; ".join(
            f"{row.name}: AUC {row.value:.2f}" for row in table.itertuples(index=False)
        )
        drawn["contenders"] = plots.image_tag(ax.figure, text)
    if len(backtest.approach) and backtest.enough:
        alike = dict.fromkeys(backtest.approach["name"], BAND_LOOKS["red"])
        ax = plots.rates(backtest.approach, usual=backtest.red.usual_share, unit="red", looks=alike)
        label(ax, x="days before the account left; share of scored accounts that were red")
        text = _described("Share of red accounts by days before the end", backtest.approach)
        drawn["approach"] = plots.image_tag(ax.figure, text)
    if len(backtest.reliability) > 1:
        ax = plots.calibration(backtest.reliability, title="")
        drawn["reliability"] = plots.image_tag(ax.figure, "Predicted and observed churn, by tenth")
    return drawn


def _scored(bands: pd.DataFrame) -> pd.DataFrame:
    """Leave out accounts without a score: few, with an interval that would dwarf the others."""
    return bands if bands.empty else bands[bands["name"] != NOT_SCORED].reset_index(drop=True)


def _aucs(backtest: Backtest, contenders: tuple[Contender, ...]) -> pd.DataFrame:
    together = backtest.together
    if together is None:
        return pd.DataFrame()
    return pd.DataFrame(
        [
            {
                "name": contender.title,
                "value": together.figures[contender.key]["auc"].value,
                "low": together.figures[contender.key]["auc"].low,
                "high": together.figures[contender.key]["auc"].high,
            }
            for contender in contenders
        ]
    )


def _described(what: str, rates: pd.DataFrame) -> str:
    parts = [f"{row['name']}: {100 * row['rate']:.1f} %" for _, row in rates.iterrows()]
    return f"{what}. " + "; ".join(parts)
