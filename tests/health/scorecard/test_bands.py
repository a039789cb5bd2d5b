"""Bands: limits to the point, and a memory that keeps a band from flapping."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from health.scorecard.bands import band, settled_band
from health.settings.scorecard import Bands

BANDS = Bands(yellow=50, green=75, margin=2)


def _settled(before: str | None, then: float, now: float, bands: Bands = BANDS) -> str | None:
    return settled_band(
        pd.Series([now]),
        bands,
        previous_score=pd.Series([then]),
        previous_band=pd.Series([before], dtype=object),
    )[0]


def test_limits_belong_to_the_better_band() -> None:
    names = band(pd.Series([0.0, 49.999999, 50.0, 74.999999, 75.0, 100.0, np.nan]), BANDS)
    assert names.tolist() == ["red", "red", "yellow", "yellow", "green", "green", None]


@pytest.mark.parametrize(
    ("before", "then", "now", "expected"),
    [
        ("yellow", 55, 50.0, "yellow"),  # on the limit is not across it
        ("yellow", 55, 49.0, "yellow"),  # across by less than the margin, for the first run
        ("yellow", 55, 48.001, "yellow"),
        ("yellow", 55, 48.0, "red"),  # across by exactly the margin
        ("yellow", 49, 49.5, "red"),  # stays across for the second run
        ("red", 45, 50.0, "red"),  # across, by nothing
        ("red", 45, 51.999, "red"),
        ("red", 45, 52.0, "yellow"),
        ("red", 50, 50.0, "yellow"),  # on the limit for two runs: up
        ("yellow", 70, 75.0, "yellow"),
        ("yellow", 75, 75.0, "green"),
        ("yellow", 70, 77.0, "green"),
        ("green", 80, 75.0, "green"),
        ("green", 80, 73.001, "green"),
        ("green", 80, 73.0, "yellow"),
        ("green", 80, 49.0, "yellow"),  # past green for good, past yellow by too little
        ("green", 80, 48.0, "red"),
        ("green", 49, 49.0, "red"),
        ("red", 30, 76.0, "yellow"),
        ("red", 30, 77.0, "green"),
        ("yellow", 49, 51.0, "yellow"),  # back before it counted
        (None, 30, 49.9, "red"),  # without a band before, the score's own
        (None, np.nan, 75.0, "green"),
        ("red", np.nan, 50.5, "red"),
        ("green", 80, np.nan, None),
    ],
)
def test_a_band_is_left_by_the_margin_or_in_the_second_run(
    before: str | None, then: float, now: float, expected: str | None
) -> None:
    assert _settled(before, then, now) == expected


@pytest.mark.parametrize("now", [0.0, 49.99, 50.0, 60.0, 74.99, 75.0])
def test_without_a_margin_a_band_has_no_memory(now: float) -> None:
    plain = Bands(yellow=50, green=75, margin=0)
    for before in ("red", "yellow", "green"):
        assert _settled(before, 60, now, plain) == band(pd.Series([now]), plain)[0]
