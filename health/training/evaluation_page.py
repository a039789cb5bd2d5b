"""evaluation.html: the quality of each model of a version, on one page without external files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup
from scipy.special import expit

from health.plots import calibration, image_tag, lift, metrics_with_intervals, shape_function
from health.plots.style import axes_or_new
from health.presentation.html_page import content_policy, page_environment, source_of
from health.training.interactions_page import InteractionsPart, interactions_part
from health.training.rivals import score_on_past, score_verdict
from health.training.rows import TargetRows
from health.training.titles import term_title
from models.base.calibration import BASELINE
from models.churn.later_dates import FEWEST_TESTED
from models.evaluation.classification import evaluate_auc

#: Metrics of an evaluation in the page's table: key, name, explanation.
_METRICS = (
    ("auc", "AUC", "probability that a row with the event ranks above one without; 0.5 is chance"),
    ("average_precision", "Average precision", "compare with the base rate"),
    ("lift_top_decile", "Lift of the top tenth", "times the base rate"),
    ("precision_at_capacity", "Precision of the lists", "share of a full list that had the event"),
    ("recall_at_capacity", "Recall of the lists", "share of the events on a full list"),
    ("brier", "Brier score", "mean squared error; lower is better"),
    ("log_loss", "Log loss", "lower is better"),
    ("calibration_error", "Calibration error", "mean gap between predicted and observed, by tenth"),
)
_MOST_SHAPES = 6
_SHAPE_ROWS = 4000
_BLOCKS = 4


@dataclass(frozen=True)
class Metric:
    """A metric with its interval, as text."""

    name: str
    value: str
    interval: str
    meaning: str


@dataclass(frozen=True)
class ModelPage:
    """The section of one model on the page.

    Attributes
    ----------
    name : str
    evaluation : mapping
        As in the manifest.
    counts : mapping of str to int
        As in the manifest's targets.
    figures : tuple of Figure
    plots : tuple of Markup
        Images.
    terms : tuple of (str, float)
        The strongest terms with their mean absolute contribution, in log-odds.
    survival : CurvesPart or None
        Evaluation of the survival curves; only for churn.
    interactions : InteractionsPart or None
        Pairs of features that interact; only for churn.
    """

    name: str
    evaluation: Mapping[str, Any]
    counts: Mapping[str, int]
    metrics: tuple[Metric, ...]
    plots: tuple[Markup, ...]
    shapes: tuple[Markup, ...]
    terms: tuple[tuple[str, float], ...]
    survival: CurvesPart | None = None
    interactions: InteractionsPart | None = None


def render_evaluation(
    manifest: Mapping[str, Any],
    models: Mapping[str, Any],
    rows: Mapping[str, TargetRows],
    held_out: pd.DataFrame,
    *,
    company: str,
) -> str:
    """Render the evaluation of a version.

    Parameters
    ----------
    manifest : mapping
        As from `build_manifest`.
    models : mapping of str to object
        The fitted artefacts.
    rows : mapping of str to TargetRows
        The training rows.
    held_out : pd.DataFrame
        As from `held_out_predictions`.
    company : str
        Name of the company, for the heading.

    Returns
    -------
    str
        One HTML page; its Content-Security-Policy blocks all external content.
    """
    pages = [
        _model_page(target, manifest, models[target], rows[target], held_out) for target in rows
    ]
    return _rendered(manifest, pages, company)


def render_order_evaluation(
    manifest: Mapping[str, Any], held_out: pd.DataFrame, *, company: str
) -> str:
    """Render the evaluation of a version of an order-based company.

    Parameters
    ----------
    manifest : mapping
        As from `build_order_manifest`.
    held_out : pd.DataFrame
        The tested rows.
    company : str
        Name of the company, for the heading.
    """
    ((target, evaluation),) = manifest["evaluation"].items()
    # No list is ranked by this probability, and there is only one date.
    own = {key: value for key, value in evaluation.items() if not key.endswith("_at_capacity")}
    metrics = (*_metrics(own), *_sums(evaluation))
    plots = tuple(_plots(evaluation, held_out, target)[:1])
    counts = manifest["targets"][target]
    name = f"Ordering again within {manifest['horizon_days']} days"
    page = ModelPage(name, evaluation, counts, metrics, plots, (), ())
    return _rendered(manifest, [page], company)


def _sums(evaluation: Mapping[str, Any]) -> list[Metric]:
    """Describe expected and actual totals of all customers."""
    found = []
    for key, what in (("purchases", "Days with a purchase"), ("revenue", "Revenue")):
        sums = evaluation.get(key)
        if sums:
            text = f"expected; actual {sums['actual']:,.0f}, mean error {{:,.2f}} per customer"
            result = text.format(sums["mean_absolute_error"])
            found.append(Metric(what, f"{sums['expected']:,.0f}", "", result))
    return found


def _rendered(manifest: Mapping[str, Any], pages: list[ModelPage], company: str) -> str:
    environment = page_environment("health.training")
    style = source_of(environment, "evaluation.css")
    auc = score_on_past(manifest)
    return environment.get_template("evaluation.html.j2").render(
        manifest=manifest,
        score_verdict="" if auc is None else score_verdict(auc),
        company=company,
        pages=pages,
        style=Markup(style),
        policy=content_policy(style),
    )


def _model_page(
    target: str,
    manifest: Mapping[str, Any],
    model: Any,
    rows: TargetRows,
    held_out: pd.DataFrame,
) -> ModelPage:
    evaluation = manifest["evaluation"][target]
    own = held_out[held_out["target"] == target]
    strength = pd.Series(dtype=float)
    shapes: tuple[Markup, ...] = ()
    if model is not None and model.basis_ != "none":
        strength, shapes = _shapes(model, rows)
    return ModelPage(
        target.replace("_", "-").capitalize(),
        evaluation,
        manifest["targets"][target],
        tuple(_metrics(evaluation)),
        tuple(_plots(evaluation, own, target)),
        shapes,
        tuple((term_title(str(term)), float(value)) for term, value in strength.items()),
        curves_part(evaluation.get("survival")),
        interactions_part(evaluation.get("interactions")),
    )


def _metrics(evaluation: Mapping[str, Any]) -> list[Metric]:
    found = []
    for key, name, meaning in _METRICS:
        metric = evaluation.get(key)
        if metric and metric["value"] is not None:
            ends = [metric["low"], metric["high"]]
            interval = "" if None in ends else f"{ends[0]:.3f} to {ends[1]:.3f}"
            found.append(Metric(name, f"{metric['value']:.3f}", interval, meaning))
    return found


def _plots(evaluation: Mapping[str, Any], held_out: pd.DataFrame, target: str) -> list[Markup]:
    if not evaluation.get("reliability"):
        return []
    name = target.replace("_", "-")
    bins = pd.DataFrame(evaluation["reliability"])
    drawn = [
        (calibration(bins), f"Calibration of {name} in {len(bins)} bins"),
        (lift(bins[::-1].reset_index(drop=True)), f"Lift of {name} by tenth"),
    ]
    blocks = _auc_by_block(held_out)
    if len(blocks):
        title = "AUC by block of dates"
        plot = metrics_with_intervals(blocks, title=title, unit="AUC", reference=0.5)
        drawn.append((plot, f"AUC of {name} by block of later dates"))
    return [image_tag(axes.figure, alternative) for axes, alternative in drawn]


def _auc_by_block(held_out: pd.DataFrame) -> pd.DataFrame:
    """Return the AUC, with its interval, of up to four blocks of the tested dates."""
    dates = np.array(sorted(held_out["as_of"].unique()))
    found = []
    for block in np.array_split(dates, min(_BLOCKS, max(len(dates), 1))):
        own = held_out[held_out["as_of"].isin(list(block))]
        events = own.loc[own["happened"] == 1, "account_id"].nunique()
        if events < FEWEST_TESTED or own["happened"].all():
            continue
        score = expit(own["logit"].to_numpy())
        auc = evaluate_auc(own["happened"], score, groups=own["account_id"])
        first, last = (pd.Timestamp(day).strftime("%Y-%m-%d") for day in (block[0], block[-1]))
        name = f"{first} to {last} ({events} with the event)"
        found.append({"name": name, "value": auc.value, "low": auc.low, "high": auc.high})
    return pd.DataFrame(found)


def _shapes(model: Any, rows: TargetRows) -> tuple[pd.Series[float], tuple[Markup, ...]]:
    """Plot the strongest terms on a sample of the rows."""
    frame = rows.frame[rows.inputs]
    step = max(1, len(frame) // _SHAPE_ROWS)
    sample = frame.iloc[::step]
    contributions = model.contributions(sample).drop(columns=BASELINE)
    strength = contributions.abs().mean().sort_values(ascending=False, kind="stable")
    strength = strength[strength > 0].head(_MOST_SHAPES)
    drawn = []
    for term in strength.index:
        title = term_title(str(term))
        if term in sample:
            plot = shape_function(
                sample[term],
                contributions[term],
                ax=axes_or_new(None, width=5.4, height=3.4),
                title=title,
                feature=title,
            )
            drawn.append(image_tag(plot.figure, f"Contribution of {title} to the log-odds"))
    return strength, tuple(drawn)


@dataclass(frozen=True)
class CurveRow:
    """One model's curves as text."""

    name: str
    concordance: str
    concordance_range: str
    brier: str
    brier_range: str
    against_first: str


