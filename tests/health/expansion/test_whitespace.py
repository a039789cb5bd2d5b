"""Accounts × products of a demo company: held, open, not eligible, and what each is worth."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import pandas as pd
import pytest

from features.build import build_features
from features.tables.opened import Tables
from health.business.company import Company, open_company
from health.expansion.offers import PUBLISHED
from health.expansion.whitespace import best_rows, worth_listing
from health.scoring.run import ScoredRun, score_accounts
from health.settings.config import Config, load_config
from health.settings.expansion import ListPrice
from health.settings.flags import FlagsConfig
from health.training.champion import load_champion
from tests.health.conftest import Demo, call_health


@pytest.fixture(scope="module")
def config(demo: Demo) -> Config:
    return load_config(demo.config)


@pytest.fixture(scope="module")
def company(config: Config) -> Company:
    return open_company(config)


@pytest.fixture(scope="module")
def published(demo: Demo) -> pd.DataFrame:
    return pd.read_parquet(demo.runs[-1] / "whitespace.parquet")


@pytest.fixture(scope="module")
def scores(demo: Demo) -> pd.DataFrame:
    return pd.read_parquet(demo.runs[-1] / "scores.parquet")


def _scored(company: Company, config: Config, tables: Tables | None = None) -> ScoredRun:
    tables = tables or company.opened.tables
    day = datetime(2026, 11, 1)
    features = build_features(tables, [day])
    return score_accounts(features, tables, load_champion(config).artefacts, config)


def test_every_account_meets_every_product_once(
    published: pd.DataFrame, scores: pd.DataFrame
) -> None:
    assert list(published.columns) == list(PUBLISHED)
    assert not published.duplicated(["account_id", "product"]).any()
    assert published.groupby("account_id")["product"].nunique().eq(4).all()
    assert set(published["account_id"]) == set(scores["account_id"])
    held = published[published["status"] == "held"].groupby("account_id")["held_mrr"].sum()
    paid = scores.set_index("account_id")["mrr"]
    pd.testing.assert_series_equal(held, paid, check_names=False, check_like=True)


def test_a_value_is_chance_times_a_year_of_the_step_times_staying(
    published: pd.DataFrame, scores: pd.DataFrame
) -> None:
    stays = 1 - published["account_id"].map(scores.set_index("account_id")["churn_probability"])
    worth = published["probability"] * published["step_mrr"] * 12 * stays
    np.testing.assert_allclose(published["value"], worth, rtol=1e-9)


def test_the_scores_carry_the_best_of_the_table(
    published: pd.DataFrame, scores: pd.DataFrame
) -> None:
    own = scores.set_index("account_id")
    best = published.iloc[best_rows(published, "cross_sell")].set_index("account_id")
    best = best.reindex(own.index)
    assert best["product"].fillna("").tolist() == own["cross_sell_product"].fillna("").tolist()
    upsell = published[published["offer"] == "upsell"].groupby("account_id")
    gains, chances = (upsell[name].sum(min_count=1) for name in ("value", "probability"))
    np.testing.assert_allclose(gains, own["upsell_value"].sort_index())
    np.testing.assert_allclose(chances, own["upsell_probability"].sort_index(), atol=1e-9)


def test_who_gave_notice_has_no_chance_of_anything_and_leaves_on_its_last_day(
    published: pd.DataFrame, scores: pd.DataFrame
) -> None:
    leaving = scores[scores["known_to_leave"]]
    assert len(leaving)
    chances = [c for c in scores if c.endswith(("_probability", "_base_rate", "expected_loss"))]
    assert leaving[chances].isna().all(axis=None)
    assert (leaving["leaving_arr"] == 12 * leaving["mrr"]).all()
    assert (leaving["last_day"] >= leaving["as_of"]).all()
    months = (leaving["last_day"] - leaving["as_of"]).dt.days / 30.4375
    assert (leaving["clv"] <= leaving["mrr"] * months).all()
    assert published.loc[published["account_id"].isin(leaving["account_id"]), "value"].isna().all()
    staying = scores[~scores["known_to_leave"]]
    assert staying["churn_probability"].notna().all()
    assert staying[["last_day", "leaving_arr"]].isna().all(axis=None)
    days = (staying["renewal_date"] - staying["as_of"]).dt.days
    np.testing.assert_allclose(days, staying["days_to_renewal"].round(), atol=1)


def test_the_rules_of_the_catalogue_are_kept(published: pd.DataFrame, scores: pd.DataFrame) -> None:
    segment = published["account_id"].map(scores.set_index("account_id")["segment"])
    connect = published["product"] == "Connect"
    small = published[connect & (segment == "SMB") & (published["status"] != "held")]
    assert (small["status"] == "not eligible").all()
    assert small["why_not"].str.contains("only for segment Mid-market or Enterprise").all()


def test_nothing_is_listed_behind_a_gate_and_the_gate_is_told(
    published: pd.DataFrame, scores: pd.DataFrame
) -> None:
    band = published["account_id"].map(scores.set_index("account_id")["health_band"])
    gated = published[published["gate"] != ""]
    assert len(gated)
    assert not gated["listed"].any()
    assert gated["why_not"].str.contains("no offer now").all()
    # What an account asked for is offered whatever its health.
    unsolicited = (band == "red") & (published["asked"] == "")
    assert published.loc[unsolicited, "gate"].str.contains("red").all()
    listed = published[published["listed"]]
    assert len(listed)
    assert (listed["why"] != "").all()
    assert (listed["why_not"] == "").all()


def test_flags_are_the_listed_rows_that_fit(demo: Demo, published: pd.DataFrame) -> None:
    flags = pd.read_parquet(demo.runs[-1] / "flags.parquet")
    for offer in ("upsell", "cross_sell"):
        flagged = flags[flags["flag"] == offer]
        assert not flagged.duplicated(["account_id", "product"]).any()
        both = flagged.merge(published, on=["account_id", "product"], suffixes=("", "_table"))
        assert len(both) == len(flagged)
        assert set(both["offer"]) <= {offer}
        assert flagged["basis"].isin(["model", "pooled model", "rules"]).all()


def test_an_easier_limit_lists_no_less(published: pd.DataFrame) -> None:
    strict, easy = (
        worth_listing(published, FlagsConfig(expansion_lift=lift), 0.0) for lift in (3.0, 1.1)
    )
    assert (easy | ~strict).all()
    assert easy.sum() > strict.sum()


@pytest.mark.slow
def test_what_prices_and_catalogue_leave_open_is_told_and_stays_listed(
    company: Company, config: Config
) -> None:
    products = {k: v for k, v in config.expansion.products.items() if k != "Automations"}
    prices = {"Insights": ListPrice(amount=9.0, currency="EUR"), "Nonesuch": 5.0}
    changed = config.expansion.model_copy(update={"products": products, "prices": prices})
    run = _scored(company, config.model_copy(update={"expansion": changed}))
    said = " | ".join(run.warnings)
    assert "missing in the [expansion] section: 'Automations'" in said
    assert "'Nonesuch'" in said
    assert "1 list price not in USD and not used: Insights (9 EUR)" in said
    rows = run.whitespace
    assert (rows["product"] == "Automations").any()


def test_explain_follows_an_account_to_its_offers(demo: Demo, published: pd.DataFrame) -> None:
    listed = published[published["listed"] & (published["offer"] == "cross_sell")]
    rows = listed if len(listed) else published
    account = rows["account_id"].iloc[0]
    shown = call_health("explain", demo.config, account)
    assert shown.code == 0, shown.err
    assert "what could be offered" in shown.out
    for product in published.loc[published["account_id"] == account, "product"]:
        assert product in shown.out


def test_a_sign_of_full_seats_is_not_repeated_by_the_model(published: pd.DataFrame) -> None:
    full = published[published["why"].str.contains("of seats were used in the last 28 days")]
    assert len(full)
    assert not full["why"].str.contains("of seats were used in the last 90 days").any()
