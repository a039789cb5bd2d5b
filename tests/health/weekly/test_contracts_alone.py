"""A company without usage: what can be published is, and what cannot is explained."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import pandas as pd
import pytest

from health.demo import simulate_company
from tests.health.conftest import call_health

pytestmark = pytest.mark.slow


def _company(folder: Path, names: Iterable[str]) -> Path:
    # Fewer accounts would be too few of which anybody left.
    company = simulate_company(90, weeks=70, seed=5)
    lines = ['currency = "USD"', "observed_until = 2026-11-01", "[training]", "every_days = 56"]
    for name in names:
        rows = company.tables[name]
        if name == "surveys":
            # Few customers were asked.
            rows = rows[rows["account_id"] <= "ACC-00010"]
        rows.to_csv(folder / f"{name}.csv", index=False)
        lines += [f"[tables.{name}]", f'path = "{name}.csv"']
    (folder / "health.toml").write_text("\n".join(lines))
    return folder / "health.toml"


def test_contracts_alone_give_risk_and_value_and_the_run_says_why_no_health(tmp_path: Path) -> None:
    config = _company(tmp_path, ("accounts", "subscriptions"))
    assert call_health("train", config).code == 0
    for day in ("2026-10-25", "2026-11-01"):
        done = call_health("score", config, "--as-of", day)
        assert done.code == 0, done.err
    said = " ".join(done.out.split())
    assert "no account has a score: a health score needs usage, tickets or surveys" in said
    run = tmp_path / "runs" / "as_of=2026-11-01"
    scores = pd.read_parquet(run / "scores.parquet")
    staying = scores[~scores["known_to_leave"]]
    (manifest,) = (tmp_path / "models").glob("2*/manifest.json")
    assert json.loads(manifest.read_text())["evaluation"]["churn"]["basis"] == "renewal timing"
    assert scores["health_score"].isna().all()
    assert staying[["churn_probability", "expected_loss", "clv"]].notna().all(axis=None)
    info = json.loads((run / "run.json").read_text())
    (gate,) = [gate for gate in info["gates"] if gate["code"] == "unscored"]
    assert gate["passed"] and not gate["accepted"]
    assert "there is no such table" in gate["what"]
    assert any("no account has a score" in warning for warning in info["warnings"])
    assert "no account has a score" in (run / "report.html").read_text()


def test_answers_of_few_accounts_give_these_a_score(tmp_path: Path) -> None:
    config = _company(tmp_path, ("accounts", "subscriptions", "surveys"))
    assert call_health("train", config).code == 0
    done = call_health("score", config)
    assert done.code == 0, done.err
    scores = pd.read_parquet(tmp_path / "runs" / "as_of=2026-11-01" / "scores.parquet")
    assert 0 < scores["health_score"].notna().mean() < 0.5
    assert "no account has a score" not in done.out
