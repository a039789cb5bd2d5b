"""Use outside paid dates and from before signup, against a count row by row."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from unittest.mock import patch

import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from features.errors import Finding
from features.reading.source import open_tables
from features.reading.table_source import TableSource
from features.tables import relations as relations_module

FIRST, UNTIL = datetime(2025, 1, 1), datetime(2025, 3, 1)
ACCOUNTS = ("a", "b", "c")
DAY = st.integers(0, 40)
Term = tuple[str, int, int | None, float]
#: Account, first day, last day (None: open; before the first one: it never holds), and MRR.
TERMS = st.lists(
    st.tuples(st.sampled_from(ACCOUNTS), DAY, st.none() | DAY, st.sampled_from([0.0, 9.0])),
    min_size=1,
    max_size=7,
)
#: Account and quarter of a day.
USES = st.lists(st.tuples(st.sampled_from(ACCOUNTS), st.integers(0, 160)), min_size=1, max_size=25)


def _tables(
    terms: Sequence[Term],
    uses: Sequence[tuple[str, int]],
    created: Sequence[int],
) -> dict[str, pd.DataFrame]:
    def day(number: int | None) -> datetime | None:
        return None if number is None else FIRST + timedelta(days=number)

    return {
        "accounts": pd.DataFrame(
            {"account_id": ACCOUNTS, "created_at": [day(number) for number in created]}
        ),
        "subscriptions": pd.DataFrame(
            [(a, "core", day(first), day(last), mrr) for a, first, last, mrr in terms],
            columns=["account_id", "product", "started_at", "ended_at", "mrr"],
        ).astype({"ended_at": "datetime64[us]"}),
        "usage": pd.DataFrame(
            [(a, "view", FIRST + timedelta(hours=6 * quarter)) for a, quarter in uses],
            columns=["account_id", "event", "occurred_at"],
        ),
    }


def _findings(tables: dict[str, pd.DataFrame], folder: Path, *, kept: bool) -> list[Finding]:
    sources = {name: TableSource(path=f"{name}.parquet") for name in ("accounts", "subscriptions")}
    for name in sources:
        tables[name].to_parquet(folder / f"{name}.parquet", index=False)
    (folder / "usage").mkdir(exist_ok=True)
    for number in range(3):
        # Files of equal content would count once.
        part = tables["usage"][number::3].assign(file=number)
        part.to_parquet(folder / "usage" / f"{number}.parquet", index=False)
    sources["usage"] = TableSource(path="usage")
    found = open_tables(
        sources,
        base=folder,
        observed_until=UNTIL,
        allow=["ended_before_started"],
        rollups=Path("rollups") if kept else None,
    ).findings
    result = {"usage_before_signup", "usage_outside_subscription"}
    return [finding for finding in found if finding.code in result]


def _expected(
    terms: Sequence[Term], uses: Sequence[tuple[str, int]], created: Sequence[int]
) -> dict[str, tuple[int, int, str]]:
    """Count row by row: rows, rows of all, and an example."""
    signup = dict(zip(ACCOUNTS, created, strict=True))

    def is_paid(account: str, day: int) -> bool:
        return any(
            a == account and mrr > 0 and first <= day <= (day if last is None else last)
            for a, first, last, mrr in terms
        )

    early = [account for account, quarter in uses if quarter // 4 < signup[account]]
    outside = [account for account, quarter in uses if not is_paid(account, quarter // 4)]
    result = {
        "usage_before_signup": (len(early), len(uses), min(early, default="")),
        "usage_outside_subscription": (
            len(outside),
            len(uses),
            f"account_id {min(outside, default='')}",
        ),
    }
    return {code: counted for code, counted in result.items() if counted[0]}


@pytest.mark.slow
@settings(max_examples=8, deadline=None)
@example(
    terms=[("a", 0, None, 0.0)],
    others=[("a", 0, None, 9.0)],
    uses=[("a", 0)] * 3,
    created=(0, 0, 0),
)
@given(terms=TERMS, others=TERMS, uses=USES, created=st.tuples(*[DAY] * len(ACCOUNTS)))
def test_use_out_of_its_time_is_counted_row_by_row(
    terms: list[Term], others: list[Term], uses: list[tuple[str, int]], created: tuple[int, ...]
) -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        patch.object(relations_module, "LAZY_FROM_BYTES", 0),
    ):
        # What was counted of the same use is used again, and not where the dates are others.
        for kept, held in ((False, terms), (True, terms), (True, terms), (True, others)):
            found = _findings(_tables(held, uses, created), Path(folder), kept=kept)
            expected = _expected(held, uses, created)
            assert {f.code: (f.rows, f.total, f.example) for f in found} == expected
