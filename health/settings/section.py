"""What every section of the configuration has in common."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, get_args

from pydantic import BaseModel, ConfigDict, Field, model_validator

#: A number from 0 to 1.
Share = Annotated[float, Field(ge=0, le=1)]
#: A finite number above 0.
PositiveNumber = Annotated[float, Field(gt=0, allow_inf_nan=False)]
#: A whole number above 0.
PositiveInt = Annotated[int, Field(gt=0)]


class Section(BaseModel):
    """A part of the configuration: unknown keys are errors, values are immutable."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _true_is_no_number(cls, content: Any) -> Any:
        """Refuse true and false where a number is expected: Python would read them as 1 and 0."""
        given = content if isinstance(content, Mapping) else {}
        for name, value in given.items():
            field = cls.model_fields.get(name)
            if isinstance(value, bool) and field is not None and _is_number(field.annotation):
                raise ValueError(f"{name} is {str(value).lower()}; give a number")
        return content


def _is_number(annotation: Any) -> bool:
    kinds = {annotation, *get_args(annotation)}
    return bool(kinds & {int, float}) and not kinds & {bool, Any}
