"""The account pass gives the same run, however the accounts are divided into parts."""

from __future__ import annotations

import os
import resource
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from features.errors import HealthError
from health.business.company import open_company
from health.business.feature_table import FeatureTable, write_rows
from health.business.kinds import CONTRACTS
from health.runs.directory import list_runs
from health.runs.part_files import PartFiles, decoded, encoded
from health.scoring.contracts import ContractScoring
from health.scoring.part import PartInputs, ScoredPart
from health.scoring.parts import TABLES, KeptPart, Rows, even_parts
from health.scoring.run import METHODS, ScoredRun, _movers, score_accounts
from health.settings.config import Config, load_config
from health.training.champion import load_champion
from tests.health.conftest import Demo
from tests.spark import jvm

#: Columns that identify the rows of the tables that are written part by part.
KEYS = {
    "features": ["account_id"],
    "reasons": ["output", "account_id", "term"],
    "whitespace": ["account_id", "product"],
    "changes": ["account_id", "term"],
}
#: A measure that compares an account with all others, in two profiles.
CARD = """
[scorecard]
minimum_coverage = 0.2
[[scorecard.components]]
name = "use"
weight = 1
[[scorecard.components.measures]]
feature = "usage_active_users_28d"
percentile = true
[[scorecard.components.measures]]
feature = "usage_recency_days"
worst = 30
best = 0
[[scorecard.components.measures]]
feature = "mrr_change_90d"
percentile = true
"""


@dataclass(frozen=True)
class Company:
    """What the account pass scores, and how its whole is published."""

    config: Config
    features: FeatureTable
    demo: Demo

    def eight_parts(self) -> list[npt.NDArray[np.intp]]:
        """Divide the accounts into enough parts for processes."""
        return np.array_split(np.arange(len(self.features)), 8)

    def scored(
        self,
        folder: Path,
        parts: Sequence[npt.NDArray[np.intp]] | None = None,
        processes: int = 1,
        session: Any = None,
    ) -> ScoredRun:
        """Score the accounts in parts; the tables written part by part are in the folder."""
        folder.mkdir()
        spill = folder / "spill"
        spill.mkdir()
        before = list_runs(self.config.runs_dir)[0]
        with PartFiles(folder) as files:
            return score_accounts(
                self.features,
                open_company(self.config).opened.tables,
                load_champion(self.config).artefacts,
                self.config,
                previous=before,
                keep=files.add,
                parts=parts,
                processes=processes,
                spill=spill,
                session=session,
            )


def assert_same(one: tuple[ScoredRun, Path], other: tuple[ScoredRun, Path]) -> None:
    """Compare every column of two runs."""
    (run, folder), (whole, expected) = one, other
    for name, table in whole.tables().items():
        pd.testing.assert_frame_equal(run.tables()[name], table, obj=name, check_dtype=False)
    for name, keys in KEYS.items():
        tables = [pd.read_parquet(place / f"{name}.parquet") for place in (folder, expected)]
        found, table = (rows.sort_values(keys, ignore_index=True) for rows in tables)
        pd.testing.assert_frame_equal(found, table, obj=name)
        assert len(table)
    pd.testing.assert_frame_equal(run.sums, whole.sums)
    listed = set(whole.flags["account_id"])
    for result in (run.reasons, run.whitespace):
        assert listed <= set(result["account_id"])
    assert run.warnings == whole.warnings
    assert run.skipped == whole.skipped


@pytest.fixture(scope="module")
def company(demo: Demo, tmp_path_factory: pytest.TempPathFactory) -> Company:
    """The demo, scored with another scorecard than its previous run."""
    config = demo.folder / "percentiles.toml"
    own = demo.config.read_text(encoding="utf-8")
    assert "[scorecard]" not in own
    config.write_text(own + CARD, encoding="utf-8")
    features = list_runs(load_config(config).runs_dir)[-1].table("features")
    return Company(load_config(config), FeatureTable(features), demo)


@pytest.fixture(scope="module")
def whole(company: Company, tmp_path_factory: pytest.TempPathFactory) -> tuple[ScoredRun, Path]:
    folder = tmp_path_factory.mktemp("account_pass") / "whole"
    return company.scored(folder), folder


@pytest.mark.slow
# An example takes too long to be made smaller.
@settings(max_examples=4, deadline=None, phases=(Phase.explicit, Phase.reuse, Phase.generate))
@given(data=st.data(), parts=st.integers(1, 7))
def test_any_parts_are_the_whole(
    company: Company,
    whole: tuple[ScoredRun, Path],
    tmp_path_factory: pytest.TempPathFactory,
    data: st.DataObject,
    parts: int,
) -> None:
    count = len(company.features)
    owner = np.array(data.draw(st.lists(st.integers(0, parts - 1), min_size=9, max_size=9)))
    # Every residue of the place belongs to one part: uneven, and not in order.
    of_place = owner[np.arange(count) % len(owner)]
    divided = [np.flatnonzero(of_place == part) for part in range(parts)]
    folder = tmp_path_factory.mktemp("parts") / "run"
    run = company.scored(folder, [places for places in divided if len(places)])
    assert_same((run, folder), whole)


@pytest.mark.slow
def test_features_in_files_give_the_same_run(
    company: Company, whole: tuple[ScoredRun, Path], tmp_path: Path
) -> None:
    frame = company.features.frame
    assert frame is not None
    files = tuple(tmp_path / f"{number}.parquet" for number in range(2))
    for file, rows in zip(files, (frame.iloc[:30], frame.iloc[30:]), strict=True):
        assert write_rows(rows, file)
    stored = Company(company.config, FeatureTable(files=files), company.demo)
    folder = tmp_path / "run"
    assert_same((stored.scored(folder, even_parts(len(frame), 50)), folder), whole)


