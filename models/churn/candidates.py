"""The models that may be published, from the simplest to the most complex."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sklearn.base import clone

from models.base.inputs import ModelInputError
from models.base.log_odds import LogOddsClassifier
from models.churn.any_classifier import AnyClassifier
from models.churn.average import AverageClassifier
from models.churn.few_events import BaseRateClassifier, FewFeatureClassifier
from models.churn.hazard import HazardClassifier
from models.churn.later_dates import LabelledRows, fit_rows
from models.churn.score_model import ScoreClassifier, score_columns
from models.churn.spline_logistic import SplineLogisticClassifier
from models.glass_box.classifier import GlassBoxClassifier

BASE, CUSTOM, TIMING, SCORE, FEW = (
    "base rate",
    "custom estimator",
    "renewal timing",
    "scorecard",
    "few-feature model",
)
HAZARD, LOGISTIC, GLASS, OUTLOOK, AVERAGE = (
    "weekly hazard",
    "logistic regression",
    "glass box",
    "glass box with outlook",
    "average",
)
#: From the simplest to the most complex; a custom estimator wins ties.
ORDER = (BASE, CUSTOM, TIMING, SCORE, FEW, HAZARD, LOGISTIC, GLASS, OUTLOOK, AVERAGE)
#: Those that need a glass box.
GLASS_BOXES = (GLASS, OUTLOOK, AVERAGE)
#: What an account's renewal date alone is read from.
TIMING_FEATURES = ("days_to_term_end", "days_to_renewal")


@dataclass(frozen=True)
class Fits:
    """Candidates fitted on the same rows, and why others could not be, by name."""

    models: Mapping[str, LogOddsClassifier]
    faults: Mapping[str, str]


@dataclass(frozen=True)
class Candidates:
    """The candidates of one target, and how to fit them.

    Attributes
    ----------
    names : tuple of str
        Those that are tried, in `ORDER`.
    peer_column : str or None
        As `BaseRateClassifier` takes it.
    few_features : sequence of str or None
        As `FewFeatureClassifier` takes them.
    measures : sequence of str
        The measures of the score whose columns the rows have.
    glass_box : LogOddsClassifier
        The unfitted glass box (or one of its kind).
    custom : AnyClassifier or None
        The unfitted custom estimator.
    drifting : tuple of str
        Features that drift with the calendar, and stable forms of those that do not: only a
        custom estimator and the renewal timing see them; a weekly hazard sees when the term ends.
    hazard : HazardClassifier
        The unfitted weekly hazard; without features, it is the renewal timing.
    """

    names: tuple[str, ...]
    glass_box: LogOddsClassifier
    hazard: HazardClassifier
    peer_column: str | None = None
    few_features: Sequence[str] | None = None
    measures: Sequence[str] = ()
    custom: AnyClassifier | None = None
    drifting: tuple[str, ...] = ()

    @property
    def averaged(self) -> tuple[str, str]:
        """The members of the average, which differ most: one by curves, one by trees."""
        return HAZARD if HAZARD in self.names else LOGISTIC, GLASS

    def unfitted(self, name: str, *, seed: int | None = None) -> LogOddsClassifier:
        """Return a candidate by its name; with another seed where one is given."""
        simple: dict[str, Callable[[], LogOddsClassifier]] = {
            BASE: lambda: BaseRateClassifier(peer_column=self.peer_column),
            TIMING: lambda: _seeded(self.hazard, seed).set_params(features=()),
            SCORE: lambda: ScoreClassifier(self.measures),
            FEW: lambda: FewFeatureClassifier(features=self.few_features),
            HAZARD: lambda: _seeded(self.hazard, seed),
            LOGISTIC: SplineLogisticClassifier,
            CUSTOM: lambda: _seeded(self.custom, seed),
            AVERAGE: lambda: AverageClassifier(
                [self.unfitted(part, seed=seed) for part in self.averaged]
            ),
        }
        if name in simple:
            return simple[name]()
        glass_box: LogOddsClassifier = _seeded(self.glass_box, seed)
        if isinstance(glass_box, GlassBoxClassifier):
            directions = glass_box.monotone or {}
            seen = {name: way for name, way in directions.items() if name not in self.drifting}
            outlook = "always" if name == OUTLOOK else "never"
            glass_box.set_params(outlook=outlook, monotone=seen or None)
        return glass_box

    def fitted(self, name: str, rows: LabelledRows) -> LogOddsClassifier:
        """Fit one candidate on rows."""
        model: LogOddsClassifier = fit_rows(self.unfitted(name), self.seen(name, rows))
        return model

    def fit_all(self, rows: LabelledRows, *, seed: int) -> Fits:
        """Fit each candidate that can be fitted on the same rows; a glass box once."""
        found: dict[str, LogOddsClassifier] = {}
        faults: dict[str, str] = {}
        for name in self.names:
            try:
                if name == AVERAGE and set(self.averaged) <= set(found):
                    found[name] = AverageClassifier.of([found[part] for part in self.averaged])
                elif name == GLASS and OUTLOOK in self.names:
                    whole = fit_rows(self.unfitted(OUTLOOK, seed=seed), self.seen(name, rows))
                    found[GLASS] = whole.without_outlook()
                    if whole.has_outlook_:
                        found[OUTLOOK] = whole
                    else:
                        faults[OUTLOOK] = "the rows show too little of how behaviour changes"
                elif name != OUTLOOK:
                    model = self.unfitted(name, seed=seed)
                    found[name] = fit_rows(model, self.seen(name, rows))
            except ModelInputError as error:
                # A candidate whose features are missing in a part of the past is none.
                faults[name] = error.what
                if name == GLASS and OUTLOOK in self.names:
                    faults[OUTLOOK] = error.what
        return Fits(found, faults)

    def seen(self, name: str, rows: LabelledRows) -> LabelledRows:
        """Return the rows with the columns of one candidate: the score is no feature."""
        own = score_columns(self.measures)
        left_out = [*own] if name in (BASE, CUSTOM, TIMING) else [*own, *self.drifting]
        by_weeks = name == HAZARD or (name == AVERAGE and HAZARD in self.averaged)
        if by_weeks:
            left_out = [column for column in left_out if column not in TIMING_FEATURES]
        frame = rows.frame[own] if name == SCORE else rows.frame.drop(columns=left_out)
        followed = rows.followed if by_weeks or name == TIMING else None
        if followed is not None:
            followed = replace(followed, frame=followed.frame[list(frame.columns)])
        return LabelledRows(frame, rows.target, rows.codes, rows.dates, followed)


def _seeded(estimator: Any, seed: int | None) -> Any:
    model = clone(estimator)
    if seed is not None and "seed" in model.get_params(deep=False):
        model.set_params(seed=model.get_params(deep=False)["seed"] + seed)
    return model
