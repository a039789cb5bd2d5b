"""The plots of the backtest's page, as images with what they say in words."""

from __future__ import annotations

import pandas as pd
from markupsafe import Markup

from health import plots
from health.backtest.contenders import Contender
from health.backtest.judge import NOT_SCORED, Backtest
from health.plots.style import BAND_LOOKS, label


def charts(backtest: Backtest, horizon_days: int) -> dict[str, Markup]:
    """Draw every plot that the backtest has figures for, by name."""
    left = f"left within {horizon_days} days"
    drawn: dict[str, Markup] = {}
    bands = _scored(backtest.bands)
    if len(bands):
        usual = backtest.counts.events / max(backtest.counts.rows, 1)
        ax = plots.rates(bands, usual=usual, unit=left)
        drawn["bands"] = plots.image_tag(ax.figure, _said("Share that left by band", bands))
    if len(backtest.tenths) and backtest.enough:
        ax = plots.lift(backtest.tenths, title="")
        label(ax, x="tenth of the accounts, lowest health score first")
        said = _said("Share that left by tenth of the health score", backtest.tenths)
        drawn["tenths"] = plots.image_tag(ax.figure, said)
    if backtest.together is not None:
        table = _aucs(backtest, backtest.contenders)
        ax = plots.metrics_with_intervals(
            table, unit="of 100 pairs, put in the right order", reference=50, reference_name="coin"
        )
        said = "; ".join(f"{row.name}: {row.value:.0f}" for row in table.itertuples(index=False))
        drawn["contenders"] = plots.image_tag(ax.figure, said)
    if len(backtest.approach) and backtest.enough:
        alike = dict.fromkeys(backtest.approach["name"], BAND_LOOKS["red"])
        ax = plots.rates(backtest.approach, usual=backtest.red.usual_share, unit="red", looks=alike)
        label(ax, x="days before the account left; red ones of all scored then")
        said = _said("Share red by days before the end", backtest.approach)
        drawn["approach"] = plots.image_tag(ax.figure, said)
    if len(backtest.reliability) > 1:
        ax = plots.calibration(backtest.reliability, title="")
        drawn["reliability"] = plots.image_tag(
            ax.figure, "What the churn model said against what happened, by tenth"
        )
    return drawn


def _scored(bands: pd.DataFrame) -> pd.DataFrame:
    """Leave out what had no score: few, with an interval that would dwarf the others."""
    return bands if bands.empty else bands[bands["name"] != NOT_SCORED].reset_index(drop=True)


def _aucs(backtest: Backtest, contenders: tuple[Contender, ...]) -> pd.DataFrame:
    together = backtest.together
    if together is None:
        return pd.DataFrame()
    return pd.DataFrame(
        [
            {
                "name": contender.title,
                "value": 100 * together.figures[contender.key]["auc"].value,
                "low": 100 * together.figures[contender.key]["auc"].low,
                "high": 100 * together.figures[contender.key]["auc"].high,
            }
            for contender in contenders
        ]
    )


def _said(what: str, rates: pd.DataFrame) -> str:
    parts = [f"{row['name']}: {100 * row['rate']:.1f} %" for _, row in rates.iterrows()]
    return f"{what}. " + "; ".join(parts)
