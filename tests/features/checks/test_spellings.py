"""Names that differ only in case or blanks are reported with their rows."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.features.small_company import warned

ACCOUNTS = """account_id,created_at,csm,segment
001,2025-01-01,Ann,SMB
002,2025-01-01,ann,Mid
003,2025-01-01,Ann,smb
004,2025-01-01,,
"""


def test_a_csm_in_two_spellings_is_reported(tmp_path: Path) -> None:
    found = warned(tmp_path, accounts=ACCOUNTS.replace("smb", "Large"))["name_spelling"]
    assert (found.column, found.rows, found.total) == ("csm", 1, 4)
    assert "'Ann' and 'ann'" in found.what


@pytest.mark.parametrize(
    ("table", "column", "text"),
    [
        ("accounts", "segment", ACCOUNTS.replace("ann", "Bob")),
        (
            "subscriptions",
            "plan",
            "account_id,product,started_at,ended_at,mrr,plan\n"
            "001,crm,2025-01-01,,9,Pro\n002,crm,2025-01-01,,9,pro\n003,crm,2025-01-01,,9,Team\n",
        ),
        (
            "usage",
            "event",
            "account_id,event,occurred_at\n001,log in,2025-05-01\n002,Log  in,2025-05-02\n",
        ),
    ],
)
def test_other_columns_that_are_typed_in(
    tmp_path: Path, table: str, column: str, text: str
) -> None:
    found = warned(tmp_path, **{table: text})["name_spelling"]
    assert (found.table, found.column, found.rows) == (table, column, 1)


def test_names_that_differ_otherwise_are_not_reported(tmp_path: Path) -> None:
    text = ACCOUNTS.replace("ann", "Anna").replace("smb", "SMB+")
    assert "name_spelling" not in warned(tmp_path, accounts=text)
