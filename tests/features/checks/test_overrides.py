"""Checks of overrides: every wrong row is told with its remedy; an empty table is fine."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.features.small_company import opened, refused, write

HEAD = "account_id,measure,value,author,reason,created_at,expires_at\n"
GOOD = "001,health,40,Ana,spoke to them,2025-05-01,\n"


@pytest.mark.quick_cases(1)
@pytest.mark.parametrize(
    ("row", "code", "column"),
    [
        ("001,health,101,Ana,x,2025-05-01,", "score_outside_scale", "value"),
        ("001,health,40,Ana,x,2025-05-01,2025-05-01", "ended_before_started", "expires_at"),
        ("009,health,40,Ana,x,2025-05-01,", "unknown_account", "account_id"),
    ],
)
def test_a_row_that_no_scorecard_could_follow(
    tmp_path: Path, row: str, code: str, column: str
) -> None:
    sources = write(tmp_path, overrides=HEAD + GOOD + row + "\n")
    (finding,) = refused(tmp_path, sources)
    assert (finding.code, finding.column, finding.rows, finding.total) == (code, column, 1, 2)
    assert finding.fix
    assert opened(tmp_path, sources, allow=[code]).tables.has("overrides")


@pytest.mark.slow
def test_good_rows_and_none_at_all_are_fine(tmp_path: Path) -> None:
    for text in (HEAD + GOOD + "002,mrr,0,Bo,y,2025-05-01,2026-05-01\n", HEAD):
        company = opened(tmp_path, write(tmp_path, overrides=text))
        assert company.tables.has("overrides")
        assert not [f for f in company.findings if f.table == "overrides"]
