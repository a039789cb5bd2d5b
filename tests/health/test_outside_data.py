"""The outside world's data through its own configuration files: train, score, and be honest."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

import pandas as pd
import pytest

from features.errors import HealthError
from features.reading.table_source import TableSource
from health.business.company import open_company, write_features
from health.runs.directory import list_runs
from health.scoring.explain import explain_account
from health.settings.config import Config, load_config
from health.training.train import train_version
from health.weekly.batch import RunResult, score_run

PROJECT = Path(__file__).parents[2]
SHARED = PROJECT.parent / "shared" / "data"
NOW = datetime(2026, 11, 1, 4, 0)


def _config(name: str, data: str, folder: Path) -> Config:
    if not (SHARED / data).is_dir():
        pytest.skip(f"shared/data/{data} is not beside the project")
    config = load_config(PROJECT / "notebooks" / "configs" / f"{name}.toml")
    # A third of the dates tells nearly as much, in a third of the time.
    training = config.training.model_copy(update={"every_days": 84})
    folders = {"models_dir": folder / "models", "runs_dir": folder / "runs"}
    return config.model_copy(update={"training": training, **folders})


@pytest.fixture(scope="module")
def ravenstack(tmp_path_factory: pytest.TempPathFactory) -> Config:
    """RavenStack with a model; a test takes runs_dir for its own."""
    config = _config("ravenstack", "ravenstack", tmp_path_factory.mktemp("ravenstack"))
    train_version(config)
    return config


def _run(config: Config) -> RunResult:
    train_version(config)
    return score_run(config, None, replace=False, today=NOW)


def test_ravenstack_defects_are_counted_and_work_goes_on(tmp_path: Path) -> None:
    config = _config("ravenstack", "ravenstack", tmp_path)
    found = {(f.code, f.table): f for f in open_company(config).opened.findings}
    assert {f.level for f in found.values()} == {"warning"}
    assert found["duplicate_id", "usage"].rows == 21
    outside = found["usage_outside_subscription", "usage"]
    assert outside.rows / outside.total == pytest.approx(0.78, abs=0.005)
    early = found["tickets_before_signup", "tickets"]
    assert early.rows / early.total == pytest.approx(0.54, abs=0.005)


@pytest.mark.slow
def test_ravenstack_has_too_few_churned_accounts_for_a_probability(
    ravenstack: Config, tmp_path: Path
) -> None:
    config = ravenstack.model_copy(update={"runs_dir": tmp_path})
    run = score_run(config, None, replace=False, today=NOW)
    scores, flags = run.scored.scores, run.scored.flags
    assert len(scores) > 400
    assert scores["health_score"].notna().mean() > 0.9
    assert scores["churn_probability"].isna().all()
    assert scores["clv"].gt(0).all()
    assert any("at least 10 are needed" in w for w in run.info["warnings"])
    at_risk = flags[flags["flag"] == "at_risk"]
    assert at_risk["probability"].isna().all()
    red = set(scores.loc[scores["health_band"] == "red", "account_id"])
    assert set(at_risk["account_id"]) <= red
    json.loads((run.published.folder / "run.json").read_text())


def _with_sql(config: Config, table: str, add: str, old: str = "", new: str = "") -> Config:
    """Doctor a table: another query over the same files."""
    sql = str(config.tables[table].sql).replace(old, new) if old else config.tables[table].sql
    tables = {**config.tables, table: TableSource(sql=f"{sql} {add}")}
    return config.model_copy(update={"tables": tables})


@pytest.mark.slow
def test_gates_stop_a_doctored_ravenstack_week(ravenstack: Config, tmp_path: Path) -> None:
    config = ravenstack.model_copy(update={"runs_dir": tmp_path})
    good, bad = datetime(2024, 12, 22), datetime(2024, 12, 29)
    score_run(config, good, replace=False, today=NOW)
    doctored = {
        "freshness of usage": _with_sql(config, "usage", "where u.usage_date < '2024-11-20'"),
        "rows of tickets": _with_sql(config, "tickets", "where hash(ticket_id) % 3 > 0"),
        "drift of features": _with_sql(config, "usage", "", "u.error_count", "30 * u.error_count"),
    }
    for gate, week in doctored.items():
        with pytest.raises(HealthError) as stopped:
            score_run(week, bad, replace=False, today=NOW)
        assert stopped.value.exit_code == 3
        assert gate in stopped.value.what
        assert ("a fleet-wide shift" in stopped.value.what) == (gate == "freshness of usage")
    assert [run.as_of for run in list_runs(tmp_path)] == [good.date()]
    assert score_run(config, bad, replace=False, today=NOW).published.as_of == bad.date()


@pytest.mark.slow
def test_churnsim_scores_end_to_end(tmp_path: Path) -> None:
    config = _config("churnsim_dev_b", "churnsim/dev_b", tmp_path)
    run = _run(config)
    scores = run.scored.scores
    assert scores["account_id"].is_unique
    # The youngest accounts have too little history for a score.
    assert scores["health_score"].notna().mean() > 0.95
    assert scores["churn_probability"].between(0, 1).all()
    assert scores["upsell_probability"].between(0, 1).all()
    # Everyone holds every product, so there is nothing to cross-sell, and the run says so.
    assert scores["cross_sell_product"].isna().all()
    assert run.info["evaluation"]["cross_sell"]["note"]
    churn = run.info["evaluation"]["churn"]
    # Above 0.9 would be a leak: boosted trees reach 0.70 on this simulator's other companies.
    assert churn["auc"] is None or churn["auc"]["value"] < 0.9
    one = explain_account(config, str(scores["account_id"].iloc[0]))
    assert one.reasons["contribution"].notna().all()


@pytest.mark.slow
def test_a_renewal_written_as_a_new_row_is_no_churn(tmp_path: Path) -> None:
    config = _config("churnsim_dev_a", "churnsim/dev_a", tmp_path)
    features = tmp_path / "features.parquet"
    write_features(config, datetime(2023, 6, 4), features, today=NOW)
    frame = pd.read_parquet(features)
    # Terms of up to 35 days are month to month: they end, and have no renewal.
    assert frame["days_to_term_end"].notna().all()
    longer = frame["contract_months"] > 1
    assert longer.any() and (~longer).any()
    assert frame.loc[longer, "days_to_renewal"].notna().all()
    assert frame["tenure_days"].max() > 400


@pytest.mark.slow
def test_cdnow_scores_by_orders_and_tells_what_came(tmp_path: Path) -> None:
    config = _config("cdnow", "cdnow", tmp_path)
    # Short lists: they are not what is looked at.
    one = config.flags.model_copy(update={"unassigned_csms": 1})
    config = config.model_copy(update={"flags": one})
    until = datetime(1997, 10, 1)
    order = train_version(config, until=until).version.manifest["evaluation"]["order"]
    assert order["basis"] == "bg/nbd, gamma-gamma" and order["has_signal"]
    # Of all 23,570 customers, before and after 3 July 1997.
    assert order["purchases"]["expected"] == pytest.approx(order["purchases"]["actual"], rel=0.1)
    scores = score_run(config, until, replace=False, today=NOW).scored.scores
    assert len(scores) == 23_570 and scores["health_score"].notna().all()
    path = SHARED / "cdnow" / "CDNOW_master.txt"
    names = ["account_id", "day", "cds", "amount"]
    orders = pd.read_csv(path, sep=r"\s+", names=names, skiprows=1, dtype={"account_id": str})
    soon = orders[(orders["day"] >= 19971001) & (orders["day"] < 19971230)]
    again = scores["account_id"].isin(soon["account_id"])
    # Christmas brings some more back than a model without seasons expects.
    assert scores["order_probability"].sum() == pytest.approx(again.sum(), rel=0.15)
    # Green customers come back more often than yellow ones, and these than red ones.
    rates = again.groupby(scores["health_band"]).mean()
    assert rates["green"] > 2 * rates["yellow"] > 4 * rates["red"]
