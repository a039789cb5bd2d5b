"""JSON lines, workbooks and SQLite files give the same table as CSV, gzipped or not."""

from __future__ import annotations

import gzip
import io
import json
import re
import sqlite3
import zipfile
from collections.abc import Callable
from pathlib import Path

import openpyxl
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from features.errors import HealthError, InputError
from features.reading.other_files import sheets_of
from features.reading.source import open_tables
from features.reading.table_source import TableSource
from features.tables.point_in_time import collect

ACCOUNTS = pd.DataFrame(
    {
        "account_id": ["007", "2", "3"],
        "created_at": pd.to_datetime(["2025-01-01 00:00", "2025-02-01 10:30", "2025-03-01 00:00"]),
        "name": ['Ann\'s "shop"', None, "Ünal"],
        "segment": ["big", None, "small"],
    }
)
SUBSCRIPTIONS = pd.DataFrame(
    {
        "account_id": ["007", "2"],
        "product": "core",
        "started_at": pd.to_datetime(["2025-01-01", "2025-02-02"]),
        "ended_at": pd.to_datetime([None, "2026-01-01"]),
        "mrr": [100.5, 20.0],
    }
)
TABLES = {"accounts": ACCOUNTS, "subscriptions": SUBSCRIPTIONS}


def csv(folder: Path, name: str, table: pd.DataFrame) -> str:
    table.to_csv(folder / f"{name}.csv", index=False)
    return f"{name}.csv"


def json_lines(folder: Path, name: str, table: pd.DataFrame) -> str:
    table.to_json(folder / f"{name}.jsonl", orient="records", lines=True, date_format="iso")
    return f"{name}.jsonl"


def json_array(folder: Path, name: str, table: pd.DataFrame) -> str:
    table.to_json(folder / f"{name}.json", orient="records", date_format="iso")
    return f"{name}.json"


def excel(folder: Path, name: str, table: pd.DataFrame) -> str:
    book = openpyxl.Workbook()
    notes = book.active
    assert notes is not None
    notes.title = "Notes"
    sheet = book.create_sheet(name.capitalize())
    sheet.append(list(table.columns))
    for row in table.astype(object).where(table.notna(), None).itertuples(index=False):
        sheet.append(list(row))
    book.save(folder / f"{name}.xlsx")
    return f"{name}.xlsx"


def sqlite(folder: Path, name: str, table: pd.DataFrame) -> str:
    with sqlite3.connect(folder / f"{name}.db") as connection:
        table.to_sql(name, connection, index=False)
        connection.execute("CREATE TABLE notes (a)")
    return f"{name}.db"


def read(folder: Path, paths: dict[str, str]) -> dict[str, pd.DataFrame]:
    sources = {name: TableSource(path=path) for name, path in paths.items()}
    until = pd.Timestamp("2026-06-01").to_pydatetime()
    opened = open_tables(sources, base=folder, observed_until=until).tables
    return {
        name: collect(opened[name]).sort_values("account_id", ignore_index=True) for name in paths
    }


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("kind", [json_lines, json_array, excel, sqlite])
@pytest.mark.quick_cases(1)
def test_every_kind_of_file_gives_the_same_table(
    tmp_path: Path, kind: Callable[[Path, str, pd.DataFrame], str], packed: bool
) -> None:
    expected = read(tmp_path, {name: csv(tmp_path, name, table) for name, table in TABLES.items()})
    paths = {name: kind(tmp_path, name, table) for name, table in TABLES.items()}
    if packed:
        for name, path in paths.items():
            content = (tmp_path / path).read_bytes()
            (tmp_path / f"{path}.gz").write_bytes(gzip.compress(content))
            paths[name] = f"{path}.gz"
    found = read(tmp_path, paths)
    for name, table in expected.items():
        assert_frame_equal(found[name][table.columns], table)


def test_a_folder_of_json_lines_and_keys_that_come_late(tmp_path: Path) -> None:
    folder = tmp_path / "accounts"
    folder.mkdir()
    rows = [{"account_id": str(n), "created_at": "2025-01-01"} for n in range(3000)]
    late = {"account_id": "x", "created_at": "2025-01-01", "segment": "big"}
    for number, part in enumerate((rows, [late])):
        lines = "\n".join(json.dumps(row) for row in part)
        (folder / f"{number}.jsonl").write_text(lines)
    theirs = csv(tmp_path, "s", SUBSCRIPTIONS.assign(account_id="x", product=["a", "b"]))
    paths = {"accounts": "accounts", "subscriptions": theirs}
    accounts = read(tmp_path, paths)["accounts"]
    assert len(accounts) == 3001
    assert accounts.set_index("account_id").loc["x", "segment"] == "big"


