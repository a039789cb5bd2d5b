"""Roll-ups that are kept: read again where the content is the same, made anew where it is not."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.definitions.settings import FeatureSettings, FirstValue
from features.errors import HealthError
from features.journey import family as journey
from features.reading.source import OpenedTables, open_tables
from features.reading.table_source import TableSource
from features.rollups import kept_files
from features.rollups.kept_files import BUCKETS, FORMAT, KeptRollups
from features.rollups.usage_rollup import known_parts, known_tables
from features.tables import relations as relations_module
from features.tables.point_in_time import collect
from features.usage import family as usage
from features.windows.day_rows import day_number
from features.windows.observations import build_observations
from tests.features.company import DAY, company, frame
from tests.features.one_family import one_family

DATES = [DAY - timedelta(days=14), DAY]
UNTIL = DAY + timedelta(hours=6)
#: The tables that features of usage are made from: without the others tests take half the time.
TABLES = ("accounts", "subscriptions", "usage")


def bucket_of(account_id: str) -> int:
    """Return the first byte of the MD5 of an account's name."""
    return hashlib.md5(account_id.encode(), usedforsecurity=False).digest()[0]


@pytest.fixture(autouse=True)
def _scanned_where_it_lies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relations_module, "LAZY_FROM_BYTES", 0)


@dataclass(frozen=True)
class _Written:
    """The company with a file of usage per month, its roll-ups, and the features of both."""

    folder: Path
    sources: dict[str, TableSource]
    features: pd.DataFrame


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> _Written:
    folder = tmp_path_factory.mktemp("written")
    (folder / "usage").mkdir()
    for name in TABLES:
        table = frame(name, company()[name])
        if name != "usage":
            table.to_parquet(folder / f"{name}.parquet", index=False)
            continue
        for month, part in table.groupby(table["occurred_at"].dt.strftime("%Y-%m")):
            _write(folder / "usage" / f"{month}.parquet", part)
    sources = {name: TableSource(path=f"{name}.parquet") for name in TABLES if name != "usage"}
    sources["usage"] = TableSource(path="usage")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(relations_module, "LAZY_FROM_BYTES", 0)
        return _Written(folder, sources, _features(folder, sources))


@pytest.fixture
def sources(written: _Written, tmp_path: Path) -> dict[str, TableSource]:
    """Copy the tables to where a test may change them; no roll-up is kept there yet."""
    without = shutil.ignore_patterns("rollups")
    shutil.copytree(written.folder, tmp_path, ignore=without, dirs_exist_ok=True)
    return dict(written.sources)


@pytest.fixture
def whole(written: _Written, sources: dict[str, TableSource], tmp_path: Path) -> pd.DataFrame:
    """Copy the roll-ups next to the tables, and return the features computed with them."""
    shutil.copytree(written.folder / "rollups", tmp_path / "rollups")
    return written.features


def _write(file: Path, rows: pd.DataFrame) -> None:
    schema = pa.Schema.from_pandas(frame("usage", company()["usage"]), preserve_index=False)
    pq.write_table(pa.Table.from_pandas(rows, schema=schema, preserve_index=False), file)


def _opened(folder: Path, sources: dict[str, TableSource], *, kept: bool = True) -> OpenedTables:
    return open_tables(
        sources,
        base=folder,
        observed_until=UNTIL,
        rollups=Path("rollups") if kept else None,
    )


def _features(folder: Path, sources: dict[str, TableSource], *, kept: bool = True) -> pd.DataFrame:
    return _built(_opened(folder, sources, kept=kept))


def _built(opened: OpenedTables) -> pd.DataFrame:
    observations = build_observations(opened.tables, DATES)
    own_event = FeatureSettings(first_value=FirstValue(events=("export",), times=3))
    way = one_family(
        journey, opened.tables, observations.assign(tenure_days=900.0), settings=own_event
    )
    return observations.join(one_family(usage, opened.tables, observations)).join(way)


def _rolled(folder: Path) -> dict[str, int]:
    """Return the kept roll-ups, and which file each is."""
    return {f.name: f.stat().st_ino for f in (folder / "rollups").glob("*.parquet")}


