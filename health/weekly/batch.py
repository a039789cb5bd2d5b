"""The batch: score a date and publish the run."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from xlsxwriter.exceptions import XlsxWriterException

from health.company import Company, features_of, open_company, resolve_as_of
from health.config import Config
from health.flags.actions import read_actions
from health.report.background import build_background
from health.report.files import write_csm_reports, write_list_files
from health.report.history import History
from health.report.page import render_report
from health.scoring.run import ScoredRun, score_accounts
from health.training import registry
from health.training.champion import load_champion
from health.weekly.alerts import send_alert
from health.weekly.gates import refuse_unknown_gates
from health.weekly.inspection import Inspection, counted, inspect_run
from health.weekly.leftovers import clean_up
from health.weekly.lock import only_run
from health.weekly.monitor import look_back
from health.weekly.refusal import refusal, write_refusal
from health.weekly.run_directory import PublishedRun, publish, refuse_second, runs_before
from health.workbook.book import write_workbook


@dataclass
class _Timings:
    """Seconds each step took, in order."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self.seconds[name] = round(time.perf_counter() - start, 3)


@dataclass(frozen=True)
class RunResult:
    """A published run and what it holds."""

    published: PublishedRun
    scored: ScoredRun
    info: Mapping[str, Any]


def score_run(
    config: Config,
    as_of: datetime | None,
    *,
    replace: bool,
    today: datetime,
    wait: bool = False,
    accepted: Sequence[str] = (),
    tell: Callable[[str], object] = lambda text: None,
) -> RunResult:
    """Score every paying account as of a date and publish the run.

    Parameters
    ----------
    config : Config
        The configuration.
    as_of : datetime, optional
        The date to score; by default the last as_of_weekday that the data reaches.
    replace : bool
        Score a date again; the old run is kept.
    today : datetime
        The time of the run, UTC.
    wait : bool
        Where another run is at work, wait for its end instead of leaving.
    accepted : sequence of str
        Codes of gates that may fail: somebody has looked at their figures.
    tell : callable
        Is told in words what happens.

    Raises
    ------
    HealthError
        Bad input, no trained version, a date that was scored before (without `replace`), or,
        with exit code 3, a gate that failed: then nothing is published.
    """
    refuse_unknown_gates(accepted)
    with only_run(config.runs_dir, wait=wait, waiting=tell):
        for text in clean_up(config.runs_dir):
            tell(text)
        run = _score_locked(config, as_of, replace=replace, today=today, accepted=accepted)
    send_alert(config.alerts, run.scored.scores, run.scored.flags, run.info, tell=tell)
    return run


def _score_locked(
    config: Config,
    as_of: datetime | None,
    *,
    replace: bool,
    today: datetime,
    accepted: Sequence[str],
) -> RunResult:
    timings = _Timings()
    with timings.step("read and check"):
        company = open_company(config)
    day = resolve_as_of(company, as_of, today=today)
    refuse_second(config.runs_dir, day.date(), replace=replace)
    version = load_champion(config)
    with timings.step("features"):
        features = features_of(company, day)
    earlier = runs_before(config.runs_dir, day.date())
    before = earlier[-1] if earlier else None
    with timings.step("score"):
        scored = score_accounts(
            features, company.opened.tables, version.artefacts, config, previous=before
        )
    found = inspect_run(
        company, day, features, scored, version.manifest, earlier, accepted=accepted
    )
    with timings.step("look back"):
        actions = read_actions(company.opened.tables, day)
        monitored = look_back(company.opened.tables, earlier, config, day, actions)
    info = _run_info(company, version, day, scored, found, timings, today)
    info["warnings"] += monitored.warnings
    if not all(gate.passed for gate in found.gates):
        folder = write_refusal(config.runs_dir, day.date(), found.gates, info, found.drift)
        raise refusal(found.gates, folder)
    tables = {**scored.tables(), "drift": found.drift, "monitor": monitored.table}
    history = History.of_runs(earlier, scored.health.changes)

    def write(folder: Path) -> None:
        for name, table in tables.items():
            table.to_parquet(folder / f"{name}.parquet", index=False)
        parts = (scored.scores, scored.reasons, scored.flags, info)
        _write_workbook(folder / "flags.xlsx", *parts)
        background = build_background(
            company.opened.tables,
            day,
            scored.flags["account_id"].unique(),
            grace_days=config.labels.grace_days,
        )
        html = render_report(*parts, history=history, background=background)
        (folder / "report.html").write_text(html, encoding="utf-8")
        write_list_files(folder, scored.flags)
        if config.report.file_per_csm:
            write_csm_reports(folder, parts[:3], info, history=history, background=background)
        info["finished"] = _later(today, timings)
        content = json.dumps(info, indent=2, allow_nan=False, ensure_ascii=False)
        (folder / "run.json").write_text(content + "\n", encoding="utf-8")

    published = publish(config.runs_dir, day.date(), write, replace=replace)
    return RunResult(published, scored, info)


def _write_workbook(path: Path, *parts: Any) -> None:
    try:
        write_workbook(path, *parts)
    except XlsxWriterException as error:
        # The library wraps what the disk said.
        cause = error.args[0] if error.args else None
        raise cause if isinstance(cause, OSError) else error from None


def _run_info(
    company: Company,
    version: registry.Version,
    day: datetime,
    scored: ScoredRun,
    found: Inspection,
    timings: _Timings,
    today: datetime,
) -> dict[str, Any]:
    config, opened = company.config, company.opened
    return {
        "as_of": str(day.date()),
        "started": today.isoformat(timespec="seconds"),
        "finished": _later(today, timings),
        "company": config.company,
        "currency": config.currency,
        "config_hash": config.hash,
        "scorecard_hash": config.score_settings.hash,
        "score_settings": config.score_settings.model_dump(mode="json"),
        "model_version": version.name,
        "engine": config.data.url,
        "horizon_days": config.labels.horizon_days,
        "row_counts": counted(company, scored),
        "missing_tables": [str(f.table) for f in opened.findings if f.code == "missing_table"],
        "skipped": scored.skipped,
        "flags": scored.raised.counts,
        "warnings": [str(f) for f in opened.findings if f.code != "missing_table"]
        + scored.warnings
        + found.warnings,
        "gates": [gate.to_dict() for gate in found.gates],
        "timings": timings.seconds,
        "evaluation": version.manifest["evaluation"],
        "clv": {**config.clv.model_dump(), "currency": config.currency},
    }


def _later(today: datetime, timings: _Timings) -> str:
    elapsed = timedelta(seconds=sum(timings.seconds.values()))
    return (today + elapsed).isoformat(timespec="seconds")
