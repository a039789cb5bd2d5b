"""Pairs of features that interact, as the evaluation page words them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from health.presentation.wording import percent
from health.settings.config import Config
from health.training.rows import TargetRows
from health.training.titles import term_title
from models import PropensityModel
from models.churn.interactions import find_interactions
from models.churn.score_model import measures_given, score_columns
from models.evaluation.classification import plain


def churn_interactions(
    model: PropensityModel | None, rows: TargetRows, config: Config
) -> dict[str, Any] | None:
    """Return the pairs that interact in churn, for the manifest; None without rows.

    Parameters
    ----------
    model : PropensityModel or None
        The fitted churn model: features that drift with the calendar are not searched.
    rows : TargetRows
        The training rows of churn.
    config : Config
        Labels and seed.
    """
    if model is None:
        return None
    frame = rows.frame
    found = find_interactions(
        frame[rows.inputs],
        frame[rows.label],
        groups=frame["account_id"],
        times=frame["as_of"],
        embargo_days=config.labels.horizon_days + config.labels.grace_days,
        left_out=[
            *score_columns(measures_given(frame.columns)),
            *(suspect.feature for suspect in model.drifting_),
        ],
        seed=config.training.seed,
    )
    return dict(plain(asdict(found)))


@dataclass(frozen=True)
class CellRow:
    """One cell of a pair as text."""

    first: str
    second: str
    accounts: str
    churned: str
    rate: str
    expected: str
    difference: str
    interval: str


@dataclass(frozen=True)
class PairPart:
    """One pair: the names of its features, a claim in words, and the table."""

    first: str
    second: str
    claim: str
    rows: tuple[CellRow, ...]


@dataclass(frozen=True)
class InteractionsPart:
    """The section of the page: what was searched, and the pairs that held."""

    about: str
    pairs: tuple[PairPart, ...]


def interactions_part(found: Mapping[str, Any] | None) -> InteractionsPart | None:
    """Describe the result of `churn_interactions`; None for a version without it."""
    if not found:
        return None
    pairs = tuple(_pair(pair) for pair in found["held"])
    about = found["why"][:1].upper() + found["why"][1:] + "."
    if not found["pairs"]:
        return InteractionsPart(about, pairs)
    about += (
        f" Early dates end on {found['early_until']}, later ones begin on {found['late_from']}."
    )
    if not pairs:
        about += " No interaction is claimed: the features act as the sum of their parts."
    return InteractionsPart(about, pairs)


def _pair(pair: Mapping[str, Any]) -> PairPart:
    first, second = (_Named.of(pair[name], pair[f"{name}_from"]) for name in ("first", "second"))
    cells = pair["cells"]
    # Two cells are above the sum of the parts; the one where more churn matters most.
    above = [cell for cell in cells if cell["difference"]["value"] > 0]
    worst = max(above, key=lambda cell: cell["rate"])
    claim = (
        f"More accounts churn than both features alone explain where {first.lower} is "
        f"{first.range(high=worst['first_high'])} and {second.lower} is "
        f"{second.range(high=worst['second_high'])}: {percent(worst['rate'], 1)} instead of "
        f"{percent(worst['expected'], 1)}."
    )
    return PairPart(first.title, second.title, claim, tuple(_row(c, first, second) for c in cells))


def _row(cell: Mapping[str, Any], first: _Named, second: _Named) -> CellRow:
    difference = cell["difference"]
    return CellRow(
        first.range(high=cell["first_high"]),
        second.range(high=cell["second_high"]),
        f"{cell['accounts']:,}",
        f"{cell['event_accounts']:,}",
        percent(cell["rate"], 1),
        percent(cell["expected"], 1),
        _points(difference["value"]),
        f"{_points(difference['low'])} to {_points(difference['high'])}",
    )


@dataclass(frozen=True)
class _Named:
    """A feature with its threshold."""

    title: str
    lower: str
    threshold: str

    @classmethod
    def of(cls, feature: str, threshold: float) -> _Named:
        return cls(term_title(feature), feature.replace("_", " "), f"{threshold:,.6g}")

    def range(self, *, high: bool) -> str:
        return f"{self.threshold} or more" if high else f"below {self.threshold}"


def _points(difference: float) -> str:
    """Return a difference of rates in percentage points."""
    return f"{100 * difference:+.1f}".replace("-", "−")
