"""Settings of the weekly batch: what stops a run, what causes a warning, who is notified."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator

from features.tables.schema import TABLES
from health.settings.section import PositiveInt, Section, Share
from health.settings.web_address import is_by_name, require_web_address

_Positive = Annotated[float, Field(gt=0)]


class GatesConfig(Section):
    """Checks that a run must pass before it is published.

    Attributes
    ----------
    rows_fall, rows_rise : float
        Maximum share of its rows that a table may lose (`rows_fall`) or gain (`rows_rise`)
        compared with the median of the last four runs.
    mrr_change : float
        Maximum relative change in the total MRR (or in a month of orders) since the last run. If
        the last run is older than `compare_days`, the limit grows in proportion to its age.
    unmatched_rise : float
        Maximum increase, since the last run, in the share of a table's rows that belong to no
        account.
    freshness_days : dict of str to int
        By table: maximum number of days between its last row and the scored date. By default, for
        usage and tickets, 7 days or twenty times the usual gap between rows, whichever is more; no
        limit for other tables.
    unscored : float
        Maximum share of accounts without a health score. Without usage there is no limit, as only
        accounts with tickets or surveys can have one.
    coverage_fall : float
        Maximum decrease in the mean coverage since the previous run.
    feature_psi : float
        Population stability index (PSI) from which a feature counts as drifted. The PSI expected
        by chance with the number of accounts is added to it. When two dates are compared, the
        limit is for one week and grows with the weeks between them; the same applies to the limits
        below.
    features_drifted : float
        Maximum share of features that have drifted from training and also changed since the
        previous run (for a model's first run: since its newest training date). A slow drift only
        causes a warning.
    feature_psi_alone : float
        PSI from which a single feature of usage or tickets stops a run, if it has also changed as
        much since the previous run.
    score_psi : float
        PSI from which the distribution of a score counts as drifted. It stops a run if the score
        has also changed as much since the previous run (for a model's first run: since its newest
        training date).
    bands_moved : float
        Maximum share of accounts whose band changes in one run.
    fleet_shift : float
        Maximum health points that half of all accounts may gain, or lose, in one run.
    compare_days : int
        Previous runs older than this are not used for comparison.
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
    """Limits from which a warning recommends retraining, if chance cannot explain the deviation.

    Attributes
    ----------
    calibration_ratio : float
        Maximum ratio between the number of churned accounts and the sum of the predicted
        probabilities, in either direction; without contracts, the same for customers that ordered
        and for the number of orders.
    auc_drop : float
        Maximum decrease in the AUC of a run compared with its model's AUC in training.
    list_lift : float
        Minimum churn rate of accounts listed at risk, as a multiple of the overall rate; without
        contracts, the rate of customers that ordered nothing.
    """

    calibration_ratio: Annotated[float, Field(ge=1)] = 1.5
    auc_drop: Share = 0.05
    list_lift: _Positive = 1.0


class AlertsConfig(Section):
    """Who is notified of a published run; nobody by default.

    Attributes
    ----------
    webhook : str
        A URL that accepts a POST request, or `$NAME` for an environment variable that contains it;
        `health check` refuses one to which nothing can be sent.
    shape : str
        Format of the message: ``json`` or ``slack``.
    timeout_s : float
        Seconds to wait for a response.
    """

    webhook: str = ""
    shape: Literal["json", "slack"] = "json"
    timeout_s: _Positive = 10.0

    @field_validator("webhook")
    @classmethod
    def _is_address(cls, webhook: str) -> str:
        if webhook and not is_by_name(webhook):
            require_web_address(webhook)
        return webhook


class ReportConfig(Section):
    """What a run writes for its readers in addition to the report and the workbook.

    Attributes
    ----------
    file_per_csm : bool
        Also write a report and a workbook for each CSM, with only their accounts, to ``csm/``.
    """

    file_per_csm: bool = False
