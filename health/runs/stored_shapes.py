"""What run.json and the manifest of a version contain: checked once, where they are read.

Only what is read by name is described, and nothing is required, because earlier versions wrote
less. A file that was changed by hand or damaged is refused with the place of the fault, instead of
failing somewhere in a command.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from features.errors import HealthError

#: A count or a number that a page shows: no infinity and no NaN.
_Number = Annotated[float, Field(allow_inf_nan=False)]
_Text = dict[str, str]


class _Shape(BaseModel):
    """A JSON object; keys that are not described are kept and not checked."""

    model_config = ConfigDict(extra="allow", strict=True)


class _Interval(_Shape):
    value: _Number | None = None
    low: _Number | None = None
    high: _Number | None = None


class _Choice(_Shape):
    chosen: str = ""
    why: str = ""


class _Purchases(_Shape):
    expected: _Number = 0.0
    actual: _Number = 0.0


class _Evaluation(_Shape):
    basis: str = ""
    has_signal: bool = False
    accounts: int | None = None
    event_accounts: int | None = None
    event_accounts_needed: _Number | None = None
    base_rate: _Number | None = None
    note: str | None = None
    auc: _Interval | None = None
    oracle_auc: _Number | None = None
    own_auc: _Number | None = Field(default=None, alias="auc_beside_oracle")
    choice: _Choice | None = None
    purchases: _Purchases | None = None


class _Reason(_Shape):
    feature: str
    why: str


class _Range(_Shape):
    edges: list[_Number] | None = None
    values: list[str] | None = None
    shares: list[_Number]
    missing: _Number
    newest_shares: list[_Number] | None = None
    newest_missing: _Number | None = None
    usual_step: _Number = 0.0


class _Gate(_Shape):
    code: str = ""
    name: str = ""
    passed: bool = True
    what: str = ""


class RunShape(_Shape):
    """The content of run.json."""

    as_of: str = ""
    started: str = ""
    finished: str = ""
    company: str = ""
    currency: str = ""
    business: Literal["contracts", "orders"] = "contracts"
    model_version: str | None = ""
    scorecard_hash: str = ""
    score_settings: dict[str, Any] | None = None
    horizon_days: int = 90
    row_counts: dict[str, int] = Field(default_factory=dict)
    stored_tables: _Text = Field(default_factory=dict)
    missing_tables: list[str] = Field(default_factory=list)
    skipped: dict[str, int] = Field(default_factory=dict)
    flags: dict[str, int] = Field(default_factory=dict)
    my_week: dict[str, Any] = Field(default_factory=dict)
    warnings: list[str] = Field(default_factory=list)
    gates: list[_Gate] = Field(default_factory=list)
    timings: dict[str, _Number] = Field(default_factory=dict)
    evaluation: dict[str, _Evaluation] = Field(default_factory=dict)
    score_auc: dict[str, _Number] | None = None
    drivers: list[dict[str, Any]] = Field(default_factory=list)
    clv: dict[str, Any] | None = None
    renewals: dict[str, Any] = Field(default_factory=dict)
    voice: dict[str, Any] | None = None


#: Keys of run.json that pages and messages read without asking whether they are there.
_READ = {
    *("company", "currency", "business", "model_version", "horizon_days", "row_counts", "flags"),
    *("warnings", "gates", "timings", "missing_tables", "skipped", "clv", "evaluation"),
}


def with_defaults(info: dict[str, Any]) -> dict[str, Any]:
    """Return run.json with empty values for what an earlier version did not write."""
    return {**RunShape().model_dump(include=_READ), **info}


class ChangedManifestShape(_Shape):
    """What is read of a manifest that was changed after training; it is never used to score."""

    libraries: _Text
    checksums: _Text


class ManifestShape(ChangedManifestShape):
    """The content of the manifest of a version."""

    business: Literal["contracts", "orders"] = "contracts"
    seed: int = 0
    trained_until: str = ""
    training_dates: list[str] = Field(default_factory=list)
    horizon_days: int = 90
    grace_days: int = 0
    features: list[str] = Field(default_factory=list)
    feature_definitions: _Text = Field(default_factory=dict)
    own_modules: _Text = Field(default_factory=dict)
    own_estimators: dict[str, Any] = Field(default_factory=dict)
    rows: dict[str, int] = Field(default_factory=dict)
    targets: dict[str, dict[str, Any]] = Field(default_factory=dict)
    leaks: list[_Reason] = Field(default_factory=list)
    warnings: list[_Reason] = Field(default_factory=list)
    evaluation: dict[str, _Evaluation] = Field(default_factory=dict)
    drivers: list[dict[str, Any]] = Field(default_factory=list)
    feature_ranges: dict[str, _Range] = Field(default_factory=dict)
    score_ranges: dict[str, _Range] = Field(default_factory=dict)


def require_shape(
    content: Any, shape: type[BaseModel], *, what: str, file: Path, fix: str
) -> dict[str, Any]:
    """Return the content of a JSON file if its values have the kinds that are read.

    Parameters
    ----------
    content : object
        The parsed file.
    shape : type
        `RunShape` or `ManifestShape`.
    what : str
        Start of the message, such as "not a readable manifest".
    file : Path
        Where it is, for the message.
    fix : str
        What the user can do about a damaged file.

    Raises
    ------
    HealthError
        A value has another kind; the message names the first one.
    """
    try:
        shape.model_validate(content)
    except (ValidationError, RecursionError) as error:
        why = "it is nested too deeply"
        if isinstance(error, ValidationError):
            first = error.errors(include_url=False, include_input=False)[0]
            place = ".".join(str(part) for part in first["loc"]) or "the file"
            why = f"{place[:100]}: {first['msg'][:1].lower()}{first['msg'][1:]}"
        raise HealthError(f"{what}: {why}", where=str(file), fix=fix) from None
    found: dict[str, Any] = content
    return found
