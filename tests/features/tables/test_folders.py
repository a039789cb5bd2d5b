"""Files of a folder: nothing is skipped silently, and equal content counts once."""

from __future__ import annotations

import gzip
import io
from datetime import datetime
from pathlib import Path

import pandas as pd
import pytest

from features.errors import Finding, HealthError
from features.reading.table_source import TableSource
from features.tables import relations as relations_module
from features.tables.folders import data_files, partition_of
from tests.features.small_company import opened, refused, rows, write

END = datetime(2026, 1, 1)
HEAD = "account_id,event,occurred_at,user_id\n"


def month(number: int, user: str = "u1") -> str:
    days = (f"00{1 + day % 3},login,2025-{number:02d}-0{day} 09:3{day},{user}\n" for day in (1, 2))
    return HEAD + "".join(days)


def usage(folder: Path, **files: str | bytes) -> Path:
    (folder / "usage").mkdir(parents=True)
    for name, text in files.items():
        file = folder / "usage" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return folder / "usage"


def notes(folder: Path) -> tuple[int, dict[str, Finding]]:
    """Return the rows of usage that are read and the warnings about it, by code."""
    sources = {**write(folder), "usage": TableSource(path="usage")}
    result = opened(folder, sources, observed_until=END)
    found = {f.code: f for f in result.findings if f.table == "usage"}
    return len(rows(result, "usage")), found


def test_a_month_downloaded_twice_counts_once(tmp_path: Path) -> None:
    files = {"2025-05.csv": month(5), "2025-06.csv": month(6), "2025-05 (1).csv": month(5)}
    usage(tmp_path, **files)
    count, found = notes(tmp_path)
    assert count == 4
    assert found.keys() == {"duplicate_file"}
    assert "1 file with the content of others" in found["duplicate_file"].what
    assert "2025-05 (1).csv (as 2025-05.csv)" in found["duplicate_file"].what


@pytest.mark.quick_cases(2)
@pytest.mark.parametrize("form", ["line ends", "mark", "order", "columns"])
def test_a_month_exported_again_in_another_form_counts_once(tmp_path: Path, form: str) -> None:
    head, *lines = month(5).splitlines()
    other = {
        "line ends": month(5).replace("\n", "\r\n"),
        "mark": "\ufeff" + month(5),
        "order": "\n".join([head, *reversed(lines)]) + "\n",
        "columns": "\n".join(",".join(reversed(line.split(","))) for line in month(5).splitlines()),
    }
    usage(tmp_path, **{"5.csv": month(5), "6.csv": month(6), "5 again.csv": other[form]})
    count, found = notes(tmp_path)
    assert count == 4
    assert found.keys() == {"duplicate_file"}
    assert "5 again.csv (as 5.csv)" in found["duplicate_file"].what


@pytest.mark.slow
def test_parquet_compressed_in_another_way_counts_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "usage").mkdir()
    for number, name, kind in ((5, "5", "snappy"), (6, "6", "snappy"), (5, "5 again", "zstd")):
        frame = pd.read_csv(io.StringIO(month(number)), dtype=str)
        frame["occurred_at"] = pd.to_datetime(frame["occurred_at"])
        frame.to_parquet(tmp_path / "usage" / f"{name}.parquet", compression=kind)
    for size in (relations_module.LAZY_FROM_BYTES, 0):
        monkeypatch.setattr(relations_module, "LAZY_FROM_BYTES", size)
        count, found = notes(tmp_path)
        assert count == 4
        assert "5 again.parquet (as 5.parquet)" in found["duplicate_file"].what


def test_the_rows_of_another_file_and_one_more_are_other_content(tmp_path: Path) -> None:
    more = month(5) + "001,login,2025-05-09 09:39,u1\n"
    usage(tmp_path, **{"5.csv": month(5), "6.csv": month(6), "5 more.csv": more})
    _, found = notes(tmp_path)
    assert found.keys() == {"copied_rows"}


