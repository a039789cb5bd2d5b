"""The people at each account: who they are, and who of them is silent."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from health.demo.accounts import Traits
from health.demo.latent import Flags, Floats, Ints
from health.demo.life import Life

#: Weeks for which the places of champions who left stay empty.
EMPTY_WEEKS = 5
_MARKS = np.array(["", *"bcdefghijklmnopqrstuvwxyz"], dtype=object)


@dataclass(frozen=True)
class Users:
    """The people who may use the product; a place is held by one person after another.

    Attributes
    ----------
    ids : object, shape (accounts,)
        Account identifiers, of which user identifiers are made.
    zeal : float, shape (accounts, places)
        How much more than the account's others this place uses the product (log odds).
    champions : int, shape (accounts,)
        Number of champions: they hold the first places.
    empty : bool, shape (accounts, weeks)
        The champions have left and nobody has followed yet.
    follower : int, shape (accounts, weeks)
        How many generations of champions there were before.
    """

    ids: Ints
    zeal: Floats
    champions: Ints
    empty: Flags
    follower: Ints

    def names(self, account: Ints, place: Ints, week: Ints) -> Ints:
        """Return the identifier of the person at a place in a week, as objects."""
        generation = np.where(place < self.champions[account], self.follower[account, week], 0)
        generation = np.minimum(generation, len(_MARKS) - 1)
        places = self.zeal.shape[1]
        code = (account * places + place) * len(_MARKS) + generation
        unique, back = np.unique(code, return_inverse=True)
        who, mark = np.divmod(unique, len(_MARKS))
        who, seat = np.divmod(who, places)
        parts = zip(self.ids[who], seat.tolist(), _MARKS[mark], strict=True)
        made = np.array([f"{i}-U{s + 1:03d}{m}" for i, s, m in parts], dtype=object)
        return np.asarray(made[back])


def people(life: Life, traits: Traits, ids: Ints, rng: Generator) -> Users:
    """Draw the people of every account."""
    places = int(life.users.max())
    zeal = 0.18 * rng.standard_normal((len(traits), places), dtype=np.float32)
    zeal[np.arange(places) < traits.champions[:, None]] += 0.7
    left = life.champion_left.cumsum(axis=1)
    # The place empties the week after, and is filled again some weeks later.
    gone, back = _later(left, 1), _later(left, 1 + EMPTY_WEEKS)
    return Users(ids, zeal, traits.champions, gone > back, back)


def _later(values: Ints, weeks: int) -> Ints:
    """Shift each row by this many weeks, filling with zeros."""
    shifted = np.zeros_like(values)
    shifted[:, weeks:] = values[:, :-weeks] if weeks < values.shape[1] else 0
    return shifted
