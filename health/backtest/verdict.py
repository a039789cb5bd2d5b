"""The verdict of a backtest, in plain words."""

from __future__ import annotations

import math
from dataclasses import dataclass

from health.backtest.comparison import Comparison
from health.backtest.contenders import LEARNT, MODEL, ORACLE, PROPOSED, RENEWAL, RULES, USAGE
from health.backtest.judge import Backtest
from health.backtest.lead_time import LeadTime
from health.presentation import wording
from models.evaluation.ranking import Interval

#: Account churn is rarely predicted so well: above it, a measure may contain the outcome.
TOO_GOOD_AUC = 0.9


@dataclass(frozen=True)
class Verdict:
    """The answer first, then what it rests on.

    Attributes
    ----------
    kind : str
        ``predicts``, ``chance`` (the interval includes it), ``backwards`` or ``too_few``.
    headline : str
        The answer in one sentence.
    sentences : tuple of str
        How certain the answer is, what the score is worth, and what to note.
    """

    kind: str
    headline: str
    sentences: tuple[str, ...]


def verdict(backtest: Backtest, horizon_days: int, least_churned: int) -> Verdict:
    """Return whether the health score predicts who leaves, and how sure that is."""
    counts = backtest.counts
    basis = (
        f"{wording.count(counts.churned_accounts, 'account')} of {counts.accounts:,} left within "
        f"{horizon_days} days of one of {wording.count(counts.dates, 'past date')}"
    )
    if backtest.alone is None:
        return Verdict(
            "too_few",
            "Too few accounts left to say whether the health score predicts",
            (
                f"{basis}, and at least {least_churned} with a score are needed. "
                "Metrics from so few accounts would be chance.",
                "This says nothing against the score: it is too early to know.",
            ),
        )
    auc = backtest.alone.figures[RULES.key]["auc"]
    kind, headline = _answer(auc)
    sentences = [f"{basis}. {_how_sure(auc)}", _red(backtest), _early(backtest.red, "had been red")]
    if backtest.together is not None:
        names = _names(backtest)
        sentences += [*_rivals(backtest.together, names), *_each_other(backtest.together, names)]
    sentences += _too_good({RULES.key: auc, **_aucs(backtest.together)})
    return Verdict(kind, headline, tuple(s for s in sentences if s))


def _answer(auc: Interval) -> tuple[str, str]:
    if auc.low > 0.5:
        weak = ", but weakly" if auc.value < 0.6 else ""
        return "predicts", f"The health score predicts who leaves{weak}"
    if auc.high < 0.5:
        return (
            "backwards",
            "The health score points the wrong way: healthier accounts left more",
        )
    return "chance", "This data does not show that the health score predicts who leaves"


def _how_sure(auc: Interval) -> str:
    text = (
        f"AUC {auc.value:.2f} (95 % interval {auc.low:.2f} to {auc.high:.2f}): the share of pairs "
        "of one account that left and one that stayed in which the one that left had the lower "
        "score; 0.5 is chance."
    )
    if auc.low <= 0.5 <= auc.high:
        return f"{text} The interval includes 0.5, so this may be chance."
    return text


def _aucs(together: Comparison | None) -> dict[str, Interval]:
    metrics = {} if together is None else together.figures
    return {key: own["auc"] for key, own in metrics.items() if key != ORACLE.key}


def _too_good(aucs: dict[str, Interval]) -> list[str]:
    """Warn if something ranks better than account churn can usually be predicted."""
    titles = {RULES.key: "the health score", **_RIVALS}
    return [
        f"An AUC of {auc.value:.2f}, by {titles[key]}, is better than account churn can usually be "
        "predicted: check whether a measure contains the outcome before you rely on it."
        for key, auc in aucs.items()
        if auc.value > TOO_GOOD_AUC
    ]