def test_a_folder_copied_and_a_file_unpacked_count_once(tmp_path: Path) -> None:
    packed = gzip.compress(month(6).encode())
    names = {"a/5.csv": month(5), "a copy/5.csv": month(5), "6.csv": month(6), "6.csv.gz": packed}
    usage(tmp_path, **names)
    count, found = notes(tmp_path)
    assert count == 4
    assert "6.csv.gz (as 6.csv)" in found["duplicate_file"].what
    assert "a copy/5.csv (as a/5.csv)" in found["duplicate_file"].what


@pytest.mark.parametrize("lazy_from", [0, relations_module.LAZY_FROM_BYTES])
@pytest.mark.slow
def test_equal_files_of_two_days_in_folder_names_are_two_days(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lazy_from: int
) -> None:
    monkeypatch.setattr(relations_module, "LAZY_FROM_BYTES", lazy_from)
    frame = pd.DataFrame({"event": ["login"], "user_id": ["u"]})
    for day in ("2025-05-01", "2025-05-02"):
        for account in ("001", "002"):
            place = tmp_path / "usage" / f"dt={day}" / f"account_id={account}"
            place.mkdir(parents=True)
            frame.to_parquet(place / "part-0.parquet", index=False)
    source = TableSource(path="usage", columns={"occurred_at": "dt"})
    for _ in range(2):  # the second time from kept roll-ups
        result = opened(
            tmp_path, {**write(tmp_path), "usage": source}, observed_until=END, rollups=Path("kept")
        )
        found = rows(result, "usage")
        assert found["account_id"].tolist() == ["001", "001", "002", "002"]
        assert sorted(found["occurred_at"].dt.day) == [1, 1, 2, 2]
        assert "usage" not in {f.table for f in result.findings}
        assert "usage" not in result.plain


def test_an_empty_file_is_named(tmp_path: Path) -> None:
    usage(tmp_path, **{"4.csv": month(4), "5.csv": ""})
    count, found = notes(tmp_path)
    assert count == 2
    assert "1 empty file: 5.csv" in found["empty_file"].what


def test_what_is_not_read_is_named(tmp_path: Path) -> None:
    place = usage(
        tmp_path,
        **{
            "5.csv": month(5),
            "_old/4.csv": month(4),
            "3.parquet.zst": "x",
            "notes.md": "x",
            "_SUCCESS": "",
            ".5.csv.crc": "x",
            ".DS_Store": "x",
        },
    )
    (place / "again").symlink_to(place)
    count, found = notes(tmp_path)
    assert count == 2
    what = found["skipped_files"].what
    assert "4 files" in what
    skipped = data_files("usage", tmp_path).skipped
    assert [name.partition(" ")[0] for name in skipped] == [
        "3.parquet.zst", "_old/4.csv", "again", "notes.md",
    ]  # fmt: skip
    assert "3.parquet.zst, _old/4.csv" in what


@pytest.mark.slow
def test_linked_folders_are_read_and_dead_links_are_refused(tmp_path: Path) -> None:
    place = usage(tmp_path, **{"5.csv": month(5)})
    (tmp_path / "archive").mkdir()
    (tmp_path / "archive" / "4.csv").write_text(month(4))
    (place / "archive").symlink_to(tmp_path / "archive")
    assert notes(tmp_path) == (4, {})
    (place / "6.csv").symlink_to(tmp_path / "gone.csv")
    (finding,) = refused(tmp_path, {**write(tmp_path), "usage": TableSource(path="usage")})
    assert "6.csv" in finding.what
    assert "1 link leads to no file" in finding.what


@pytest.mark.quick_cases(2)
@pytest.mark.parametrize(
    ("marker", "name"),
    [
        ("usage/_delta_log/0.json", "Delta"),
        ("usage/eu/_delta_log/0.json", "Delta"),
        ("usage/metadata/v1.metadata.json", "Iceberg"),
        ("usage/.hoodie/hoodie.properties", "Hudi"),
    ],
)
def test_table_formats_are_recognised(tmp_path: Path, marker: str, name: str) -> None:
    usage(tmp_path, **{"eu/part-0.csv": month(5)})
    (tmp_path / marker).parent.mkdir(parents=True)
    (tmp_path / marker).write_text("{}")
    with pytest.raises(HealthError, match=name) as caught:
        data_files("usage", tmp_path)
    assert "Parquet" in caught.value.fix
    inner = tmp_path / "usage" / "data"
    inner.mkdir()
    (inner / "1.csv").write_text(month(5))
    if marker.count("/") == 2:
        for path in ("usage/data", "usage/data/1.csv"):
            with pytest.raises(HealthError, match=name):
                data_files(path, tmp_path)
        sql = "select * from read_csv('usage/*/*.csv')"
        (finding,) = refused(tmp_path, {**write(tmp_path), "usage": TableSource(sql=sql)})
        assert name in finding.what


