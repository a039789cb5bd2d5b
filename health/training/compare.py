"""Champion against challenger on a later cohort that neither was trained on."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from health.training.cohort import UNCHANGED, Candidate, Cohort, choose_cohort
from health.training.held_out import KEYS
from health.training.orders import HISTORY, TARGET
from health.training.rows import TargetRows
from models.churn.later_dates import FEWEST_TESTED
from models.clv.beta_geo import DAYS_PER_WEEK
from models.evaluation.classification import plain
from models.evaluation.paired import PairedEvaluation, evaluate_paired

BETTER, NO_WORSE, WORSE, UNKNOWN = "better", "no worse", "worse", "not comparable"


@dataclass(frozen=True)
class TargetComparison:
    """Two versions' models of one target.

    Attributes
    ----------
    target : str
    verdict : str
        ``"better"``, ``"no worse"``, ``"worse"`` or ``"not comparable"``: for the challenger.
    why : str
        The metrics behind it in a sentence.
    how : str
        How the predictions of the version trained earlier were made.
    dates : tuple of str
        The first and last date of the cohort; empty if there is none.
    cohort_hash : str
        Hash of the accounts, dates and outcomes.
    figures : PairedEvaluation or None
        Metrics of the champion (first) and the challenger (second).
    """

    target: str
    verdict: str
    why: str
    how: str = ""
    dates: tuple[str, ...] = ()
    cohort_hash: str = ""
    figures: PairedEvaluation | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return nested dictionaries for JSON."""
        return dict(plain(asdict(self)))


def compare_versions(
    champion: Candidate,
    challenger: Candidate,
    targets: Sequence[str],
    *,
    rows: Mapping[str, TargetRows] | None = None,
    cohort_days: int = 364,
    auc_tolerance: float = 0.02,
    seed: int = 0,
) -> list[TargetComparison]:
    """Compare two versions by out-of-sample predictions.

    Parameters
    ----------
    champion, challenger : Candidate
        The versions.
    targets : sequence of str
        The targets to compare.
    rows : mapping of str to TargetRows, optional
        The training rows of the version trained later; without them only stored predictions are
        compared.
    cohort_days : int
        Length of the cohort, back from its newest date.
    auc_tolerance : float
        A challenger whose AUC is lower by more than this is worse, even if chance could explain
        it.
    seed : int
        Seed of the resampling.
    """
    found = []
    for target in targets:
        settled = without_cohort(target, champion, challenger)
        if settled is None:
            newer_first = challenger.until >= champion.until
            newer, older = (challenger, champion) if newer_first else (champion, challenger)
            known = None if rows is None else rows[target]
            cohort = choose_cohort(target, newer, older, known, cohort_days)
            names = ("older", "newer") if newer_first else ("newer", "older")
            settled = judged_on(target, cohort, names, auc_tolerance, seed)
        found.append(settled)
    return found


def without_cohort(
    target: str, champion: Candidate, challenger: Candidate
) -> TargetComparison | None:
    """Return the verdict if no cohort is needed: different labels, or no probability to compare."""
    ours, theirs = (c.version.manifest for c in (champion, challenger))
    spans = [(m.get("horizon_days"), m.get("grace_days")) for m in (ours, theirs)]
    if spans[0] != spans[1]:
        why = (
            "they predict different events: horizon and grace period of "
            f"{spans[0]} days against {spans[1]}"
        )
        return TargetComparison(target, UNKNOWN, why)
    judged = [m["evaluation"].get(target, {}) for m in (ours, theirs)]
    publishes = [evaluation.get("basis", "none") != "none" for evaluation in judged]
    if not publishes[0]:
        return TargetComparison(target, NO_WORSE, "the champion publishes no probability")
    if not publishes[1]:
        why = f"no longer publishes a probability: {judged[1].get('note', '')}"
        return TargetComparison(target, WORSE, why)
    return None


