"""Scorecard: try other weights, curves and bands; the result is a file, never a change."""

from __future__ import annotations

import re
from typing import Any

from pydantic import ValidationError
from starlette.responses import Response

from features.catalogue import CATALOGUE
from health.app.reading.hindsight import look_back, try_scorecard
from health.app.records.write import EntryError
from health.app.web import Asked
from health.backtest.proposal import proposal_toml
from health.presentation import wording
from health.settings.measure import CUSTOM_FEATURES
from health.settings.score import ScoreSettings
from health.settings.scorecard import Scorecard

_MOST_MOVERS = 50
_PAIR = re.compile(r"^\s*(-?[\d.]+(?:e-?\d+)?)\s*:\s*(-?[\d.]+)\s*$")


def scorecard(asked: Asked) -> Response:
    """Show the configured scorecard."""
    settings = asked.app.config.score_settings
    return asked.page(
        "scorecard.html.j2",
        run=asked.run,
        card=settings.scorecard,
        trial=None,
        hindsight=None,
        features=asked.run.has("features"),
        corners=_written,
        label=_label,
    )


def try_out(asked: Asked) -> Response:
    """Show who would move under the changed scorecard, and how both ranked past outcomes."""
    if not asked.run.has("features"):
        raise EntryError(
            f"the run of {asked.run.as_of} stored no features, so its scores cannot be recomputed",
            fix="Choose a newer run, or score the date again.",
        )
    old = asked.app.config.score_settings
    new = _settings(asked)
    trial = try_scorecard(asked.run, old, new)
    return asked.page(
        "scorecard.html.j2",
        run=asked.run,
        card=new.scorecard,
        trial=trial,
        movers=trial.moved.head(_MOST_MOVERS).to_dict("records"),
        moved=len(trial.moved),
        hindsight=look_back(asked.app.runs, asked.run, old, new),
        features=True,
        corners=_written,
        label=_label,
    )


def propose(asked: Asked) -> Response:
    """Give the changed scorecard as a file to review and adopt."""
    new = _settings(asked)
    text = proposal_toml(
        new.scorecard,
        [
            f"A scorecard proposed by {asked.user.name} on {asked.now:%Y-%m-%d}.",
            "Compare it with `health backtest CONFIG --scorecard THIS_FILE`,",
            "then replace [scorecard] of the configuration with it. Nothing has changed yet.",
        ],
    )
    return Response(
        text,
        media_type="application/toml",
        headers={"content-disposition": 'attachment; filename="scorecard_proposed.toml"'},
    )


def _settings(asked: Asked) -> ScoreSettings:
    """Return the configured settings with the weights, curves and bands of the form.

    Raises
    ------
    EntryError
        A weight, curve or band is not valid; every problem is named.
    """
    old = asked.app.config.score_settings
    given: dict[str, Any] = old.scorecard.model_dump(mode="json")
    for number, component in enumerate(given["components"]):
        component["weight"] = _number(asked, f"c{number}", component["weight"])
        for place, measure in enumerate(component["measures"]):
            key = f"c{number}m{place}"
            measure["weight"] = _number(asked, key, measure["weight"])
            for shape in ("curve", "bands"):
                if measure[shape] is not None and asked.form.get(f"{key}curve"):
                    measure[shape] = _pairs(asked.form[f"{key}curve"])
    for limit in ("yellow", "green"):
        given["bands"][limit] = _number(asked, limit, given["bands"][limit])
    try:
        # The features were checked with the configuration; these are the same.
        context = {CUSTOM_FEATURES: frozenset(old.scorecard.measures)}
        card = Scorecard.model_validate(given, context=context)
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(str(part) for part in problem['loc'])}: "
            f"{problem['msg'].removeprefix('Value error, ')}"
            for problem in error.errors()
        )
        raise EntryError(problems, fix="Correct the value and try again.") from None
    return old.model_copy(update={"scorecard": card})


def _number(asked: Asked, key: str, default: float) -> float:
    text = asked.form.get(key, "").strip()
    if not text:
        return default
    try:
        return float(text)
    except ValueError:
        raise EntryError(f"{text[:40]} is not a number") from None


def _pairs(text: str) -> list[list[float]]:
    pairs = [_PAIR.match(part) for part in text.split(",")]
    if not all(pairs):
        raise EntryError(
            f"“{text[:80]}” is not a curve", fix="Write value:points, such as 0:100, 5:50, 30:0."
        )
    try:
        return [[float(pair[1]), float(pair[2])] for pair in pairs if pair is not None]
    except ValueError:
        raise EntryError(f"“{text[:80]}” has a value that is not a number") from None


def _written(measure: Any) -> str:
    """Write the corners of a measure as the form takes them; empty where it has none."""
    corners = measure.curve or measure.bands
    return ", ".join(f"{value:g}:{points:g}" for value, points in corners) if corners else ""


def _label(feature: str) -> str:
    """Name a feature as its sentence does, with dots for the value."""
    if feature not in CATALOGUE:
        return wording.title_of(feature)
    return CATALOGUE[feature].sentence.replace("{value}", "…")
