"""Survey metrics as the field defines them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Numbers = Sequence[float] | npt.NDArray[np.float64]

#: Lowest satisfied answer by scale of a CSAT question.
SATISFIED_FROM = {"1-5": 4.0, "1-3": 3.0, "good/bad": 1.0}
#: Highest dissatisfied answer; what lies between is neutral.
DISSATISFIED_TO = {"1-5": 2.0, "1-3": 1.0, "good/bad": 0.0}


def nps(scores: Numbers) -> float:
    """Return the net promoter score of answers on 0-10 (Reichheld 2003).

    The share of 9 and 10 less the share of 0 to 6, in points from −100 to 100; NaN without an
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


def nps_variance(promoters: float, detractors: float) -> float:
    """Return n times the variance of an NPS given as a fraction: p₊ + p₋ − (p₊ − p₋)².

    Examples
    --------
    >>> round(nps_variance(1 / 2, 1 / 6), 4)
    0.5556
    """
    return promoters + detractors - (promoters - detractors) ** 2


def csat(scores: Numbers, scale: str = "1-5") -> float:
    """Return the share of satisfied answers, 0-1; NaN without an answer.

    Parameters
    ----------
    scores : sequence of float
        Answers; on ``good/bad`` 1 is good.
    scale : str
        ``1-5`` (4 and 5 are satisfied), ``1-3`` (only 3) or ``good/bad``.

    Examples
    --------
    >>> csat([3, 4, 5, 5, 2])
    0.6
    """
    answers = np.asarray(scores, dtype=float)
    return float(np.mean(answers >= SATISFIED_FROM[scale])) if len(answers) else float("nan")


def ces(scores: Numbers) -> float:
    """Return the mean of answers on 1-7 to "made it easy" (CES 2.0); NaN without an answer.

    Examples
    --------
    >>> ces([7, 6, 5, 2])
    5.0
    """
    answers = np.asarray(scores, dtype=float)
    return float(answers.mean()) if len(answers) else float("nan")


def net_easy(scores: Numbers) -> float:
    """Return the share of 5-7 less the share of 1-3, in points; NaN without an answer.

    Examples
    --------
    >>> net_easy([7, 6, 5, 2])
    50.0
    """
    answers = np.asarray(scores, dtype=float)
    if not len(answers):
        return float("nan")
    return 100.0 * float(np.mean(answers >= 5) - np.mean(answers <= 3))
