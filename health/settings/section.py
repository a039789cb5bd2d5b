"""What every section of the configuration has in common."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

#: A number from 0 to 1.
Share = Annotated[float, Field(ge=0, le=1)]
#: A finite number above 0.
PositiveNumber = Annotated[float, Field(gt=0, allow_inf_nan=False)]
#: A whole number above 0.
PositiveInt = Annotated[int, Field(gt=0)]


class Section(BaseModel):
    """A part of the configuration: unknown keys are errors, values are immutable."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
