"""Plots: what they draw, on whose axes, in colours that can be seen, as the same bytes."""

from __future__ import annotations

import base64
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from health import plots
from health.plots import style
from models.evaluation.classification import evaluate

BINS = pd.DataFrame(
    {
        "rows": [10, 10],
        "events": [6, 2],
        "mean_probability": [0.5, 0.2],
        "observed_rate": [0.6, 0.2],
    }
)
INTERVALS = pd.DataFrame(
    {
        "name": ["health score", "model"],
        "value": [0.6, np.nan],
        "low": [0.5, np.nan],
        "high": [0.7, np.nan],
    }
)
GROUPS = pd.DataFrame(
    {
        "name": ["red", "green"],
        "rate": [0.2, 0.1],
        "low": [0.1, 0.05],
        "high": [0.3, 0.15],
        "rows": [50, 100],
        "events": [10, 10],
    }
)
CURVE = pd.DataFrame(
    {"days": [0, 30, 60], "survival": [1, 0.9, 0.7], "low": [1, 0.8, 0.6], "high": [1, 1, 0.8]}
)

DRAWN = {
    "retention": lambda ax: plots.retention({"SMB": CURVE, "Large": CURVE}, ax=ax),
    "calibration": lambda ax: plots.calibration(BINS, ax=ax),
    "lift": lambda ax: plots.lift(BINS, ax=ax),
    "intervals": lambda ax: plots.metrics_with_intervals(INTERVALS, ax=ax, reference=0.5),
    "rates": lambda ax: plots.rates(GROUPS, ax=ax, usual=0.13),
    "waterfall": lambda ax: plots.contributions_waterfall(
        pd.Series({"use": 9.0, "csat": -4}), ax=ax
    ),
    "shape": lambda ax: plots.shape_function([1.0, 2.0, np.nan], [0.1, 0.2, -0.3], ax=ax),
}


@pytest.mark.parametrize("name", DRAWN)
def test_axes_are_returned_and_drawn_on(name: str) -> None:
    given = Figure().add_subplot()
    assert DRAWN[name](given) is given
    assert given.has_data()
    assert DRAWN[name](None).figure is not given.figure


@pytest.mark.slow
def test_pyplot_is_never_imported() -> None:
    program = "import sys, health.plots; print('matplotlib.pyplot' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize("name", DRAWN)
@pytest.mark.quick_cases(1)
def test_the_same_figure_gives_the_same_bytes(name: str) -> None:
    assert plots.svg_of(DRAWN[name](None).figure) == plots.svg_of(DRAWN[name](None).figure)


def test_an_image_holds_its_svg_and_escapes_what_it_says() -> None:
    figure = plots.lift(BINS).figure
    tag = plots.image_tag(figure, 'lift of "A&B" <b>')
    assert 'alt="lift of &#34;A&amp;B&#34; &lt;b&gt;"' in tag
    encoded = tag.split("base64,")[1].split('"')[0]
    svg = base64.b64decode(encoded).decode()
    assert svg == plots.svg_of(figure)
    assert "<dc:date>" not in svg


def test_lift_is_the_rate_of_a_bin_over_that_of_all() -> None:
    heights = [bar.get_height() for bar in plots.lift(BINS).patches]
    assert heights == pytest.approx([1.5, 0.5])


def test_lift_without_any_event_is_flat() -> None:
    heights = [bar.get_height() for bar in plots.lift(BINS.assign(events=0)).patches]
    assert heights == [0.0, 0.0]


def test_calibration_takes_the_bins_of_an_evaluation() -> None:
    rng = np.random.default_rng(0)
    p = rng.random(300)
    evaluation = evaluate(rng.random(300) < p, p, n_resamples=2)
    ax = plots.calibration(pd.DataFrame(evaluation.reliability))
    drawn = ax.lines[1].get_xydata()
    expected = [(b.mean_probability, b.observed_rate) for b in evaluation.reliability]
    assert drawn == pytest.approx(np.array(expected))


def test_a_waterfall_ends_at_the_sum_of_all_terms() -> None:
    steps = pd.Series(np.arange(1.0, 31.0) * np.where(np.arange(30) % 2, 1, -1))
    ax = plots.contributions_waterfall(steps, start=5.0, most=4)
    bars = ax.patches
    assert len(bars) == 5
    assert ax.lines[-1].get_xdata()[0] == pytest.approx(5.0 + steps.sum())
    assert sum(bar.get_width() for bar in bars) == pytest.approx(steps.sum())


def _luminance(colour: str) -> float:
    channels = np.array(to_rgb(colour))
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def test_every_colour_can_be_read_and_none_stands_alone() -> None:
    looks = [*style.LOOKS, *style.BAND_LOOKS.values()]
    colours = [style.INK, style.SOFT, *(each.colour for each in looks)]
    for colour in colours:
        contrast = (_luminance(style.GROUND) + 0.05) / (_luminance(colour) + 0.05)
        assert contrast >= 4.5, colour
    for some in (style.LOOKS, style.BAND_LOOKS.values()):
        assert len({(each.marker, each.line) for each in some}) == len(some)
        assert len({each.hatch for each in some}) == len(some)