def _red(backtest: Backtest) -> str:
    bands = {str(row["name"]): row for row in backtest.bands.to_dict("records")}
    red = bands.get("red")
    if red is None or math.isnan(red["lift"]):
        return "No account was red on any of the dates."
    if not red["events"]:
        times = wording.count(red["rows"], "time")
        few = red["lift_high"] > 1
        return (
            f"Of the {times} an account was red ({int(red['accounts']):,} accounts), none was "
            f"followed by churn: {'too few to judge' if few else 'red does not mean risk here'}."
        )
    text = (
        f"Red accounts left {wording.ratio(red['lift'])} times as often as all accounts "
        f"({wording.ratio(red['lift_low'])} to {wording.ratio(red['lift_high'])}): "
        f"{wording.percent(red['rate'], 1)} of them, {int(red['events']):,} of "
        f"{int(red['rows']):,}."
    )
    if red["lift_low"] <= 1 <= red["lift_high"]:
        text += " This may be chance."
    return text


def _early(lead: LeadTime, what: str) -> str:
    if not lead.churned_accounts:
        return ""
    if not lead.warned:
        return f"None of the {lead.churned_accounts:,} accounts that left {what} before."
    return (
        f"{lead.warned:,} of {lead.churned_accounts:,} accounts that left "
        f"({wording.percent(lead.share_warned.value)}) {what} before; the first time was a median "
        f"of {lead.days.value:.0f} days before the end ({lead.days.low:.0f} to "
        f"{lead.days.high:.0f}). On any date {wording.percent(lead.usual_share)} of all accounts "
        "are red."
    )


_RIVALS = {
    PROPOSED.key: "the proposed scorecard",
    LEARNT.key: "learned weights",
    MODEL.key: "the churn model",
    RENEWAL.key: "days to renewal alone",
    USAGE.key: "usage in 28 days alone",
}

#: Rivals that need no model: a single feature.
_SINGLE = {RENEWAL.key, USAGE.key}


def _names(backtest: Backtest) -> dict[str, str]:
    """Return the names of the rivals; a model without a signal is named after what it published."""
    if backtest.fits and not any(fit.has_signal for fit in backtest.fits):
        usual = "the usual rate of similar accounts, because the churn model found no signal"
        return {**_RIVALS, MODEL.key: usual}
    return _RIVALS


def _rivals(together: Comparison, rivals: dict[str, str]) -> list[str]:
    better, worse, same = [], [], []
    for key, name in rivals.items():
        gain = together.difference(key, RULES.key, "auc")
        if gain is None or math.isnan(gain.low):
            continue
        own = f"{name} (AUC {gain.value:+.2f})"
        if gain.low > 0:
            better.append(own)
        elif gain.high < 0:
            worse.append(own)
        else:
            same.append(name)
    sentences = [
        f"{text}: {wording_list(names)}."
        for text, names in (
            ("Better than the health score at finding who leaves", better),
            ("Worse than the health score", worse),
            ("No clear difference in this data", same),
        )
        if names
    ]
    if ORACLE.key in together.figures:
        best = together.figures[ORACLE.key]["auc"]
        sentences.append(
            f"The best possible ranking here, by the simulator's true probabilities, is "
            f"AUC {best.value:.2f} ({best.low:.2f} to {best.high:.2f}): "
            "much of churn is chance."
        )
    return sentences


def _each_other(together: Comparison, rivals: dict[str, str]) -> list[str]:
    """Compare every rival with every other; that a single feature ranks better is always stated."""
    better, level = [], []
    for difference in together.differences:
        first, second = difference.better, difference.worse
        if difference.figure != "auc" or not {first, second} <= rivals.keys():
            continue
        gain = difference.difference
        if math.isnan(gain.low):
            continue
        if gain.value < 0:
            first, second = second, first
            gain = Interval(-gain.value, -gain.high, -gain.low)
        points = f"AUC {gain.value:+.3f}, {gain.low:+.3f} to {gain.high:+.3f}"
        sure = gain.low > 0
        if sure or (first in _SINGLE and second not in _SINGLE):
            unsure = "" if sure else ", which may be chance"
            better.append(f"{rivals[first]} ranks above {rivals[second]} ({points}){unsure}")
        else:
            level.append(f"{rivals[first]} and {rivals[second]}")
    found = []
    if better:
        found.append(f"Compared with each other: {'; '.join(better)}.")
    if level:
        found.append(f"No clear difference in this data: {'; '.join(level)}.")
    return found


def wording_list(names: list[str]) -> str:
    """Join names as in a sentence."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