@dataclass(frozen=True)
class CurvesPart:
    """The survival section of the page: `about` describes the data, `notes` what is missing."""

    about: str
    rows: tuple[CurveRow, ...]
    notes: tuple[str, ...]


def curves_part(judged: Mapping[str, Any] | None) -> CurvesPart | None:
    """Describe the result of `judge_curves`; None for a version without it."""
    if not judged:
        return None
    curves = judged["curves"]
    about = ""
    if curves:
        about = (
            f"{judged['accounts']:,} accounts followed from {judged['from']} for up to "
            f"{judged['until_days']} days, of which {judged['left']:,} left. Every curve was "
            "fitted on what was known before. Concordance: share of pairs of accounts in which "
            "the one predicted to leave sooner did (0.5 is chance). Integrated Brier score: mean "
            "squared error over these days, lower is better."
        )
    rows = tuple(_row(name, quality, place) for place, (name, quality) in enumerate(curves.items()))
    return CurvesPart(about, rows, tuple(judged["notes"]))


def _row(name: str, quality: Mapping[str, Any], place: int) -> CurveRow:
    c, brier = quality["concordance"], quality["integrated_brier"]
    against = ""
    if place:
        ranks = _difference(quality["concordance_against_first"], "ranks", higher_is_better=True)
        near = quality["integrated_brier_against_first"]
        against = f"{ranks}; {_difference(near, 'fits', higher_is_better=False)}"
    return CurveRow(
        name.capitalize() if name.islower() else name,
        f"{c['value']:.3f}",
        _range(c),
        f"{brier['value']:.4f}",
        _range(brier, 4),
        against,
    )


def _range(metric: Mapping[str, Any], digits: int = 3) -> str:
    ends = metric["low"], metric["high"]
    return "" if None in ends else f"{ends[0]:.{digits}f} to {ends[1]:.{digits}f}"


def _difference(metric: Mapping[str, Any], does: str, *, higher_is_better: bool) -> str:
    """Describe whether a difference is significant, and in which direction."""
    low, high = metric["low"], metric["high"]
    if None in (low, high) or low <= 0 <= high:
        return f"{does} without a significant difference"
    return f"{does} {'better' if (low > 0) == higher_is_better else 'worse'}"
