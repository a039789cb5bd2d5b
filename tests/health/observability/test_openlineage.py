"""Events of OpenLineage: valid, complete and free of secrets."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from pydantic import AnyUrl, AwareDatetime, BaseModel, ConfigDict, Field

from health.observability.openlineage import (
    Dataset,
    add_event,
    dataset_of,
    new_run_id,
    run_event,
)
from health.observability.prometheus import newest_success
from health.settings.config import Config, load_config
from tests.health.conftest import Demo

AT = datetime(2026, 11, 2, 3)


class _Facet(BaseModel):
    """What the specification requires of every facet."""

    model_config = ConfigDict(extra="allow")
    producer: AnyUrl = Field(alias="_producer")
    schema_url: AnyUrl = Field(alias="_schemaURL")


class _NominalTime(_Facet):
    nominalStartTime: AwareDatetime


class _Error(_Facet):
    message: str
    programmingLanguage: str


class _JobType(_Facet):
    processingType: Literal["BATCH", "STREAMING"]
    integration: str


class _Rows(_Facet):
    rowCount: int
    columnMetrics: dict[str, Any]


class _Written(_Facet):
    rowCount: int


class _RunFacets(BaseModel):
    model_config = ConfigDict(extra="forbid")
    nominalTime: _NominalTime | None = None
    errorMessage: _Error | None = None


class _JobFacets(BaseModel):
    model_config = ConfigDict(extra="forbid")
    jobType: _JobType


class _Run(BaseModel):
    runId: UUID
    facets: _RunFacets


class _Job(BaseModel):
    namespace: Annotated[str, Field(min_length=1)]
    name: Annotated[str, Field(min_length=1)]
    facets: _JobFacets


class _Input(BaseModel):
    model_config = ConfigDict(extra="forbid")
    namespace: Annotated[str, Field(min_length=1)]
    name: Annotated[str, Field(min_length=1)]
    inputFacets: dict[Literal["dataQualityMetrics"], _Rows] = {}


class _Output(BaseModel):
    model_config = ConfigDict(extra="forbid")
    namespace: Annotated[str, Field(min_length=1)]
    name: Annotated[str, Field(min_length=1)]
    outputFacets: dict[Literal["outputStatistics"], _Written] = {}


class RunEvent(BaseModel):
    """The definition RunEvent of OpenLineage 2-0-2, as far as it is used."""

    model_config = ConfigDict(extra="forbid")
    eventType: Literal["START", "RUNNING", "COMPLETE", "ABORT", "FAIL", "OTHER"]
    eventTime: AwareDatetime
    producer: AnyUrl
    schemaURL: AnyUrl
    run: _Run
    job: _Job
    inputs: list[_Input]
    outputs: list[_Output]


def test_a_complete_event_has_tables_with_rows_and_the_run(demo: Demo) -> None:
    config = load_config(demo.config)
    run = newest_success(config.runs_dir)
    assert run is not None
    event = run_event(config, "COMPLETE", run_id=new_run_id(), at=AT, published=run)
    valid = RunEvent.model_validate_json(json.dumps(event))
    rows = run.info()["row_counts"]
    for table, given in zip(config.tables, valid.inputs, strict=True):
        assert given.inputFacets["dataQualityMetrics"].rowCount == rows[table]
        assert Path(given.name).exists()
    (written,) = valid.outputs
    assert written.name == str(run.folder.resolve())
    assert written.outputFacets["outputStatistics"].rowCount == len(run.table("scores"))
    nominal = valid.run.facets.nominalTime
    assert nominal is not None
    assert nominal.nominalStartTime.date() == run.as_of


def test_start_and_failure_of_one_run(demo: Demo) -> None:
    config, run_id = load_config(demo.config), new_run_id()
    start = RunEvent.model_validate(run_event(config, "START", run_id=run_id, at=AT))
    assert start.outputs == []
    failed = RunEvent.model_validate(
        run_event(config, "FAIL", run_id=run_id, at=AT, message="usage: no rows")
    )
    assert failed.run.runId == start.run.runId
    assert failed.run.facets.errorMessage is not None
    assert failed.run.facets.errorMessage.message == "usage: no rows"


def test_tables_are_named_by_where_they_are_without_secrets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAKE_URL", "sc://lake.acme.com:443/;use_ssl=true;x-own=s3cretLineage")
    monkeypatch.setenv("LINEAGE_URL", "postgresql://ann:s3cretLineage@db.acme.com/crm")
    (tmp_path / "health.toml").write_text(
        """
        [data]
        allow = []
        [sources.warehouse]
        url = "$LINEAGE_URL"
        schema_name = "sales"
        [sources.lake]
        url = "$LAKE_URL"
        [sources.local]
        url = "duckdb:///local.duckdb"
        [sources.missing]
        url = "$LINEAGE_URL_THAT_IS_NOT_SET"
        [sources.exports]
        path = "exports"
        [tables.accounts]
        source = "warehouse"
        table = "accounts"
        [tables.subscriptions]
        sql = "select 1"
        [tables.usage]
        source = "local"
        sql = "select 1"
        [tables.tickets]
        source = "missing"
        table = "tickets"
        [tables.surveys]
        source = "exports"
        preset = "delighted"
        [tables.goals]
        path = "goals.csv"
        [tables.orders]
        source = "lake"
        table = "crm.orders"
        """
    )
    config = load_config(tmp_path / "health.toml")
    here = tmp_path.resolve()
    assert _datasets(config) == {
        "accounts": Dataset("postgres://db.acme.com:5432", "crm.sales.accounts"),
        "subscriptions": Dataset("customer-health", "health.subscriptions"),
        "usage": Dataset("file", f"{here}/local.duckdb#usage"),
        "tickets": Dataset("customer-health", "health.tickets"),
        "surveys": Dataset("file", f"{here}/exports"),
        "goals": Dataset("file", f"{here}/goals.csv"),
        "orders": Dataset("sc://lake.acme.com:443", "crm.orders"),
    }
    event = run_event(
        config, "FAIL", run_id=new_run_id(), at=AT, message="no password=s3cretLineage"
    )
    RunEvent.model_validate(event)
    assert "s3cretLineage" not in json.dumps(event)


def _datasets(config: Config) -> dict[str, Dataset]:
    return {name: dataset_of(name, table, config) for name, table in config.tables.items()}


def test_a_line_that_was_cut_off_spoils_no_other(tmp_path: Path) -> None:
    file = tmp_path / "new" / "events.jsonl"
    add_event(file, {"n": 1})
    with file.open("a") as stream:
        stream.write('{"n": ')
    add_event(file, {"n": 2})
    add_event(file, {"n": 3})
    lines = file.read_text().splitlines()
    assert [json.loads(lines[place])["n"] for place in (0, 2, 3)] == [1, 2, 3]
