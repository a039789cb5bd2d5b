"""Roll-ups that are kept: read again where the content is the same, made anew where it is not."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet as pq
import pytest

from features.definitions.settings import FeatureSettings, FirstValue
from features.journey import family as journey
from features.reading.source import OpenedTables, open_tables
from features.reading.table_source import TableSource
from features.rollups.cache import RollupCache
from features.tables import relations as relations_module
from features.usage import family as usage
from features.windows.observations import build_observations
from tests.features.company import DAY, company, frame
from tests.features.one_family import one_family

DATES = [DAY - timedelta(days=14), DAY]
UNTIL = DAY + timedelta(hours=6)
#: The tables that features of use are told from; no other is read in half of the time.
TABLES = ("accounts", "subscriptions", "usage")
#: What is kept of each file by itself; all else is a sum over files.
ROLLED = {"users", "events", "days", "within"}


@pytest.fixture(autouse=True)
def _scanned_where_it_lies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relations_module, "LAZY_FROM_BYTES", 0)


@dataclass(frozen=True)
class _Written:
    """The company with its use in a file a month, its roll-ups, and the features of both."""

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
    """Copy the roll-ups beside the tables, and return the features that were told with them."""
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
    """Return the kept files and when each was written."""
    return {f.name: f.stat().st_mtime_ns for f in (folder / "rollups").glob("*.arrow")}


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
    monkeypatch.setattr("features.rollups.usage_files.rows_of", _refuses_to_open)
    monkeypatch.setattr("features.reading.table_reader.rows_of", _refuses_to_open)
    opened = _opened(tmp_path, sources)
    assert opened.findings == findings
    pd.testing.assert_frame_equal(_built(opened), whole)
    assert _rolled(tmp_path) == before


def _refuses_to_open(*_: object) -> object:
    def refuse(file: Path) -> None:
        raise AssertionError(f"{file} was read again")

    return refuse


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
    # All but those of one file stay, and the sums over the files from there on.
    same = {name for name, time in _rolled(tmp_path).items() if kept.get(name) == time}
    rolled = {name for name in kept if name.split(".")[1] in ROLLED}
    assert len(same & rolled) >= len(rolled) - 3


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
def test_a_broken_roll_up_is_made_anew(
    tmp_path: Path,
    sources: dict[str, TableSource],
    whole: pd.DataFrame,
    damage: str,
    name: str,
) -> None:
    first, second = sorted((tmp_path / "rollups").glob(f"*.{name}.arrow"))[:2]
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
    # What a sum over finished files stands for is not read as long as the sum is there.
    for kept in (tmp_path / "rollups").glob("*.arrow"):
        if kept.name.split(".")[1] not in ROLLED:
            kept.unlink()
    pd.testing.assert_frame_equal(_features(tmp_path, sources), whole)
    # The engine promises no order of rows, so no bytes either.
    pd.testing.assert_frame_equal(_sorted(first.read_bytes()), _sorted(content))


def test_a_broken_note_is_no_note(
    tmp_path: Path, sources: dict[str, TableSource], whole: pd.DataFrame
) -> None:
    for note in (tmp_path / "rollups").glob("*.json"):
        note.write_text(note.read_text().replace("checked_until", "checked_unti1"))
    pd.testing.assert_frame_equal(_features(tmp_path, sources), whole)


@pytest.mark.usefixtures("whole")
def test_roll_ups_of_earlier_contents_are_removed(
    tmp_path: Path, sources: dict[str, TableSource]
) -> None:
    count = len(_rolled(tmp_path))
    file = next(iter(sorted((tmp_path / "usage").glob("*.parquet"))))
    rows = pd.read_parquet(file)
    _write(file, pd.concat([rows, rows.head(1)], ignore_index=True))
    _features(tmp_path, sources)
    assert len(_rolled(tmp_path)) == count


@pytest.mark.usefixtures("whole")
def test_a_fault_in_a_new_file_is_told_after_a_good_run(
    tmp_path: Path, sources: dict[str, TableSource]
) -> None:
    late = _late_row(UNTIL + timedelta(days=1))
    _write(tmp_path / "usage" / "new.parquet", late)
    codes = {finding.code for finding in _opened(tmp_path, sources).findings}
    assert "after_observed_until" in codes
    # It is told every time, not only when the file is new.
    codes = {finding.code for finding in _opened(tmp_path, sources).findings}
    assert "after_observed_until" in codes


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


def test_what_was_never_written_is_absent(tmp_path: Path) -> None:
    cache = RollupCache(tmp_path / "none")
    assert cache.note("key") == {}
    assert cache.tables("key", "users") is None


@pytest.fixture(autouse=True)
def _no_leftovers(tmp_path: Path) -> Iterator[None]:
    yield
    assert not list(tmp_path.rglob("rollups/.*"))


def _sorted(content: bytes) -> pd.DataFrame:
    with pyarrow.ipc.open_file(pa.BufferReader(content)) as file:
        frame = file.read_all().to_pandas()
    texts = frame.select_dtypes("category").columns
    frame = frame.astype(dict.fromkeys(texts, object))
    return frame.sort_values(list(frame.columns)).reset_index(drop=True)
