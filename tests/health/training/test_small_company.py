"""A company of which few accounts have left: the churn model reads the health score alone."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pytest
from scipy.special import logit

from health.business.company import features_of, open_company
from health.scorecard.score import score_with
from health.settings.config import load_config
from health.settings.score import ScoreSettings
from health.training import registry
from health.training.rows import build_training_set
from health.training.score_terms import (
    kept_scorecard,
    score_measures,
    score_terms,
    with_score_terms,
)
from models.churn.score_model import POINTS, WEIGHT
from tests.health.conftest import Demo, call_health, stop_using_before_leaving

pytestmark = pytest.mark.slow

#: Accounts of the demo company that are kept.
KEPT = 90


def _write(demo: Demo, folder: Path, kept: int = KEPT) -> Path:
    """Write the first accounts of the demo company alone."""
    (folder / "tables").mkdir()
    customers = ("contacts", "invoices", "interactions", "goals")
    for table in ("accounts", "subscriptions", "tickets", "surveys", "usage", *customers):
        source = demo.folder / "tables" / (f"{table}/*" if table == "usage" else f"{table}.csv")
        present = next((demo.folder / "tables").glob(f"{table}*"))
        read = f"read_parquet('{source}')" if table == "usage" else f"read_csv('{present}')"
        target = folder / "tables" / (f"{table}.parquet" if table == "usage" else f"{table}.csv")
        duckdb.sql(
            f"copy (select * from {read} where account_id <= 'ACC-{kept:05d}' "
            f"order by all) to '{target}'"
        )
    text = demo.config.read_text().replace('"tables/usage"', '"tables/usage.parquet"')
    # Half of the dates: what is asked here does not hang on them.
    (folder / "health.toml").write_text(text + "[training]\nevery_days = 56\n")
    return folder / "health.toml"


def _next_to(config: Path, folder: Path, more: str, models: Path) -> Path:
    """Write a configuration of the same tables with more sections, and models elsewhere."""
    text = config.read_text().replace('"tables/', f'"{config.parent}/tables/')
    text = text.replace('models_dir = "models"', f'models_dir = "{models}"')
    (folder / "health.toml").write_text(text.replace("[training]\nevery_days = 56\n", "") + more)
    return folder / "health.toml"


@pytest.fixture(scope="module")
def small(demo: Demo, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The configuration of a small company that was trained and scored."""
    source = tmp_path_factory.mktemp("source")
    shutil.copytree(demo.folder / "tables", source / "tables")
    shutil.copy(demo.config, source)
    stop_using_before_leaving(source / "tables")
    config = _write(Demo(source, ""), tmp_path_factory.mktemp("small"))
    trained = call_health("train", config)
    assert trained.code == 0, trained.err
    said = " ".join(trained.out.split())
    assert "basis: scorecard" in said and "scorecard chosen: log loss" in said
    scored = call_health("score", config)
    assert scored.code == 0, scored.err
    return config


def _manifest(config: Path) -> dict[str, Any]:
    (path,) = config.parent.glob("models/2*/manifest.json")
    return dict(json.loads(path.read_text()))


def test_the_manifest_and_the_page_say_which_and_why(small: Path) -> None:
    churn = _manifest(small)["evaluation"]["churn"]
    choice = churn["choice"]
    assert churn["basis"] == choice["chosen"] == "scorecard"
    assert 10 <= churn["event_accounts"] < 50 and choice["event_accounts"] >= 5
    tried = {each["name"] for each in choice["candidates"]}
    always = {"base rate", "scorecard", "few-feature model", "weekly hazard"}
    assert always <= tried <= always | {"renewal timing"}
    assert churn["estimator"] == "ScoreClassifier"
    (page,) = small.parent.glob("models/2*/evaluation.html")
    text = page.read_text()
    assert "Basis: scorecard" in text and "<h3>Candidates</h3>" in text
    assert choice["why"].split(":")[0] in text.replace("&#39;", "'")


def _run(config: Path) -> Path:
    return next((config.parent / "runs").glob("as_of=*"))


def test_the_risk_is_told_by_the_measures_of_the_score(small: Path) -> None:
    scores = pd.read_parquet(_run(small) / "scores.parquet").set_index("account_id")
    reasons = pd.read_parquet(_run(small) / "reasons.parquet")
    result = reasons[reasons["output"] == "churn"]
    sums = result.groupby("account_id")["contribution"].sum().reindex(scores.index)
    assert sums.to_numpy() == pytest.approx(
        logit(scores["churn_probability"]), abs=1e-6, nan_ok=True
    )
    # Nobody overrode anything: the lower the health, the higher the risk.
    by_health = scores.dropna(subset="health_score").sort_values("health_score")
    assert (by_health["churn_probability"].diff().dropna() <= 1e-12).all()
    measures = score_measures(load_config(small).score_settings)
    assert set(result["term"]) <= {*measures, "baseline", "others"}
    assert result["text"].str.len().gt(0).all()