def judged_on(
    target: str, cohort: Cohort, names: tuple[str, str], auc_tolerance: float, seed: int
) -> TargetComparison:
    """Evaluate a challenger on a cohort; `names` are column suffixes: champion, challenger."""
    frame = cohort.frame
    if not cohort.describes:
        why = (
            f"{cohort.event_accounts} accounts with the event on {len(frame):,} rows new to both; "
            f"{FEWEST_TESTED} are needed, and rows without the event"
        )
        return TargetComparison(target, UNKNOWN, why)
    ours, theirs = names
    metrics = evaluate_paired(
        frame["happened"],
        frame[f"probability_{ours}"],
        frame[f"probability_{theirs}"],
        rank_first=frame[f"logit_{ours}"],
        rank_second=frame[f"logit_{theirs}"],
        groups=frame["account_id"],
        seed=seed,
    )
    dates = (str(frame["as_of"].min().date()), str(frame["as_of"].max().date()))
    content = frame[[*KEYS, "happened"]].to_csv(index=False).encode()
    return TargetComparison(
        target,
        _verdict(metrics, auc_tolerance),
        f"{_sentence(metrics, dates)}; the one trained earlier: {cohort.how}",
        cohort.how,
        dates,
        hashlib.sha256(content).hexdigest()[:12],
        metrics,
    )


def _verdict(metrics: PairedEvaluation, auc_tolerance: float) -> str:
    auc, loss = metrics.auc.difference, metrics.log_loss.difference
    surely_worse = auc.high < 0 or loss.low > 0
    if surely_worse or auc.value < -auc_tolerance:
        return WORSE
    return BETTER if auc.low > 0 or loss.high < 0 else NO_WORSE


def _sentence(metrics: PairedEvaluation, dates: tuple[str, str]) -> str:
    auc, loss = metrics.auc, metrics.log_loss
    return (
        f"AUC {auc.second:.3f} against {auc.first:.3f} (difference {auc.difference.value:+.3f}, "
        f"95 % {auc.difference.low:+.3f} to {auc.difference.high:+.3f}), log loss "
        f"{loss.second:.4f} against {loss.first:.4f} (95 % {loss.difference.low:+.4f} to "
        f"{loss.difference.high:+.4f}), on {metrics.rows:,} rows of {metrics.accounts:,} accounts, "
        f"{metrics.event_accounts:,} with the event, {dates[0]} to {dates[1]}"
    )


#: Why there is nothing to compare if the older version knows the test rows of the newer one.
SAME = (
    "the older version was fitted on some of the orders that the newer one was tested on; refitted "
    "on the orders before them, it is the same model as the newer one"
)


def compare_order_versions(
    champion: Candidate, challenger: Candidate, *, auc_tolerance: float, seed: int
) -> TargetComparison:
    """Compare the probabilities of another order by two versions.

    Parameters
    ----------
    champion, challenger : Candidate
        The versions; the challenger is of an order-based company.
    auc_tolerance, seed
        As in `compare_versions`.
    """
    settled = without_cohort(TARGET, champion, challenger)
    if settled is not None:
        return settled
    now, then = (c.version.manifest["evaluation"][TARGET] for c in (challenger, champion))
    if then["has_signal"] and not now["has_signal"]:
        why = f"it no longer publishes its probabilities: {now['note']}"
        return TargetComparison(TARGET, WORSE, why)
    newer_first = challenger.until >= champion.until
    newer, older = (challenger, champion) if newer_first else (champion, challenger)
    rows = newer.of(TARGET)
    if rows.empty or older.until > rows["as_of"].max():
        return TargetComparison(TARGET, NO_WORSE, SAME)
    names = ("older", "newer") if newer_first else ("newer", "older")
    return judged_on(TARGET, _asked(newer, older), names, auc_tolerance, seed)


def _asked(newer: Candidate, older: Candidate) -> Cohort:
    """Predict the test rows of the newer version with the older one."""
    rows = newer.of(TARGET)
    weeks = newer.version.manifest["horizon_days"] / DAYS_PER_WEEK
    purchases = copy(older.version.artefacts["purchases"])
    # Season and trend of the tested horizon are no merit of either version.
    level = newer.version.manifest["evaluation"][TARGET].get("level", 1.0)
    purchases.level_, purchases.level_weeks_ = level, weeks
    asked = purchases.order_probability(rows[HISTORY], weeks)
    p = np.clip(asked, 1e-9, 1 - 1e-9)
    renamed = rows.rename(columns={"logit": "logit_newer", "probability": "probability_newer"})
    both = renamed.assign(probability_older=p, logit_older=np.log(p) - np.log1p(-p))
    return Cohort(both.dropna(subset=["probability_older"]), UNCHANGED)
