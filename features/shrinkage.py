"""Shares of few answers, drawn towards those of the peer group.

An account's shares are taken as drawn from a Dirichlet distribution around its peers' (for two
categories: a beta), so that its posterior mean is (count + strength × peer share) ÷
(answers + strength). How alike the accounts are, and so how strongly to draw, is estimated from
all of them by moments (Kleinman 1973; for several categories Mosimann 1962).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

#: Strength of the prior, in answers, where too few accounts answered twice to estimate it.
DEFAULT_STRENGTH = 5.0
#: Repeated answers (beyond each account's first) that an estimate needs.
LEAST_REPEATS = 30
_WEAKEST, _STRONGEST = 1.0, 100.0


@dataclass(frozen=True)
class Shrunk:
    """Shares drawn towards the peer group's.

    Attributes
    ----------
    shares : pd.DataFrame, shape = (n_accounts, n_categories)
        Rows sum to 1; NaN for an account without an answer.
    weight : pd.Series, shape = (n_accounts,)
        Answers and strength of the prior together: what the shares rest on.
    strength : float
        Answers that the peer group counts for.
    """

    shares: pd.DataFrame
    weight: pd.Series[float]
    strength: float


def shrink(counts: pd.DataFrame, groups: pd.Series[str]) -> Shrunk:
    """Draw each account's shares towards its peer group's, and that one's towards everybody's.

    Parameters
    ----------
    counts : pd.DataFrame, shape = (n_accounts, n_categories)
        Answers in each category, as of one date.
    groups : pd.Series, shape = (n_accounts,)
        Peer group; accounts without one are a group of their own.
    """
    answers = counts.sum(axis=1)
    strength = prior_strength(counts)
    everybody = counts.sum() / max(answers.sum(), 1.0)
    weight = answers + strength
    # Whoever gave no answer weighs nothing, and has no share.
    told = counts[answers > 0]
    named = groups[answers > 0].fillna("")
    of_group = told.groupby(named).sum()
    in_group = of_group.sum(axis=1) + strength
    peers = (of_group + strength * everybody).div(in_group, axis=0).reindex(named)
    shares = (told + strength * peers.to_numpy()).div(weight[answers > 0], axis=0)
    return Shrunk(shares.reindex(counts.index), weight, strength)


def prior_strength(counts: pd.DataFrame) -> float:
    """Estimate how many answers the peer group counts for, 1 to 100.

    Answers of one account agree with each other by a correlation ρ = 1 ⁄ (1 + strength): then
    Σᵢ Σₖ nᵢ (pᵢₖ − Pₖ)² is expected to be Σₖ Pₖ (1 − Pₖ) · (accounts − 1 + ρ Σᵢ (nᵢ − 1)).
    `DEFAULT_STRENGTH` where fewer than `LEAST_REPEATS` answers are repeated ones.
    """
    answers = counts.sum(axis=1)
    counts, answers = counts[answers > 0], answers[answers > 0]
    repeats = float((answers - 1).sum())
    if repeats < LEAST_REPEATS:
        return DEFAULT_STRENGTH
    mean = counts.sum() / answers.sum()
    spread = float((mean * (1 - mean)).sum())
    if spread <= 0:
        return _STRONGEST
    apart = counts.div(answers, axis=0) - mean
    between = float((apart**2).sum(axis=1).mul(answers).sum())
    alike = (between / spread - (len(answers) - 1)) / repeats
    if alike <= 0:
        return _STRONGEST
    return float(np.clip(1 / alike - 1, _WEAKEST, _STRONGEST))
