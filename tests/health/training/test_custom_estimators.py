"""A stranger's extension, end to end: features and estimators of one's own in the batch."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.health.conftest import Demo, call_health, run_health

pytestmark = pytest.mark.slow

MODULE = '''
"""Signals of our own."""
from datetime import timedelta

import narwhals as nw
from sklearn.ensemble import RandomForestClassifier

from features import Feature, known_rows

FEATURES = (
    Feature("own_weekend_use_28d", "own", "usage", 28, "count", 1, "no use was ever recorded",
            "nobody worked on a weekend in 28 days", "Weekend events in 28 days: {value}"),
    Feature("own_days_left", "own", "subscriptions", None, "days", 1, "no end is in sight",
            "ends today", "Days until the end: {value}"),
)


class Woods(RandomForestClassifier):
    """A classifier of our own."""


def build(tables, as_of, accounts):
    since = as_of - timedelta(days=28)
    use = known_rows(tables, "usage", as_of).filter(nw.col("occurred_at") >= since)
    use = use.select("account_id", "occurred_at").collect("pandas").to_native()
    weekend = use[use["occurred_at"].dt.dayofweek >= 5].groupby("account_id").size()
    # Looks ahead: the end of a contract is read before anybody wrote it.
    ends = tables["subscriptions"].filter(nw.col("ended_at") >= as_of)
    last = ends.select("account_id", "ended_at").collect("pandas").to_native()
    left = (last.groupby("account_id")["ended_at"].max() - as_of).dt.days
    return accounts[[]].assign(
        own_weekend_use_28d=weekend.reindex(accounts.index, fill_value=0), own_days_left=left
    )
'''
SECTION = """
[training]
every_days = 112
[own]
features = ["own_extension"]
[own.estimators]
upsell = { use = "own_extension:Woods", parameters = { n_estimators = 20, random_state = 0 } }
cross_sell = { use = "sklearn.naive_bayes:GaussianNB" }
[[scorecard.components]]
name = "our own"
weight = 1
measures = [{ feature = "own_weekend_use_28d", curve = [[0, 0], [20, 100]] }]
"""


@pytest.fixture(scope="module")
def extended(demo: Demo, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo company with an own module, trained in a process of its own."""
    folder = tmp_path_factory.mktemp("extended")
    shutil.copytree(demo.folder / "tables", folder / "tables")
    (folder / "own_extension.py").write_text(MODULE)
    (folder / "health.toml").write_text(demo.config.read_text() + SECTION)
    done = run_health("train", folder / "health.toml", cwd=folder)
    assert done.code == 3, done.err
    (folder / "printed.txt").write_text(done.out)
    return folder


def _version(folder: Path) -> Path:
    return next((folder / "models").glob("2*"))


def test_a_feature_that_looks_ahead_stops_promotion_by_name(extended: Path) -> None:
    printed = (extended / "printed.txt").read_text()
    assert "stop own_days_left: known only after the date" in printed
    assert "own_weekend_use_28d" not in printed
    assert "It is not used for scoring" in printed
    scored = call_health("score", extended / "health.toml")
    assert scored.code == 2
    assert "was not promoted" in scored.err
    assert "own_days_left: known only after the date" in scored.err
    assert "promote one" not in scored.err
    assert not (extended / "models" / "champion.json").exists()
    refused = call_health("models", extended / "health.toml", "promote", _version(extended).name)
    assert refused.code == 3
    assert "own_days_left" in refused.err


def test_the_batch_scores_with_the_extension_and_says_so(extended: Path) -> None:
    config, name = extended / "health.toml", _version(extended).name
    forced = call_health(
        "models", config, "promote", name, "--force", "--reason", "a test of the batch"
    )
    assert forced.code == 0, forced.err
    assert "a test of the batch" in forced.out
    scored = call_health("score", config)
    assert scored.code == 0, scored.err
    run = next((extended / "runs").glob("as_of=*"))
    scores = pd.read_parquet(run / "scores.parquet").set_index("account_id")
    reasons = pd.read_parquet(run / "reasons.parquet")
    for output in ("churn", "upsell"):
        own = reasons[reasons["output"] == output].groupby("account_id")["contribution"].sum()
        p = scores[f"{output}_probability"]
        np.testing.assert_allclose(own, np.log(p / (1 - p)).reindex(own.index), atol=1e-6)
    health = reasons[(reasons["output"] == "health") & (reasons["term"] == "own_weekend_use_28d")]
    said = health["text"]
    assert len(said)
    assert said.str.contains("Weekend events in 28 days|Nobody worked on a weekend").all()


def test_the_manifest_names_module_estimators_and_how_they_reason(extended: Path) -> None:
    manifest = json.loads((_version(extended) / "manifest.json").read_text())
    assert list(manifest["own_modules"]) == ["own_extension"]
    assert {"own_weekend_use_28d", "own_days_left"} <= set(manifest["features"])
    assert manifest["own_estimators"] == {
        "cross_sell": "sklearn.naive_bayes:GaussianNB",
        "upsell": "own_extension:Woods",
    }
    assert all(judged["reasons_by"] for judged in manifest["evaluation"].values())


def test_a_module_that_changed_is_refused_and_one_that_is_not_named_too(
    extended: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "changed"
    shutil.copytree(extended, folder)
    name = _version(extended).name
    (folder / "own_extension.py").write_text(MODULE.replace("days=28", "days=29"))
    done = call_health("models", folder / "health.toml", "promote", name)
    assert done.code == 2
    assert "has changed since the version was trained" in done.err
    text = (folder / "health.toml").read_text().replace(SECTION, "")
    (folder / "health.toml").write_text(text)
    done = call_health("models", folder / "health.toml", "promote", name)
    assert done.code == 2
    assert "not in the catalogue: own_days_left, own_weekend_use_28d" in done.err
