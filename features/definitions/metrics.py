"""Survey metrics as the field defines them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Numbers = Sequence[float] | Array
#: Standard errors to either side of a 95 % interval.
Z_95 = 1.959963984540054


@dataclass(frozen=True)
class Interval:
    """The lower and the upper end of an interval for each account."""

    low: Array
    high: Array


def nps(scores: Numbers) -> float:
    """Return the net promoter score of answers on 0-10 (Reichheld 2003).

    The share of 9 and 10 minus the share of 0 to 6, in points from −100 to 100; NaN without an
    answer.

    Examples
    --------
    >>> nps([10, 9, 9, 10, 9, 7, 8, 8, 2, 6])
    30.0
    """
    answers = np.asarray(scores, dtype=float)
    if not len(answers):
        return float("nan")
    return 100.0 * float(np.mean(answers >= 9) - np.mean(answers <= 6))


def nps_standard_error(promoters: Array, detractors: Array, answers: Array) -> Array:
    """Return the standard error of an NPS as a fraction: √{[p₊ + p₋ − (p₊ − p₋)²] ÷ answers}.

    Parameters
    ----------
    promoters, detractors : array of float, shape = (n_accounts,)
        Shares of the answers, 0-1.
    answers : array of float, shape = (n_accounts,)
        Number of answers, above 0.

    Examples
    --------
    >>> error = nps_standard_error(np.array([1 / 2]), np.array([1 / 6]), np.array([1.0]))
    >>> round(float(error[0] ** 2), 4)
    0.5556
    """
    variance = promoters + detractors - (promoters - detractors) ** 2
    error: Array = np.sqrt(variance / answers)
    return error


def wilson_interval(satisfied: Array, answers: Array) -> Interval:
    """Return the 95 % interval of a share (Wilson 1927), which is also valid for few answers.

    Parameters
    ----------
    satisfied, answers : array of float, shape = (n_accounts,)
        Counts; without an answer both ends are NaN.

    Examples
    --------
    >>> ends = wilson_interval(np.array([3.0]), np.array([5.0]))
    >>> round(float(ends.low[0]), 3), round(float(ends.high[0]), 3)
    (0.231, 0.882)
    """
    given = np.where(answers > 0, answers, np.nan)
    share, spread = satisfied / given, Z_95**2 / given
    middle = (share + spread / 2) / (1 + spread)
    reach = np.sqrt(share * (1 - share) * spread + spread**2 / 4) / (1 + spread)
    return Interval(np.maximum(middle - reach, 0.0), np.minimum(middle + reach, 1.0))


def ces(scores: Numbers) -> float:
    """Return the mean of answers on 1-7 to "made it easy" (CES 2.0); NaN without an answer.

    Examples
    --------
    >>> ces([7, 6, 5, 2])
    5.0
    """
    answers = np.asarray(scores, dtype=float)
    return float(answers.mean()) if len(answers) else float("nan")
