"""Events of OpenLineage about one run: what was read, what was written, and how it ended.

The format is that of https://openlineage.io/spec/2-0-2/OpenLineage.json.
"""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any, Literal

from features.errors import HealthError
from features.redaction import redacted
from health.runs.directory import PublishedRun
from health.settings.config import Config
from health.settings.secrets import secret
from health.settings.sources import TableConfig

Ending = Literal["START", "COMPLETE", "FAIL", "ABORT"]
PRODUCER = "https://pypi.org/project/customer-health/"
_SPEC = "https://openlineage.io/spec"
_SCHEMA = f"{_SPEC}/2-0-2/OpenLineage.json#/$defs/RunEvent"
#: Versions of the facets that are written.
_FACETS = {
    "jobType": ("2-0-3", "JobTypeJobFacet"),
    "nominalTime": ("1-0-1", "NominalTimeRunFacet"),
    "errorMessage": ("1-0-1", "ErrorMessageRunFacet"),
    "dataQualityMetrics": ("1-0-2", "DataQualityMetricsInputDatasetFacet"),
    "outputStatistics": ("1-0-2", "OutputStatisticsOutputDatasetFacet"),
}
_PORTS = {"postgres": 5432}


@dataclass(frozen=True)
class Dataset:
    """A table or folder by OpenLineage's names: where it is, and what it is called there."""

    namespace: str
    name: str


def new_run_id() -> str:
    """Return an identifier for the events of one run."""
    return str(uuid.uuid4())


def run_event(
    config: Config,
    ending: Ending,
    *,
    run_id: str,
    at: datetime,
    as_of: date | None = None,
    published: PublishedRun | None = None,
    message: str = "",
) -> dict[str, Any]:
    """Return an event about a run of `health score`, without secrets.

    Parameters
    ----------
    config : Config
        Its tables are the inputs.
    ending : str
        ``START`` or how the run ended.
    run_id : str
        The same for all events of the run.
    at : datetime
        Time of the event, UTC.
    as_of : date, optional
        The scored date, where it is known.
    published : PublishedRun, optional
        The run, which is the output; the rows of the tables are in it.
    message : str
        Of a run that failed: why.
    """
    info = published.info() if published is not None else {}
    rows: Mapping[str, int] = info.get("row_counts", {})
    day = published.as_of if published is not None else as_of
    run_facets: dict[str, Any] = {}
    if day is not None:
        run_facets |= _facet("nominalTime", nominalStartTime=f"{day}T00:00:00Z")
    if message:
        run_facets |= _facet("errorMessage", message=message, programmingLanguage="PYTHON")
    event = {
        "eventType": ending,
        "eventTime": at.isoformat(timespec="milliseconds") + "Z",
        "producer": PRODUCER,
        "schemaURL": _SCHEMA,
        "run": {"runId": run_id, "facets": run_facets},
        "job": {
            "namespace": config.observability.openlineage_namespace,
            "name": f"{config.file.stem}.score",
            "facets": _facet(
                "jobType", processingType="BATCH", integration="CUSTOMER_HEALTH", jobType="COMMAND"
            ),
        },
        "inputs": [
            _input(dataset_of(name, table, config), rows.get(name))
            for name, table in config.tables.items()
        ],
        "outputs": [] if published is None else list(_outputs(published, rows)),
    }
    result: dict[str, Any] = redacted(event)
    return result


def add_event(file: Path, event: Mapping[str, Any]) -> None:
    """Add an event to a file as one line; a line that a killed process cut off is ended first."""
    file.parent.mkdir(parents=True, exist_ok=True)
    line = json.dumps(event, ensure_ascii=False, allow_nan=False) + "\n"
    with file.open("a+b") as stream:
        if stream.seek(0, os.SEEK_END):
            stream.seek(-1, os.SEEK_END)
            if stream.read(1) != b"\n":
                line = "\n" + line
        stream.write(line.encode())


def dataset_of(name: str, table: TableConfig, config: Config) -> Dataset:
    """Return where a table is read from, by OpenLineage's rules for names.

    A query is named by the table that it fills: which tables it reads is not known.
    """
    base = config.base.resolve()
    source = config.sources.get(table.source or "")
    if source is not None and source.path is not None:
        return Dataset("file", str(base / source.path))
    if table.path is not None:
        return Dataset("file", str(base / table.path))
    of_query = Dataset(config.observability.openlineage_namespace, f"{config.file.stem}.{name}")
    url = config.data.url if source is None else source.url or ""
    if source is None and table.table is None:
        return of_query
    # Loaded for a table of a database alone: it takes a tenth of a second.
    from sqlalchemy.engine import make_url  # noqa: PLC0415
    from sqlalchemy.exc import ArgumentError  # noqa: PLC0415

    try:
        where = make_url(secret(url, where="url", base=base))
    except (ArgumentError, ValueError, HealthError):
        return of_query
    schema = source.schema_name if source is not None else ""
    if where.host is None:
        return Dataset("file", f"{base / (where.database or '')}#{table.table or name}")
    scheme = where.get_backend_name().replace("postgresql", "postgres")
    port = where.port or _PORTS.get(scheme)
    # Spark Connect has options, such as a token, in that place.
    database = (where.database or "").partition(";")[0]
    parts = (database, schema, table.table or name)
    return Dataset(
        f"{scheme}://{where.host}{f':{port}' if port else ''}",
        ".".join(part for part in parts if part),
    )


def _input(dataset: Dataset, rows: int | None) -> dict[str, Any]:
    found: dict[str, Any] = {"namespace": dataset.namespace, "name": dataset.name}
    if rows is not None:
        found["inputFacets"] = _facet("dataQualityMetrics", rowCount=rows, columnMetrics={})
    return found


def _outputs(published: PublishedRun, rows: Mapping[str, int]) -> Iterator[dict[str, Any]]:
    scored = rows.get("scored accounts", 0)
    yield {
        "namespace": "file",
        "name": str(published.folder.resolve()),
        "outputFacets": _facet("outputStatistics", rowCount=scored),
    }


def _facet(name: str, **content: Any) -> dict[str, Any]:
    version, definition = _FACETS[name]
    schema = f"{_SPEC}/facets/{version}/{definition}.json#/$defs/{definition}"
    return {name: {"_producer": PRODUCER, "_schemaURL": schema, **content}}
