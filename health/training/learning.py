"""Learning a version and comparing two, by business: contracts or orders."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import pandas as pd

from features.tables.opened import Tables
from health.business.company import Company, open_company
from health.business.kinds import CONTRACTS, ORDERS
from health.settings.config import Config
from health.settings.custom_catalogue import catalogue_of, custom_families
from health.training.cohort import Candidate, needs_rows
from health.training.compare import TargetComparison, compare_order_versions, compare_versions
from health.training.curves import judge_curves
from health.training.directions import choose_directions, with_directions
from health.training.evaluation_page import render_evaluation, render_order_evaluation
from health.training.fit import fit_models
from health.training.held_out import held_out_predictions
from health.training.interactions_page import churn_interactions
from health.training.leakage import (
    drift_warnings,
    known_late,
    notable_strength,
    strong_alone,
)
from health.training.manifest import build_manifest
from health.training.order_manifest import build_order_manifest
from health.training.orders import fit_orders, judge_in_time
from health.training.rivals import compare_rivals
from health.training.rows import TARGETS, TrainingSet, build_training_set, target_rows
from health.training.value_check import check_value, with_checked_growth


@dataclass(frozen=True)
class LearnedVersion:
    """The parts of a version before it is written.

    Attributes
    ----------
    models : dict of str to object
        The artefacts.
    manifest : dict of str to object
        As from `build_manifest`.
    held_out : pd.DataFrame
        Predictions of the test rows.
    page : str
        evaluation.html.
    training : TrainingSet, optional
        The rows that it learned from, for the comparison with the champion.
    """

    models: dict[str, Any]
    manifest: dict[str, Any]
    held_out: pd.DataFrame
    page: str
    training: TrainingSet | None = None


class Learning(ABC):
    """How versions of one kind of business are learned and compared."""

    @abstractmethod
    def learn(
        self,
        company: Company,
        tables: Tables,
        known_until: datetime,
        *,
        truth: pd.DataFrame | None,
        say: Callable[[str], None],
    ) -> LearnedVersion:
        """Fit and test the models on what was known before a date.

        Parameters
        ----------
        company : Company
            Configuration and tables.
        tables : Tables
            The tables up to the date.
        known_until : datetime
            Exclusive end of what is learned from.
        truth : pd.DataFrame, optional
            The true probabilities of a simulated company, as in `evaluation_of`.
        say : callable
            Called with progress messages.
        """

    @abstractmethod
    def compare(
        self,
        config: Config,
        champion: Candidate,
        challenger: Candidate,
        *,
        training: TrainingSet | None,
    ) -> list[TargetComparison]:
        """Compare two versions on rows that neither has learned from.

        Parameters
        ----------
        config : Config
            The configuration.
        champion, challenger : Candidate
            The versions with their held-out predictions.
        training : TrainingSet, optional
            The rows of the current data, if already built.
        """


class ContractLearning(Learning):
    """Learns churn, upsell and cross-sell from contracts and all other tables."""

    def learn(
        self,
        company: Company,
        tables: Tables,
        known_until: datetime,
        *,
        truth: pd.DataFrame | None,
        say: Callable[[str], None],
    ) -> LearnedVersion:
        """Fit and test the models of every target, and check for leaks."""
        config = company.config
        say("Building features and labels of past dates")
        training = build_training_set(tables, config)
        tables = training.tables(tables)
        rows = target_rows(training, config)
        if training.sample is not None:
            say(f"Learning from {training.sample}")
        say(_learns_from(training.accounts, len(training.dates)))
        value = check_value(tables, training, config)
        directions = choose_directions(rows["churn"], config)
        models = with_checked_growth(
            fit_models(training, with_directions(config, directions)), value
        )
        say("Checking for features that leak the outcome")
        leaks = [
            *strong_alone(models, TARGETS, config.training.leakage_auc),
            *known_late(
                tables,
                training.accounts,
                training.dates,
                catalogue_of(config),
                config.feature_settings,
                extra=custom_families(config),
            ),
        ]
        embargo = config.labels.horizon_days + config.labels.grace_days
        held_out = held_out_predictions(models, rows, embargo)
        manifest = build_manifest(
            company, training, rows, models, leaks, known_until=known_until, truth=truth
        )
        warnings = [*notable_strength(models, TARGETS), *drift_warnings(models, TARGETS)]
        manifest["warnings"] = [asdict(warning) for warning in warnings]
        say("Comparing the survival curves with a Cox model")
        manifest["evaluation"]["churn"]["survival"] = judge_curves(training, held_out, config)
        say("Searching pairs of features that interact")
        manifest["evaluation"]["churn"]["interactions"] = churn_interactions(
            models["churn"], rows["churn"], config
        )
        manifest["rivals"] = compare_rivals(training.accounts, held_out, config)
        manifest["directions"] = directions.to_dict()
        manifest["value"] = None if value is None else value.to_dict()
        say("Drawing the evaluation")
        page = render_evaluation(manifest, models, rows, held_out, company=config.company)
        return LearnedVersion(models, manifest, held_out, page, training)

    def compare(
        self,
        config: Config,
        champion: Candidate,
        challenger: Candidate,
        *,
        training: TrainingSet | None,
    ) -> list[TargetComparison]:
        """Compare the probabilities of every target on one cohort."""
        older, newer = sorted((champion, challenger), key=lambda candidate: candidate.until)
        if training is None and any(needs_rows(target, newer, older) for target in TARGETS):
            tables = open_company(config).opened.tables
            training = build_training_set(tables, config, until=newer.until.to_pydatetime())
        return compare_versions(
            champion,
            challenger,
            TARGETS,
            rows=None if training is None else target_rows(training, config),
            cohort_days=config.training.cohort_days,
            auc_tolerance=config.training.auc_tolerance,
            seed=config.training.seed,
        )


class OrderLearning(Learning):
    """Learns from orders alone how often customers return, and for how much."""

    def learn(
        self,
        company: Company,
        tables: Tables,
        known_until: datetime,
        *,
        truth: pd.DataFrame | None,
        say: Callable[[str], None],
    ) -> LearnedVersion:
        """Fit the purchase models, and test an earlier fit on later orders."""
        config = company.config
        say("No subscriptions: fitting how often customers return, from the orders")
        test = judge_in_time(tables, config, known_until)
        models = fit_orders(tables, config, known_until, test)
        manifest = build_order_manifest(company, tables, models, test, known_until=known_until)
        say("Drawing the evaluation")
        page = render_order_evaluation(manifest, test.rows, company=config.company)
        return LearnedVersion(models, manifest, test.rows, page)

    def compare(
        self,
        config: Config,
        champion: Candidate,
        challenger: Candidate,
        *,
        training: TrainingSet | None,
    ) -> list[TargetComparison]:
        """Compare the probabilities of another order."""
        tolerance, seed = config.training.auc_tolerance, config.training.seed
        return [compare_order_versions(champion, challenger, auc_tolerance=tolerance, seed=seed)]


#: How each kind of business learns, by its key.
LEARNING: Mapping[str, Learning] = {CONTRACTS: ContractLearning(), ORDERS: OrderLearning()}


def _learns_from(accounts: pd.DataFrame, n_dates: int) -> str:
    """Return a message about the amount of training data."""
    churned = accounts[accounts["churned"] == 1]
    return (
        f"Fitting on {len(accounts):,} rows: {accounts['account_id'].nunique():,} accounts on "
        f"{n_dates} dates, {churned['account_id'].nunique():,} of which churned"
    )
