"""Everything a backtest finds: bands, tenths, contenders, warnings, segments, measures."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from health.backtest.bootstrap import Resampling, group_rates, measured
from health.backtest.comparison import Comparison, Counts, compare
from health.backtest.contenders import RULES, Contender
from health.backtest.lead_time import LeadTime, approach, lead_time
from health.backtest.learned_weights import WeightFit
from health.backtest.measures import MeasureWorth, measure_worth
from health.backtest.past import Past
from health.backtest.walk_forward import ModelFit
from health.scorecard.bands import BANDS
from health.settings.config import Config
from models.base.inputs import group_codes
from models.evaluation.classification import Evaluation, evaluate
from models.evaluation.ranking import Interval, RankingMeasures

NOT_SCORED = "not scored"
#: Accounts that must have left in a segment for it to be evaluated.
FEWEST_IN_SEGMENT = 5


@dataclass(frozen=True)
class Backtest:
    """What a backtest found.

    Attributes
    ----------
    counts : Counts
        Rows with a known outcome.
    unknown : int
        Rows whose outcome lies beyond the data.
    not_scored : int
        Rows with a known outcome and no health score.
    enough : bool
        Whether enough accounts left for the score to be evaluated.
    bands : pd.DataFrame
        Churn by band, as `group_rates`.
    tenths : pd.DataFrame
        Churn by tenth of the health score, lowest first.
    alone : Comparison or None
        The health score on every row it scored; None if it cannot be evaluated.
    together : Comparison or None
        All contenders on the rows that all of them rank.
    reliability : pd.DataFrame
        Tenths of the model's probability: mean_probability, observed_rate, low, high, rows,
        events; empty without a model.
    probability : Evaluation or None
        Quality of the churn model's probability on every row that has one; None without any.
    red, flagged : LeadTime
        From the first date in red, and from the first date on a CSM's list.
    approach : pd.DataFrame
        Share of red accounts by time before the end.
    segments : pd.DataFrame
        As `group_rates`, with auc, auc_low, auc_high (NaN if too few left) and red_share.
    measures : tuple of MeasureWorth
        The best first.
    contenders : tuple of Contender
        In the order they are shown.
    fits : tuple of ModelFit
        How the churn model was fitted.
    weight_fits : tuple of WeightFit
        How the weights were learned.
    by_date : pd.DataFrame
        as_of, rows, events, red, and AUC of the health score on each date (no interval).
    """

    counts: Counts
    unknown: int
    not_scored: int
    enough: bool
    bands: pd.DataFrame
    tenths: pd.DataFrame
    alone: Comparison | None
    together: Comparison | None
    reliability: pd.DataFrame
    probability: Evaluation | None
    red: LeadTime
    flagged: LeadTime
    approach: pd.DataFrame
    segments: pd.DataFrame
    measures: tuple[MeasureWorth, ...]
    contenders: tuple[Contender, ...]
    fits: tuple[ModelFit, ...]
    weight_fits: tuple[WeightFit, ...]
    by_date: pd.DataFrame


def judge(past: Past, config: Config) -> Backtest:
    """Compare the scores of past dates with what happened.

    Parameters
    ----------
    past : Past
        As from `score_past`.
    config : Config
        Capacity, and the settings of the backtest.
    """
    settings = config.backtest
    resampling = Resampling(settings.resamples, config.training.seed)
    known = past.rows[past.rows["churned"].notna()]
    scored = known[known[RULES.key].notna()] if RULES.key in known else known.head(0)
    counts = Counts.of(known)
    churned = scored.loc[scored["churned"] == 1, "account_id"].nunique()
    enough = churned >= settings.least_churned and bool((scored["churned"] == 0).any())
    days = settings.lead_days
    red = past.rows["band"] == "red"
    common = _common(scored, past.contenders, settings.least_churned) if enough else []
    together = scored.dropna(subset=common) if common else scored
    return Backtest(
        counts=counts,
        unknown=len(past.rows) - len(known),
        not_scored=len(known) - len(scored),
        enough=enough,
        bands=_by_band(known, resampling),
        tenths=_by_tenth(scored, resampling),
        alone=compare(scored, [RULES.key], resampling=resampling) if enough else None,
        together=compare(together, common, resampling=resampling) if len(common) > 1 else None,
        reliability=_reliability(known, past.probability, resampling),
        probability=_quality(known, past.probability, resampling),
        red=lead_time(past.rows, red, past.churns, lead_days=days, resampling=resampling),
        flagged=lead_time(
            past.rows, past.rows["flagged"], past.churns, lead_days=days, resampling=resampling
        ),
        approach=approach(past.rows, red, past.churns, lead_days=days, resampling=resampling),
        segments=_by_segment(scored, resampling),
        measures=measure_worth(
            past.rows,
            past.points,
            past.churns,
            least_churned=settings.least_churned,
            lead_days=days,
            resampling=resampling,
        ),
        contenders=tuple(c for c in past.contenders if c.key in common),
        fits=past.fits,
        weight_fits=past.weight_fits,
        by_date=_by_date(scored),
    )


def _common(
    scored: pd.DataFrame, contenders: tuple[Contender, ...], least_churned: int
) -> list[str]:
    """Choose the contenders that rank enough rows together; always including the health score."""
    chosen: list[str] = []
    for contender in sorted(contenders, key=lambda c: c != RULES):
        rows = scored.dropna(subset=[*chosen, contender.key])
        churned = rows.loc[rows["churned"] == 1, "account_id"].nunique()
        if churned >= least_churned and bool((rows["churned"] == 0).any()):
            chosen.append(contender.key)
    return chosen


def _codes(rows: pd.DataFrame) -> np.ndarray:
    return group_codes(rows["account_id"], len(rows))


def _by_band(known: pd.DataFrame, resampling: Resampling) -> pd.DataFrame:
    if known.empty:
        return pd.DataFrame()
    bands = known["band"].fillna(NOT_SCORED)
    order = [name for name in (*BANDS, NOT_SCORED) if (bands == name).any()]
    return group_rates(bands, known["churned"], _codes(known), resampling, order=order)


def _tenth(values: pd.Series[float]) -> pd.Series[int]:
    """Return the tenth of each value, 1 is the lowest; equal values are in the same tenth."""
    share = values.rank(method="average", pct=True).to_numpy(dtype=float)
    return pd.Series(np.ceil(share * 10).clip(1, 10).astype(int), index=values.index)


def _by_tenth(scored: pd.DataFrame, resampling: Resampling) -> pd.DataFrame:
    if scored.empty:
        return pd.DataFrame()
    tenths = _tenth(scored["score"])
    order = [str(tenth) for tenth in sorted(tenths.unique())]
    frame = group_rates(
        tenths.astype(str), scored["churned"], _codes(scored), resampling, order=order
    )
    ranges = scored["score"].groupby(tenths.astype(str)).agg(["min", "max"]).loc[order]
    return frame.assign(score_from=ranges["min"].to_numpy(), score_to=ranges["max"].to_numpy())


def _reliability(
    known: pd.DataFrame, probability: pd.Series[float], resampling: Resampling
) -> pd.DataFrame:
    predicted = probability.loc[known.index].dropna()
    if predicted.empty:
        return pd.DataFrame()
    rows, tenths = known.loc[predicted.index], _tenth(predicted).astype(str)
    order = [str(tenth) for tenth in range(1, 11) if (tenths == str(tenth)).any()]
    frame = group_rates(tenths, rows["churned"], _codes(rows), resampling, order=order)
    means = predicted.groupby(tenths).mean().loc[order]
    frame = frame.rename(columns={"rate": "observed_rate"})
    return frame.assign(mean_probability=means.to_numpy())


def _quality(
    known: pd.DataFrame, probability: pd.Series[float], resampling: Resampling
) -> Evaluation | None:
    predicted = probability.loc[known.index].dropna()
    rows = known.loc[predicted.index]
    if rows["churned"].nunique() < 2:
        return None
    return evaluate(
        rows["churned"],
        predicted,
        groups=rows["account_id"],
        times=rows["as_of"],
        n_resamples=resampling.resamples,
        seed=resampling.seed,
    )


def _by_segment(scored: pd.DataFrame, resampling: Resampling) -> pd.DataFrame:
    groups = scored["group"].dropna().astype(str)
    if groups.nunique() < 2:
        return pd.DataFrame()
    order = sorted(groups.unique())
    rows = scored.loc[groups.index]
    frame = group_rates(groups, rows["churned"], _codes(rows), resampling, order=order)
    aucs = [_auc(rows[groups == name], resampling) for name in order]
    red = (rows["band"] == "red").groupby(groups).mean()
    return frame.assign(
        auc=[a.value for a in aucs],
        auc_low=[a.low for a in aucs],
        auc_high=[a.high for a in aucs],
        red_share=[float(red[name]) for name in order],
    )


def _auc(rows: pd.DataFrame, resampling: Resampling) -> Interval:
    churned = rows["churned"] == 1
    if rows.loc[churned, "account_id"].nunique() < FEWEST_IN_SEGMENT or churned.all():
        return Interval(float("nan"), float("nan"), float("nan"))
    ranking = RankingMeasures(
        rows["churned"].to_numpy(dtype=float),
        rows[RULES.key].to_numpy(dtype=float),
        np.zeros(len(rows), dtype=np.int64),
        capacity=1,
    )
    return measured({"own": ranking}, _codes(rows), resampling)["own"]["auc"].interval


def _by_date(scored: pd.DataFrame) -> pd.DataFrame:
    frames = []
    for day, rows in scored.groupby("as_of"):
        ranking = RankingMeasures(
            rows["churned"].to_numpy(dtype=float),
            rows[RULES.key].to_numpy(dtype=float),
            np.zeros(len(rows), dtype=np.int64),
            capacity=1,
        )
        frames.append(
            {
                "as_of": str(pd.Timestamp(str(day)).date()),
                "rows": len(rows),
                "events": int(rows["churned"].sum()),
                "red": int((rows["band"] == "red").sum()),
                "auc": float(ranking.auc(np.ones((1, len(rows))))[0]),
            }
        )
    return pd.DataFrame(frames)