def test_the_terms_of_a_past_date_sum_to_its_score(small: Path) -> None:
    config = load_config(small)
    training = build_training_set(open_company(config).opened.tables, config)
    day = training.dates[-1]
    features = features_of(open_company(config), day)
    result = score_terms(features, config.score_settings).set_index(features["account_id"])
    health = score_with(config.score_settings, features)
    score = health.score.set_axis(features["account_id"])
    points = result.filter(like=POINTS).sum(axis=1, min_count=1)
    assert points.to_numpy() == pytest.approx(score.to_numpy(), nan_ok=True)
    weights = result.filter(like=WEIGHT).sum(axis=1, min_count=1).dropna()
    assert weights.to_numpy() == pytest.approx(1.0)
    # Learnt from is what was known on the date, peers that had given notice among them.
    rows = training.accounts[training.accounts["as_of"] == pd.Timestamp(day)]
    own = rows.set_index("account_id")[list(result.columns)]
    pd.testing.assert_frame_equal(own, result.loc[own.index])


def test_rules_and_profiles_keep_the_sum(small: Path) -> None:
    never = {"feature": "tenure_days", "below": -1.0}
    young = {"feature": "tenure_days", "below": 400.0}
    low = {"feature": "usage_active_days_28d", "below": 20.0}
    cap = {"name": "Hardly used", "cap": 40.0, "when": [low, young]}
    other = {
        "profiles": [
            {"name": "nobody", "when": [never], "rules": [{**cap, "name": "Never", "cap": 5.0}]},
            {"name": "young", "when": [young], "rules": [cap]},
        ]
    }
    settings = ScoreSettings.model_validate({"scorecard": other})
    company = open_company(load_config(small))
    features = features_of(company, company.data_end)
    health = score_with(settings, features)
    assert (health.contributions["rule:Hardly used"] < 0).any()
    result = score_terms(features, settings)
    points = result.filter(like=POINTS).sum(axis=1, min_count=1)
    assert points.to_numpy() == pytest.approx(health.score.to_numpy(), nan_ok=True)
    capped = health.contributions["rule:Hardly used"] < 0
    # A measure gives what it earned and its share of the rule, tenure its share alone.
    share = health.contributions["rule:Hardly used"][capped] / 2
    assert result.loc[capped, f"{POINTS}tenure_days"].to_numpy() == pytest.approx(share.to_numpy())
    assert (result.loc[capped, f"{WEIGHT}tenure_days"] == 0).all()


def test_a_scorecard_changed_since_is_told_and_the_model_keeps_its_own(
    small: Path, tmp_path: Path
) -> None:
    other = """
[[scorecard.components]]
name = "answers"
weight = 1
[[scorecard.components.measures]]
feature = "surveys_nps_latest"
worst = 0
best = 10
"""
    config = _next_to(small, tmp_path, other, small.parent / "models")
    done = call_health("score", config)
    assert done.code == 0, done.err
    assert "the scorecard that it was trained with" in " ".join(done.out.split())
    ours, theirs = (
        pd.read_parquet(_run(c) / "scores.parquet")["churn_probability"] for c in (config, small)
    )
    assert ours.to_numpy() == pytest.approx(theirs.to_numpy(), nan_ok=True)


def test_one_may_be_asked_for_and_is_weighed_against_the_other(small: Path, tmp_path: Path) -> None:
    shutil.copytree(small.parent / "models", tmp_path / "models")
    asked = '[training]\nevery_days = 56\nsmall_model = "few-feature model"\n'
    config = _next_to(small, tmp_path, asked, tmp_path / "models")
    done = call_health("train", config, "--until", "2026-08-02")
    said = " ".join(done.out.split())
    # It ranks worse than the champion, which blocks its promotion.
    assert done.code == 3, done.err
    assert "few-feature model chosen: as the configuration asks" in said or "base rate" in said
    assert "Against the champion" in said and "churn: worse; AUC" in said
    assert "cross-sell: worse" not in said


def test_a_backtest_fits_what_would_have_been_published_then(small: Path, tmp_path: Path) -> None:
    config = _next_to(small, tmp_path, "[training]\nevery_days = 56\n", tmp_path / "models")
    done = call_health("backtest", config, "--from", "2026-07-05")
    assert done.code == 0, done.err
    result = json.loads((tmp_path / "runs" / "backtest" / "backtest.json").read_text())
    (fit,) = result["fits"]
    # Fewer had left by then: another candidate may be best, or chance cannot be ruled out.
    assert (
        fit["basis"] in ("scorecard", "base rate", "model", "renewal timing")
        and fit["learnt_until"] <= "2026-03-07"
    )


def test_the_score_of_a_version_is_read_from_its_own_scorecard(small: Path) -> None:
    config = load_config(small)
    (version,) = registry.list_versions(config.models_dir)
    kept = registry.load_version(config.models_dir, version.name).artefacts
    assert kept["scorecard"] == kept_scorecard(config.score_settings)
    # Plain values, whose bytes hang on no hash.
    assert json.loads(json.dumps(kept["scorecard"])) == kept["scorecard"]
    features = features_of(open_company(config), open_company(config).data_end)
    result = with_score_terms(features, kept)
    assert set(result.columns) >= set(kept["churn"].feature_names_in_)
    assert np.isfinite(
        kept["churn"].decision_function(result[kept["churn"].feature_names_in_])
    ).all()
    assert with_score_terms(features, {}) is features
