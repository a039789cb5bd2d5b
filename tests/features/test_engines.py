"""The same features on every engine: one test body, the same figures to 1e-9."""

from __future__ import annotations

import importlib.util
from datetime import timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from features import CATALOGUE, build_features, build_labels
from features.errors import HealthError
from features.reading.source import open_tables
from features.reading.table_source import TableSource
from features.tables.opened import Tables
from features.tables.spark import has_java, is_spark, on_spark, session
from tests.features.company import DAY, UNTIL, company
from tests.features.company import open_tables as open_rows
from tests.features.text_models import SETTINGS
from tests.health.conftest import call_health
from tests.spark import jvm

DATES = [DAY - timedelta(days=35), DAY, DAY + timedelta(days=14)]
_MISSING = [
    what
    for what, present in (
        ("pyspark (the extra `spark`)", importlib.util.find_spec("pyspark") is not None),
        ("Java", has_java()),
    )
    if not present
]
needs_spark = pytest.mark.skipif(bool(_MISSING), reason=f"needs {' and '.join(_MISSING)}")
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")


@pytest.fixture(scope="module")
def spark() -> Any:
    with jvm() as running:
        yield running


@pytest.fixture(
    scope="module", params=["duckdb", pytest.param("spark", marks=[needs_spark, pytest.mark.slow])]
)
def tables(request: pytest.FixtureRequest) -> Tables:
    opened = open_rows(company())
    if request.param == "spark":
        return on_spark(opened, request.getfixturevalue("spark"))
    return opened


@pytest.fixture(scope="module")
def expected() -> pd.DataFrame:
    return build_features(open_rows(company()), DATES, SETTINGS)


def test_every_feature_is_the_same(tables: Tables, expected: pd.DataFrame) -> None:
    built = build_features(tables, DATES, SETTINGS)
    pd.testing.assert_frame_equal(built, expected, check_dtype=False, rtol=1e-9, atol=1e-9)
    assert expected[list(CATALOGUE)].notna().any().all()


def test_every_label_is_the_same(tables: Tables) -> None:
    observations = pd.DataFrame({"account_id": ["busy", "young", "silent"], "as_of": DAY})
    wanted = build_labels(open_rows(company()), observations)
    pd.testing.assert_frame_equal(build_labels(tables, observations), wanted, check_dtype=False)


@pytest.fixture
def files(tmp_path: Path) -> dict[str, TableSource]:
    """Write the company's tables into files."""
    rows = open_rows(company())
    for name in rows.frames:
        rows[name].sink_parquet(tmp_path / f"{name}.parquet")
    return {name: TableSource(path=f"{name}.parquet") for name in rows.frames}


_ALLOW = ["score_outside_scale"]


@pytest.mark.slow
@needs_spark
@pytest.mark.usefixtures("spark")
def test_tables_in_files_are_opened_on_spark(files: dict[str, TableSource], tmp_path: Path) -> None:
    options: dict[str, Any] = {"base": tmp_path, "observed_until": UNTIL, "allow": _ALLOW}
    present = open_tables(files, url="spark+local", **options)
    here = open_tables(files, **options)
    assert present.findings == here.findings
    assert present.tables["usage"].implementation.is_pyspark()


def _config(folder: Path, url: str, files: dict[str, TableSource]) -> Path:
    config = folder / "health.toml"
    tables = [f'[tables.{name}]\npath = "{source.path}"' for name, source in files.items()]
    head = [f"observed_until = {UNTIL:%Y-%m-%d}", f'[data]\nurl = "{url}"']
    checks = f"[checks]\nallow = {_ALLOW}"
    config.write_text("\n".join([*head, checks, *tables]), encoding="utf-8")
    return config


@pytest.mark.slow
@needs_spark
def test_the_command_makes_the_same_features_on_spark(
    files: dict[str, TableSource], tmp_path: Path, spark: Any
) -> None:
    jobs = spark.sparkContext.statusTracker().getJobIdsForGroup
    built, before = {}, len(jobs())
    for url in ("duckdb://", "spark+local"):
        output = tmp_path / "features.parquet"
        config = _config(tmp_path, url, files)
        done = call_health("features", config, "--as-of", f"{DAY:%Y-%m-%d}", "-o", output)
        assert done.code == 0, done.err
        built[url], made_here = pd.read_parquet(output), len(jobs()) - before
        assert (made_here > 0) == (url == "spark+local")
    assert len(built["duckdb://"]) > 1
    pd.testing.assert_frame_equal(*built.values(), check_dtype=False, rtol=1e-9, atol=1e-9)
    assert set(CATALOGUE) < set(built["duckdb://"])


def test_what_names_spark() -> None:
    assert is_spark("spark+local")
    assert is_spark("spark://master:7077")
    assert is_spark("sc://host:15002/;token=t")
    assert not is_spark("duckdb://")


def test_spark_without_java_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("features.tables.spark.has_java", lambda: False)
    pytest.importorskip("pyspark", reason="pyspark (the extra `spark`) is absent")
    with pytest.raises(HealthError, match="Java"):
        session("spark+local")