@pytest.mark.slow
def test_processes_of_their_own_give_the_same_bytes(company: Company, tmp_path: Path) -> None:
    folders = [tmp_path / "one", tmp_path / "two"]
    parts = company.eight_parts()
    one, two = (company.scored(f, parts, n) for f, n in zip(folders, (1, 2), strict=True))
    pd.testing.assert_frame_equal(one.scores, two.scores, rtol=0, atol=0)
    for name in ("features", *TABLES):
        first, other = (folder / f"{name}.parquet" for folder in folders)
        assert first.read_bytes() == other.read_bytes(), name
    assert not list((folders[1] / "spill").iterdir())


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_executors_of_spark_give_the_same_run(
    company: Company, whole: tuple[ScoredRun, Path], tmp_path: Path
) -> None:
    with jvm() as session:
        run = company.scored(tmp_path / "run", company.eight_parts(), 2, session)
    assert_same((run, tmp_path / "run"), whole)


@dataclass(frozen=True)
class Dying(ContractScoring):
    """Kills its process at the part with an account, as often as there are files."""

    account: str
    files: tuple[Path, ...]

    def score_part(
        self, inputs: PartInputs, models: Mapping[str, Any], config: Config
    ) -> ScoredPart:
        left = [file for file in self.files if file.exists()]
        if left and self.account in inputs.features["account_id"].to_numpy():
            left[0].unlink()
            os.kill(os.getpid(), signal.SIGKILL)
        return super().score_part(inputs, models, config)


def _dying(
    company: Company, folder: Path, patch: pytest.MonkeyPatch, times: int
) -> list[npt.NDArray[np.intp]]:
    """Let the process of the second of eight parts die so many times; return the parts."""
    parts = company.eight_parts()
    files = tuple(folder / f"death-{number}" for number in range(times))
    for file in files:
        file.touch()
    account = company.features.columns(["account_id"])["account_id"][parts[1][0]]
    patch.setitem(METHODS, CONTRACTS, Dying(account, files))
    return parts


@pytest.mark.slow
def test_a_part_whose_process_dies_is_scored_again(
    company: Company,
    whole: tuple[ScoredRun, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    parts = _dying(company, tmp_path, monkeypatch, 1)
    run = company.scored(tmp_path / "run", parts, 2)
    assert_same((run, tmp_path / "run"), whole)


@pytest.mark.slow
def test_a_part_whose_process_dies_twice_is_named(
    company: Company, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = _dying(company, tmp_path, monkeypatch, 2)
    with pytest.raises(HealthError, match="part 2 of 8 of the accounts was killed twice"):
        company.scored(tmp_path / "run", parts, 2)


def test_a_full_spill_disk_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = encoded(pd.DataFrame({"account_id": ["A"] * 10_000, "contribution": 1.0}))
    nothing = pd.DataFrame()
    part = KeptPart(nothing, nothing, nothing, pd.Series(dtype=int), nothing, {"reasons": rows})
    # Python would keep what it compiled, cut off at the limit.
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, hard))
    try:
        with pytest.raises(HealthError) as fault:
            part.stored(tmp_path / "part-0")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert fault.value.exit_code == 2
    assert fault.value.where == str(tmp_path)


def test_a_table_is_read_back_as_it_was_encoded() -> None:
    table = pd.DataFrame(
        {"text": ["a", None, "b", "a"], "number": [1.5, float("nan"), 2, 3], "none": None}
    )
    pd.testing.assert_frame_equal(decoded(encoded(table)), table)


def test_the_file_tells_what_the_disk_refused(tmp_path: Path) -> None:
    (tmp_path / "reasons.parquet").symlink_to("/dev/full")
    rows = encoded(pd.DataFrame({"account_id": ["A"] * 10, "contribution": 1.0}))
    with pytest.raises(OSError), PartFiles(tmp_path) as files:
        files.add({"reasons": rows})


def test_the_accounts_that_moved_most_are_the_first_and_last_by_change() -> None:
    random = np.random.default_rng(3)
    change = random.integers(-4, 5, 500).astype(float)
    change[random.random(500) < 0.3] = np.nan
    accounts = random.permutation([f"A{number:03d}" for number in range(500)])
    scores = pd.DataFrame({"account_id": accounts, "health_change": change})
    known = scores.dropna().sort_values(["health_change", "account_id"])["account_id"].tolist()
    assert _movers(scores, most=20) == [*known[:20], *known[-20:]]
    assert _movers(scores.assign(health_change=np.nan)) == []


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        pytest.param([{}, {}], {}, id="no model has reasons"),
        pytest.param(
            [{"churn": [1.0, 2.0]}, {}], {"churn": [1.0, float("nan"), 2.0]}, id="one part has none"
        ),
        pytest.param(
            [{"churn": [1.0, 2.0]}, {"churn": [3.0]}],
            {"churn": [1.0, 3.0, 2.0]},
            id="all have some",
        ),
    ],
)
def test_parts_are_joined_in_the_order_of_their_accounts(
    parts: list[dict[str, list[float]]], expected: dict[str, list[float]]
) -> None:
    divided = [np.array([0, 2]), np.array([1])]
    known = pd.DataFrame({"account_id": ["A", "B", "C"]})
    rows = Rows(known)
    for columns, places in zip(parts, divided, strict=True):
        own = pd.DataFrame({"account_id": "unread", **columns}, index=range(len(places)))
        rows.put(places, own)
    pd.testing.assert_frame_equal(rows.frame, known.assign(**expected))
