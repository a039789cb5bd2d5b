"""A large company is learned from a random part of its accounts, as if there were no others."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

from features.build import build_features
from features.reading.source import open_tables
from features.reading.table_source import TableSource
from features.tables import relations
from features.tables.opened import Tables, of_accounts
from features.tables.point_in_time import collect
from features.windows.observations import training_dates
from health.business.company import Company, open_company
from health.settings.config import load_config
from health.training.rows import build_training_set
from health.training.sample import sample_accounts
from tests.features.company import DAY, UNTIL, company, frame
from tests.features.company import open_tables as open_rows
from tests.features.text_models import SETTINGS
from tests.health.conftest import Demo, call_health

FEW = ["busy", "silent"]


def _from_files(folder: Path) -> Tables:
    """Open the usual company from files, with roll-ups of usage that are kept."""
    sources = {}
    for name, rows in company().items():
        frame(name, rows).to_parquet(folder / f"{name}.parquet", index=False)
        sources[name] = TableSource(path=f"{name}.parquet")
    allow = ["score_outside_scale"]
    opened = open_tables(
        sources, base=folder, observed_until=UNTIL, allow=allow, rollups=Path("rollups")
    )
    assert opened.tables.rollups is not None
    return opened.tables


@pytest.mark.quick_cases(1)
@pytest.mark.parametrize("kept", [False, True], ids=["rows", "kept roll-ups"])
def test_features_are_those_of_a_company_without_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, kept: bool
) -> None:
    monkeypatch.setattr(relations, "LAZY_FROM_BYTES", 0)
    tables = _from_files(tmp_path) if kept else open_rows(company())
    few = {
        name: [row for row in rows if row["account_id"] in FEW] for name, rows in company().items()
    }
    built = build_features(of_accounts(tables, FEW), [DAY], SETTINGS)
    expected = build_features(open_rows(few), [DAY], SETTINGS)
    assert set(built["account_id"]) == set(FEW)
    pd.testing.assert_frame_equal(built, expected, rtol=1e-9, atol=1e-9)
    # The tables themselves are as they were.
    assert len(build_features(tables, [DAY], SETTINGS)) > len(FEW)


def test_another_sample_leaves_the_first_as_it_was() -> None:
    tables = open_rows(company())
    first = of_accounts(tables, FEW)
    of_accounts(tables, FEW[:1])
    assert set(collect(first["accounts"].select("account_id"))["account_id"]) == set(FEW)


def _opened(demo: Demo) -> Company:
    return open_company(load_config(demo.config))


def _with_enough(company: Company, enough: int, seed: int = 0) -> Company:
    training = company.config.training.model_copy(update={"enough_churned": enough, "seed": seed})
    return Company(company.config.model_copy(update={"training": training}), company.opened)


@pytest.mark.slow
def test_all_accounts_are_used_where_few_have_churned(demo: Demo) -> None:
    found = _opened(demo)
    assert sample_accounts(found.opened.tables, found.config) is None


@pytest.mark.slow
def test_as_many_accounts_are_drawn_as_are_enough(demo: Demo) -> None:
    found = _opened(demo)
    tables = found.opened.tables
    half, again, other = (
        sample_accounts(tables, _with_enough(found, enough, seed).config)
        for enough, seed in ((20, 0), (20, 0), (20, 1))
    )
    assert half is not None
    assert other is not None
    assert half == again
    assert half.names != other.names
    assert abs(len(half.names) / half.of - 20 / half.churned) < 0.12
    # Of more accounts, the same are among them.
    more = sample_accounts(tables, _with_enough(found, 25).config)
    assert more is not None
    assert set(half.names) < set(more.names)


@pytest.mark.slow
def test_rows_are_those_of_the_accounts_drawn(demo: Demo) -> None:
    found = _with_enough(_opened(demo), 20)
    tables = found.opened.tables
    dates = training_dates(tables, every_days=200, weekday=0, warm_up_days=126, horizon_days=90)
    drawn = build_training_set(tables, found.config, dates=dates)
    assert drawn.sample is not None
    names = set(drawn.sample.names)
    everyone = build_training_set(tables, _opened(demo).config, dates=dates)
    assert everyone.sample is None
    keys = ["account_id", "as_of"]
    labels = [*keys, "churned", "upsold", "observed_days", "mrr", "usage_active_days_28d"]
    own = everyone.accounts[everyone.accounts["account_id"].isin(names)]
    pd.testing.assert_frame_equal(
        drawn.accounts[labels].sort_values(keys, ignore_index=True),
        own[labels].sort_values(keys, ignore_index=True),
    )
    for rows in (drawn.products, drawn.held, drawn.durations):
        assert set(rows["account_id"]) <= names


@pytest.mark.slow
def test_the_manifest_and_the_page_state_it(
    demo: Demo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(demo.folder / "tables", tmp_path / "tables")
    file = tmp_path / "health.toml"
    file.write_text(demo.config.read_text() + "\n[training]\nenough_churned = 100\n")
    # The demo company is too small for what the configuration allows.
    original = sample_accounts

    def fewer(tables: Tables, config: object) -> object:
        return original(tables, _with_enough(_opened(demo), 25).config)

    monkeypatch.setattr("health.training.rows.sample_accounts", fewer)
    done = call_health("train", file)
    assert done.code in {0, 3}, done.err
    (version,) = [path for path in (tmp_path / "models").iterdir() if path.is_dir()]
    sample = json.loads((version / "manifest.json").read_text())["sample"]
    assert 0 < sample["accounts"] < sample["of"]
    assert f"{sample['accounts']:,} of {sample['of']:,} accounts" in done.out
    page = (version / "evaluation.html").read_text()
    assert f"{sample['accounts']:,} of {sample['of']:,} accounts" in page
