"""A company of three accounts as files, to break in one place at a time."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from pathlib import Path

import pandas as pd
import pytest

from features.errors import Finding, InputError
from features.reading.source import OpenedTables, open_tables
from features.reading.table_source import TableSource

FILES = {
    "accounts": """account_id,created_at,name
001,2025-01-01,"Smith, Inc"
002,2025-02-01,Müller
003,2025-03-01,
""",
    "subscriptions": """account_id,product,started_at,ended_at,mrr
001,crm,2025-01-01,,100
002,crm,2025-02-01,2025-10-01,200.50
003,crm,2025-03-01,,300
""",
    "usage": """account_id,event,occurred_at,quantity
001,login,2025-05-01,1
002,login,2025-06-01T12:30:00,2
003,report,2025-12-30,3
""",
    "tickets": """account_id,ticket_id,opened_at,solved_at,escalated,csat,csat_at
001,T1,2025-05-02T10:00:00Z,2025-05-03T10:00:00+02:00,true,5,2025-05-04
002,T2,2025-06-02 10:00,,false,,
""",
    "surveys": """account_id,kind,answered_at,score,scale
001,nps,2025-05-05,9,0-10
002,CSAT,2025-06-05,3,1-3
003,ces,,,
""",
}


def write(folder: Path, **changed: str) -> dict[str, TableSource]:
    """Write the files, some of them with other content, and return their sources."""
    for name, text in {**FILES, **changed}.items():
        (folder / f"{name}.csv").write_text(text, encoding="utf-8")
    return {name: TableSource(path=f"{name}.csv") for name in {**FILES, **changed}}


def opened(folder: Path, sources: dict[str, TableSource], **options: object) -> OpenedTables:
    return open_tables(sources, base=folder, **options)  # type: ignore[arg-type]


def refused(folder: Path, sources: dict[str, TableSource], **options: object) -> list[Finding]:
    """Open tables that must be refused, and return all violations."""
    with pytest.raises(InputError) as caught:
        opened(folder, sources, **options)
    for finding in caught.value.findings:
        assert finding.level == "error"
        assert finding.source, finding
        assert finding.table, finding
        assert finding.fix, finding
    return list(caught.value.findings)


def broken(folder: Path, allow: Collection[str] = (), **changed: str) -> list[Finding]:
    return refused(folder, write(folder, **changed), allow=allow)


def warned(folder: Path, **changed: str) -> dict[str, Finding]:
    """Open the tables and return the warnings by code, absent tables apart."""
    result = opened(folder, write(folder, **changed), observed_until=datetime(2026, 1, 1))
    return {f.code: f for f in result.findings if f.code != "missing_table"}


def codes(findings: Collection[Finding]) -> list[str]:
    return sorted(finding.code for finding in findings)


def rows(result: OpenedTables, table: str) -> pd.DataFrame:
    """Return a table that was opened, in order of account."""
    frame: pd.DataFrame = result.tables[table].collect("pandas").to_native()
    return frame.sort_values("account_id").reset_index(drop=True)
