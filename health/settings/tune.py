"""Settings of learnt weights."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from health.settings.section import PositiveInt, Section


class TuneConfig(Section):
    """From how much weights are learnt, and on how much they are tried.

    Attributes
    ----------
    least_churned : int
        Accounts that must have left in the time that is learnt from; with fewer, nothing is
        learnt.
    least_held_out : int
        The same for the later time that old and new weights are compared on.
    held_out_share : float
        Share of the dates kept for that, the latest, 0-1.
    """

    least_churned: PositiveInt = 30
    least_held_out: PositiveInt = 10
    held_out_share: Annotated[float, Field(gt=0, lt=1)] = 0.35
