"""All gates of one run, compared with training and with earlier runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import pandas as pd

from health.business.company import Company
from health.business.kinds import business_of_tables, why_few_scores
from health.runs.directory import PublishedRun
from health.scoring.run import ScoredRun
from health.settings.config import Config
from health.weekly.gates import Gate, accept, check_counts
from health.weekly.shift_gates import BEFORE, Before, drift_of, drift_warnings, shift_gates
from health.weekly.table_gates import (
    RUNS,
    freshness_gates,
    mrr_gate,
    row_gates,
    unmatched_gates,
)

#: The name under which scored accounts are counted among the tables.
SCORED = "scored accounts"


@dataclass(frozen=True)
class Inspection:
    """The result of checking a run.

    Attributes
    ----------
    gates : list of Gate
        All of them, passed or not.
    drift : pd.DataFrame
        drift.parquet: a row per feature and score, as from `measure_drift`.
    warnings : list of str
        What does not stop the run, for its readers.
    """

    gates: list[Gate]
    drift: pd.DataFrame
    warnings: list[str]


def counted(company: Company, scored: ScoredRun) -> dict[str, int]:
    """Return the rows of each table, and the accounts that were scored."""
    rows = {summary.table: summary.rows for summary in company.opened.summaries}
    return {**rows, SCORED: len(scored.scores)}


def inspect_run(
    company: Company,
    day: datetime,
    scored: ScoredRun,
    manifest: Mapping[str, Any],
    earlier: Sequence[PublishedRun],
    *,
    accepted: Sequence[str] = (),
) -> Inspection:
    """Check a scored run.

    Parameters
    ----------
    company : Company
        Tables and limits.
    day : datetime
        The date that was scored.
    scored : ScoredRun
        The run.
    manifest : mapping
        The manifest of the model version.
    earlier : sequence of PublishedRun
        The previous runs, oldest first.
    accepted : sequence of str
        Codes of gates that may fail.
    """
    config = company.config.gates
    infos = [run.info() for run in earlier[-RUNS:]]
    before = _before(earlier, infos, company.config, manifest, day)
    learned = ~(scored.features.columns(["notice_given"])["notice_given"] > 0)
    compared = _compared_with(earlier, before, manifest)
    drift = drift_of(
        scored.features,
        scored.scores,
        manifest,
        config,
        before,
        learned=learned,
        weeks=0.0 if compared is None else (day.date() - compared).days / 7,
    )
    gates = [
        *check_counts(scored.scores, scored.sums),
        *row_gates(counted(company, scored), [i.get("row_counts", {}) for i in infos], config),
        *_money_gates(company, day, scored, earlier),
        *unmatched_gates(unmatched_shares(company), _unmatched_before(infos), config),
        *freshness_gates(company.opened.summaries, day, config),
        *shift_gates(
            scored.scores,
            drift,
            config,
            before,
            few_scores=why_few_scores(company.opened.tables),
        ),
    ]
    result = accept(gates, accepted)
    warnings = [
        f"published although the gate failed: {g.name}: {g.what}" for g in result if g.accepted
    ]
    return Inspection(result, drift, [*warnings, *drift_warnings(drift)])


def unmatched_shares(company: Company) -> dict[str, float]:
    """Return the share of each table's rows that belong to no account, 0-1."""
    return {s.table: s.unmatched_share for s in company.opened.summaries if s.table != "accounts"}


def _unmatched_before(infos: Sequence[Mapping[str, Any]]) -> Mapping[str, float]:
    before: Mapping[str, float] = infos[-1].get("unmatched_share", {}) if infos else {}
    return before


def _money_gates(
    company: Company, day: datetime, scored: ScoredRun, earlier: Sequence[PublishedRun]
) -> list[Gate]:
    business = business_of_tables(company.opened.tables)
    if not earlier:
        return []
    then = earlier[-1].table("scores", ["account_id", business.column])
    gate = mrr_gate(
        float(scored.scores[business.column].sum()),
        float(then[business.column].sum()),
        name=business.money,
        currency=company.config.currency,
        days=(day.date() - earlier[-1].as_of).days,
        config=company.config.gates,
    )
    return [gate]


def _compared_with(
    earlier: Sequence[PublishedRun], before: Before | None, manifest: Mapping[str, Any]
) -> date | None:
    """Return the date that drift is measured from: of the previous run or of training."""
    if before is not None and before.drift is not None:
        return earlier[-1].as_of
    dates = manifest.get("training_dates", [])
    return date.fromisoformat(dates[-1]) if dates else None


def _before(
    earlier: Sequence[PublishedRun],
    infos: Sequence[Mapping[str, Any]],
    config: Config,
    manifest: Mapping[str, Any],
    day: datetime,
) -> Before | None:
    if not earlier:
        return None
    run, info = earlier[-1], infos[-1]
    days = (day.date() - run.as_of).days
    note = ""
    if days > config.gates.compare_days:
        note = f"not compared: the previous run is {days} days old"
    elif info.get("scorecard_hash", "") != config.score_settings.hash:
        note = "not compared: the scorecard has changed since the previous run"
    same_model = info.get("model_version") == manifest.get("version")
    present = (run.folder / "drift.parquet").is_file()
    drift = (
        run.table("drift") if same_model and present and days <= config.gates.compare_days else None
    )
    return Before(run.table("scores", BEFORE), drift, note)
