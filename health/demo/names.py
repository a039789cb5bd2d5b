"""Invented names of companies and of customer-success managers."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator


def _words(text: str) -> list[str]:
    return text.split()


_FIRST = _words(
    "Alder Amber Anchor Argent Aspen Beacon Birch Blue Bright Brook Cedar Cinder Clear Cobalt "
    "Copper Coral Crest Dawn Delta Drift Ember Fable Falcon Fern Flint Forge Fox Gale Glen "
    "Granite Grove Harbor Haven Hazel Heron Hill Indigo Iron Ivory Juniper Kestrel Lake Lark "
    "Laurel Linden Lumen Maple Marble Meadow Merlin Mint Mosaic North Oak Onyx Orchard Osprey "
    "Otter Pebble Pine Plum Prairie Quarry Quill Raven Reed Ridge River Rowan Saffron Sage "
    "Silver Slate Solar Spruce Stone Summit Swift Tamar Thistle Tidal Timber Umber Vale "
    "Velvet Violet Walnut West Willow Winter Wren Yarrow Zephyr"
)
_SECOND = _words(
    "bank bay bridge brook burn cliff court cross dale field ford gate glade grove hall haven "
    "holm hurst land leaf light line lock loft mark mere mill moor path peak point port reach "
    "ridge rock shore side spring stead stone stream view ville wall ward water way wick wood "
    "works yard"
)
_KIND = {
    "Software": ("Systems", "Labs", "Software"),
    "Retail": ("Stores", "Retail", "Outfitters"),
    "Manufacturing": ("Works", "Industries", "Components"),
    "Logistics": ("Freight", "Logistics", "Lines"),
    "Healthcare": ("Clinics", "Health", "Care"),
    "Finance": ("Capital", "Finance", "Partners"),
    "Education": ("Academy", "Learning", "Schools"),
    "Media": ("Media", "Studios", "Press"),
}
_GIVEN = _words(
    "Ana Ben Chloe Dario Elif Femi Greta Hana Ivan Jana Kofi Lena Marek Nadia Omar Priya "
    "Quentin Rosa Sven Tara Uma Viktor Wanda Yusuf Zoe"
)
_FAMILY = _words(
    "Abara Berg Costa Dubois Eriksen Fischer Garcia Haddad Ito Jansen Keller Lindqvist Moreau "
    "Novak Okafor Petrov Quinn Rossi Silva Tanaka Ueda Varga Weber Yilmaz Zeman"
)


def company_names(industries: list[str], rng: Generator) -> list[str]:
    """Return one name an account, fitting its industry; all are different."""
    space = len(_FIRST) * len(_SECOND)
    picks = rng.permutation(space)
    names = []
    for place, industry in enumerate(industries):
        turn, pick = divmod(place, space)
        first, second = divmod(int(picks[pick]), len(_SECOND))
        kind = _KIND[industry][pick % 3]
        number = f" {turn + 1}" if turn else ""
        names.append(f"{_FIRST[first]}{_SECOND[second]} {kind}{number}")
    return names


def manager_names(count: int, rng: Generator) -> list[str]:
    """Return `count` different names of customer-success managers."""
    space = len(_GIVEN) * len(_FAMILY)
    picks = np.resize(rng.permutation(space), count)
    turns = np.arange(count) // space
    return [
        f"{_GIVEN[pick // len(_FAMILY)]} {_FAMILY[pick % len(_FAMILY)]}"
        + (f" {turn + 1}" * (turn > 0))
        for pick, turn in zip(picks.tolist(), turns.tolist(), strict=True)
    ]
