"""Settings of the weekly batch: what stops a run, what is warned of, who is told."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator

from features.tables.schema import TABLES
from health.settings.section import PositiveInt, Section, Share

_Positive = Annotated[float, Field(gt=0)]


class GatesConfig(Section):
    """What must hold before anybody may read a run.

    Attributes
    ----------
    rows_fall, rows_rise : float
        A table may not have lost, or gained, more than this share of its rows against the
        median of the last four runs.
    mrr_change : float
        MRR of all accounts (or a month of orders) may not have risen or fallen by more than this
        share since the last run; of a run older than `compare_days` by as many times more as it is
        older.
    unmatched_rise : float
        The share of a table's rows that belong to no account may not have risen by more than this
        since the last run.
    freshness_days : dict of str to int
        By table: most days between its last row and the date scored. Of usage and tickets
        otherwise 7 days or twenty times the usual gap between rows, whichever is more; other
        tables may rest as long as they like.
    unscored : float
        Largest share of accounts without a health score.
    coverage_fall : float
        Most that the mean coverage may have fallen since the run before.
    feature_psi : float
        Population stability index from which a feature counts as drifted. What chance alone
        gives with so few accounts is added. Between two dates it is that of a week, and grows
        with the weeks between them; so do the next ones.
    features_drifted : float
        Largest share of features that have drifted from training and changed since the run
        before (of a model's first run: since the newest date that it learnt from). A slow drift
        is only warned of.
    feature_psi_alone : float
        From here a single feature of usage or tickets stops a run, where it has changed as
        much since the run before.
    score_psi : float
        Population stability index from which the spread of a score counts as drifted. It stops
        a run where the score has changed as much since the run before, or since that date.
    bands_moved : float
        Largest share of accounts whose band changed at once.
    fleet_shift : float
        Most points of health that half of all accounts may have gained, or lost, at once.
    compare_days : int
        A run before that is older than this is not compared with.
    """

    rows_fall: Share = 0.1
    rows_rise: _Positive = 1.0
    mrr_change: _Positive = 0.25
    unmatched_rise: Share = 0.1
    freshness_days: dict[str, PositiveInt] = Field(default_factory=dict)
    unscored: Share = 0.5
    coverage_fall: Share = 0.1
    feature_psi: _Positive = 0.25
    features_drifted: Share = 0.1
    feature_psi_alone: _Positive = 1.0
    score_psi: _Positive = 0.25
    bands_moved: Share = 0.4
    fleet_shift: _Positive = 5.0
    compare_days: PositiveInt = 35

    @field_validator("freshness_days")
    @classmethod
    def _known_tables(cls, days: dict[str, int]) -> dict[str, int]:
        unknown = sorted(set(days) - set(TABLES))
        if unknown:
            raise ValueError(f"no table is called {', '.join(unknown)}")
        return days


class MonitorConfig(Section):
    """From where on a warning asks to retrain; chance alone must not explain it either.

    Attributes
    ----------
    calibration_ratio : float
        Times that more, or fewer, accounts left than the probabilities add up to; of customers
        without a contract, that ordered, and orders that came.
    auc_drop : float
        Points of AUC that a run may lie below what its model reached in training.
    list_lift : float
        Least churn among accounts listed at risk, in multiples of everybody's; of customers
        without a contract, those that ordered nothing.
    """

    calibration_ratio: Annotated[float, Field(ge=1)] = 1.5
    auc_drop: Share = 0.05
    list_lift: _Positive = 1.0


class AlertsConfig(Section):
    """Who is told that a run was published; nobody by default.

    Attributes
    ----------
    webhook : str
        An address that takes a POST, or `$NAME` for one that stands in the environment.
    shape : str
        ``json`` or ``slack``.
    timeout_s : float
        Seconds to wait for an answer.
    """

    webhook: str = ""
    shape: Literal["json", "slack"] = "json"
    timeout_s: _Positive = 10.0
