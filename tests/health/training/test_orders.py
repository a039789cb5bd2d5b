"""A version for a company that lives by orders: what it holds, and how it is weighed."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

import pandas as pd
import pytest

from features.errors import HealthError
from health.settings.config import Config, load_config
from health.training import registry
from health.training.promotion import weigh
from health.training.train import Trained, train_version
from tests.health.orders_company import END, orders_of, write_company

ORDERS = orders_of(300)


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Config:
    return load_config(write_company(tmp_path_factory.mktemp("acme"), ORDERS))


@pytest.fixture(scope="module")
def trained(config: Config) -> Trained:
    return train_version(config)


def test_the_version_is_tested_on_what_came_after_an_earlier_fit(trained: Trained) -> None:
    assert trained.promoted
    manifest = trained.version.manifest
    order = manifest["evaluation"]["order"]
    assert order["basis"] == "bg/nbd, gamma-gamma" and order["has_signal"]
    assert order["tested_from"] == "2024-10-07"
    assert 0.65 < order["auc"]["value"] < 0.9 and order["auc"]["low"] > 0.5
    split = END - pd.Timedelta(days=90)
    known = set(ORDERS.loc[ORDERS["ordered_at"] < split, "account_id"])
    later = ORDERS[(ORDERS["ordered_at"] >= split) & ORDERS["account_id"].isin(known)]
    # Who had not ordered for a year is not asked about, and hardly comes back.
    assert order["purchases"]["actual"] == pytest.approx(
        len(later.drop_duplicates(["account_id", "ordered_at"])), rel=0.05
    )
    assert order["purchases"]["expected"] == pytest.approx(order["purchases"]["actual"], rel=0.3)
    assert manifest["targets"]["order"]["events"] > 20


@pytest.mark.slow
def test_the_same_orders_and_seed_give_the_same_version(config: Config, trained: Trained) -> None:
    assert train_version(config).version.name == trained.version.name


@pytest.mark.slow
def test_a_version_knows_nothing_of_its_date_or_later(config: Config, tmp_path: Path) -> None:
    until = datetime(2024, 7, 1)
    earlier = ORDERS[ORDERS["ordered_at"] < pd.Timestamp(until)]
    cut = load_config(write_company(tmp_path, earlier))
    cut = cut.model_copy(update={"observed_until": until})
    ours = train_version(cut).version.manifest
    theirs = train_version(config, until=until, promoted=False).version.manifest
    for key in ("evaluation", "feature_ranges", "targets", "trained_until"):
        assert ours[key] == theirs[key]


@pytest.mark.slow
def test_a_later_version_is_compared_on_what_it_was_tested_on(tmp_path: Path) -> None:
    config = load_config(write_company(tmp_path, ORDERS))
    early = train_version(config, until=datetime(2024, 8, 1))
    late = train_version(config)
    (found,) = late.decision.compared
    assert early.promoted and late.promoted
    assert found.target == "order" and found.verdict in {"better", "no worse"}
    assert found.dates == ("2024-10-07", "2024-10-07")
    between = train_version(config, until=datetime(2024, 12, 1))
    # A look at the past replaces no champion that has learned from later data.
    assert not between.promoted and between.decision.passes
    assert between.held_back == "it was trained until 2024-12-01, the champion until 2025-01-05"
    assert registry.champion(config.models_dir) == late.version.name
    assert "refitted" in weigh(config, between.version.name).compared[0].why


@pytest.mark.slow
def test_a_version_that_does_not_converge_any_more_is_not_promoted(tmp_path: Path) -> None:
    config = load_config(write_company(tmp_path, ORDERS))
    train_version(config, until=datetime(2024, 7, 1))
    once = ORDERS.drop_duplicates("account_id", keep="last")
    write_company(tmp_path, once)
    spoilt = train_version(config)
    assert not spoilt.promoted
    assert "no longer publishes its probabilities" in spoilt.decision.stops[0]


def test_a_changed_artefact_is_refused(config: Config, trained: Trained) -> None:
    path = config.models_dir / trained.version.name / "purchases.joblib"
    whole = path.read_bytes()
    path.write_bytes(whole + b" ")
    try:
        with pytest.raises(HealthError, match="checksum"):
            registry.load_version(config.models_dir, trained.version.name)
    finally:
        path.write_bytes(whole)


def test_the_page_says_what_was_asked_and_what_came(config: Config, trained: Trained) -> None:
    page = (config.models_dir / trained.version.name / "evaluation.html").read_text()
    assert "Ordering again within 90 days" in page and "Days with a purchase" in page
    assert "MRR" not in page
    json.dumps(trained.version.manifest, allow_nan=False)
