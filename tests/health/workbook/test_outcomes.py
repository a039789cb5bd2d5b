"""Outcomes from the workbook to the table of actions and back into the lists."""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import openpyxl
import pandas as pd
import pytest

from features.errors import HealthError
from features.reading.frames import tables_from_frames
from health.flags.actions import read_actions
from health.workbook.book import write_workbook
from health.workbook.outcomes import import_outcomes
from tests.health.conftest import Demo, call_health
from tests.health.sample_run import SampleRun, sample_run, sample_week

AT = datetime(2026, 11, 3, 9)


@pytest.fixture(scope="module")
def sample() -> SampleRun:
    return sample_run()


@pytest.fixture
def workbook(sample: SampleRun, tmp_path: Path) -> Path:
    file = tmp_path / "flags.xlsx"
    write_workbook(file, *sample.parts)
    return file


def fill(file: Path, sheet: str, row: int, **cells: object) -> str:
    """Fill in a row as a CSM would, and return the account it is about."""
    book = openpyxl.load_workbook(file)
    own = book[sheet]
    places = {cell.value: cell.column for cell in own[1]}
    for title, value in cells.items():
        cell = own.cell(row, places[title.replace("_", " ")])
        cell.value = value
        if isinstance(value, str):
            # A text, whatever it starts with.
            cell.data_type = "s"
    account = own.cell(row, places["Account id"]).value
    book.save(file)
    return str(account)


def test_what_a_csm_fills_in_is_what_the_next_run_reads(workbook: Path, tmp_path: Path) -> None:
    saved = fill(workbook, "At risk", 3, Outcome="saved", Notes="=they stay")
    bought = fill(workbook, "Cross-sell", 2, Outcome="Bought")
    later = fill(workbook, "Upsell", 2, Outcome="not now", Rest_until=datetime(2026, 12, 1))
    file = tmp_path / "actions.csv"
    done = import_outcomes(workbook, file, at=AT, author="Ana")
    assert (done.added, done.known) == (3, 0)
    actions = tables_from_frames({"actions": pd.read_csv(file)}, observed_until=AT)
    read = read_actions(actions, datetime(2026, 11, 8)).set_index("flag")
    assert read["action"].to_dict() == {
        "at_risk": "saved",
        "cross_sell": "bought",
        "upsell": "snooze",
    }
    assert read["account_id"].to_dict() == {
        "at_risk": saved,
        "cross_sell": bought,
        "upsell": later,
    }
    assert read.loc["upsell", "until"] == pd.Timestamp(2026, 12, 1)
    assert read.loc["cross_sell", "product"]
    assert set(read["author"]) == {"Ana"}


@pytest.mark.slow
def test_a_note_without_an_outcome_is_kept_and_changes_no_list(
    sample: SampleRun, tmp_path: Path
) -> None:
    workbook = tmp_path / "flags.xlsx"
    write_workbook(workbook, *sample.parts, week=sample_week(sample))
    account = fill(workbook, "My week", 3, Notes="Left a voicemail")
    rested = fill(workbook, "At risk", 4, Rest_until=datetime(2026, 12, 1))
    file = tmp_path / "actions.csv"
    done = import_outcomes(workbook, file, at=AT)
    assert (done.added, done.notes) == (2, 1)
    tables = tables_from_frames({"actions": pd.read_csv(file)}, observed_until=AT)
    read = read_actions(tables, datetime(2026, 11, 8)).set_index("action")
    assert read.loc["note", ["account_id", "flag", "reason"]].tolist() == [
        account,
        None,
        "Left a voicemail",
    ]
    assert read.loc["snooze", "account_id"] == rested


@pytest.mark.parametrize("column", ["Outcome", "Notes"])
@pytest.mark.slow
def test_a_formula_without_a_value_is_refused(workbook: Path, tmp_path: Path, column: str) -> None:
    fill(workbook, "At risk", 3, Outcome="saved")
    book = openpyxl.load_workbook(workbook)
    sheet = book["At risk"]
    places = {cell.value: cell.column for cell in sheet[1]}
    sheet.cell(3, places[column]).value = '="called"'
    book.save(workbook)
    with pytest.raises(HealthError, match=rf"row 3: {column} is a formula without a value"):
        import_outcomes(workbook, tmp_path / "actions.csv", at=AT)


