"""Metrics of the newest run in Prometheus's text format, for the node exporter's textfiles."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from features.errors import HealthError
from health.runs.directory import PublishedRun, list_runs
from health.runs.durable import write_whole

#: The collector runs as another user; the metrics name no account and no person.
_EVERYBODY = 0o644
_MEANINGS = {
    "health_last_success_timestamp_seconds": "When a run was last published, in Unix time.",
    "health_last_attempt_timestamp_seconds": "When health score last ended, in Unix time.",
    "health_last_attempt_exit_code": "Exit code of the last health score: 0 is published, "
    "3 is stopped by a gate.",
    "health_run_info": "The newest run: its date and the model version that scored.",
    "health_run_as_of_timestamp_seconds": "The date of the newest run, in Unix time.",
    "health_run_duration_seconds": "How long the newest run took.",
    "health_run_warnings": "Warnings of the newest run.",
    "health_rows": "Rows of each table in the newest run, and accounts that were scored.",
    "health_gate_passed": "Gates of the last attempt: 1 if passed or accepted, else 0.",
    "health_gate_accepted": "Gates of the last attempt: 1 if it failed and a person accepted it.",
    "health_drift_psi": "Population stability index of a column against training.",
    "health_drift_columns_over_limit": "Columns whose drift from training exceeds their limit.",
    "health_monitor_auc": "AUC of the newest run whose outcomes are known.",
    "health_monitor_auc_trained": "AUC of the same run's model in training.",
    "health_monitor_calibration_ratio": "Outcomes of the same run as a multiple of those expected.",
    "health_monitor_as_of_timestamp_seconds": "Date of the same run, in Unix time.",
}


@dataclass(frozen=True)
class Attempt:
    """One `health score`, as it ended.

    Attributes
    ----------
    at : datetime
        When, UTC.
    exit_code : int
        0 for a published run.
    gates : sequence of mapping
        Its gates as in run.json, where it came that far.
    """

    at: datetime
    exit_code: int
    gates: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True)
class Sample:
    """A value of a metric."""

    metric: str
    value: float
    labels: Mapping[str, str]


def write_metrics(file: Path, runs_dir: Path, attempt: Attempt, *, company: str) -> None:
    """Replace the file as a whole with the metrics of the newest run and of the last attempt.

    Parameters
    ----------
    file : Path
        Its folder exists: the collector's.
    runs_dir : Path
        Folder of the runs.
    attempt : Attempt
        The command that ends.
    company : str
        Becomes a label of every metric.

    Raises
    ------
    HealthError
        The folder is missing, or a table of the newest run cannot be read.
    """
    if not file.parent.is_dir():
        raise HealthError(
            "the folder does not exist",
            where=f"observability.prometheus_file, {file.parent}",
            fix="create it, readable by the node exporter",
        )
    samples = [*_of_attempt(attempt), *_of_run(newest_success(runs_dir))]
    write_whole(file, metrics_page(samples, company=company), mode=_EVERYBODY)


def newest_success(runs_dir: Path) -> PublishedRun | None:
    """Return the run that was published last, whatever its date; None if there is none."""
    finished: dict[str, PublishedRun] = {}
    for run in list_runs(runs_dir):
        try:
            finished[str(run.info().get("finished", ""))] = run
        except HealthError:
            # `list` and `explain` report a damaged run; the others still count.
            continue
    return finished[max(finished)] if finished else None


def metrics_page(samples: Iterable[Sample], *, company: str) -> str:
    r"""Return samples as text, by metric, each with its meaning and type.

    Examples
    --------
    >>> print(metrics_page([Sample("health_run_warnings", 2, {})], company='A "B"'), end="")
    # HELP health_run_warnings Warnings of the newest run.
    # TYPE health_run_warnings gauge
    health_run_warnings{company="A \"B\""} 2
    """
    by_metric: dict[str, list[Sample]] = {name: [] for name in _MEANINGS}
    for sample in samples:
        if not math.isnan(sample.value):
            by_metric[sample.metric].append(sample)
    lines = []
    for metric, found in by_metric.items():
        if found:
            lines += [f"# HELP {metric} {_MEANINGS[metric]}", f"# TYPE {metric} gauge"]
        for sample in found:
            labels = {"company": company, **sample.labels}
            shown = ",".join(f'{key}="{_escaped(value)}"' for key, value in labels.items())
            lines.append(f"{metric}{{{shown}}} {sample.value + 0!r}")
    return "\n".join([*lines, ""])


def _of_attempt(attempt: Attempt) -> Iterator[Sample]:
    yield Sample("health_last_attempt_timestamp_seconds", _unix(attempt.at), {})
    yield Sample("health_last_attempt_exit_code", attempt.exit_code, {})
    for gate in attempt.gates:
        labels = {"gate": str(gate["code"]), "name": str(gate["name"])}
        yield Sample("health_gate_passed", bool(gate["passed"]), labels)
        yield Sample("health_gate_accepted", bool(gate.get("accepted")), labels)


def _of_run(run: PublishedRun | None) -> Iterator[Sample]:
    if run is None:
        return
    info = run.info()
    finished = datetime.fromisoformat(info["finished"])
    yield Sample("health_last_success_timestamp_seconds", _unix(finished), {})
    named = {"as_of": str(run.as_of), "model_version": str(info.get("model_version", ""))}
    yield Sample("health_run_info", 1, named)
    day = datetime(run.as_of.year, run.as_of.month, run.as_of.day)
    yield Sample("health_run_as_of_timestamp_seconds", _unix(day), {})
    if info.get("timings"):
        yield Sample("health_run_duration_seconds", sum(info["timings"].values()), {})
    yield Sample("health_run_warnings", len(info.get("warnings", [])), {})
    for table, rows in info.get("row_counts", {}).items():
        yield Sample("health_rows", rows, {"table": table})
    if run.has("drift"):
        yield from _of_drift(run.table("drift"))
    if run.has("monitor"):
        yield from _of_monitor(run.table("monitor"))


def _of_drift(drift: pd.DataFrame) -> Iterator[Sample]:
    for row in drift.to_dict("records"):
        labels = {"kind": str(row["kind"]), "column": str(row["column"])}
        yield Sample("health_drift_psi", float(row["psi_training"]), labels)
    over = drift["psi_training"] > drift["limit"]
    for kind, number in over.groupby(drift["kind"]).sum().items():
        yield Sample("health_drift_columns_over_limit", int(number), {"kind": str(kind)})


def _of_monitor(monitor: pd.DataFrame) -> Iterator[Sample]:
    """Yield the values of the newest run of each outcome; rows are ordered by date."""
    for outcome, rows in monitor.groupby("outcome"):
        newest, labels = rows.iloc[-1], {"outcome": str(outcome)}
        for name in ("auc", "auc_trained", "calibration_ratio"):
            yield Sample(f"health_monitor_{name}", float(newest[name]), labels)
        day = pd.Timestamp(newest["as_of"]).to_pydatetime()
        yield Sample("health_monitor_as_of_timestamp_seconds", _unix(day), labels)


def _unix(time: datetime) -> float:
    return time.replace(tzinfo=UTC).timestamp()


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
