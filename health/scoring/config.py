"""Settings of the lifetime value."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from health.section import Section, Share


class ClvConfig(Section):
    """The terms of the lifetime value; stamped on every output that shows one."""

    horizon_months: Annotated[int, Field(gt=0, le=240)] = 36
    margin: Share = 0.8
    discount_rate: Annotated[float, Field(ge=0, lt=1)] = 0.10
