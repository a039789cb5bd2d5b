"""The batch: score a date and publish the run."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from joblib import cpu_count
from pandas.api.types import is_numeric_dtype

from features.redaction import redacted
from features.rollups.parted import parts_of
from features.tables.spark import is_spark, session
from features.voice.comments import has_comments
from health.business.company import (
    Company,
    feature_table_of,
    open_company,
    read_features,
    resolve_as_of,
)
from health.business.feature_table import FeatureTable
from health.business.kinds import business_of_tables, require_same_business
from health.business.reconciliation import reconcile
from health.experiment.ranking import savable_estimate
from health.flags.actions import read_actions
from health.renewals.outlook import Outlook, build_outlook
from health.report.account_tables import EVENT_TYPES, account_events, account_tables
from health.report.background import build_background
from health.report.book import named_accounts
from health.report.history import CHANGES, History
from health.report.lists import shown_accounts
from health.report.stored_background import write_background
from health.runs.directory import (
    PublishedRun,
    columns_hash,
    disk_faults_reported,
    publish,
    refuse_second,
    runs_before,
    scratch_folder,
)
from health.runs.leftovers import clean_up
from health.runs.lock import only_run
from health.runs.part_files import PartFiles
from health.runs.retention import prune
from health.runs.spill import spill_folder
from health.scoring.run import ScoredRun, score_accounts
from health.settings.config import Config
from health.training import registry
from health.training.champion import load_champion
from health.training.rivals import score_on_past, score_warnings
from health.voice.followup import EFFECTS, ROWS, follow_up, read_raised, with_outcomes
from health.voice.summary import Voice as Comments
from health.voice.summary import listen
from health.voice.tables import THEMES, voice_info, voice_tables
from health.weekly.alerts import send_alert
from health.weekly.gates import refuse_unknown_gates
from health.weekly.inspection import Inspection, counted, inspect_run, unmatched_shares
from health.weekly.monitor import look_back
from health.weekly.pages import PageContent, write_pages
from health.weekly.progress import Silence, Steps, Voice
from health.weekly.refusal import refusal, write_refusal

SILENCE: Voice = Silence()

#: Minimum number of rows per row group; smaller groups make the metadata of the files large.
ROW_GROUP = 10_000
#: Rows of a table that are written at once, and accounts whose events are in memory at once.
_AT_ONCE = 50_000


@dataclass(frozen=True)
class RunResult:
    """A published run and its content."""

    published: PublishedRun
    scored: ScoredRun
    info: Mapping[str, Any]


def score_run(
    config: Config,
    as_of: datetime | None,
    *,
    replace: bool,
    today: datetime,
    timed: bool = True,
    wait: bool = False,
    accepted: Sequence[str] = (),
    features: Path | None = None,
    voice: Voice = SILENCE,
) -> RunResult:
    """Score every paying account as of a date and publish the run.

    Parameters
    ----------
    config : Config
        The configuration.
    as_of : datetime, optional
        The date to score; by default the last as_of_weekday covered by the data.
    replace : bool
        Score a date again; the old run is kept.
    today : datetime
        The time of the run, UTC.
    timed : bool
        Record in run.json how long the steps took. Without it the same run gives the same bytes.
    wait : bool
        If another run is in progress, wait for it to end; by default an error is raised.
    accepted : sequence of str
        Codes of gates that may fail, because a person has checked the values.
    features : Path, optional
        A feature table of the date, as written by `health features`, instead of building one.
    voice : Voice
        Reports progress.

    Raises
    ------
    HealthError
        Bad input, no trained version, a date that was scored before (without `replace`), or,
        with exit code 3, a gate that failed; nothing is published then.
    """
    refuse_unknown_gates(accepted)
    with only_run(config.runs_dir, wait=wait, waiting=partial(voice.event, "waiting")):
        for text in clean_up(config.runs_dir):
            voice.event("cleaned_up", text)
        run = _Batch(config, Steps(voice), today, timed, replace, tuple(accepted), features).score(
            as_of
        )
        if config.retention.runs:
            for text in prune(config.runs_dir, config.retention.runs):
                voice.event("pruned", text)
    tables = run.scored.scores, run.scored.flags
    send_alert(config.alerts, *tables, run.info, describe=partial(voice.event, "alert_failed"))
    return run


@dataclass(frozen=True)
class _Batch:
    """One run, while the lock is held."""

    config: Config
    steps: Steps
    today: datetime
    timed: bool
    replace: bool
    accepted: tuple[str, ...]
    features_file: Path | None

    def score(self, as_of: datetime | None) -> RunResult:
        config, steps = self.config, self.steps
        with steps.step("read and check"):
            company = open_company(config)
        day = resolve_as_of(company, as_of, today=self.today)
        refuse_second(config.runs_dir, day.date(), replace=self.replace)
        version = load_champion(config)
        require_same_business(
            company.opened.tables, version.manifest, str(config.models_dir / version.name)
        )
        own = config.data.spill
        folder = None if own is None else config.base / own
        with spill_folder(config.runs_dir, folder) as spill:
            with steps.step("features"):
                features = self._features(company, day, spill)
            with disk_faults_reported(config.runs_dir), scratch_folder(config.runs_dir) as scratch:
                return self._score(company, day, version, features, scratch=scratch, spill=spill)

    @property
    def _seconds(self) -> dict[str, float]:
        return self.steps.seconds if self.timed else {}

    def _executors(self) -> Any:
        """Return the session whose executors do the work; None where this machine does."""
        # They must reach the folder of the parts, so somebody has to name one.
        if self.config.data.spill is None or not is_spark(self.config.engine_url):
            return None
        return session(self.config.engine_url)

    def _features(self, company: Company, day: datetime, spill: Path) -> FeatureTable:
        if self.features_file is None:
            return feature_table_of(company, day, spill, session=self._executors())
        return read_features(self.features_file, day, spill, company.opened.tables)

    def _scored(
        self,
        company: Company,
        day: datetime,
        version: registry.Version,
        features: FeatureTable,
        earlier: Sequence[PublishedRun],
        *,
        scratch: Path,
        spill: Path,
    ) -> ScoredRun:
        config, tables = self.config, company.opened.tables
        savable = None
        if config.flags.rank == "savable":
            savable = savable_estimate(tables, earlier, config, day)
        with self.steps.step("score") as progress, PartFiles(scratch) as files:
            return score_accounts(
                features,
                tables,
                version.artefacts,
                config,
                previous=earlier[-1] if earlier else None,
                keep=files.add,
                processes=cpu_count(),
                spill=spill,
                session=self._executors(),
                progress=progress,
                savable=savable,
            )

    def _score(
        self,
        company: Company,
        day: datetime,
        version: registry.Version,
        features: FeatureTable,
        *,
        scratch: Path,
        spill: Path,
    ) -> RunResult:
        config, tables = self.config, company.opened.tables
        earlier = runs_before(config.runs_dir, day.date())
        scored = self._scored(
            company, day, version, features, earlier, scratch=scratch, spill=spill
        )
        with self.steps.step("gates"):
            found = inspect_run(
                company, day, scored, version.manifest, earlier, accepted=self.accepted
            )
        with self.steps.step("look back"):
            actions = read_actions(tables, day)
            monitored = look_back(tables, earlier, config, day, actions)
            outlook = build_outlook(
                tables,
                scored.scores,
                earlier,
                day,
                horizon_days=config.labels.horizon_days,
                grace_days=config.labels.grace_days,
            )
        info = _run_info(company, version, day, scored, found, self._seconds, self.today)
        info["warnings"] += [*monitored.warnings, *outlook.warnings]
        info["renewals"] = outlook.info()
        # Report, workbook, alert and run.json all take their texts from here.
        info = redacted(info)
        if not all(gate.passed for gate in found.gates):
            folder = write_refusal(config.runs_dir, day.date(), found.gates, info, found.drift)
            raise refusal(found.gates, folder)
        accounts = scored.scores["account_id"]
        of_accounts = account_tables(tables, day, accounts, grace_days=config.labels.grace_days)
        shown = shown_accounts(scored.scores, scored.flags)
        events = _written_events(company, day, accounts, shown, scratch)
        looked = {"drift": found.drift, "monitor": monitored.table, **of_accounts}
        raised = read_raised(tables, day)
        if len(raised):
            looked |= {ROWS: raised, EFFECTS: follow_up(raised, scored.scores, earlier, day)}
        looked |= outlook.tables()
        heard = None
        if has_comments(tables):
            stages = scored.scores.set_index("account_id")["stage"]
            known = earlier[-1].table(THEMES) if earlier and earlier[-1].has(THEMES) else None
            heard = listen(tables, day, config.voice, stages=stages, earlier=known)
            looked |= voice_tables(heard, scored.scores["account_id"])
            if len(raised):
                heard = replace(heard, raised=with_outcomes(looked[EFFECTS], raised))
            info["voice"] = redacted(voice_info(heard))

        def write(folder: Path) -> None:
            for part in scratch.glob("*.parquet"):
                part.rename(folder / part.name)
            # Tables and pages are written in parallel: much of it runs outside the interpreter.
            with ThreadPoolExecutor(1) as aside:
                written = aside.submit(_write_tables, folder, {**scored.tables(), **looked})
                known = {**looked, "events": events}
                content = _content(
                    folder, company, day, scored, info, earlier, known, outlook, heard, shown
                )
                write_background(folder, content.background)
                write_pages(folder, content, per_csm=config.report.file_per_csm)
                written.result()
            info["stored_tables"] = {
                table.stem: columns_hash(table) for table in sorted(folder.glob("*.parquet"))
            }
            info["finished"] = _later(self.today, self._seconds)
            text = json.dumps(info, indent=2, allow_nan=False, ensure_ascii=False)
            (folder / "run.json").write_text(text + "\n", encoding="utf-8")

        with self.steps.step("write and publish"):
            published = publish(config.runs_dir, day.date(), write, replace=self.replace)
        return RunResult(published, scored, info)


def _written_events(
    company: Company, day: datetime, accounts: pd.Series[str], shown: pd.Series[str], folder: Path
) -> pd.DataFrame:
    """Write the events of all accounts, which fit in memory in parts; return those of a few."""
    config, tables = company.config, company.opened.tables
    at_once = min(config.data.accounts_at_once or _AT_ONCE, _AT_ONCE)
    # Spark reads its tables again for each part, which takes seconds.
    parts = 1 if is_spark(config.engine_url) else parts_of(tables, at_once)
    found = []
    with PartFiles(folder) as files:
        for part in account_events(tables, day, accounts, currency=config.currency, parts=parts):
            rows = pa.Table.from_pandas(part, schema=EVENT_TYPES, preserve_index=False)
            files.add({"events": rows})
            found.append(part[part["account_id"].isin(shown)])
    return pd.concat(found, ignore_index=True)


def _write_tables(folder: Path, tables: Mapping[str, pd.DataFrame]) -> None:
    for name, table in tables.items():
        # Numbers are hardly ever alike: they are written as they are.
        texts = [str(column) for column in table if not is_numeric_dtype(table[column])]
        schema = pa.Schema.from_pandas(table, preserve_index=False)
        with pq.ParquetWriter(
            folder / f"{name}.parquet", schema, use_dictionary=texts or False
        ) as writer:
            # A table of Arrow's is another copy.
            for start in range(0, max(len(table), 1), _AT_ONCE):
                some = table.iloc[start : start + _AT_ONCE]
                rows = pa.Table.from_pandas(some, schema=schema, preserve_index=False)
                # One account is read without most of the others: a page reads a group of each run.
                writer.write_table(rows, row_group_size=ROW_GROUP)


def _content(
    folder: Path,
    company: Company,
    day: datetime,
    scored: ScoredRun,
    info: Mapping[str, Any],
    earlier: Sequence[PublishedRun],
    looked: Mapping[str, pd.DataFrame],
    outlook: Outlook,
    voice: Comments | None,
    shown: pd.Series[str],
) -> PageContent:
    """Gather what the pages show."""
    labels = company.config.labels
    background = build_background(
        company.opened.tables,
        day,
        shown,
        looked,
        grace_days=labels.grace_days,
        horizon_days=labels.horizon_days,
        whitespace=scored.whitespace,
        monitor=looked["monitor"],
        outlook=outlook,
    )
    history = History()
    if earlier:
        # The changes of all accounts of a large company do not fit in memory.
        moved = named_accounts(scored.scores, per_csm=company.config.report.file_per_csm)
        some = [("account_id", "in", [*{*shown, *moved}])]
        changes = PublishedRun(day.date(), folder).table("changes", CHANGES, filters=some)
        history = History.of_runs(earlier, changes, accounts=shown, summed=scored.causes)
    return PageContent(
        scored.scores,
        scored.reasons,
        scored.flags,
        scored.raised.week,
        info,
        history,
        background,
        voice,
    )


def _run_info(
    company: Company,
    version: registry.Version,
    day: datetime,
    scored: ScoredRun,
    found: Inspection,
    seconds: dict[str, float],
    today: datetime,
) -> dict[str, Any]:
    config, opened = company.config, company.opened
    return {
        "as_of": str(day.date()),
        "started": today.isoformat(timespec="seconds"),
        "finished": _later(today, seconds),
        "now": (config.now or today).isoformat(timespec="seconds"),
        "company": config.company,
        "currency": config.currency,
        "business": business_of_tables(opened.tables).key,
        "config_hash": config.hash,
        "scorecard_hash": config.score_settings.hash,
        "score_settings": config.score_settings.model_dump(mode="json"),
        "model_version": version.name,
        "engine": config.data.url,
        "horizon_days": config.labels.horizon_days,
        "row_counts": counted(company, scored),
        "reconciliation": reconcile(company).to_dict(),
        "unmatched_share": unmatched_shares(company),
        "missing_tables": [str(f.table) for f in opened.findings if f.code == "missing_table"],
        "skipped": scored.skipped,
        "flags": scored.raised.counts,
        "my_week": {"accounts": len(scored.raised.week), "rule": scored.raised.rule},
        "warnings": [str(f) for f in opened.findings if f.code != "missing_table"]
        + scored.warnings
        + found.warnings
        + score_warnings(version.manifest),
        "gates": [gate.to_dict() for gate in found.gates],
        "timings": seconds,
        "evaluation": version.manifest["evaluation"],
        "score_auc": score_on_past(version.manifest),
        "drivers": version.manifest.get("drivers", []),
        "clv": {
            **config.clv.model_dump(),
            "currency": config.currency,
            "checked": version.manifest.get("value"),
        },
    }


def _later(today: datetime, seconds: Mapping[str, float]) -> str:
    elapsed = timedelta(seconds=sum(seconds.values()))
    return (today + elapsed).isoformat(timespec="seconds")