@pytest.mark.quick_cases(4)
@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.jsonl", b'{"account_id": 1}\n\n{"account_id": }\n', "is no JSON in line 3 ("),
        ("a.json", b'[{"account_id": 1},\n{"account_id":', "is no JSON in line 2 ("),
        ("a.jsonl", b'{"account_id": "\xe4"}\n', "is not UTF-8 text (line 1)"),
        ("a.jsonl.gz", gzip.compress(b'{"account_id": 1}\n' * 99, mtime=0)[:30], "is truncated"),
        ("a.jsonl.gz", b'{"account_id": 1}\n', "is not gzipped, as its name promises"),
        ("a.jsonl", b"", "no JSON object"),
        ("a.xlsx", b"no workbook", "workbook"),
        ("a.db", b"no database at all, but long enough for a header" * 20, "SQLite"),
        ("a.db.gz", b"no gzip", "gzip"),
    ],
)
def test_what_cannot_be_read_is_named(
    tmp_path: Path, name: str, content: bytes, words: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises((InputError, HealthError)) as error:
        read(tmp_path, {"accounts": name, "subscriptions": csv(tmp_path, "s", SUBSCRIPTIONS)})
    assert words in str(error.value) and name in str(error.value)


def test_of_several_sheets_none_is_guessed(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    book.create_sheet("Customers")
    book.save(tmp_path / "a.xlsx")
    with pytest.raises(InputError, match=r"2 sheets, and none is called accounts.*Customers"):
        read(tmp_path, {"accounts": "a.xlsx", "subscriptions": csv(tmp_path, "s", SUBSCRIPTIONS)})


def _with_formulas(file: Path, **stored: str) -> None:
    """Write accounts whose cells B2 to B4 are formulas, stored as given by cell."""
    with zipfile.ZipFile(file, "w") as archive:
        book = io.BytesIO()
        empty = openpyxl.Workbook()
        sheet = empty.active
        assert sheet is not None
        sheet.title = "Accounts"
        for row in (["account_id", "created_at", "name", "note"], *(["x", "x", "x", "x"],) * 3):
            sheet.append(row)
        empty.save(book)
        with zipfile.ZipFile(book) as made:
            for part in made.namelist():
                content = made.read(part).decode()
                if part == "xl/workbook.xml":
                    asked = stored.get("asked", "fullPrecision")
                    content = content.replace("fullCalcOnLoad", asked)
                for cell, xml in {**PLAIN, **stored}.items():
                    content = re.sub(rf'<c r="{cell}".*?</c>', xml, content)
                archive.writestr(part, content)


def _cell(cell: str, value: str, kind: str = "") -> str:
    return f'<c r="{cell}"{kind}><f>1+1</f>{value}</c>'


PLAIN = {
    **{f"A{n}": f'<c r="A{n}"><v>{n}</v></c>' for n in (2, 3, 4)},
    **{f"B{n}": f'<c r="B{n}" t="str"><f>A{n}</f><v>2025-01-0{n}</v></c>' for n in (2, 3, 4)},
}
TEXT = ' t="str"'
LACKING = {
    "no value": {"B3": _cell("B3", "")},
    "an empty value": {"B3": _cell("B3", "<v></v>")},
    "an empty element": {"B3": _cell("B3", "<v />")},
    "never computed": {"B3": _cell("B3", "<v>0</v>"), "asked": "fullCalcOnLoad"},
    "shared": {"B3": '<c r="B3"><f t="shared" si="0"/></c>'},
    "a name": {"C2": _cell("C2", "")},
    "the first row": {"C1": _cell("C1", "")},
}


@pytest.mark.parametrize("stored", LACKING.values(), ids=LACKING)
@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.quick_cases(1)
def test_a_formula_without_a_stored_value_is_refused(
    tmp_path: Path, stored: dict[str, str], packed: bool
) -> None:
    _with_formulas(tmp_path / "accounts.xlsx", **stored)
    if packed:
        content = gzip.compress((tmp_path / "accounts.xlsx").read_bytes())
        (tmp_path / "accounts.xlsx.gz").write_bytes(content)
    path = "accounts.xlsx.gz" if packed else "accounts.xlsx"
    with pytest.raises(InputError, match="sheet Accounts: 1 cell is a formula without") as raised:
        read(tmp_path, {"accounts": path})
    (found,) = [f for f in raised.value.findings if f.table == "accounts"]
    assert "accounts.xlsx" in str(found) and "Excel" in found.fix
    cell = next(name for name in stored if name != "asked")
    assert f"row {cell[1]}" in found.what


def test_formulas_with_a_value_and_those_of_other_columns_are_read(tmp_path: Path) -> None:
    stored = {"C2": _cell("C2", "<v></v>", TEXT), "C3": _cell("C3", "<v>0</v>"),
              "D2": _cell("D2", "")}  # fmt: skip
    _with_formulas(tmp_path / "accounts.xlsx", **stored)
    csv(tmp_path, "subscriptions", SUBSCRIPTIONS.assign(account_id=["2", "3"]))
    found = read(tmp_path, {"accounts": "accounts.xlsx", "subscriptions": "subscriptions.csv"})
    assert found["accounts"]["created_at"].dt.day.tolist() == [2, 3, 4]
    assert found["accounts"]["name"].tolist() == [None, "0", "x"]


def test_rows_of_a_sheet_without_a_value_are_left_out(tmp_path: Path) -> None:
    paths = {name: excel(tmp_path, name, table) for name, table in TABLES.items()}
    expected = read(tmp_path, paths)
    book = openpyxl.load_workbook(tmp_path / paths["accounts"])
    sheet = book.worksheets[0]
    sheet.insert_rows(1, 2)
    sheet.cell(row=sheet.max_row + 3, column=1).value = " "
    book.save(tmp_path / paths["accounts"])
    for name, table in read(tmp_path, paths).items():
        assert_frame_equal(table, expected[name])


def test_formulas_without_a_heading_are_not_needed(tmp_path: Path) -> None:
    beyond = PLAIN["B3"] + _cell("C3", "<v>x</v>", TEXT) + _cell("G3", "")
    _with_formulas(tmp_path / "accounts.xlsx", B3=beyond, C3="")
    csv(tmp_path, "subscriptions", SUBSCRIPTIONS.assign(account_id=["2", "3"]))
    found = read(tmp_path, {"accounts": "accounts.xlsx", "subscriptions": "subscriptions.csv"})
    assert found["accounts"]["created_at"].dt.day.tolist() == [2, 3, 4]


def test_the_sheets_of_a_workbook_with_formulas_are_listed(tmp_path: Path) -> None:
    _with_formulas(tmp_path / "accounts.xlsx", C1=_cell("C1", ""), D2=_cell("D2", ""))
    rows = sheets_of(tmp_path / "accounts.xlsx")["Accounts"]
    assert rows.column_names == ["account_id", "created_at", "note"]
    assert rows["note"].to_pylist() == [None, "x", "x"]


def test_a_workbook_whose_list_of_sheets_is_numbered(tmp_path: Path) -> None:
    _with_formulas(tmp_path / "plain.xlsx")
    with (
        zipfile.ZipFile(tmp_path / "plain.xlsx") as plain,
        zipfile.ZipFile(tmp_path / "accounts.xlsx", "w") as numbered,
    ):
        for part in plain.namelist():
            content = plain.read(part).replace(b"xl/workbook.xml", b"xl/workbook2.xml")
            numbered.writestr(part.replace("workbook.xml", "workbook2.xml"), content)
    csv(tmp_path, "subscriptions", SUBSCRIPTIONS.assign(account_id=["2", "3"]))
    found = read(tmp_path, {"accounts": "accounts.xlsx", "subscriptions": "subscriptions.csv"})
    assert len(found["accounts"]) == 3


def test_bytes_that_are_no_text_stay_different(tmp_path: Path) -> None:
    ids = [bytes([200 + n]) * 16 for n in range(2)]
    with sqlite3.connect(tmp_path / "accounts.db") as connection:
        connection.execute("CREATE TABLE accounts (account_id, created_at)")
        rows = [(own, "2025-01-01") for own in (*ids, b"x1")]
        connection.executemany("INSERT INTO accounts VALUES (?, ?)", rows)
    theirs = csv(tmp_path, "s", SUBSCRIPTIONS.assign(account_id="x1", product=["a", "b"]))
    accounts = read(tmp_path, {"accounts": "accounts.db", "subscriptions": theirs})["accounts"]
    assert sorted(accounts["account_id"]) == sorted([*(own.hex() for own in ids), "x1"])
