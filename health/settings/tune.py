"""Settings of learnt weights."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from health.settings.section import PositiveInt, Section


class TuneConfig(Section):
    """How much data weights are learnt from, and how much they are tested on.

    Attributes
    ----------
    least_churned : int
        Minimum number of churned accounts in the training period; with fewer, nothing is learnt.
    least_held_out : int
        The same for the later period on which old and new weights are compared.
    held_out_share : float
        Share of the dates, the latest ones, used for that comparison, 0-1.
    """

    least_churned: PositiveInt = 30
    least_held_out: PositiveInt = 10
    held_out_share: Annotated[float, Field(gt=0, lt=1)] = 0.35
