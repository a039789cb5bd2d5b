"""The commands about the score, on three small runs: portfolio, overrides, restate."""

from __future__ import annotations

import json
from datetime import date, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from health.business.company import features_of, open_company
from health.runs.directory import PublishedRun, list_runs
from health.scorecard.portfolio import roll_up
from health.scoring.health_part import known_overrides, score_health_part
from health.settings.config import load_config
from tests.health.conftest import call_health

DAYS = (datetime(2026, 1, 4), datetime(2026, 1, 11), datetime(2026, 6, 7))
COMPANY = """
company = "Small"
observed_until = 2026-06-10
[tables.accounts]
path = "accounts.csv"
[tables.subscriptions]
path = "subscriptions.csv"
[tables.usage]
path = "usage.csv"
[tables.overrides]
path = "overrides.csv"
"""
OLD = """
[scorecard]
minimum_coverage = 0
[[scorecard.components]]
name = "use"
weight = 1
measures = [{ feature = "usage_active_days_28d", worst = 0, best = 20 }]
"""
NEW = OLD.replace("best = 20", "best = 10")


def _tables(folder: Path) -> None:
    rows = [("A", "Ana", "SMB"), ("B", "Ana", "SMB"), ("C", "<Bo>", "Enterprise")]
    accounts = pd.DataFrame(rows, columns=["account_id", "csm", "segment"])
    accounts.assign(created_at="2025-01-01").to_csv(folder / "accounts.csv", index=False)
    subscriptions = accounts[["account_id"]].assign(
        product="crm",
        started_at="2025-01-01",
        ended_at=[None, "2026-02-01", None],
        mrr=[10, 20, 70],
    )
    subscriptions.to_csv(folder / "subscriptions.csv", index=False)
    days = pd.date_range("2025-12-01", "2026-06-09")
    used = [(a, day) for a, every in (("A", 2), ("B", 4), ("C", 3)) for day in days[::every]]
    usage = pd.DataFrame(used, columns=["account_id", "occurred_at"]).assign(event="login")
    usage.to_csv(folder / "usage.csv", index=False)
    (folder / "overrides.csv").write_text(
        "account_id,measure,value,author,reason,created_at,expires_at\n"
        "B,health,10,Ana,they look elsewhere,2026-01-01,2026-02-01\n"
        "C,health,5,<Bo>,a feeling,2026-01-01,2026-02-01\n"
        "A,health,90,Ana,a friend,2026-06-01,\n"
    )


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Publish what the score's commands read: the old scorecard twice, then the new one."""
    folder = tmp_path_factory.mktemp("small")
    _tables(folder)
    path = folder / "health.toml"
    before: PublishedRun | None = None
    for day, card in zip(DAYS, (OLD, OLD, NEW), strict=True):
        path.write_text(COMPANY + card)
        loaded = load_config(path)
        company = open_company(loaded)
        features = features_of(company, day)
        tables_now = company.opened.tables
        overrides = known_overrides(tables_now, features["account_id"], pd.Timestamp(day))
        part = score_health_part(features, overrides, loaded, before)
        target = folder / "runs" / f"as_of={day.date()}"
        target.mkdir(parents=True)
        scores = features[["account_id", "as_of", "csm", "segment", "mrr"]].assign(**part.columns)
        tables = {"scores": scores, "features": features, "overrides": overrides}
        for name, table in {**tables, "portfolio": roll_up(scores.assign(parent_id=None))}.items():
            table.to_parquet(target / f"{name}.parquet")
        settings = loaded.score_settings.model_dump(mode="json")
        (target / "run.json").write_text(json.dumps({"score_settings": settings}))
        before = PublishedRun(day.date(), target)
    (folder / "old.toml").write_text(OLD)
    return path


