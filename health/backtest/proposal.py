"""A scorecard with other weights, as an object and as a file to read and adopt."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import tomlkit

from health.backtest.weight_fit import Learnt, PointRows
from health.settings.measure import Component
from health.settings.scorecard import Card, Scorecard
from models.base.inputs import FloatArray

_LEAST = 0.01


def with_weights(scorecard: Scorecard, sets: Sequence[PointRows], learned: Learnt) -> Scorecard:
    """Return the scorecard with learned weights and no other change.

    The weights of the components keep their sum, and so do those of the measures within each
    component, so old and new can be compared at a glance. Weights have two decimals.

    Parameters
    ----------
    scorecard : Scorecard
        With the configured weights.
    sets : sequence of PointRows
        The rows of the fit, in the order of `learned.log_weights`.
    learned : Learnt
        The fit.
    """
    new = {
        own.components: _reweighed(own.components, np.exp(log_weights))
        for own, log_weights in zip(sets, learned.log_weights, strict=True)
    }
    profiles = tuple(
        profile
        if profile.components is None
        else profile.model_copy(
            update={"components": new.get(profile.components, profile.components)}
        )
        for profile in scorecard.profiles
    )
    components = new.get(scorecard.components, scorecard.components)
    return scorecard.model_copy(update={"components": components, "profiles": profiles})


def _reweighed(components: tuple[Component, ...], weights: FloatArray) -> tuple[Component, ...]:
    totals = _scaled(weights[: len(components)], [c.weight for c in components])
    place, result = len(components), []
    for component, total in zip(components, totals, strict=True):
        size = len(component.measures)
        own = _scaled(weights[place : place + size], [m.weight for m in component.measures])
        place += size
        measures = tuple(
            m.model_copy(update={"weight": w}) for m, w in zip(component.measures, own, strict=True)
        )
        result.append(component.model_copy(update={"weight": total, "measures": measures}))
    return tuple(result)


def _scaled(weights: FloatArray, old: list[float]) -> list[float]:
    scaled = weights / weights.sum() * sum(old)
    return [max(round(float(weight), 2), _LEAST) for weight in scaled]


def changes(old: Scorecard, new: Scorecard) -> list[dict[str, Any]]:
    """Return the old and the new weight of every component and measure, with its profile."""
    lines: list[dict[str, Any]] = []
    for before, after in zip(old.cards, new.cards, strict=True):
        if before.profile != "default" and before.components == old.components:
            continue
        lines += _changes(before, after)
    return lines


def _changes(before: Card, after: Card) -> list[dict[str, Any]]:
    lines = []
    for a, b in zip(before.components, after.components, strict=True):
        where = {"profile": before.profile, "component": a.name}
        lines.append({**where, "measure": "", "old": a.weight, "new": b.weight})
        lines += [
            {**where, "measure": m.feature, "old": m.weight, "new": n.weight}
            for m, n in zip(a.measures, b.measures, strict=True)
        ]
    return lines


def proposal_toml(scorecard: Scorecard, comments: Sequence[str]) -> str:
    """Return a scorecard as the ``[scorecard]`` of a configuration, after lines of comment."""
    head = "".join(f"# {line}\n" if line else "#\n" for line in comments)
    content = scorecard.model_dump(mode="json", exclude_none=True, exclude_defaults=False)
    return head + "\n" + tomlkit.dumps({"scorecard": content})
