"""The features of any parts of the accounts are those of the whole company."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from features.build import build_features, build_part, pooled
from features.parts import Known, Parts, whole_of
from features.rollups.parted import divide, open_part
from features.tables.opened import Tables, Whole
from tests.features.company import DAY, Rows, company, open_tables
from tests.features.random_company import ACCOUNTS, random_company
from tests.features.text_models import SETTINGS

DATES = [DAY - timedelta(days=35), DAY]


def joined(parts: Iterable[pd.DataFrame]) -> pd.DataFrame:
    """Return the feature tables of all parts as one, in its order."""
    filled = list(parts)
    filled = [part for part in filled if len(part)] or filled[:1]
    table = pd.concat(filled, ignore_index=True)
    return table.sort_values(["as_of", "account_id"], kind="stable", ignore_index=True)


def joined_from(parts: list[Tables]) -> pd.DataFrame:
    """Build the features of each part, without any other's tables."""
    known = [Known.of(part, DATES, SETTINGS) for part in parts]
    whole = whole_of(known, DATES)
    built = [build_part(replace(part, whole=whole), DATES, SETTINGS) for part in parts]
    statistics = pooled([part.shares() for part in built])
    return joined(part.finished(statistics, SETTINGS) for part in built)


def of_accounts(rows: Rows, names: set[str]) -> Tables:
    """Open the rows of some accounts; a table without any has its columns."""
    own = {
        table: [row for row in listed if row["account_id"] in names]
        for table, listed in rows.items()
    }
    return open_tables(own)


@pytest.mark.slow
# An example takes too long to be made smaller.
@settings(max_examples=5, deadline=None, phases=(Phase.explicit, Phase.reuse, Phase.generate))
@given(data=st.data(), seed=st.integers(0, 10**6), parts=st.integers(1, 7))
def test_any_parts_are_the_whole(data: st.DataObject, seed: int, parts: int) -> None:
    rows = random_company(seed)
    of_parts = st.lists(st.integers(0, parts - 1), min_size=len(ACCOUNTS), max_size=len(ACCOUNTS))
    owner = dict(zip(ACCOUNTS, data.draw(of_parts), strict=True))
    expected = build_features(open_tables(rows), DATES, SETTINGS)
    names = [{name for name in ACCOUNTS if owner[name] == part} for part in range(parts)]
    found = joined_from([of_accounts(rows, own) for own in names])
    pd.testing.assert_frame_equal(found, expected, rtol=1e-9, atol=1e-9)


@pytest.fixture(scope="module")
def whole() -> pd.DataFrame:
    return build_features(open_tables(company()), DATES, SETTINGS)


@pytest.mark.quick_cases(1)
@pytest.mark.parametrize("parts", [1, 3])
def test_tables_are_divided_on_disk(whole: pd.DataFrame, tmp_path: Path, parts: int) -> None:
    tables = open_tables(company())
    divide(tables, tmp_path, parts, dates=DATES, all_events=True)
    opened = [
        open_part(tmp_path / str(number), tables.observed_until, whole=Whole({}))
        for number in range(parts)
    ]
    found = joined_from(opened)
    pd.testing.assert_frame_equal(found, whole, rtol=1e-9, atol=1e-9)


@pytest.mark.slow
def test_parts_are_built_in_processes(whole: pd.DataFrame, tmp_path: Path) -> None:
    tables = open_tables(company())
    parts = Parts.divided(tables, DATES, SETTINGS, folder=tmp_path, parts=2, processes=2)
    found = joined(parts.built())
    pd.testing.assert_frame_equal(found, whole, rtol=1e-9, atol=1e-9)
