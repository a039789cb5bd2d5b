"""What people write in the app reaches the batch, point in time, with the bytes of CSV files."""

from __future__ import annotations

import shutil
from datetime import datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from features.errors import HealthError
from health.app.access.users import add_user, find_user
from health.app.database.engine import Database, open_database
from health.app.records.entries import (
    ActionEntry,
    ClosureEntry,
    Entry,
    ForecastEntry,
    OverrideEntry,
)
from health.app.records.read import running_overrides
from health.app.records.write import undo, write_entries, write_entry
from health.business.app_database import database_url
from health.business.company import open_company
from health.flags.actions import read_actions
from health.scorecard.overrides import active_overrides
from health.settings.config import load_config
from health.voice.followup import read_raised
from tests.health.conftest import Demo, call_health

DAY = datetime(2026, 11, 1)
BEFORE, AFTER = DAY - timedelta(days=4), DAY + timedelta(days=1)


def fill(database: Database, accounts: list[str]) -> None:
    """Write as a CSM: actions, an override and a call, one of each undone later."""
    add_user(database, "csm", role="csm", name="Chloe", now=BEFORE)
    user = find_user(database, "csm")
    assert user is not None
    entries: list[Entry] = [
        ActionEntry(action="called", flag="at_risk", reason='said "no", =1+1; ö'),
        ActionEntry(action="snooze", until=AFTER + timedelta(days=30)),
        OverrideEntry(measure="health", value=12.25, reason="left", expires_at=AFTER),
        ForecastEntry(call="at_risk", amount=1200.5, renews_at=AFTER),
        ActionEntry(action="lost"),
    ]
    for number, entry in enumerate(entries):
        record = write_entry(
            database,
            entry,
            account_id=accounts[number],
            user=user,
            request_id=f"{number:032d}",
            now=BEFORE + timedelta(hours=number),
        )
    undo(database, "actions", record, user=user, request_id="u" * 32, now=DAY - timedelta(days=1))


@pytest.fixture
def company(demo: Demo, tmp_path: Path) -> Path:
    """A copy of the demo company whose configuration names empty CSV files for two tables."""
    folder = tmp_path / "company"
    shutil.copytree(demo.folder, folder, symlinks=True)
    config = folder / "health.toml"
    text = config.read_text(encoding="utf-8")
    for table in ("overrides", "forecasts"):
        text += f'\n[tables.{table}]\npath = "{table}.csv"\n'
    config.write_text(text, encoding="utf-8")
    shutil.rmtree(folder / "runs")
    (folder / "actions.csv").write_text("account_id,action,at,flag,product,until,reason,author\n")
    (folder / "overrides.csv").write_text(
        "account_id,measure,value,author,reason,created_at,expires_at\n"
    )
    (folder / "forecasts.csv").write_text("account_id,call,amount,author,created_at,renews_at\n")
    return folder


def accounts_of(demo: Demo) -> list[str]:
    scores = pd.read_parquet(demo.runs[-1] / "scores.parquet", columns=["account_id"])
    return sorted(scores["account_id"])[:5]


@pytest.mark.slow
def test_a_closure_in_the_app_is_that_of_a_file(demo: Demo, own_tables: Path) -> None:
    """Rows of raised.csv that are closed in the app are the rows of one that has closed_at."""
    one, two, three, *_ = accounts_of(demo)
    config, header = own_tables / "health.toml", "account_id,kind,subject,raised_with,raised_at"
    table = '\n[tables.raised]\npath = "raised.csv"\n'
    config.write_text(config.read_text(encoding="utf-8") + table, encoding="utf-8")
    rows = [f"{own}, Theme,slow,product,2026-10-01" for own in (one, two, three)]
    ends = ["closed_at,outcome", "2026-10-29,Faster", "2026-10-03,by hand", ","]
    file = own_tables / "raised.csv"

    def write(*closed: str) -> None:
        lines = [f"{row},{end}" for row, end in zip([header, *rows], closed, strict=True)]
        file.write_text("\n".join(lines) + "\n", encoding="utf-8")

    def read(day: datetime) -> pd.DataFrame:
        tables = open_company(load_config(config)).opened.tables
        return read_raised(tables, day).drop(columns="closure_id")

    write(*ends)
    as_file = read(DAY)
    assert as_file["outcome"].dropna().tolist() == ["Faster", "by hand"]
    write(ends[0], ",", ends[2], ",")
    database = open_database(database_url("", runs_dir=own_tables / "runs"), now=BEFORE)
    add_user(database, "csm", role="csm", name="Chloe", now=BEFORE)
    user = find_user(database, "csm")
    assert user is not None
    # The file has closed the second row already, and the closure of the third is undone.
    entry = ClosureEntry(kind="theme", subject="slow", closed_at="2026-10-29", outcome="Faster")
    requests = {own: f"{own:_>32}" for own in (one, two, three)}
    now = BEFORE + timedelta(days=2)
    written = write_entries(database, entry, requests=requests, user=user, now=now)
    at = now + timedelta(days=1)
    undo(database, "closures", written[2], user=user, request_id="u" * 32, now=at)
    database.close()
    pd.testing.assert_frame_equal(read(DAY), as_file)
    # Before it was written, nobody knew of it; before it was undone, it counted.
    assert read(datetime(2026, 10, 30))["closed_at"].notna().sum() == 1
    assert read(datetime(2026, 10, 31))["closed_at"].notna().sum() == 3