@pytest.mark.quick_cases(1)
@pytest.mark.parametrize("ending", ["csv", "parquet", "jsonl"])
def test_a_column_that_some_files_lack_is_named_with_the_files(tmp_path: Path, ending: str) -> None:
    place = usage(tmp_path)
    for number in (3, 4, 5, 6):
        frame = pd.read_csv(pd.io.common.StringIO(month(number)), dtype=str)
        if number > 4:
            frame = frame.rename(columns={"user_id": "userId"})
        if ending == "csv":
            frame.to_csv(place / f"2025-0{number}.csv", index=False)
        elif ending == "jsonl":
            frame.to_json(place / f"2025-0{number}.jsonl", orient="records", lines=True)
        else:
            frame.to_parquet(place / f"2025-0{number}.parquet", index=False)
    count, found = notes(tmp_path)
    assert count == 8
    assert found["column_lacking"].column == "user_id"
    what = found["column_lacking"].what
    assert "2 of 4 files" in what
    assert f"2025-05.{ending}, 2025-06.{ending}" in what
    assert "userId" in what


@pytest.mark.parametrize("ending", ["csv", "jsonl"])
def test_a_required_column_that_some_files_lack_is_an_error(tmp_path: Path, ending: str) -> None:
    place = usage(tmp_path)
    for number in (4, 5):
        frame = pd.read_csv(pd.io.common.StringIO(month(number)), dtype=str)
        frame = frame.rename(columns={"event": "action"} if number == 5 else {})
        if ending == "csv":
            frame.to_csv(place / f"{number}.csv", index=False)
        else:
            frame.to_json(place / f"{number}.jsonl", orient="records", lines=True)
    found = refused(tmp_path, {**write(tmp_path), "usage": TableSource(path="usage")})
    (lacking,) = [f for f in found if f.code == "column_lacking"]
    assert (lacking.column, "5." in lacking.what, "action" in lacking.what) == ("event", True, True)


@pytest.mark.slow
def test_days_in_the_names_of_folders_of_json_and_keys_that_appear_twice(tmp_path: Path) -> None:
    place = usage(tmp_path)
    for day in ("2025-05-01", "2025-05-02"):
        (place / f"dt={day}").mkdir()
        row = f'{{"account_id": "001", "event": "login", "user_id": "u{day}"}}'
        (place / f"dt={day}" / "a.jsonl").write_text(row)
    source = TableSource(path="usage", columns={"occurred_at": "dt"})
    result = opened(tmp_path, {**write(tmp_path), "usage": source}, observed_until=END)
    days = sorted(rows(result, "usage")["occurred_at"])
    assert days == [pd.Timestamp(2025, 5, 1), pd.Timestamp(2025, 5, 2)]
    twice = '{"account_id": "001", "event": "a", "event": "b", "occurred_at": "2025-05-01"}'
    (tmp_path / "usage.json").write_text(twice)
    sources = {**write(tmp_path), "usage": TableSource(path="usage.json")}
    (finding,) = refused(tmp_path, sources)
    assert (finding.code, finding.column) == ("repeated_column", "event")


@pytest.mark.parametrize("twice", ["mrr", "MRR"])
@pytest.mark.slow
def test_a_column_name_that_appears_twice_is_refused(tmp_path: Path, twice: str) -> None:
    head = f"account_id,product,started_at,ended_at,mrr,{twice}\n"
    sources = write(tmp_path, subscriptions=head + "001,crm,2025-01-01,,100,200\n")
    (finding,) = refused(tmp_path, sources)
    assert (finding.code, finding.column) == ("repeated_column", "mrr")
    assert "2 times" in finding.what
    sql = f"select * exclude ({twice}), 1 as {twice}, 2 as mrr from (select 1 as {twice}, '001' as "
    sql += "account_id, 'crm' as product, date '2025-01-01' as started_at, null as ended_at)"
    sources["subscriptions"] = TableSource(sql=sql)
    (finding,) = refused(tmp_path, sources)
    assert (finding.code, finding.column) == ("repeated_column", "mrr")


