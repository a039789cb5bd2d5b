"""Champion against challenger where customers order: on what the newer one was tested on."""

from __future__ import annotations

import numpy as np

from health.training.cohort import UNCHANGED, Candidate, Cohort
from health.training.compare import NO_WORSE, WORSE, TargetComparison, judged_on, without_cohort
from health.training.orders import HISTORY, TARGET
from models.clv.beta_geo import DAYS_PER_WEEK

#: Why nothing is left to compare where the older version knows what the newer one was tested on.
SAME = (
    "the older version knows some of the orders that the newer one was tested on, and its way of "
    "modelling, fitted again on the orders before them, is the newer one's"
)


def compare_order_versions(
    champion: Candidate, challenger: Candidate, *, auc_tolerance: float, seed: int
) -> TargetComparison:
    """Compare the chances to order again that two versions give.

    Parameters
    ----------
    champion, challenger : Candidate
        The versions; the challenger is of a company that lives by orders.
    auc_tolerance, seed
        As in `compare_versions`.
    """
    settled = without_cohort(TARGET, champion, challenger)
    if settled is not None:
        return settled
    now, then = (c.version.manifest["evaluation"][TARGET] for c in (challenger, champion))
    if then["has_signal"] and not now["has_signal"]:
        why = f"it does not stand behind its chances any more: {now['note']}"
        return TargetComparison(TARGET, WORSE, why)
    newer_first = challenger.until >= champion.until
    newer, older = (challenger, champion) if newer_first else (champion, challenger)
    rows = newer.of(TARGET)
    if rows.empty or older.until > rows["as_of"].max():
        return TargetComparison(TARGET, NO_WORSE, SAME)
    names = ("older", "newer") if newer_first else ("newer", "older")
    return judged_on(TARGET, _asked(newer, older), names, auc_tolerance, seed)


def _asked(newer: Candidate, older: Candidate) -> Cohort:
    """Ask the older version of the customers that the newer one was tested on."""
    rows = newer.of(TARGET)
    weeks = newer.version.manifest["horizon_days"] / DAYS_PER_WEEK
    asked = older.version.artefacts["purchases"].order_probability(rows[HISTORY], weeks)
    p = np.clip(asked, 1e-9, 1 - 1e-9)
    renamed = rows.rename(columns={"logit": "logit_newer", "probability": "probability_newer"})
    both = renamed.assign(probability_older=p, logit_older=np.log(p) - np.log1p(-p))
    return Cohort(both.dropna(subset=["probability_older"]), UNCHANGED)
