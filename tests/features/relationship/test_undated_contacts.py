"""Contacts without a time: they count on every date, which is reported."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from features import build_features
from features.reading.frames import tables_from_frames
from features.reading.source import OpenedTables, open_tables
from features.reading.table_source import TableSource
from features.tables.truncation import as_known
from tests.features.company import DAY, UNTIL, company, frame

NAMES = ["contacts_present", "contacts_single_threaded", "contacts_new_90d"]


def opened(folder: Path, contacts: pd.DataFrame) -> OpenedTables:
    sources = {}
    for name in ("accounts", "subscriptions"):
        frame(name, company()[name]).to_csv(folder / f"{name}.csv", index=False)
        sources[name] = TableSource(path=f"{name}.csv")
    contacts.to_csv(folder / "contacts.csv", index=False)
    sources["contacts"] = TableSource(path="contacts.csv")
    return open_tables(sources, base=folder, observed_until=UNTIL)


CONTACTS = pd.DataFrame(
    {"account_id": ["busy", "busy", "young"], "contact_id": ["c1", "c2", "c3"], "role": "user"}
)


def of_day(features: pd.DataFrame) -> dict[str, list[float]]:
    rows = features.set_index("account_id")[NAMES]
    return {account: rows.loc[account].tolist() for account in ("busy", "young")}


@pytest.mark.slow
def test_a_contact_without_a_time_counts_on_every_date(tmp_path: Path) -> None:
    found = opened(tmp_path, CONTACTS)
    assert [(f.code, f.rows) for f in found.findings if f.table == "contacts"] == [("undated", 3)]
    for day in (DAY, DAY - timedelta(days=20)):
        built = build_features(found.tables, [day])
        assert of_day(built) == {"busy": [2.0, 0.0, 0.0], "young": [1.0, 1.0, 0.0]}
        known = build_features(as_known(found.tables, day), [day])
        pd.testing.assert_frame_equal(known, built)


def test_frames_are_treated_alike() -> None:
    frames = {name: frame(name, company()[name]) for name in ("accounts", "subscriptions")}
    tables = tables_from_frames({**frames, "contacts": CONTACTS}, observed_until=UNTIL)
    assert of_day(build_features(tables, [DAY]))["busy"] == [2.0, 0.0, 0.0]


@pytest.mark.quick_cases(1)
@pytest.mark.parametrize(("known_at", "expected"), [(-1, 3.0), (1, 2.0)])
def test_known_at_dates_a_contact_without_a_time(
    tmp_path: Path, known_at: int, expected: float
) -> None:
    time = datetime(DAY.year, DAY.month, DAY.day) + timedelta(days=known_at)
    more = pd.DataFrame({"account_id": ["busy"], "contact_id": ["c4"], "known_at": [time]})
    found = opened(tmp_path, pd.concat([CONTACTS, more], ignore_index=True))
    assert of_day(build_features(found.tables, [DAY]))["busy"][0] == expected