@pytest.mark.slow
def test_a_run_has_the_bytes_of_one_from_csv_files(demo: Demo, company: Path) -> None:
    accounts, config = accounts_of(demo), company / "health.toml"
    files = {
        "actions": [
            "account_id,action,at,flag,product,until,reason,author,undone_at",
            f'{accounts[0]},called,2026-10-28 00:00:00,at_risk,,,"said ""no"", =1+1; ö",Chloe,',
            f"{accounts[1]},snooze,2026-10-28 01:00:00,,,2026-12-02 00:00:00,,Chloe,",
            f"{accounts[4]},lost,2026-10-28 04:00:00,,,,,Chloe,2026-10-31 00:00:00",
        ],
        "overrides": [
            "account_id,measure,value,author,reason,created_at,expires_at",
            f"{accounts[2]},health,12.25,Chloe,left,2026-10-28 02:00:00,2026-11-02 00:00:00",
        ],
        "forecasts": [
            "account_id,call,amount,author,created_at,renews_at",
            f"{accounts[3]},at_risk,1200.5,Chloe,2026-10-28 03:00:00,2026-11-02 00:00:00",
        ],
    }
    empty = {name: (company / f"{name}.csv").read_text() for name in files}
    for name, lines in files.items():
        (company / f"{name}.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    assert call_health("score", config).code == 0
    from_csv = {p.name: p.read_bytes() for p in sorted((company / "runs").glob("as_of=*/*.*"))}
    shutil.rmtree(company / "runs")
    for name, text in empty.items():
        (company / f"{name}.csv").write_text(text)
    database = open_database(database_url("", runs_dir=company / "runs"), now=BEFORE)
    fill(database, accounts)
    database.close()
    assert call_health("score", config).code == 0
    from_app = {p.name: p.read_bytes() for p in sorted((company / "runs").glob("as_of=*/*.*"))}
    del from_csv["run.json"], from_app["run.json"]
    assert from_csv.keys() == from_app.keys()
    assert [name for name in from_csv if from_csv[name] != from_app[name]] == []
    scores = pd.read_parquet(company / "runs" / "latest" / "scores.parquet")
    assert scores.set_index("account_id").loc[accounts[2], "health_score"] == 12.25


@pytest.mark.slow
def test_the_rows_count_as_they_did_at_the_time(demo: Demo, own_tables: Path, url: str) -> None:
    accounts = accounts_of(demo)
    database = open_database(url, now=BEFORE)
    fill(database, accounts)
    user = find_user(database, "csm")
    assert user is not None
    with database.read() as session:
        own = running_overrides(session, accounts[2], now=DAY)[0].id
    undo(database, "overrides", own, user=user, request_id="v" * 32, now=DAY + timedelta(hours=12))
    database.close()
    config = own_tables / "health.toml"
    config.write_text(config.read_text() + f'\n[app]\ndatabase = "{url}"\n', encoding="utf-8")
    tables = open_company(load_config(config)).opened.tables
    lost = accounts[4]
    # Undone on 31 October: known on the 30th, not on 1 November.
    assert lost in set(read_actions(tables, DAY - timedelta(days=2))["account_id"])
    assert lost not in set(read_actions(tables, DAY)["account_id"])
    assert len(read_actions(tables, BEFORE)) == 0
    assert list(active_overrides(tables, [DAY])["value"]) == [12.25]
    assert len(active_overrides(tables, [DAY + timedelta(days=1)])) == 0


@pytest.mark.slow
def test_rows_of_the_configuration_stay(demo: Demo, own_tables: Path) -> None:
    accounts, config = accounts_of(demo), own_tables / "health.toml"
    (own_tables / "done.csv").write_text(
        f"who,action,at\n{accounts[3]},saved,2026-10-01\n", encoding="utf-8"
    )
    table = '\n[tables.actions]\npath = "done.csv"\ncolumns = { account_id = "who" }\n'
    config.write_text(config.read_text() + table, encoding="utf-8")
    database = open_database(database_url("", runs_dir=own_tables / "runs"), now=BEFORE)
    fill(database, accounts)
    database.close()
    actions = read_actions(open_company(load_config(config)).opened.tables, DAY)
    assert list(actions["action"]) == ["saved", "called", "snooze"]
    assert list(actions["account_id"]) == [accounts[3], accounts[0], accounts[1]]


def test_an_unreadable_database_is_one_clear_error(own_tables: Path) -> None:
    runs = own_tables / "runs"
    runs.mkdir()
    (runs / "app.sqlite").write_bytes(b"no database, but long enough to be looked at" * 99)
    with pytest.raises(HealthError, match=r"cannot be read: file is not a database"):
        open_company(load_config(own_tables / "health.toml"))
