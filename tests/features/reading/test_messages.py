"""Files that are broken, and files that look broken: the line, the cause and the remedy."""

from __future__ import annotations

import gzip
from datetime import datetime
from pathlib import Path

import duckdb
import pytest

from features import build_features
from features.checks.findings import ALLOWABLE
from features.errors import Finding
from features.reading.table_source import TableSource
from features.tables import relations as relations_module
from features.tables.connection import reading_fault
from tests.features.small_company import FILES, broken, opened, refused, rows, write


def _usage(folder: Path, content: bytes, name: str = "usage.csv") -> dict[str, TableSource]:
    sources = write(folder)
    (folder / name).write_bytes(content)
    return {**sources, "usage": TableSource(path=name)}


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-8", "utf-8-sig"])
@pytest.mark.parametrize("sign", [",", "\t", ";"])
@pytest.mark.quick_cases(1)
def test_encodings_that_spreadsheets_write(tmp_path: Path, encoding: str, sign: str) -> None:
    text = FILES["accounts"].replace("Smith, Inc", "Smith Inc").replace(",", sign)
    mark = "\ufeff" if encoding.endswith("e") else ""
    sources = write(tmp_path)
    (tmp_path / "accounts.csv").write_bytes((mark + text).encode(encoding))
    found = rows(opened(tmp_path, sources), "accounts")
    assert found["name"].tolist()[:2] == ["Smith Inc", "Müller"]


def test_files_of_two_encodings_in_one_folder(tmp_path: Path) -> None:
    (tmp_path / "usage").mkdir()
    late = FILES["usage"].replace("2025-05", "2025-04")
    (tmp_path / "usage" / "4.csv").write_bytes(late.encode("utf-16"))
    sources = {**_usage(tmp_path, FILES["usage"].encode(), "usage/5.csv")}
    sources["usage"] = TableSource(path="usage")
    assert len(rows(opened(tmp_path, sources), "usage")) == 6


@pytest.mark.parametrize("ends", ["\r\n,\n", "\n,\r\n", "\r,\n", "\n,\r,\r\n"])
@pytest.mark.slow
def test_lines_that_end_in_several_ways(tmp_path: Path, ends: str) -> None:
    lines = FILES["usage"].splitlines()
    kinds = ends.split(",")
    text = "".join(line + kinds[n % len(kinds)] for n, line in enumerate(lines))
    found = rows(opened(tmp_path, _usage(tmp_path, text.encode())), "usage")
    assert found["event"].tolist() == ["login", "login", "report"]
    packed = _usage(tmp_path, gzip.compress(text.encode()), "usage.csv.gz")
    assert len(rows(opened(tmp_path, packed), "usage")) == 3


def _only(folder: Path, sources: dict[str, TableSource]) -> Finding:
    (finding,) = refused(folder, sources)
    return finding


@pytest.mark.quick_cases(2)
@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('002,"login,2025-06-01,2', ["quote", "opened in line 3", "never closed"]),
        ('002,"log"in,2025-06-01,2', ["quote within a quoted value", "line 3"]),
        ("002,login,2025-06-01,2,5", ["5 values in line 3", "4 in its header"]),
        (
            '002,"login,2025-06-01\n003,"x",2025-06-01,2',
            ["within a quoted value", "lines 3 to 4"],
        ),
    ],
)
def test_broken_lines_are_named(tmp_path: Path, line: str, words: list[str]) -> None:
    text = FILES["usage"].replace("002,login,2025-06-01T12:30:00,2", line)
    (finding,) = broken(tmp_path, usage=text)
    assert finding.code == "unreadable"
    assert all(word in finding.what for word in words), finding.what


