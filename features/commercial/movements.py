"""How an account's MRR moved: new, expansion, contraction, churn, reactivation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.commercial.contracts import deal_of
from features.windows.contracts import ContractRows, KnownContracts
from features.windows.day_rows import Codes, Numbers, summed
from features.windows.observation_dates import ByAccount
from features.windows.table_columns import DAY_US, NEVER, TableColumns, Times, within

#: The kinds of movement, for an account as a whole: ending one of several subscriptions is
#: contraction.
MOVEMENTS = ("new", "expansion", "contraction", "churn", "reactivation")
_NONE = -1
#: What is below this is dust of sums, not money.
_DUST = 1e-6


class Movements:
    """The movements of a company's accounts, summed as of one date after another.

    Parameters
    ----------
    contracts : ContractRows
        The contracts. A pause in paying that is shorter than their grace period is no churn;
        what follows it is compared with what was paid before it.
    """

    def __init__(self, contracts: ContractRows) -> None:
        self._contracts = contracts
        self._terms, self._term_count = _terms(contracts.rows)

    def as_of(self, known: KnownContracts) -> ByAccount:
        """Return the features of every account as of a date: 0 where nothing moved."""
        count = self._contracts.rows.accounts
        steps = self._steps(known)
        level = np.array(pd.Series(steps.mrr).groupby(steps.account, sort=False).cumsum())
        level[np.abs(level) <= _DUST] = 0.0
        before = _before(level, steps.account)
        is_change = (before > 0) & (level > 0) & within(steps.at, known.as_of, 365)
        moving = np.flatnonzero(np.abs(level - before) > _DUST)
        grace = self._contracts.grace_days * DAY_US
        kind, amount = _named(steps.at[moving], level[moving], steps.account[moving], grace)
        account = steps.account[moving]
        half_year = within(steps.at[moving], known.as_of, 180)
        out = {"billing_changes_365d": summed(steps.account[is_change], count)}
        for number, name in enumerate(MOVEMENTS):
            own = half_year & (kind == number)
            out[f"mrr_{name}_180d"] = summed(account[own], count, amount[own])
            if name in {"expansion", "contraction"}:
                out[f"{name}s_180d"] = summed(account[own], count)
        return out

    def _steps(self, known: KnownContracts) -> _Steps:
        """Net starts and ends per account and moment; a moment without a change is no step."""
        rows = self._contracts.rows
        ran = self._contracts.is_paid[known.rows] & (known.ended > known.started)
        own, started, ended = known.rows[ran], known.started[ran], known.ended[ran]
        over = np.flatnonzero(ended != NEVER)
        both = np.concatenate([own, own[over]])
        at = np.concatenate([started, ended[over]])
        moments, place = np.unique(at, return_inverse=True)
        steps = rows.account[both] * len(moments) + place
        # The end and the start of the same terms at one moment, as at a renewal, are no change.
        changes, place = np.unique(
            steps * self._term_count + self._terms[both], return_inverse=True
        )
        sign = np.where(np.arange(len(both)) < len(own), 1.0, -1.0)

        def net(amounts: Numbers) -> Numbers:
            return summed(place, len(changes), amounts[both] * sign)

        mrr, others = net(rows["mrr"]), (net(rows["seats"]), net(np.ones(len(rows))))
        changed = np.any([np.abs(sums) > _DUST for sums in (mrr, *others)], axis=0)
        steps, place = np.unique(changes // self._term_count, return_inverse=True)
        is_step = summed(place, len(steps), changed.astype(float)) > 0
        account, number = np.divmod(steps[is_step], max(len(moments), 1))
        return _Steps(account, moments[number], summed(place, len(steps), mrr)[is_step])


@dataclass(frozen=True)
class _Steps:
    """The moments at which an account's contracts changed, in order, and by how much its MRR."""

    account: Codes
    at: Times
    mrr: Numbers


def _terms(rows: TableColumns) -> tuple[Codes, int]:
    """Return the number of each row's product, plan and months of billing, and how many."""
    months, _ = pd.factorize(rows["billing_months"])
    terms, unique = pd.factorize(deal_of(rows) * (len(rows) + 1) + months + 1)
    return terms, max(len(unique), 1)


def _named(
    at: Times, level: Numbers, group: Codes, grace: int
) -> tuple[npt.NDArray[np.integer], Numbers]:
    """Return kind and amount of each change of MRR of a group, in order of time."""
    before = _before(level, group)
    is_first = np.append(True, group[1:] != group[:-1])[: len(group)]
    is_soon = ~is_first & (at - _before(at, group) < grace)
    # A pause shorter than the grace period is none.
    resumed = is_soon & (before == 0)
    paused = np.append(is_soon[1:], False)[: len(group)] & (level == 0)
    was = np.where(resumed, _before(level, group, 2), before)
    kinds = {
        "churn": (level == 0) & ~paused,
        "reactivation": (was == 0) & ~is_first,
        "new": is_first,
        "": (level == was) | paused,
        "contraction": level < was,
    }
    numbers = [MOVEMENTS.index(kind) if kind else _NONE for kind in kinds]
    kind = np.select([*kinds.values()], numbers, MOVEMENTS.index("expansion"))
    return kind, np.abs(level - was)


def _before(values: npt.NDArray[Any], group: Codes, places: int = 1) -> npt.NDArray[Any]:
    """Return the value this many places before in the same group; 0 where there is none."""
    found = np.zeros_like(values)
    found[places:] = np.where(group[places:] == group[:-places], values[:-places], 0)
    return found
