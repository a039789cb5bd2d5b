"""How long the growth of accounts that stay goes on: a damped trend, chosen by past months."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from models.base.inputs import FloatArray, ModelInputError

#: Shares of a month's growth that the next month may have.
DAMPINGS = (1.0, 0.95, 0.9, 0.85, 0.8, 0.7, 0.6, 0.5, 0.25, 0.0)
#: Account-months that a past growth needs, and past dates that a number of months ahead needs.
_FEWEST_PAIRS, _FEWEST_DATES = 30, 3
#: Months from which a growth is measured.
_WINDOW = 12


@dataclass(frozen=True)
class DampedGrowth:
    """Growth of a month as a share of the usual one, by how far ahead the month is [1]_.

    The usual growth is that of all account-months of a year, and accounts grow most in their first
    months: month after month, it would be too high for those that are customers today.

    Attributes
    ----------
    damping : float
        Share of a month's growth that the next month has, 0-1.
    months : int
        Months ahead in which growth was observed; there is none after them.

    References
    ----------
    .. [1] Gardner, E. S. and McKenzie, E. (1985). Forecasting trends in time series. Management
       Science 31.

    Examples
    --------
    >>> [round(DampedGrowth(0.9, 3).share(lead), 2) for lead in (0, 1, 2, 3)]
    [1.0, 0.9, 0.81, 0.0]
    """

    damping: float = 1.0
    months: int = 12

    def share(self, lead: float) -> float:
        """Return the share of the usual growth in a month that starts `lead` months from today."""
        return float(self.damping**lead) if lead < self.months else 0.0

    @classmethod
    def of(cls, paid: Any) -> DampedGrowth:
        """Choose it by past months.

        From each past month, the growth of the twelve months before it is continued with every one
        of `DAMPINGS`, and compared with what those that stayed paid in each of the next twelve
        months. The damping with the smallest squared error of the logarithm is used, a comparison
        counted by its accounts.

        Parameters
        ----------
        paid : array-like, shape = (n_accounts, n_months)
            What an account paid at the start of consecutive months; 0 where it paid nothing.

        Raises
        ------
        ModelInputError
            `paid` isn't a table, or has a negative or missing amount.
        """
        table = np.asarray(paid, dtype=float)
        if table.ndim != 2 or not (table >= 0).all():
            raise ModelInputError(
                "needs a row per account and a column per month, without negative or missing "
                "amounts",
                where="paid",
            )
        last = table.shape[1] - 1
        pays = (table > 0).astype(float)
        # By two months: how many pay in both, and what these pay in the first of the two.
        both, paid_in = pays.T @ pays, table.T @ pays
        errors, dates = np.zeros(len(DAMPINGS)), np.zeros(_WINDOW + 1, dtype=int)
        for origin in range(1, last):
            usual = _usual_growth(both, paid_in, max(origin - _WINDOW, 0), origin)
            if np.isnan(usual):
                continue
            for lead in range(1, min(_WINDOW, last - origin) + 1):
                then = origin + lead
                if not both[origin, then]:
                    continue
                missed = _log_paths(usual, lead) - np.log(
                    paid_in[then, origin] / paid_in[origin, then]
                )
                errors += both[origin, then] * missed**2
                dates[lead] += 1
        seen = np.flatnonzero(dates >= _FEWEST_DATES)
        if not len(seen):
            return cls(0.0, 1)
        return cls(DAMPINGS[int(errors.argmin())], int(seen.max()))


def _usual_growth(both: FloatArray, paid_in: FloatArray, first: int, last: int) -> float:
    """Return how much more those that stayed paid after a month; NaN with few of them."""
    months = np.arange(first, last)
    if both[months, months + 1].sum() < _FEWEST_PAIRS:
        return float("nan")
    return float(paid_in[months + 1, months].sum() / paid_in[months, months + 1].sum() - 1)


def _log_paths(usual: float, lead: int) -> FloatArray:
    """Return the logarithm of the growth of some months with every damping."""
    shares = np.array(DAMPINGS)[:, None] ** np.arange(lead)
    return np.asarray(np.log1p(usual * shares).sum(axis=1))