def test_a_sheet_that_is_listed_and_missing_is_refused(workbook: Path, tmp_path: Path) -> None:
    fill(workbook, "At risk", 3, Outcome="saved")
    with zipfile.ZipFile(workbook) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    links = "xl/_rels/workbook.xml.rels"
    parts[links] = re.sub(rb"worksheets/sheet3\.xml", b"worksheets/absent.xml", parts[links])
    with zipfile.ZipFile(workbook, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    with pytest.raises(HealthError, match=r"1 of .* sheets are not in the file"):
        import_outcomes(workbook, tmp_path / "actions.csv", at=AT)


@pytest.mark.slow
def test_a_file_imported_twice_adds_what_is_new_alone(workbook: Path, tmp_path: Path) -> None:
    file = tmp_path / "actions.csv"
    fill(workbook, "At risk", 2, Outcome="called")
    import_outcomes(workbook, file, at=AT)
    fill(workbook, "At risk", 4, Outcome="false alarm")
    again = import_outcomes(workbook, file, at=datetime(2026, 11, 4))
    assert (again.added, again.known) == (1, 1)
    assert pd.read_csv(file)["at"].tolist() == [str(AT), "2026-11-04 00:00:00"]


@pytest.mark.slow
def test_other_columns_and_rows_of_the_table_are_kept(workbook: Path, tmp_path: Path) -> None:
    file = tmp_path / "actions.csv"
    file.write_text("account_id,action,at,channel\n007,called,2026-10-01,phone\n")
    fill(workbook, "At risk", 2, Outcome="called")
    import_outcomes(workbook, file, at=AT)
    kept = pd.read_csv(file, dtype=str).iloc[0]
    assert (kept["account_id"], kept["channel"]) == ("007", "phone")


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        ({"Outcome": "perhaps"}, "'perhaps' is not an outcome"),
        ({"Outcome": "called", "Account_id": None}, "an outcome or a note without an account"),
        ({"Outcome": "not now", "Rest_until": "soon"}, "'soon' is not a date"),
    ],
)
@pytest.mark.slow
def test_a_wrong_cell_is_named_and_nothing_is_written(
    workbook: Path, tmp_path: Path, cells: dict[str, object], said: str
) -> None:
    fill(workbook, "Advocates", 2, Outcome="called")
    fill(workbook, "At risk", 3, **cells)
    with pytest.raises(HealthError, match="sheet At risk, row 3") as raised:
        import_outcomes(workbook, tmp_path / "actions.csv", at=AT)
    assert said in str(raised.value)
    assert not (tmp_path / "actions.csv").exists()


def test_what_is_no_workbook_of_a_run_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "flags.xlsx"
    with pytest.raises(HealthError, match="no such file"):
        import_outcomes(file, tmp_path / "actions.csv", at=AT)
    file.write_bytes(b"PK not a workbook")
    with pytest.raises(HealthError, match="not a readable workbook"):
        import_outcomes(file, tmp_path / "actions.csv", at=AT)
    openpyxl.Workbook().save(file)
    with pytest.raises(HealthError, match="none of the lists"):
        import_outcomes(file, tmp_path / "actions.csv", at=AT)


@pytest.mark.slow
def test_the_command_adds_to_the_table_beside_the_configuration(
    demo: Demo, own_tables: Path
) -> None:
    filled = own_tables / "filled.xlsx"
    filled.write_bytes((demo.runs[-1] / "flags.xlsx").read_bytes())
    account = fill(filled, "At risk", 2, Outcome="called")
    done = call_health("actions", "import", filled, "--config", own_tables / "health.toml")
    assert done.code == 0, done.err
    assert "1 added" in done.out
    assert account in (own_tables / "actions.csv").read_text()


_IMPORT = """
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from health.workbook.outcomes import import_outcomes
print("ready", flush=True)
sys.stdin.readline()
for workbook in sys.argv[2:]:
    import_outcomes(Path(workbook), Path(sys.argv[1]), at=datetime(2026, 11, 3))
"""


@pytest.mark.slow
def test_two_imports_at_the_same_time_lose_no_row(tmp_path: Path) -> None:
    file, of_each = tmp_path / "actions.csv", 8
    importers = []
    for name in range(2):
        workbooks = []
        for number in range(of_each):
            book = openpyxl.Workbook()
            sheet = book.active
            assert sheet is not None
            sheet.title = "At risk"
            sheet.append(["Account id", "Outcome", "Rest until", "Notes"])
            sheet.append([f"a{name}-{number}", "saved"])
            workbooks.append(tmp_path / f"{name}-{number}.xlsx")
            book.save(workbooks[-1])
        importers.append(
            subprocess.Popen(
                [sys.executable, "-c", _IMPORT, file, *workbooks],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
        )
    for importer in importers:
        assert importer.stdout and importer.stdout.readline() == "ready\n"
    for importer in importers:
        assert importer.stdin
        importer.stdin.write("\n")
        importer.stdin.flush()
    for importer in importers:
        importer.communicate(timeout=60)
        assert importer.returncode == 0
    accounts = pd.read_csv(file)["account_id"]
    assert sorted(accounts) == sorted(f"a{i}-{n}" for i in range(2) for n in range(of_each))


def _changed(file: Path, change: Callable[[openpyxl.Workbook], object]) -> None:
    book = openpyxl.load_workbook(file)
    change(book)
    book.save(file)


def _rename_column(book: openpyxl.Workbook, sheet: str, heading: str, name: str | None) -> None:
    cell = next(cell for cell in book[sheet][1] if cell.value == heading)
    cell.value = name


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda book: setattr(book["At risk"], "title", "At risk (Ana)"), "is none of the lists"),
        (lambda book: _rename_column(book, "At risk", "Notes", "My notes"), "no column Notes"),
        (lambda book: _rename_column(book, "At risk", "Rest until", None), "column Rest until"),
        (lambda book: _rename_column(book, "Upsell", "Product", "What"), "column Product"),
        (lambda book: _rename_column(book, "At risk", "Account", "Notes"), "column Notes 2 times"),
    ],
)
@pytest.mark.slow
def test_answers_that_would_be_lost_are_refused(
    workbook: Path,
    tmp_path: Path,
    change: Callable[[openpyxl.Workbook], object],
    message: str,
) -> None:
    fill(workbook, "At risk", 3, Outcome="saved", Notes="they stay")
    fill(workbook, "Upsell", 2, Outcome="called")
    _changed(workbook, change)
    with pytest.raises(HealthError, match=message):
        import_outcomes(workbook, tmp_path / "actions.csv", at=AT)
    assert not (tmp_path / "actions.csv").exists()