def test_a_name_that_is_not_read_may_appear_twice(tmp_path: Path) -> None:
    head = "account_id,product,started_at,ended_at,mrr,note,note,,\n"
    sources = write(tmp_path, subscriptions=head + "001,crm,2025-01-01,,100,a,b,,\n")
    assert len(rows(opened(tmp_path, sources), "subscriptions")) == 1


def test_values_in_folder_names() -> None:
    file = Path("usage/dt=2025-01-01/region=a=b/part=0.csv")
    assert partition_of(file) == {"dt": "2025-01-01", "region": "a=b"}


CONTRADICTED = [
    ("dt=2025-05-01", "dt", "2025-05-02", "2025-05-01 23:10:00"),
    ("dt=20250501", "dt", "2025-05-02", "2025-05-01"),
    ("region=EU%20West", "region", "EU East", "EU West"),
    ("dt=2025-05-01", "dt", "20250502", "20250501"),
    ("month=06", "month", "7", "6"),
]


@pytest.mark.parametrize("ending", ["csv", "parquet", "jsonl"])
@pytest.mark.parametrize(("folder", "key", "wrong", "same"), CONTRADICTED)
@pytest.mark.quick_cases(1)
def test_a_column_that_contradicts_the_name_of_its_folder_is_reported(
    tmp_path: Path, ending: str, folder: str, key: str, wrong: str, same: str
) -> None:
    place = usage(tmp_path)
    row = {"account_id": "001", "event": "login", "user_id": "u", "occurred_at": "2025-05-01"}
    for name, values in (("a", [same, wrong, wrong, None]), ("b", [same, same, same, same])):
        (place / folder).mkdir(exist_ok=True)
        frame = pd.DataFrame([row | {"user_id": f"{name}{n}"} for n in range(4)])
        frame[key] = values
        file = place / folder / f"{name}.{ending}"
        if ending == "csv":
            frame.to_csv(file, index=False)
        elif ending == "parquet":
            frame.to_parquet(file, index=False)
        else:
            frame.to_json(file, orient="records", lines=True)
    _, found = notes(tmp_path)
    note = found["contradicted_folder"]
    assert (note.level, note.column, note.rows) == ("warning", key, 2)
    assert note.example == f"{wrong} in {folder}/a.{ending}"
    assert f"1 file: {folder}/a.{ending}" in note.what
    counts = "the column counts" if ending == "jsonl" else "the folder's name counts"
    assert counts in note.what and key in note.fix


def test_of_several_keys_and_kinds_of_columns_only_what_contradicts_is_reported(
    tmp_path: Path,
) -> None:
    place = usage(tmp_path)
    frame = pd.DataFrame(
        {
            "account_id": ["001", "001"],
            "event": "login",
            "user_id": ["u", "v"],
            "occurred_at": pd.Timestamp(2025, 5, 1, 9),
            "DT": pd.Timestamp(2025, 5, 1).date(),
            "hour": [9, 10],
        }
    )
    folder = place / "dt=2025-05-01" / "hour=09"
    folder.mkdir(parents=True)
    frame.to_parquet(folder / "part-0.parquet", index=False)
    (place / "dt=2025-05-02" / "hour=__HIVE_DEFAULT_PARTITION__").mkdir(parents=True)
    later = frame.assign(DT=pd.Timestamp(2025, 5, 2).date(), user_id=["w", "x"])
    later.to_parquet(
        place / "dt=2025-05-02" / "hour=__HIVE_DEFAULT_PARTITION__" / "part-0.parquet", index=False
    )
    _, found = notes(tmp_path)
    note = found["contradicted_folder"]
    assert (note.column, note.rows, note.total) == ("hour", 3, 4)
    assert note.example == "10 in hour=09/part-0.parquet"
