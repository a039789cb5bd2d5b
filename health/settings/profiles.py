"""Profiles of the scorecard that could never apply."""

from __future__ import annotations

from collections.abc import Collection

from features.errors import HealthError
from health.settings.scorecard import Scorecard
from health.settings.stages import StageConfig


def require_known_segments(scorecard: Scorecard, segments: Collection[str], *, where: str) -> None:
    """Raise HealthError if a profile names a segment that no account has.

    Parameters
    ----------
    scorecard : Scorecard
        The profiles.
    segments : collection of str
        Every segment in the accounts table.
    where : str
        The configuration file.
    """
    wrong = [
        f"scorecard.profiles.{place}.segment: no account has the segment {name!r}"
        for place, profile in enumerate(scorecard.profiles)
        for name in profile.segment
        if name not in segments
    ]
    if wrong:
        known = ", ".join(sorted(segments)) or "none: accounts has no column segment"
        raise HealthError(
            "a profile of the scorecard would never apply\n  " + "\n  ".join(wrong),
            where=where,
            fix=f"use segments of the accounts table; known are {known}",
        )


def unknown_stages(scorecard: Scorecard, stages: StageConfig) -> list[str]:
    """Return a message for each stage that a profile names but no rule assigns."""
    return [
        f"scorecard.profiles.{place}.stage: no stage is called {name!r}; known are "
        + ", ".join(stages.names)
        for place, profile in enumerate(scorecard.profiles)
        for name in profile.stage
        if name not in stages.names
    ]
