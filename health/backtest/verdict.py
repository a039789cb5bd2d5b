"""The verdict of a backtest, in the words of someone who has to act on it."""

from __future__ import annotations

import math
from dataclasses import dataclass

from health.backtest.comparison import Comparison
from health.backtest.contenders import LEARNT, MODEL, ORACLE, PROPOSED, RENEWAL, RULES, USAGE
from health.backtest.judge import Backtest
from health.backtest.lead_time import LeadTime
from health.presentation import wording
from models.evaluation.ranking import Interval

#: Account churn is rarely foreseen so well: above it something may know the answer.
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
        How sure it is, what it is worth, and what to mind.
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
                f"{basis}, and at least {least_churned} that had a score are needed. "
                "Any figure from so few would be an accident.",
                "This is no verdict against the score: nobody can know yet.",
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
        return "backwards", "The health score points the wrong way: healthy accounts left more"
    return "chance", "The health score does not predict who leaves, as far as this data shows"


def _how_sure(auc: Interval) -> str:
    said = (
        "Of two accounts, one that left and one that stayed, the score puts the one that left "
        f"lower in {100 * auc.value:.0f} of 100 cases (95 % interval {100 * auc.low:.0f} to "
        f"{100 * auc.high:.0f}); tossing a coin does so in 50."
    )
    if auc.low <= 0.5 <= auc.high:
        return f"{said} The interval includes the coin, so chance explains this as well."
    return said


def _aucs(together: Comparison | None) -> dict[str, Interval]:
    metrics = {} if together is None else together.figures
    return {key: own["auc"] for key, own in metrics.items() if key != ORACLE.key}


def _too_good(aucs: dict[str, Interval]) -> list[str]:
    """Warn where something ranks better than account churn is ever foreseen."""
    titles = {RULES.key: "the health score", **_RIVALS}
    return [
        f"An AUC of {auc.value:.2f}, by {titles[key]}, is better than account churn is ever "
        "foreseen: look for a measure that knows the answer before you believe it."
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
            f"followed by an end: {'too few to tell' if few else 'red does not mean risk here'}."
        )
    said = (
        f"Red accounts left {wording.ratio(red['lift'])} times as often as all accounts "
        f"({wording.ratio(red['lift_low'])} to {wording.ratio(red['lift_high'])}): "
        f"{wording.percent(red['rate'], 1)} of them, {int(red['events']):,} of "
        f"{int(red['rows']):,}."
    )
    if red["lift_low"] <= 1 <= red["lift_high"]:
        said += " That may be no difference at all."
    return said


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
    LEARNT.key: "learnt weights",
    MODEL.key: "the churn model",
    RENEWAL.key: "days to renewal alone",
    USAGE.key: "the use of 28 days alone",
}

#: Rivals that need no model: a single feature.
_SINGLE = {RENEWAL.key, USAGE.key}


def _names(backtest: Backtest) -> dict[str, str]:
    """Return the rivals' names; a model that never had a signal is named for what it published."""
    if backtest.fits and not any(fit.has_signal for fit in backtest.fits):
        usual = "the usual rate of accounts alike, since the churn model found no signal"
        return {**_RIVALS, MODEL.key: usual}
    return _RIVALS


def _rivals(together: Comparison, rivals: dict[str, str]) -> list[str]:
    better, worse, same = [], [], []
    for key, name in rivals.items():
        gain = together.difference(key, RULES.key, "auc")
        if gain is None or math.isnan(gain.low):
            continue
        own = f"{name} (by {abs(100 * gain.value):.0f} cases in 100)"
        if gain.low > 0:
            better.append(own)
        elif gain.high < 0:
            worse.append(own)
        else:
            same.append(name)
    said = [
        f"{text}: {wording_list(names)}."
        for text, names in (
            ("Better than the health score at finding who leaves", better),
            ("Worse than the health score", worse),
            ("Neither better nor worse, as far as this data shows", same),
        )
        if names
    ]
    if ORACLE.key in together.figures:
        best = together.figures[ORACLE.key]["auc"]
        said.append(
            f"The best that anyone could do here, by the simulator's own chances, is "
            f"{100 * best.value:.0f} of 100 cases ({100 * best.low:.0f} to {100 * best.high:.0f}): "
            "much of who leaves is chance to everybody."
        )
    return said


def _each_other(together: Comparison, rivals: dict[str, str]) -> list[str]:
    """Compare every rival with every other; that a single feature is ahead is never left out."""
    ahead, level = [], []
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
        points = (
            f"{100 * gain.value:.1f} points of AUC, {100 * gain.low:.1f} to {100 * gain.high:.1f}"
        )
        sure = gain.low > 0
        if sure or (first in _SINGLE and second not in _SINGLE):
            unsure = "" if sure else ", which may be chance"
            ahead.append(f"{rivals[first]} ranks above {rivals[second]} ({points}){unsure}")
        else:
            level.append(f"{rivals[first]} and {rivals[second]}")
    found = []
    if ahead:
        found.append(f"Compared with each other: {'; '.join(ahead)}.")
    if level:
        found.append(f"No difference that this data shows: {'; '.join(level)}.")
    return found


def wording_list(names: list[str]) -> str:
    """Join names as in a sentence."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
