"""Who responds to a treatment: power, effects by segment, and who can be saved."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd

from features.tables.opened import Tables
from features.tables.point_in_time import collect
from health.experiment.assignment import TREATED
from health.experiment.outcomes import BASELINE
from models.uplift.effects import accounts_per_arm, group_effects
from models.uplift.savable import DETECTABLE, SavableModel

SEGMENT = "segment"


@dataclass(frozen=True)
class Responders:
    """What an experiment shows about groups of accounts and about single accounts.

    Attributes
    ----------
    power : str
        Whether a quarter less churn would be seen, and how many more weeks it takes if not.
    by_segment : pd.DataFrame
        As `GroupEffects.table`; empty without segments or without enough accounts in two of them.
    savable : str
        How well the savable estimate ranks later assignments, or why there is none.
    model : SavableModel or None
        None if no outcome is known.
    """

    power: str
    by_segment: pd.DataFrame
    savable: str
    model: SavableModel | None


def with_segments(rows: pd.DataFrame, tables: Tables) -> pd.DataFrame:
    """Add each account's segment; None where there is none."""
    if not tables.has("accounts", SEGMENT):
        return rows.assign(**{SEGMENT: None})
    known = collect(tables["accounts"].select("account_id", SEGMENT))
    return rows.assign(**{SEGMENT: rows["account_id"].map(known.set_index("account_id")[SEGMENT])})


def who_responds(rows: pd.DataFrame) -> Responders:
    """Return power, effects by segment and the savable estimate of one experiment.

    Parameters
    ----------
    rows : pd.DataFrame
        As `with_outcomes` and `with_segments` give them: arm, as_of, churned (NaN if not known
        yet), the state before the assignment and segment.
    """
    known = rows[rows["churned"].notna()]
    treated = (known["arm"] == TREATED).to_numpy()
    if not len(known) or treated.all() or not treated.any():
        return Responders(
            "No outcome is known in both arms yet.",
            pd.DataFrame(),
            "No outcome is known yet.",
            None,
        )
    churned = known["churned"].to_numpy(dtype="float64")
    grouped = known[SEGMENT].notna().to_numpy()
    groups = group_effects(churned[grouped], treated[grouped], known.loc[grouped, SEGMENT])
    model = SavableModel(lowers=True).fit(
        known[[*BASELINE, SEGMENT]], churned.astype(int), treated, known["as_of"].to_numpy()
    )
    by_segment = groups.table if len(groups.table) > 1 else groups.table.iloc[:0]
    return Responders(_power(known, churned, treated), by_segment, f"{model.why_}.", model)


def _power(known: pd.DataFrame, churned: np.ndarray, treated: np.ndarray) -> str:
    share = float(churned[~treated].mean())
    if share == 0:
        return "No control account churned, so a reduction of churn cannot be estimated yet."
    changed = share * (1 - DETECTABLE)
    ratio = float(treated.sum() / (~treated).sum())
    needed = math.ceil(accounts_per_arm(share, changed, treated_per_control=ratio))
    equal = math.ceil(accounts_per_arm(share, changed))
    have = int((~treated).sum())
    effect = f"a quarter less churn ({100 * share:.1f} to {100 * changed:.1f} %)"
    if have >= needed:
        return f"Large enough to detect {effect} in four of five cases."
    days = (known["as_of"].max() - known["as_of"].min()).days
    weeks_so_far = max(1.0, days / 7 + 1)
    more = math.ceil((needed - have) / (have / weeks_so_far))
    return (
        f"To detect {effect} in four of five cases, {needed:,} control accounts are needed at this "
        f"hold-out and {have:,} have a known outcome: about {more:,} more weeks of assignments at "
        f"the pace so far (with arms of equal size, {equal:,} in each arm)."
    )
