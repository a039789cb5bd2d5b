"""Shares of few answers, shrunk towards those of the peer group.

An account's shares are assumed to come from a Dirichlet distribution around its peers' (for two
categories: a beta), so that its posterior mean is (count + strength × peer share) ÷
(answers + strength). The similarity of the accounts, and so the strength, is estimated from all
of them by moments (Kleinman 1973; for several categories Mosimann 1962).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from features.windows.day_rows import Codes, Numbers, summed

#: Strength of the prior, in answers, where there are too few answers to estimate it.
DEFAULT_STRENGTH = 5.0
#: Accounts with an answer that an estimate needs.
LEAST_ACCOUNTS = 10
#: Repeated answers (beyond each account's first) that an estimate needs.
LEAST_REPEATS = 30
_WEAKEST, _STRONGEST = 1.0, 100.0


@dataclass(frozen=True)
class Shrunk:
    """Shares shrunk towards the peer group's.

    Attributes
    ----------
    shares : array of float, shape = (n_categories, n_accounts)
        Those of an account sum to 1; NaN for an account without an answer.
    weight : array of float, shape = (n_accounts,)
        Answers and strength of the prior together.
    strength : float
        Answers that the peer group counts for.
    has_peers : bool
        Whether at least `LEAST_ACCOUNTS` accounts answered. Where fewer did, the peers add no
        certainty to an account's own answers.
    """

    shares: npt.NDArray[np.float64]
    weight: Numbers
    strength: float
    has_peers: bool


def shrink(counts: npt.NDArray[np.float64], group: Codes) -> Shrunk:
    """Shrink each account's shares towards its peer group's, and those towards all accounts'.

    Parameters
    ----------
    counts : array of float, shape = (n_categories, n_accounts)
        Answers in each category, as of one date.
    group : array of int, shape = (n_accounts,)
        Number of the peer group; accounts without one (−1) are a group of their own.
    """
    answers = counts.sum(axis=0)
    strength = prior_strength(counts)
    weight = answers + strength
    everybody = counts.sum(axis=1) / max(answers.sum(), 1.0)
    # An account without an answer has no weight and no share.
    result = np.flatnonzero(answers)
    given, peer = counts[:, result], group[result] + 1
    groups = int(peer.max(initial=0)) + 1
    of_group = np.stack([summed(peer, groups, category) for category in given])
    peers = (of_group + strength * everybody[:, None]) / (of_group.sum(axis=0) + strength)
    shares = np.full(counts.shape, np.nan)
    shares[:, result] = (given + strength * peers[:, peer]) / weight[result]
    return Shrunk(shares, weight, strength, len(result) >= LEAST_ACCOUNTS)


def prior_strength(counts: npt.NDArray[np.float64]) -> float:
    """Estimate how many answers the peer group counts for, 1 to 100.

    Answers of one account agree with each other by a correlation ρ = 1 ⁄ (1 + strength): then
    Σᵢ Σₖ nᵢ (pᵢₖ − Pₖ)² is expected to be Σₖ Pₖ (1 − Pₖ) · (accounts − 1 + ρ Σᵢ (nᵢ − 1)).
    `DEFAULT_STRENGTH` where fewer than `LEAST_ACCOUNTS` accounts answered, or fewer than
    `LEAST_REPEATS` answers are repeated ones.

    Parameters
    ----------
    counts : array of float, shape = (n_categories, n_accounts)
        Answers in each category, as of one date.
    """
    counts = counts[:, np.flatnonzero(counts.sum(axis=0))]
    answers = counts.sum(axis=0)
    repeats = float((answers - 1).sum())
    if repeats < LEAST_REPEATS or len(answers) < LEAST_ACCOUNTS:
        return DEFAULT_STRENGTH
    mean = counts.sum(axis=1) / answers.sum()
    spread = float((mean * (1 - mean)).sum())
    if spread <= 0:
        return _STRONGEST
    difference = counts / answers - mean[:, None]
    between = float(((difference**2).sum(axis=0) * answers).sum())
    alike = (between / spread - (len(answers) - 1)) / repeats
    if alike <= 0:
        return _STRONGEST
    return float(np.clip(1 / alike - 1, _WEAKEST, _STRONGEST))
