"""What a renewal may come to: one of four outcomes, whose probabilities sum to one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.base.inputs import FloatArray, ModelInputError, as_floats
from models.renewal.book_range import StayRatios


@dataclass(frozen=True)
class RenewalOutcomes:
    """Leaving, contracting, renewing flat and expanding, of each renewal.

    Attributes
    ----------
    leaves, contracts, flat, expands : array, shape = (n_samples,)
        Probabilities, which sum to one; NaN where the chance of leaving is.
    contracts_to, expands_to : float
        What is paid afterwards, as a multiple of before, by accounts that contract and that expand;
        1 where none did.
    """

    leaves: FloatArray
    contracts: FloatArray
    flat: FloatArray
    expands: FloatArray
    contracts_to: float = 1.0
    expands_to: float = 1.0

    @classmethod
    def of(
        cls, leaves: object, ratios: StayRatios, *, step: float = 1.0, odds: object = 1.0
    ) -> RenewalOutcomes:
        """Give the chance of leaving as it is, and divide the rest as past renewals were.

        Parameters
        ----------
        leaves : array-like, shape = (n_samples,)
            The published probability of leaving; NaN where none is known.
        ratios : StayRatios
            What accounts that stayed paid; equally likely multiples of what they paid before.
        step : float
            The share of a period, by which multiples differ that much less from one.
        odds : array-like, shape = (n_samples,)
            The odds that an account that stays expands, relative to the usual ones.

        Raises
        ------
        ModelInputError
            A probability is outside of 0-1.
        """
        gone = as_floats(leaves, "leaves")
        if ((gone < 0) | (gone > 1)).any():
            raise ModelInputError("a probability is outside 0-1", where="leaves")
        less, more = ratios.quantiles < 1, ratios.quantiles > 1
        stays = 1 - gone
        usual = more.mean()
        growing = as_floats(np.broadcast_to(np.asarray(odds, dtype=float), gone.shape), "odds")
        grows = growing * usual / (1 - usual + growing * usual)
        # Those that do not expand contract as often as they usually do.
        shrinks = less.mean() * (1 - grows) / (1 - usual) if usual < 1 else np.zeros(len(gone))
        contracts, expands = stays * shrinks, stays * grows
        to = [float(ratios.quantiles[own].mean()) if own.any() else 1.0 for own in (less, more)]
        flat = np.maximum(stays - contracts - expands, 0.0)
        return cls(gone, contracts, flat, expands, *(1 + (each - 1) * step for each in to))

    def lost(self, amount: FloatArray) -> FloatArray:
        """Return what is expected to leave."""
        return amount * self.leaves

    def given_up(self, amount: FloatArray) -> FloatArray:
        """Return what accounts that stay are expected to pay less."""
        return amount * self.contracts * (1 - self.contracts_to)

    def added(self, amount: FloatArray) -> FloatArray:
        """Return what accounts that stay are expected to pay more."""
        return amount * self.expands * (self.expands_to - 1)

    def expected(self, amount: FloatArray) -> FloatArray:
        """Return the expected revenue: the sum over the four outcomes, of which leaving pays 0."""
        multiple = self.contracts * self.contracts_to + self.flat + self.expands * self.expands_to
        return amount * multiple
