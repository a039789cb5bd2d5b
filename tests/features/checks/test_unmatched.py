"""Rows that belong to no account are counted, shown and excluded: they change no value."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from random import Random

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features import build_features, build_labels
from features.reading.source import OpenedTables, open_tables
from features.reading.table_source import TableSource
from features.tables.schema import TABLES
from tests.features.company import DAY, Rows, frame
from tests.features.company import open_tables as open_rows
from tests.features.random_company import random_company
from tests.features.small_company import FILES, opened, refused, write

COUNTED = ("usage", "tickets", "surveys", "orders")
#: Tables that count such rows only where the configuration says so.
ON_REQUEST = ("contacts", "invoices", "interactions", "goals")
_DATES = [DAY - timedelta(days=28), DAY]


def _with_strangers(
    rows: Rows, chance: Random, tables: tuple[str, ...] = COUNTED
) -> tuple[Rows, dict[str, int]]:
    """Add rows of unknown accounts, and of none, to tables that count them."""
    added = {}
    more = {name: list(of_table) for name, of_table in rows.items()}
    for name in tables:
        strangers = [
            {**row, "account_id": chance.choice(("zz", "A ", "other", None))}
            for row in chance.sample(rows[name], chance.randint(0, len(rows[name]) // 2))
        ]
        for number, row in enumerate(strangers):
            row.update(dict.fromkeys(TABLES[name].key, f"stranger {number}"))
        more[name] += strangers
        added[name] = len(strangers)
    return more, added


def _open_files(rows: Rows, folder: Path, kind: str) -> OpenedTables:
    folder.mkdir()
    sources = {}
    for name, of_table in rows.items():
        table = frame(name, of_table)
        file = folder / f"{name}.{kind}"
        table.to_csv(file, index=False) if kind == "csv" else table.to_parquet(file, index=False)
        unmatched = "count" if name in ON_REQUEST else None
        sources[name] = TableSource(path=file.name, unmatched=unmatched)
    return open_tables(
        sources,
        base=folder,
        allow=["score_outside_scale", "ended_before_started", "negative_value"],
        observed_until=DAY + timedelta(days=200),
        rollups=Path("rollups") if kind == "parquet" else None,
    )


def _values(opened: OpenedTables) -> tuple[pd.DataFrame, pd.DataFrame]:
    features = build_features(opened.tables, _DATES)
    return features, build_labels(opened.tables, features[["account_id", "as_of"]])


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["csv", "parquet"])
@settings(max_examples=3, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_rows_of_no_account_change_no_value(
    kind: str, seed: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    rows, folder = random_company(seed), tmp_path_factory.mktemp("company")
    more, added = _with_strangers(rows, Random(seed), (*COUNTED, *ON_REQUEST))
    with pytest.MonkeyPatch.context() as patch:
        if kind == "parquet":
            patch.setattr("features.tables.relations.LAZY_FROM_BYTES", 0)
        plain, mixed = (
            _open_files(r, folder / n, kind) for r, n in ((rows, "plain"), (more, "mixed"))
        )
        for expected, got in zip(_values(plain), _values(mixed), strict=True):
            pd.testing.assert_frame_equal(got, expected, rtol=1e-9)
    counted = {s.table: s.unmatched for s in mixed.summaries if s.table in added}
    assert counted == added
    assert [s.rows for s in mixed.summaries] == [s.rows for s in plain.summaries]
    found = {f.table: f.rows for f in mixed.findings if f.code == "unknown_account"}
    assert found == {name: n for name, n in added.items() if n}


@pytest.mark.slow
@settings(max_examples=3, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_rows_of_no_account_change_no_value_of_frames(seed: int) -> None:
    rows = random_company(seed)
    more, _ = _with_strangers(rows, Random(seed))
    plain, mixed = (build_features(open_rows(r), _DATES) for r in (rows, more))
    pd.testing.assert_frame_equal(mixed, plain, rtol=1e-9)


_STRANGERS = {
    "usage": "X1,login,2025-12-31,1\n,login,2025-12-31,1\n",
    "tickets": "X1,T8,2025-12-31,,false,,\n,T9,2025-12-31,,false,,\n",
    "surveys": "X1,nps,2025-12-31,9,0-10\n,nps,2025-12-31,9,0-10\n",
}


@pytest.mark.quick_cases(1)
@pytest.mark.parametrize("table", list(_STRANGERS))
def test_a_warning_at_any_share_with_count_and_example(tmp_path: Path, table: str) -> None:
    result = opened(tmp_path, write(tmp_path, **{table: FILES[table] + _STRANGERS[table]}))
    (finding,) = [f for f in result.findings if f.code == "unknown_account"]
    assert (finding.level, finding.table, finding.column) == ("warning", table, "account_id")
    total = len(FILES[table].splitlines()) + 1
    assert (finding.rows, finding.total, finding.example) == (2, total, "X1")
    assert "1 row without an id" in finding.what
    # A stranger's time does not end the data, either.
    assert result.tables.observed_until == datetime(2025, 12, 31)


def test_above_half_of_a_table_is_an_error(tmp_path: Path) -> None:
    usage = FILES["usage"] + _STRANGERS["usage"] * 2
    (finding,) = refused(tmp_path, write(tmp_path, usage=usage))
    assert (finding.code, finding.rows, finding.total) == ("unknown_account", 4, 7)
    assert "more than half" in finding.what


def test_ids_in_another_form_get_the_remedy(tmp_path: Path) -> None:
    usage = FILES["usage"] + "01,login,2025-12-31,1\n"
    result = opened(tmp_path, write(tmp_path, usage=usage))
    (finding,) = [f for f in result.findings if f.code == "unknown_account"]
    assert "leading zeros" in finding.fix


@pytest.mark.parametrize(("table", "unmatched"), [("usage", "refuse"), ("subscriptions", None)])
@pytest.mark.slow
def test_a_table_may_refuse_them(tmp_path: Path, table: str, unmatched: str | None) -> None:
    extra = {"usage": "X1,login,2025-12-31,1\n", "subscriptions": "X1,crm,2025-01-01,,100\n"}
    sources = write(tmp_path, **{table: FILES[table] + extra[table]})
    sources[table] = sources[table].model_copy(update={"unmatched": unmatched})
    (finding,) = refused(tmp_path, sources)
    assert (finding.code, finding.table, finding.rows) == ("unknown_account", table, 1)
    assert 'unmatched = "count"' in finding.fix
    sources[table] = sources[table].model_copy(update={"unmatched": "count"})
    assert [f.table for f in opened(tmp_path, sources).findings if f.code == "unknown_account"] == [
        table
    ]
