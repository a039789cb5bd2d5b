"""The same features on Spark Connect, which needs no Java here, and in its executors."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

from features import build_features
from features.errors import HealthError
from features.parts import Parts
from features.rollups.parted import parts_of
from features.rollups.spark_parts import _PART, _written
from features.tables import spark
from features.tables.opened import Tables, of_accounts
from tests import spark as sessions
from tests.features.company import company, open_tables
from tests.features.test_engines import DATES
from tests.features.test_parts import joined
from tests.features.text_models import SETTINGS

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::ResourceWarning")]


@pytest.fixture(scope="module")
def session() -> Iterator[Any]:
    with sessions.server() as url:
        yield spark.session(url)


@pytest.fixture(scope="module")
def tables(session: Any) -> Tables:
    return spark.on_spark(open_tables(company()), session)


@pytest.fixture(scope="module")
def expected() -> pd.DataFrame:
    return build_features(open_tables(company()), DATES, SETTINGS)


def test_every_feature_is_the_same(tables: Tables, expected: pd.DataFrame) -> None:
    built = build_features(tables, DATES, SETTINGS)
    pd.testing.assert_frame_equal(built, expected, check_dtype=False, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("parts", [1, 3])
def test_executors_build_the_same_features(
    tables: Tables, session: Any, expected: pd.DataFrame, tmp_path: Path, parts: int
) -> None:
    assert parts_of(tables, 1) > 1
    divided = Parts.divided(
        tables, DATES, SETTINGS, folder=tmp_path, parts=parts, processes=2, session=session
    )
    found = joined(divided.built())
    pd.testing.assert_frame_equal(found, expected, check_dtype=False, rtol=1e-9, atol=1e-9)


def test_an_executor_returns_why_it_cannot_write(tmp_path: Path) -> None:
    rows = pa.table({"account_id": ["busy"], _PART: [0]})
    result = _written([str(tmp_path / "absent" / "accounts.parquet")], rows)
    assert "No such file" in result["fault"][0].as_py()


def test_a_server_that_does_not_answer_is_an_error_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pyspark", reason="pyspark is not installed")
    monkeypatch.setattr(spark, "_PAUSES", ())
    with pytest.raises(HealthError, match="cannot connect") as fault:
        spark.session("sc://127.0.0.1:1/;token=hunter2-token")
    assert "hunter2" not in str(fault.value)
    assert "Spark Connect server" in fault.value.fix


@pytest.mark.parametrize("host", ["a..b:1", f"{'a' * 70}:1"])
def test_a_name_that_no_host_can_have_is_an_error(
    monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    pytest.importorskip("pyspark", reason="pyspark is not installed")
    monkeypatch.setattr(spark, "_PAUSES", ())
    with pytest.raises(HealthError, match="cannot connect"):
        spark.session(f"sc://{host}")


@pytest.mark.parametrize(
    "url", ["sc://", "sc://host:port", "sc://host/path", "spark://host", "spark+remote"]
)
def test_other_forms_of_a_url_are_refused(url: str) -> None:
    with pytest.raises(HealthError, match="cannot connect") as fault:
        spark.session(url)
    assert "sc://host:port" in fault.value.fix


def test_the_tables_of_many_accounts(tables: Tables) -> None:
    names = ["busy", "silent", *(f"another {number}" for number in range(20_000))]
    own, few = of_accounts(tables, names), of_accounts(open_tables(company()), names)
    for name, rows in few.frames.items():
        found = own[name].select("account_id").collect("pyarrow").to_native()["account_id"]
        expected = rows.select("account_id").collect("pyarrow").to_native()["account_id"]
        assert sorted(found.to_pylist()) == sorted(expected.to_pylist())


@pytest.mark.parametrize("module", ["pyspark.errors", "py4j.protocol", "grpc._channel"])
def test_faults_of_spark_name_what_uses_it(module: str) -> None:
    made = type("Fault", (Exception,), {"__module__": module})
    fault = spark.spark_fault(made('x\n details = "gone"\n y'), where="source lake")
    assert fault is not None
    assert (fault.where, fault.what) == ("source lake", "Spark failed: gone")
    assert spark.spark_fault(ValueError("of ours"), where="source lake") is None