def test_the_portfolio_is_printed_the_least_healthy_first(config: Path) -> None:
    done = call_health("portfolio", config, "--as-of", "2026-01-04", "--weight", "account")
    assert done.code == 0, done.err
    lines = [line for line in done.out.splitlines() if line.strip()]
    assert lines[0].startswith("Health by csm, every account weighted equally, 4 Jan 2026")
    assert lines[2].startswith("<Bo>")
    assert lines[3].startswith("Ana")
    assert lines[4].startswith("all")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--by", "team"], "one of: all, csm, segment, parent"),
        (["--weight", "seats"], "one of: mrr, account"),
        (["--by", "parent"], "the accounts of 2026-06-07 have no parent_id"),
        (["--as-of", "2026-01-05"], "no run of 2026-01-05"),
    ],
)
def test_wrong_portfolios_are_refused(config: Path, arguments: list[str], message: str) -> None:
    done = call_health("portfolio", config, *arguments)
    assert done.code == 2
    assert message in done.err.replace("\n", " ")


def test_who_was_right_is_told_by_author(config: Path) -> None:
    done = call_health("overrides", config)
    assert done.code == 0, done.err
    # B left within the horizon as Ana said; C stayed; A's horizon has not passed.
    authors = {line.split()[0]: line.split()[1:6] for line in done.out.splitlines() if line.strip()}
    assert authors["all"] == ["3", "2", "1", "1", "0"]
    assert authors["Ana"] == ["2", "1", "1", "0", "0"]
    assert authors["<Bo>"] == ["1", "1", "0", "1", "0"]
    assert "they look elsewhere" in done.out
    assert "not known yet" in done.out


def _bytes(folder: Path) -> dict[Path, bytes]:
    return {p: p.read_bytes() for p in sorted(folder.rglob("as_of=*/*"))}


@pytest.mark.slow
def test_history_is_restated_beside_the_runs(config: Path) -> None:
    runs_dir = config.parent / "runs"
    before = _bytes(runs_dir)
    done = call_health("restate", config, "--config", config.parent / "old.toml")
    assert done.code == 0, done.err
    assert _bytes(runs_dir) == before
    (folder,) = (path for path in (runs_dir / "restated").iterdir() if path.is_dir())
    scores = pd.read_parquet(folder / "scores.parquet")
    hashes = scores.groupby("as_of")["published_scorecard_hash"].unique().str[0].tolist()
    assert hashes[0] == hashes[1] == scores["scorecard_hash"].iloc[0] != hashes[2]
    first = scores[scores["as_of"] < "2026-06-01"]
    np.testing.assert_allclose(first["health_score"], first["published_score"])
    changes = pd.read_parquet(folder / "changes.parquet").set_index(["account_id", "as_of"])
    last = pd.Timestamp("2026-06-07")
    # C went on as before while its override ran out; the new curve gives it 100 for 50 points.
    assert changes.loc[("C", last), "behaviour_change"] == pytest.approx(45 - 5, abs=6)
    assert changes.loc[("C", last), "configuration_change"] > 40
    assert (
        changes.xs(pd.Timestamp("2026-01-11"), level="as_of")["configuration_change"] == 0
    ).all()
    assert "when the scorecard changed" in done.out
    again = call_health("restate", config, "--config", config.parent / "old.toml")
    assert again.code == 0
    assert sum(path.is_dir() for path in (runs_dir / "restated").iterdir()) == 1


@pytest.mark.slow
def test_features_that_a_run_did_not_keep_are_built_again(config: Path) -> None:
    loaded = load_config(config)
    (run, *_) = list_runs(loaded.runs_dir)
    kept = run.folder / "features.parquet"
    aside = kept.rename(kept.with_suffix(".aside"))
    try:
        done = call_health("restate", config, "--config", config)
    finally:
        aside.rename(kept)
    assert done.code == 0, done.err
    assert f"rebuilt from the tables for {date(2026, 1, 4)}" in done.out
    folder = loaded.runs_dir / "restated" / loaded.score_settings.hash
    scores = pd.read_parquet(folder / "scores.parquet")
    assert scores["health_score"].notna().all()


def test_a_wrong_scorecard_names_key_and_file(config: Path) -> None:
    wrong = config.parent / "wrong.toml"
    wrong.write_text("[scorecard]\nminimum_coverage = 3\n[tables.nonsense]\n")
    done = call_health("restate", config, "--config", wrong)
    assert done.code == 2
    assert "scorecard.minimum_coverage" in done.err
    assert "with the scorecard of" in done.err
    assert "nonsense" not in done.err
    assert call_health("restate", config, "--config", config.parent / "none.toml").code == 2
    assert call_health("restate", config, "--config", config, "--since", "2030-01-01").code == 2
