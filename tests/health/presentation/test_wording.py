"""Golden cases of the words that report, workbook and console share."""

from __future__ import annotations

import doctest
import math

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from health.presentation import wording

NAN = float("nan")


def test_the_examples_hold() -> None:
    found = doctest.testmod(wording)
    assert found.attempted >= 10
    assert found.failed == 0


@pytest.mark.parametrize(
    ("value", "said"),
    [(0, "USD 0"), (0.5, "USD 1"), (-1234.4, "USD −1,234"), (1e6, "USD 1,000,000"), (NAN, "–")],
)
def test_money(value: float, said: str) -> None:
    assert wording.money(value, "USD") == said


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (999.6, "EUR 1,000"),
        (1234, "EUR 1.23 k"),
        (99_960, "EUR 100 k"),
        (999_960, "EUR 1.00 M"),
        (-45_600, "EUR −45.6 k"),
        (2.5e9, "EUR 2.50 bn"),
        (None, "–"),
    ],
)
def test_money_short(value: float | None, said: str) -> None:
    assert wording.money_short(value, "EUR") == said


@pytest.mark.parametrize(
    ("share", "digits", "said"),
    [
        (0.0, 0, "0 %"),
        (1.0, 0, "100 %"),
        (0.004, 0, "<1 %"),
        (0.0004, 1, "<0.1 %"),
        (0.996, 0, ">99 %"),
        (0.9996, 1, ">99.9 %"),
        (None, 0, "–"),
        (math.inf, 0, "–"),
    ],
)
def test_percent(share: float | None, digits: int, said: str) -> None:
    assert wording.percent(share, digits) == said


@settings(deadline=None)
@given(st.floats(1e-9, 1 - 1e-9))
def test_a_chance_is_never_said_to_be_none_or_certain(share: float) -> None:
    assert wording.percent(share) not in {"0 %", "100 %"}
    assert wording.one_in(share)


def test_a_chance_comes_with_its_base_rate() -> None:
    assert wording.chance(0.31, 0.06, 90) == "31 % in 90 days; similar accounts: 6 %"
    assert wording.chance(0.31, None, 60) == "31 % in 60 days"
    assert wording.chance(NAN, 0.06, 90) == "no probability is published"


@pytest.mark.parametrize(
    ("p", "base", "said"),
    [
        (0.06, 0.06, "about the usual"),
        (0.09, 0.06, "1.5 times the usual"),
        (0.30, 0.06, "5 times the usual"),
        (0.01, 0.06, "below the usual"),
        (0.30, 0.0, ""),
        (NAN, 0.06, ""),
    ],
)
def test_against_usual(p: float, base: float, said: str) -> None:
    assert wording.against_usual(p, base) == said


def test_points_and_scores() -> None:
    assert wording.points(-3.24, signed=True) == "−3.2"
    assert wording.points(3.25, signed=True) == "+3.2"
    assert wording.points(-0.01, signed=True) == "0.0"
    assert wording.score(74.5) == "75"
    assert wording.score(NAN) == wording.NONE


def test_dates() -> None:
    assert wording.day(pd.Timestamp("2026-11-01 13:00")) == "1 Nov 2026"
    assert wording.day(pd.NaT) == wording.NONE
    assert wording.since(pd.NaT, "2026-11-01") == wording.NONE
    assert wording.since("2026-10-25", "2026-11-01") == "7 days"


def test_every_band_has_its_own_letter_and_shape() -> None:
    assert len({band.letter for band in wording.BANDS}) == len(wording.BANDS)
    assert len({band.mark for band in wording.BANDS}) == len(wording.BANDS)
    assert wording.band_of("red").letter == "R"
    assert wording.band_of(None) == wording.band_of(NAN) == wording.BANDS[-1]
