"""Champion against challenger for orders, on the test rows of the newer one."""

from __future__ import annotations

import numpy as np

from health.training.cohort import UNCHANGED, Candidate, Cohort
from health.training.compare import NO_WORSE, WORSE, TargetComparison, judged_on, without_cohort
from health.training.orders import HISTORY, TARGET
from models.clv.beta_geo import DAYS_PER_WEEK

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
    asked = older.version.artefacts["purchases"].order_probability(rows[HISTORY], weeks)
    p = np.clip(asked, 1e-9, 1 - 1e-9)
    renamed = rows.rename(columns={"logit": "logit_newer", "probability": "probability_newer"})
    both = renamed.assign(probability_older=p, logit_older=np.log(p) - np.log1p(-p))
    return Cohort(both.dropna(subset=["probability_older"]), UNCHANGED)
