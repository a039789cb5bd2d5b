"""Random scorecards, features and overrides, for properties that must hold of all of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from hypothesis import strategies as st

from health.settings.score import ScoreSettings
from health.settings.scorecard import Scorecard

FEATURES = (
    "usage_events_trend",
    "usage_recency_days",
    "tickets_csat_180d",
    "surveys_nps_latest",
    "mrr_change_90d",
    "usage_seat_utilisation_28d",
)
SEGMENTS = ("SMB", "Enterprise")
ACCOUNTS = tuple(f"A{i}" for i in range(7))

_points = st.integers(0, 100).map(float)
_value = st.one_of(st.none(), st.integers(0, 100).map(float))


@st.composite
def _shape(draw: st.DrawFn) -> dict[str, Any]:
    kind = draw(st.sampled_from(["curve", "worst and best", "bands", "percentile", "both"]))
    at = sorted(draw(st.lists(st.integers(0, 100), min_size=2, max_size=4, unique=True)))
    corners = [(float(value), draw(_points)) for value in at]
    if kind == "worst and best":
        ends = draw(st.permutations(at[:2]))
        return {"worst": float(ends[0]), "best": float(ends[1])}
    if kind == "percentile":
        return {"percentile": True}
    if kind == "both":
        return {"percentile": True, "curve": corners}
    return {kind: corners}


@st.composite
def _components(draw: st.DrawFn) -> list[dict[str, Any]]:
    chosen = draw(st.lists(st.sampled_from(FEATURES), min_size=1, max_size=6, unique=True))
    cuts = draw(st.integers(1, len(chosen)))
    groups = [chosen[i::cuts] for i in range(cuts)]
    weight = st.integers(1, 9).map(float)
    policy = st.sampled_from(["reweigh", "reweigh", "neutral", "worst"])
    return [
        {
            "name": f"part {place}",
            "weight": draw(weight),
            "measures": [
                {"feature": f, "weight": draw(weight), "missing": draw(policy), **draw(_shape())}
                for f in group
            ],
        }
        for place, group in enumerate(groups)
    ]


@st.composite
def _rules(draw: st.DrawFn) -> list[dict[str, Any]]:
    return [
        {
            "name": f"rule {place}",
            draw(st.sampled_from(["cap", "floor"])): draw(_points),
            "when": [{"feature": draw(st.sampled_from(FEATURES)), "at_least": draw(_points)}],
        }
        for place in range(draw(st.integers(0, 3)))
    ]


@st.composite
def score_settings(draw: st.DrawFn) -> ScoreSettings:
    """Draw a scorecard with up to two profiles beside the default."""
    profiles = [
        {
            "name": f"profile {place}",
            "segment": [draw(st.sampled_from(SEGMENTS))],
            "when": draw(
                st.sampled_from([[], [{"feature": "surveys_nps_latest", "missing": True}]])
            ),
            "components": draw(st.one_of(st.none(), _components())),
            "rules": draw(st.one_of(st.none(), _rules())),
        }
        for place in range(draw(st.integers(0, 2)))
    ]
    card = {
        "components": draw(_components()),
        "rules": draw(_rules()),
        "minimum_coverage": draw(st.sampled_from([0.0, 0.2, 0.5])),
        "profiles": profiles,
    }
    return ScoreSettings(scorecard=Scorecard.model_validate(card))


@dataclass(frozen=True)
class Inputs:
    """What a run is scored from."""

    features: pd.DataFrame
    overrides: pd.DataFrame


@st.composite
def inputs(draw: st.DrawFn) -> Inputs:
    """Draw features and overrides of some accounts on one date."""
    accounts = draw(st.lists(st.sampled_from(ACCOUNTS), min_size=1, unique=True))
    rows = [[draw(_value) for _ in FEATURES] for _ in accounts]
    features = pd.DataFrame(rows, columns=list(FEATURES)).astype(float)
    features.insert(0, "account_id", accounts)
    features["segment"] = [draw(st.sampled_from(SEGMENTS)) for _ in accounts]
    measure = st.sampled_from([*FEATURES, "health"])
    given = draw(
        st.dictionaries(st.tuples(st.sampled_from(accounts), measure), _points, max_size=4)
    )
    overrides = pd.DataFrame(
        [(account, name, value) for (account, name), value in given.items()],
        columns=["account_id", "measure", "value"],
    )
    extra = {"author": "Ana", "reason": "spoke to them", "expires_at": pd.NaT, "as_of": pd.NaT}
    return Inputs(features, overrides.assign(**extra).drop(columns="as_of"))


def close(left: Any, right: Any) -> None:
    """Hold two arrays against each other to far less than a millionth of a point."""
    np.testing.assert_allclose(left, right, rtol=0, atol=1e-8)