@pytest.mark.slow
def test_gzip_that_is_truncated_or_is_none(tmp_path: Path) -> None:
    text = FILES["usage"] + "".join(f"001,e{n},2025-05-01,{n * 7919}\n" for n in range(60_000))
    packed = gzip.compress(text.encode())
    for size in (30, len(packed) // 2, len(packed) - 4):
        finding = _only(tmp_path, _usage(tmp_path, packed[:size], "usage.csv.gz"))
        assert "truncated" in finding.what
        assert "again" in finding.fix
    finding = _only(tmp_path, _usage(tmp_path, FILES["usage"].encode(), "usage.csv.gz"))
    assert "not gzipped" in finding.what


def test_a_query_that_fails_is_shown_with_line_and_caret(tmp_path: Path) -> None:
    sql = "select account_id,\n  product, started,\n ended_at, mrr\nfrom 'subscriptions.csv'"
    sources = {**write(tmp_path), "subscriptions": TableSource(sql=sql)}
    what = _only(tmp_path, sources).what.splitlines()
    assert "started" in what[0]
    line = next(n for n, text in enumerate(what) if "line 2:" in text)
    assert what[line + 1].index("^") == what[line].index("started")


def test_parquet_cut_off_before_it_is_read(tmp_path: Path) -> None:
    sources = write(tmp_path)
    frame = rows(opened(tmp_path, sources), "usage")
    frame.to_parquet(tmp_path / "usage.parquet")
    whole = (tmp_path / "usage.parquet").read_bytes()
    finding = _only(tmp_path, _usage(tmp_path, whole[:-30], "usage.parquet"))
    assert finding.code == "unreadable"
    assert "usage.parquet" in str(finding)
    assert "again" in finding.fix
    assert datetime(2025, 12, 30) in set(frame["occurred_at"])


@pytest.mark.slow
def test_parquet_cut_off_after_its_check_is_named_with_a_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relations_module, "LAZY_FROM_BYTES", 0)
    frame = rows(opened(tmp_path, write(tmp_path)), "usage")
    sources = {**write(tmp_path), "usage": TableSource(path="usage.parquet")}
    file = tmp_path / "usage.parquet"
    frame.to_parquet(file)
    tables = opened(tmp_path, sources, observed_until=datetime(2026, 1, 1)).tables
    file.write_bytes(file.read_bytes()[:200])
    with pytest.raises(duckdb.Error) as caught:
        build_features(tables, [datetime(2025, 12, 28)])
    fault = reading_fault(caught.value)
    assert fault is not None
    assert "usage.parquet" in fault.what
    assert (fault.exit_code, "again" in fault.fix) == (2, True)
    assert reading_fault(ValueError("a fault of ours")) is None


def test_each_finding_ends_with_its_code_and_the_settings_list_those_to_allow(
    tmp_path: Path,
) -> None:
    (finding,) = broken(tmp_path, usage=FILES["usage"].replace("2025-05-01,1", "2025-05-01,-1"))
    assert str(finding).endswith(f"[{finding.code}]")
    page = (Path(__file__).parents[3] / "health" / "SETTINGS.md").read_text()
    lines = [line for line in page.splitlines() if line.startswith("| allow |")]
    assert any(all(code in line for code in ALLOWABLE) for line in lines)


@pytest.mark.quick_cases(1)
@pytest.mark.parametrize(
    ("start", "kind"),
    [(b"PAR1", "a Parquet file"), (b"PK\x03\x04", "an Excel workbook"), (b"\x1f\x8b", "gzip")],
)
def test_a_file_of_another_kind_than_its_name_promises(
    tmp_path: Path, start: bytes, kind: str
) -> None:
    finding = _only(tmp_path, _usage(tmp_path, start + b"data\n" + bytes(range(128, 256))))
    assert kind in finding.what
    assert "ending" in finding.fix


@pytest.mark.parametrize("damage", ["the end", "the middle", "all"])
@pytest.mark.slow
def test_a_damaged_parquet_file_of_a_folder_is_named(tmp_path: Path, damage: str) -> None:
    frame = rows(opened(tmp_path, write(tmp_path)), "usage")
    (tmp_path / "usage").mkdir()
    for month in ("4", "5", "6"):
        frame.to_parquet(tmp_path / "usage" / f"{month}.parquet")
    file = tmp_path / "usage" / "5.parquet"
    whole = file.read_bytes()
    broken_ = {
        "the end": whole[:-30],
        "the middle": whole[:4] + bytes(300) + whole[304:],
        "all": b"account_id,event\n" * 9,
    }
    file.write_bytes(broken_[damage])
    sources = {**write(tmp_path), "usage": TableSource(path="usage")}
    finding = _only(tmp_path, sources)
    assert finding.what.startswith("5.parquet is ")
    assert "again" in finding.fix


@pytest.mark.quick_cases(1)
@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf_16_without_a_mark(tmp_path: Path, encoding: str) -> None:
    found = opened(tmp_path, _usage(tmp_path, FILES["usage"].encode(encoding)))
    assert len(rows(found, "usage")) == 3
