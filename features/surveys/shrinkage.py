"""Shares of few answers, shrunk towards those of the peer group.

An account's shares are assumed to come from a Dirichlet distribution around its peers' (for two
categories: a beta), so that its posterior mean is (count + strength × peer share) ÷
(answers + strength). The similarity of the accounts, and so the strength, is estimated from all
of them by moments (Kleinman 1973; for several categories Mosimann 1962).
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
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
    names = tuple(range(int(group.max(initial=-1)) + 1))
    prior = Prior.of([Answered.of(counts, Groups(group, names))])
    return prior.shrunk(counts, Groups(group, names))


@dataclass(frozen=True)
class Groups:
    """The peer group of each account.

    Attributes
    ----------
    group : array of int, shape = (n_accounts,)
        Its number, −1 for an account without one.
    names : sequence
        What the groups are called in every part of the accounts, by number.
    """

    group: Codes
    names: Sequence[Hashable]


@dataclass(frozen=True)
class Answered:
    """The answers of the accounts that gave any, which priors are estimated from.

    Attributes
    ----------
    counts : array of int, shape = (n_categories, n_answering)
        Answers in each category.
    group : array of int, shape = (n_answering,)
        Place of the peer group in `names`; −1 for none.
    names : sequence
        The names of the groups.
    """

    counts: npt.NDArray[np.int32]
    group: npt.NDArray[np.int32]
    names: Sequence[Hashable]

    @classmethod
    def of(cls, counts: npt.NDArray[np.float64], groups: Groups) -> Answered:
        """Return the answers of those who gave any."""
        gave = np.flatnonzero(counts.sum(axis=0))
        own = groups.group[gave].astype(np.int32)
        return cls(counts[:, gave].astype(np.int32), own, groups.names)


@dataclass(frozen=True)
class Prior:
    """What shares are shrunk towards.

    Attributes
    ----------
    strength : float
        Answers that the peer group counts for.
    everybody : array of float, shape = (n_categories,)
        The shares of all answers.
    peers : mapping of Hashable to array of float
        The shares of each peer group, None for accounts without one; shrunk towards everybody's.
    has_peers : bool
        As of `Shrunk`.
    """

    strength: float
    everybody: npt.NDArray[np.float64]
    peers: Mapping[Hashable, npt.NDArray[np.float64]]
    has_peers: bool

    @classmethod
    def of(cls, parts: Sequence[Answered]) -> Prior:
        """Estimate it from the answers of all accounts, in one part or more."""
        counts = np.concatenate([part.counts for part in parts], axis=1).astype(float)
        names = [None, *dict.fromkeys(name for part in parts for name in part.names)]
        place = {name: number for number, name in enumerate(names)}
        # The last entry is that of −1.
        numbers = [np.array([*map(place.get, part.names), 0], dtype=int) for part in parts]
        peer = np.concatenate([n[part.group] for n, part in zip(numbers, parts, strict=True)])
        strength = prior_strength(counts)
        everybody = counts.sum(axis=1) / max(counts.sum(), 1.0)
        of_group = np.stack([summed(peer, len(names), category) for category in counts])
        shares = (of_group + strength * everybody[:, None]) / (of_group.sum(axis=0) + strength)
        peers = dict(zip(names, shares.T, strict=True))
        return cls(strength, everybody, peers, counts.shape[1] >= LEAST_ACCOUNTS)

    def shrunk(self, counts: npt.NDArray[np.float64], groups: Groups) -> Shrunk:
        """Shrink the shares of some accounts."""
        answers = counts.sum(axis=0)
        weight = answers + self.strength
        # An account without an answer has no weight and no share.
        gave = np.flatnonzero(answers)
        peers = np.stack([self.peers[name] for name in (*groups.names, None)], axis=1)
        shares = np.full(counts.shape, np.nan)
        own = self.strength * peers[:, groups.group[gave]]
        shares[:, gave] = (counts[:, gave] + own) / weight[gave]
        return Shrunk(shares, weight, self.strength, self.has_peers)


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
