"""Workbooks that nobody vouches for: read within limits or refused as a whole, in words."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import openpyxl
import pandas as pd
import pytest

from features.errors import HealthError
from features.reading import workbooks
from health.workbook.outcomes import import_outcomes
from tests.health.conftest import Demo, call_health

AT = datetime(2026, 11, 3)
SHEET = "xl/worksheets/sheet1.xml"


def _workbook(folder: Path, *rows: list[object], cell: str = "") -> Path:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.title = "At risk"
    for row in (["Account id", "Outcome", "Rest until", "Notes"], *rows):
        sheet.append(row)
    if cell:
        sheet[cell] = "x"
    file = folder / "outside.xlsx"
    book.save(file)
    return file


def _changed(file: Path, part: str, change: Callable[[bytes], bytes]) -> None:
    with zipfile.ZipFile(file) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    parts[part] = change(parts.get(part, b""))
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)


@pytest.mark.slow
@pytest.mark.parametrize("cell", ["XFD1", "XFD3", "XFD1048576", "A1048576"])
def test_a_cell_far_away_is_no_row(tmp_path: Path, cell: str) -> None:
    file = _workbook(tmp_path, ["a", "saved", None, None], cell=cell if cell != "A1048576" else "")
    assert import_outcomes(file, tmp_path / "actions.csv", at=AT).added == 1


def test_what_a_file_says_of_its_size_is_not_believed(tmp_path: Path) -> None:
    file = _workbook(tmp_path, ["a", "saved", None, None])
    _changed(
        file,
        SHEET,
        lambda xml: xml.replace(b'ref="A1:D2"', b'ref="A1:XFD1048576"').replace(
            b"</sheetData>",
            b'</sheetData><mergeCells count="1"><mergeCell ref="A5:XFD1048576"/></mergeCells>',
        ),
    )
    assert import_outcomes(file, tmp_path / "actions.csv", at=AT).added == 1


@pytest.mark.parametrize(
    ("part", "change"),
    [
        (SHEET, lambda xml: xml[: len(xml) // 2]),
        (SHEET, lambda xml: b'<!DOCTYPE x [<!ENTITY a "b">]>' + xml),
        (SHEET, lambda xml: b"\xff\xfe" + "<!doctype x []><a/>".encode("utf-16-le")),
        (SHEET, lambda xml: xml.replace(b'r="A2"', b'r="nowhere"')),
        (SHEET, lambda xml: xml.replace(b't="s"', b't="s" s="9999"')),
        ("xl/styles.xml", lambda xml: b"<styleSheet><fonts><font><sz/></font></fonts>"),
        ("xl/styles.xml", lambda xml: xml.replace(b'numFmtId="0"', b'numFmtId="x"')),
        ("xl/workbook.xml", lambda xml: xml.replace(b"sheetId=", b"sheetNo=")),
        ("xl/workbook.xml", lambda xml: b""),
        ("[Content_Types].xml", lambda xml: b"<Types/>"),
        ("xl/sharedStrings.xml", lambda xml: b"<sst><si><t>x"),
    ],
)
def test_a_broken_part_is_reported(
    tmp_path: Path, part: str, change: Callable[[bytes], bytes]
) -> None:
    file = _workbook(tmp_path, ["a", "saved", None, None])
    _changed(file, part, change)
    actions = tmp_path / "actions.csv"
    try:
        import_outcomes(file, actions, at=AT)
    except HealthError as error:
        assert str(file) in str(error)
        assert not actions.exists()


@pytest.mark.parametrize(
    ("limit", "value", "said"),
    [("MOST_BYTES", 10, "bytes"), ("MOST_UNPACKED", 10, "unpacks"), ("MOST_CELLS", 3, "cells")],
)
def test_a_workbook_beyond_the_limits_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, value: int, said: str
) -> None:
    file = _workbook(tmp_path, ["a", "saved", None, None])
    monkeypatch.setattr(workbooks, limit, value)
    with pytest.raises(HealthError, match=said):
        import_outcomes(file, tmp_path / "actions.csv", at=AT)


@pytest.mark.parametrize("part", ["xl/sharedStrings.xml", "xl/styles.xml", "docProps/core.xml"])
def test_a_small_file_that_unpacks_to_much_is_refused(tmp_path: Path, part: str) -> None:
    file = _workbook(tmp_path, ["a", "saved", None, None])
    _changed(file, part, lambda xml: xml + b"<si><t>a</t></si>" * 300_000)
    with pytest.raises(HealthError, match="times its size"):
        import_outcomes(file, tmp_path / "actions.csv", at=AT)


def test_a_folder_is_no_workbook(tmp_path: Path) -> None:
    with pytest.raises(HealthError, match="not a readable workbook"):
        import_outcomes(tmp_path, tmp_path / "actions.csv", at=AT)


@pytest.mark.slow
def test_what_the_next_check_would_refuse_is_not_imported(demo: Demo, own_tables: Path) -> None:
    config = own_tables / "health.toml"
    account = _known_account(demo)
    for row, said in (
        (["nobody", "saved", None, None], "unknown_account"),
        ([account, "not now", datetime(1901, 1, 1), None], "until"),
        ([account, "not now", datetime(9999, 1, 1), None], "until"),
    ):
        file = _workbook(own_tables, [account, "called", None, None], row)
        done = call_health("actions", "import", file, "--config", config)
        assert done.code == 2, row
        assert said in done.err
        assert not (own_tables / "actions.csv").exists()
    refused = call_health(
        "actions", "import", _workbook(own_tables, [account, "called", None, None]),
        *("--config", config, "--at", "1901-01-01"),
    )  # fmt: skip
    assert refused.code == 2
    file = _workbook(own_tables, [account, "called", None, "+1 seat, @Ada"])
    assert call_health("actions", "import", file, "--config", config).code == 0
    assert call_health("check", config).code == 0


def _known_account(demo: Demo) -> str:
    return str(pd.read_parquet(demo.runs[-1] / "scores.parquet")["account_id"].iloc[0])