@pytest.mark.slow
def test_kept_roll_ups_change_no_figure(tmp_path: Path, sources: dict[str, TableSource]) -> None:
    plain = _features(tmp_path, sources, kept=False)
    assert not (tmp_path / "rollups").exists()
    for _ in range(2):
        pd.testing.assert_frame_equal(_features(tmp_path, sources), plain, rtol=1e-9)


def test_a_second_run_reads_no_raw_row_of_the_same_files(
    tmp_path: Path,
    sources: dict[str, TableSource],
    whole: pd.DataFrame,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    findings = _opened(tmp_path, sources).findings
    before = _rolled(tmp_path)
    monkeypatch.setattr(KeptRollups, "_rows", _refuses_to_read)
    opened = _opened(tmp_path, sources)
    assert opened.findings == findings
    pd.testing.assert_frame_equal(_built(opened), whole)
    assert _rolled(tmp_path) == before


def _refuses_to_read(_: KeptRollups, file: Path, *__: object) -> str:
    raise AssertionError(f"{file} was read again")


@pytest.mark.slow
def test_usage_of_unknown_accounts_stays_in_the_roll_ups_and_counts_nowhere(
    tmp_path: Path, sources: dict[str, TableSource], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = min((tmp_path / "usage").glob("*.parquet"))
    rows = pd.read_parquet(first)
    strangers = rows.head(40).assign(account_id="stranger", event="of a stranger")
    _write(first, pd.concat([rows, strangers], ignore_index=True))
    plain = _features(tmp_path, sources, kept=False)
    pd.testing.assert_frame_equal(_features(tmp_path, sources), plain, rtol=1e-9)
    monkeypatch.setattr(KeptRollups, "_rows", _refuses_to_read)
    pd.testing.assert_frame_equal(_features(tmp_path, sources), plain, rtol=1e-9)


@pytest.mark.slow
def test_rows_of_one_day_may_lie_in_several_files(
    tmp_path: Path, sources: dict[str, TableSource]
) -> None:
    for number, file in enumerate(sorted((tmp_path / "usage").glob("*.parquet"))):
        rows = pd.read_parquet(file)
        for half in (0, 1):
            _write(tmp_path / "usage" / f"{number}-{half}.parquet", rows[half::2])
        file.unlink()
    plain = _features(tmp_path, sources, kept=False)
    pd.testing.assert_frame_equal(_features(tmp_path, sources), plain, rtol=1e-9)


def _late_row(time: datetime) -> pd.DataFrame:
    row = {"account_id": "busy", "event": "view", "occurred_at": time, "user_id": "late"}
    return frame("usage", [row])


@pytest.mark.parametrize("place", ["a file of its own", "the file of its month"])
@pytest.mark.slow
def test_a_late_row_of_an_old_day_is_counted(
    tmp_path: Path, sources: dict[str, TableSource], whole: pd.DataFrame, place: str
) -> None:
    kept = _rolled(tmp_path)
    late = _late_row(DAY - timedelta(days=45))
    file = tmp_path / "usage" / f"{late['occurred_at'][0]:%Y-%m}.parquet"
    if place == "a file of its own":
        _write(tmp_path / "usage" / "late.parquet", late)
    else:
        _write(file, pd.concat([pd.read_parquet(file), late], ignore_index=True))
    after = _features(tmp_path, sources)
    pd.testing.assert_frame_equal(after, _features(tmp_path, sources, kept=False), rtol=1e-9)
    busy = (after["account_id"] == "busy") & (after["as_of"] == DAY)
    grown = after.loc[busy, "usage_records_90d"] - whole.loc[busy, "usage_records_90d"]
    assert list(grown) == [1]
    # The roll-ups of all other files stay as they are.
    assert kept.items() <= _rolled(tmp_path).items()
    made = [name.split(".")[1] for name in _rolled(tmp_path).keys() - kept.keys()]
    # Of the file, and of all finished months.
    assert sorted(made) == ["days", "events", "spans", "users"]


@pytest.mark.usefixtures("whole")
@pytest.mark.parametrize("kept", [True, False])
@pytest.mark.parametrize("day", [*DATES, DAY + timedelta(days=3)])
def test_usage_read_as_codes_is_the_usage_that_an_engine_reads(
    tmp_path: Path, sources: dict[str, TableSource], day: datetime, kept: bool
) -> None:
    tables = _opened(tmp_path, sources, kept=kept).tables
    end, columns = day_number(day), ["account_id", "event", "quantity"]
    days = (end - 100, end)
    parts = [collect(rows) for rows in known_parts(tables, "events", *days)]
    coded = known_tables(tables, "events", *days, columns=columns)
    read = [table.to_pandas() for table in coded]
    first, second = (
        {tuple(row) for part in of for row in part[columns].to_numpy().tolist()}
        for of in (parts, read)
    )
    assert first == second
    # 1,000 views became known the day after the date.
    assert (("busy", "view", 1000.0) in first) == (day > DAY + timedelta(days=2))


@pytest.mark.slow
@pytest.mark.usefixtures("whole")
def test_a_renamed_column_is_another_roll_up(
    tmp_path: Path, sources: dict[str, TableSource]
) -> None:
    weighed = TableSource(path="usage", columns={"quantity": "errors", "errors": "quantity"})
    changed = {**sources, "usage": weighed}
    built = _features(tmp_path, changed)
    pd.testing.assert_frame_equal(built, _features(tmp_path, changed, kept=False), rtol=1e-9)


@pytest.mark.parametrize(
    ("name", "damage"),
    [("users", "cut short"), ("users", "another's"), ("events", "other bytes"), ("days", "gone")],
)
@pytest.mark.slow
def test_a_broken_roll_up_is_made_anew(
    tmp_path: Path,
    sources: dict[str, TableSource],
    whole: pd.DataFrame,
    damage: str,
    name: str,
) -> None:
    kept = _rolled(tmp_path)
    first, second = sorted((tmp_path / "rollups").glob(f"*.{name}.*.parquet"))[:2]
    content = first.read_bytes()
    if damage == "gone":
        first.unlink()
    else:
        broken = {
            "cut short": content[: len(content) // 2],
            "other bytes": content[:-9] + b"\0" + content[-8:],
            "another's": second.read_bytes(),
        }
        first.write_bytes(broken[damage])
    pd.testing.assert_frame_equal(_features(tmp_path, sources), whole)
    assert len(_rolled(tmp_path)) == len(kept)
    made = next((tmp_path / "rollups").glob(f"{first.name.split('.')[0]}.{name}.*.parquet"))
    pd.testing.assert_frame_equal(_sorted(pd.read_parquet(made)), _sorted(_frame_of(content)))


def _frame_of(content: bytes) -> pd.DataFrame:
    return pq.read_table(pa.BufferReader(content)).to_pandas()


def _sorted(frame: pd.DataFrame) -> pd.DataFrame:
    texts = frame.select_dtypes("category").columns
    frame = frame.astype(dict.fromkeys(texts, object))
    return frame.sort_values(list(frame.columns)).reset_index(drop=True)


@pytest.mark.slow
def test_a_broken_mark_is_no_mark(
    tmp_path: Path, sources: dict[str, TableSource], whole: pd.DataFrame
) -> None:
    for number, mark in enumerate((tmp_path / "rollups").glob("*.checked")):
        mark.write_text("" if number % 2 else "unreadable")
    pd.testing.assert_frame_equal(_features(tmp_path, sources), whole)


@pytest.mark.slow
def test_the_folder_may_be_deleted(
    tmp_path: Path, sources: dict[str, TableSource], whole: pd.DataFrame
) -> None:
    shutil.rmtree(tmp_path / "rollups")
    pd.testing.assert_frame_equal(_features(tmp_path, sources), whole)


@pytest.mark.slow
@pytest.mark.usefixtures("whole")
def test_roll_ups_that_no_run_used_for_long_are_removed(
    tmp_path: Path, sources: dict[str, TableSource]
) -> None:
    before = _rolled(tmp_path)
    file = next(iter(sorted((tmp_path / "usage").glob("*.parquet"))))
    rows = pd.read_parquet(file)
    _write(file, pd.concat([rows, rows.head(1)], ignore_index=True))
    foreign = tmp_path / "rollups" / "notes.txt"
    foreign.write_text("not ours")
    _features(tmp_path, sources)
    # Another configuration may still use what was made of the earlier content.
    assert before.keys() < _rolled(tmp_path).keys()
    for kept in (tmp_path / "rollups").iterdir():
        os.utime(kept, (0, 0))
    _features(tmp_path, sources)
    assert len(_rolled(tmp_path)) == len(before)
    assert foreign.exists()


@pytest.mark.slow
def test_a_file_that_has_not_changed_is_hashed_once(
    tmp_path: Path,
    sources: dict[str, TableSource],
    whole: pd.DataFrame,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hashed: list[Path] = []
    digest_of = kept_files._digest_of

    def noting(file: Path) -> str:
        hashed.append(file)
        return digest_of(file)

    monkeypatch.setattr(kept_files, "_digest_of", noting)
    files = sorted((tmp_path / "usage").glob("*.parquet"))
    # Files that have just changed are hashed in every run.
    monkeypatch.setattr(kept_files, "_INSTANT_NS", 10**12)
    _opened(tmp_path, sources)
    hashed.clear()
    _opened(tmp_path, sources)
    assert {*files} <= {*hashed}
    monkeypatch.setattr(kept_files, "_INSTANT_NS", 0)
    _opened(tmp_path, sources)
    hashed.clear()
    files[0].touch()
    pd.testing.assert_frame_equal(_features(tmp_path, sources), whole)
    assert [file for file in hashed if file in files] == files[:1]
    for note in (tmp_path / "rollups").glob("*.hashes"):
        note.write_text("[1]")
    pd.testing.assert_frame_equal(_features(tmp_path, sources), whole)


@pytest.mark.parametrize(
    ("changed", "seconds"),
    [(5_000_000_001, 0.1), (5_000_000_000, 2.0)],
    ids=["finely", "in seconds"],
)
def test_how_long_a_file_may_change_unnoticed_depends_on_how_its_file_system_counts(
    changed: int, seconds: float
) -> None:
    assert kept_files._instant(changed) == seconds * 1e9


@pytest.mark.slow
@pytest.mark.usefixtures("whole")
@pytest.mark.parametrize("way", ["written over", "another put in its place"])
def test_a_change_that_leaves_the_date_as_it_was_is_found(
    tmp_path: Path,
    sources: dict[str, TableSource],
    way: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(kept_files, "_INSTANT_NS", 0)
    _opened(tmp_path, sources)
    file = sorted((tmp_path / "usage").glob("*.parquet"))[-1]
    result, content = file.stat(), file.read_bytes()
    rows = pd.read_parquet(file)
    rows["quantity"] = rows["quantity"].fillna(1) + 1
    if way == "written over":
        _write(file, rows)
    else:
        _write(tmp_path / "other", rows)
        (tmp_path / "other").replace(file)
    os.utime(file, ns=(result.st_atime_ns, result.st_mtime_ns))
    assert file.read_bytes() != content
    pd.testing.assert_frame_equal(
        _features(tmp_path, sources), _features(tmp_path, sources, kept=False), rtol=1e-9
    )


@pytest.mark.slow
def test_files_whose_date_is_only_in_the_name_of_their_folder(
    tmp_path: Path, sources: dict[str, TableSource]
) -> None:
    shutil.rmtree(tmp_path / "usage")
    rows = pd.DataFrame({"account_id": ["busy", "busy"], "event": ["view", "export"]})
    for days in (3, 4, 5, 40):
        folder = tmp_path / "usage" / f"dt={DAY - timedelta(days=days):%Y-%m-%d}"
        folder.mkdir(parents=True)
        # The very same content each day.
        rows.to_parquet(folder / "part.parquet", index=False)
    dated = TableSource(path="usage", columns={"occurred_at": "dt"})
    plain = _features(tmp_path, {**sources, "usage": dated}, kept=False)
    for _ in range(2):
        kept = _features(tmp_path, {**sources, "usage": dated})
        pd.testing.assert_frame_equal(kept, plain, rtol=1e-9)
    busy = kept[(kept["account_id"] == "busy") & (kept["as_of"] == DAY)]
    assert busy["usage_active_days_28d"].tolist() == [3]
    assert busy["usage_records_90d"].tolist() == [8]


def test_rows_are_in_order_of_their_bucket(tmp_path: Path, whole: pd.DataFrame) -> None:
    assert not whole.empty
    files = list((tmp_path / "rollups").glob("*.parquet"))
    assert files
    for file in files:
        table = pq.read_table(file)
        if "user_id" in table.column_names:
            # Other texts cannot be put in order where they are longer than 2 GB together.
            assert table["user_id"].type == pa.large_string()
        rows = table.to_pandas()
        assert rows["bucket"].is_monotonic_increasing
        assert rows["bucket"].lt(BUCKETS).all()
        assert rows["bucket"].tolist() == [bucket_of(name) for name in rows["account_id"]]


@pytest.mark.slow
def test_a_format_has_these_rows(tmp_path: Path, sources: dict[str, TableSource]) -> None:
    """Raise FORMAT where this test has to change: roll-ups of earlier runs are wrong then."""
    shutil.rmtree(tmp_path / "usage")
    (tmp_path / "usage").mkdir()
    rows = pd.DataFrame(
        {
            "account_id": [" busy", "busy", "busy"],
            "event": ["view", "view ", "export"],
            "user_id": [7.0, 7.0, None],
            "occurred_at": ["2026-01-05 23:30:00-01:00", "2026-01-06T01:00:00", "2026-01-06"],
            "quantity": ["2", "0.5", ""],
            "errors": [1, 0, 0],
            "known_at": [None, None, "2026-02-01 00:00:00"],
        }
    )
    rows.to_parquet(tmp_path / "usage" / "a.parquet", index=False)
    _features(tmp_path, sources)
    found = {
        file.name.split(".")[1]: pq.read_table(file).to_pylist()
        for file in (tmp_path / "rollups").glob("*.parquet")
    }
    day, late = date(2026, 1, 6), date(2026, 2, 1)
    same = {"account_id": "busy", "bucket": bucket_of("busy"), "day": day}
    assert FORMAT == 2
    by_user = {row["user_id"]: row for row in found["users"]}
    assert by_user == {
        "7": {**same, "user_id": "7", "known": None, "quantity": 2.5, "records": 2.0,
              "errors": 1.0, "errors_known": 2.0},
        None: {**same, "user_id": None, "known": late, "quantity": 1.0, "records": 1.0,
               "errors": 0.0, "errors_known": 1.0},
    }  # fmt: skip
    assert {row["event"]: row for row in found["events"]} == {
        "view": {**same, "event": "view", "known": None, "quantity": 2.5},
        "export": {**same, "event": "export", "known": late, "quantity": 1.0},
    }
    first, last = datetime(2026, 1, 6, 0, 30), datetime(2026, 1, 6, 1)
    midnight = datetime(2026, 1, 6)
    assert {row["known"]: row for row in found["days"]} == {
        None: {**same, "known": None, "quantity": 2.5, "records": 2.0, "first": first,
               "last": last},
        late: {**same, "known": late, "quantity": 1.0, "records": 1.0, "first": midnight,
               "last": midnight},
    }  # fmt: skip


def test_a_folder_that_takes_no_file_is_named(
    tmp_path: Path, sources: dict[str, TableSource]
) -> None:
    (tmp_path / "rollups").write_text("no folder")
    with pytest.raises(HealthError, match="roll-ups cannot be kept") as result:
        _opened(tmp_path, sources)
    assert result.value.where == str(tmp_path / "rollups")
    assert "rollups_dir" in result.value.fix


@pytest.mark.slow
@pytest.mark.usefixtures("whole")
def test_a_fault_in_a_new_file_is_reported_after_a_good_run(
    tmp_path: Path, sources: dict[str, TableSource]
) -> None:
    late = _late_row(UNTIL + timedelta(days=1))
    _write(tmp_path / "usage" / "new.parquet", late)
    codes = {finding.code for finding in _opened(tmp_path, sources).findings}
    assert "after_observed_until" in codes
    # It is reported every time, not only when the file is new.
    codes = {finding.code for finding in _opened(tmp_path, sources).findings}
    assert "after_observed_until" in codes


@pytest.mark.slow
def test_use_of_a_company_without_subscriptions(
    tmp_path: Path, sources: dict[str, TableSource]
) -> None:
    orders = pd.DataFrame({"account_id": ["busy"], "ordered_at": [DAY], "amount": [9.0]})
    orders.to_parquet(tmp_path / "orders.parquet", index=False)
    del sources["subscriptions"]
    sources["orders"] = TableSource(path="orders.parquet")
    plain = _opened(tmp_path, sources, kept=False).findings
    for _ in range(2):
        assert _opened(tmp_path, sources).findings == plain


@pytest.fixture(autouse=True)
def _no_leftovers(tmp_path: Path) -> Iterator[None]:
    yield
    assert not list(tmp_path.rglob("*.unfinished"))


@pytest.mark.slow
def test_the_journey_of_finished_months_is_counted_once(
    tmp_path: Path, sources: dict[str, TableSource]
) -> None:
    """A run reads it again, adds what came since, and counts anew where an old file changed."""
    shutil.rmtree(tmp_path / "usage")
    (tmp_path / "usage").mkdir()
    rows = pd.DataFrame({"ago": [*range(1, 400, 3), *range(200, 230)]})
    rows["account_id"] = np.where(rows.index % 2, "busy", "steady")
    rows["event"], rows["user_id"] = "view", "ada"
    rows["occurred_at"] = DAY - pd.to_timedelta(rows["ago"], "D")

    def write(of_weeks: pd.DataFrame) -> None:
        for week, part in of_weeks.groupby(of_weeks["ago"] // 7):
            part.drop(columns="ago").to_parquet(tmp_path / "usage" / f"{week:02}.parquet")

    def way(*, kept: bool) -> pd.DataFrame:
        tables = _opened(tmp_path, sources, kept=kept).tables
        observations = build_observations(tables, DATES).assign(tenure_days=900.0)
        return one_family(journey, tables, observations)

    def files() -> dict[str, int]:
        return {name: inode for name, inode in _rolled(tmp_path).items() if ".journey-" in name}

    write(rows[rows["ago"] >= 7])
    pd.testing.assert_frame_equal(way(kept=True), way(kept=False))
    found = files()
    assert found
    write(rows[rows["ago"] < 7])
    pd.testing.assert_frame_equal(way(kept=True), way(kept=False))
    assert files() == found
    earlier = rows.assign(account_id="young", ago=rows["ago"] + 1)
    earlier["occurred_at"] -= pd.Timedelta(days=1)
    write(pd.concat([rows, earlier[earlier["ago"] > 300]]))
    pd.testing.assert_frame_equal(way(kept=True), way(kept=False))
    assert files() != found


_ROWS = st.lists(
    st.tuples(
        st.sampled_from(["busy", "steady", "young"]),
        st.sampled_from(["ada", "bob", None]),
        st.integers(1, 700),
        st.sampled_from([0, 0, 0, 40, 250]),
        st.integers(1, 3),
    ),
    min_size=1,
    max_size=40,
)


@pytest.mark.slow
@settings(max_examples=6, deadline=None)
@given(rows=_ROWS, days=st.sampled_from([7, 30, 200]), has_late=st.booleans())
def test_months_of_files_change_no_value(
    written: _Written,
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[tuple[str, str | None, int, int, int]],
    days: int,
    has_late: bool,
) -> None:
    """Years of usage in files of any length, some of it known long after, equal the plain rows.

    Half of the files come after a first run: their months are added to what is summed up by then.
    """
    folder = tmp_path_factory.mktemp("years")
    without = shutil.ignore_patterns("rollups", "usage")
    shutil.copytree(written.folder, folder, ignore=without, dirs_exist_ok=True)
    usage_rows = pd.DataFrame(rows, columns=["account_id", "user_id", "ago", "late", "quantity"])
    usage_rows["event"] = np.where(usage_rows["quantity"] > 1, "export", "view")
    usage_rows["occurred_at"] = DAY - pd.to_timedelta(usage_rows["ago"], "D")
    if has_late:
        usage_rows["known_at"] = usage_rows["occurred_at"] + pd.to_timedelta(
            usage_rows["late"], "D"
        )
    (folder / "usage").mkdir()
    for number, part in usage_rows.groupby(usage_rows["ago"] // days):
        file = folder / "usage" / f"{number:03}.parquet"
        columns = part.drop(columns=["ago", "late"]).astype({"user_id": "string"})
        columns.to_parquet(file, index=False)
    plain = _features(folder, written.sources, kept=False)
    files = sorted((folder / "usage").iterdir())
    later = files[: len(files) // 2]
    for file in later:
        file.rename(folder / file.name)
    _features(folder, written.sources)
    for file in later:
        (folder / file.name).rename(file)
    for _ in range(2):
        pd.testing.assert_frame_equal(_features(folder, written.sources), plain, rtol=1e-9)
