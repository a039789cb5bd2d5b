"""The commands on a business that has orders and no contracts."""

from __future__ import annotations

import gzip
import json
import re
from base64 import b64decode
from pathlib import Path

import numpy as np
import openpyxl
import pandas as pd
import pytest

from tests.health.conftest import call_health
from tests.health.orders_company import orders_of, write_company

_CONFIG = """observed_until = 2025-06-01
[tables.accounts]
path = "accounts.csv"
[tables.orders]
path = "orders.csv"
[features]
active_order_days = 100
"""


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    (tmp_path / "accounts.csv").write_text("account_id,created_at\n1,2024-01-01\n2,2024-01-01\n")
    orders = [f"1,2025-0{month}-03,20" for month in range(1, 6)] + ["2,2025-01-02,9"]
    text = "account_id,ordered_at,amount\n" + "\n".join(orders) + "\n"
    (tmp_path / "orders.csv").write_text(text)
    (tmp_path / "health.toml").write_text(_CONFIG)
    return tmp_path / "health.toml"


def test_orders_alone_pass_the_check(shop: Path) -> None:
    done = call_health("check", shop)
    assert done.code == 0, done.err
    assert "orders" in done.out


def test_orders_alone_give_a_feature_table(shop: Path) -> None:
    output = shop.with_name("features.csv")
    done = call_health("features", shop, "--as-of", "2025-06-01", "-o", output)
    assert done.code == 0, done.err
    (row,) = pd.read_csv(output, dtype={"account_id": str}).to_dict("records")
    assert (row["account_id"], row["orders_count_90d"], row["orders_recency_days"]) == ("1", 3, 28)
    assert pd.isna(row["mrr"])


def test_neither_orders_nor_contracts_is_refused(shop: Path) -> None:
    shop.write_text(_CONFIG.replace("[tables.orders]", "[tables.tickets]"))
    done = call_health("check", shop)
    assert done.code == 2
    assert "neither subscriptions nor orders is given" in done.err


def test_without_a_version_the_run_says_to_train_first(shop: Path) -> None:
    done = call_health("score", shop)
    assert done.code == 2
    assert "health train" in done.err


@pytest.fixture(scope="module")
def acme(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The configuration of a company that was trained and scored on two dates."""
    config = write_company(tmp_path_factory.mktemp("acme"), orders_of(300))
    trained = call_health("train", config)
    assert trained.code == 0, trained.err
    assert "AUC" in trained.out and "purchases expected" in trained.out
    for day in ("2024-12-29", "2025-01-05"):
        scored = call_health("score", config, "--as-of", day)
        assert scored.code == 0, scored.err
    return config


def _run(config: Path, day: str = "2025-01-05") -> Path:
    return config.parent / "runs" / f"as_of={day}"


@pytest.fixture(scope="module")
def scores(acme: Path) -> pd.DataFrame:
    return pd.read_parquet(_run(acme) / "scores.parquet").set_index("account_id")


@pytest.mark.slow
def test_scores_tell_of_orders_and_of_no_contract(scores: pd.DataFrame) -> None:
    assert scores["health_score"].notna().all()
    assert scores[["mrr", "upsell_probability", "cross_sell_value"]].isna().all(axis=None)
    assert scores["order_probability"].between(0, 1).all()
    assert (scores["clv_low"] <= scores["clv"]).all() and (scores["clv"] > 0).all()
    assert (scores["clv"] <= scores["clv_high"]).all()
    total = scores["past_value"] + scores["clv"]
    assert total.to_numpy() == pytest.approx(scores["total_value"].to_numpy())


@pytest.mark.slow
def test_the_past_is_half_of_what_was_ordered_at_a_margin_of_half(
    acme: Path, scores: pd.DataFrame
) -> None:
    orders = pd.read_csv(acme.with_name("orders.csv"), parse_dates=["ordered_at"])
    spent = orders.groupby("account_id")["amount"].sum().reindex(scores.index)
    assert scores["past_value"].to_numpy() == pytest.approx(0.5 * spent.to_numpy())
    year = orders[orders["ordered_at"] >= pd.Timestamp("2025-01-05") - pd.Timedelta(days=365)]
    monthly = year.groupby("account_id")["amount"].sum().reindex(scores.index) / 12
    assert scores["monthly_orders"].to_numpy() == pytest.approx(monthly.to_numpy())


@pytest.mark.slow
def test_having_left_is_inferred_where_a_customer_came_back(
    acme: Path, scores: pd.DataFrame
) -> None:
    orders = pd.read_csv(acme.with_name("orders.csv"))
    days = orders.groupby("account_id")["ordered_at"].nunique().reindex(scores.index)
    left = scores["churn_probability"]
    assert (left.isna() == (days == 1)).all()
    assert left.to_numpy() == pytest.approx(1 - scores["alive_probability"].to_numpy(), nan_ok=True)
    reasons = pd.read_parquet(_run(acme) / "reasons.parquet")
    logit = reasons[reasons["output"] == "churn"].groupby("account_id")["contribution"].sum()
    known = left.dropna()
    said = 1 / (1 + np.exp(-logit.reindex(known.index)))
    assert said.to_numpy() == pytest.approx(known.to_numpy(), abs=1e-6)


@pytest.mark.slow
def test_lists_hold_who_may_have_left_and_who_stopped(acme: Path, scores: pd.DataFrame) -> None:
    flags = pd.read_parquet(_run(acme) / "flags.parquet")
    assert set(flags["flag"]) == {"at_risk", "silent"}
    result = flags[(flags["flag"] == "silent") | flags["probability"].notna()]
    assert result["reasons"].str.contains("No order for").all()
    at_risk = flags[flags["flag"] == "at_risk"].set_index("account_id")
    own = scores.loc[at_risk.index]
    likely = own["churn_probability"] >= 2 * 0.85 * own["churn_base_rate"]
    assert (likely | (own["health_band"] == "red")).all()
    known = own["expected_loss"].notna()
    assert (at_risk["value"][known] == own["expected_loss"][known]).all()


@pytest.mark.slow
def test_nothing_for_people_speaks_of_contracts(acme: Path) -> None:
    html = (_run(acme) / "report.html").read_text(encoding="utf-8")
    assert "Monthly orders" in html and "Chance of having left" in html
    # Packed data and images may contain any three letters.
    words = re.sub(r"[A-Za-z0-9+/=]{60,}", "", html)
    assert not re.search(r"MRR|NRR|Renewal|Upsell|Chance of leaving", words)
    (packed,) = re.findall(r'id="details">([^<]*)<', html)
    details = json.loads(gzip.decompress(b64decode(packed)))
    assert "Expected orders" in details["facts"] and details["accounts"]
    assert "MRR" not in json.dumps(details)
    book = openpyxl.load_workbook(_run(acme) / "flags.xlsx")
    assert book.sheetnames == [
        *("Summary", "My week", "At risk", "Disagreements", "Advocates", "Silent"),
        "All accounts",
    ]
    cells = [str(cell.value) for sheet in book for row in sheet.iter_rows() for cell in row]
    heads, *listed = book["My week"].iter_rows(values_only=True)
    # These customers have no names, and orders make no offers.
    account, key = heads.index("Account"), heads.index("Account id")
    assert [row[account] for row in listed] == [row[key] for row in listed] != []
    assert "Offer" not in heads
    assert "Monthly orders (EUR)" in cells
    assert not [cell for cell in cells if "MRR" in cell]
    forecast = (_run(acme) / "forecast.html").read_text(encoding="utf-8")
    assert "Customers by their chance of having left" in forecast
    assert not re.search(r"\bARR\b|MRR|Renewal|Upsell", forecast)


@pytest.mark.slow
def test_explain_and_list_speak_of_orders(acme: Path) -> None:
    flags = pd.read_parquet(_run(acme) / "flags.parquet")
    result = call_health("explain", acme, flags["account_id"].iloc[0])
    assert result.code == 0, result.err
    assert "Chance of having left" in result.out and "orders expected" in result.out
    assert "The ordering pattern raises it" in result.out and "MRR" not in result.out
    listed = call_health("list", acme, "--flag", "silent")
    assert listed.code == 0, listed.err
    assert "Monthly orders" in listed.out and "Renewal" not in listed.out


@pytest.mark.slow
def test_a_run_says_what_it_lives_by_and_why_nothing_is_offered(acme: Path) -> None:
    info = json.loads((_run(acme) / "run.json").read_text())
    assert info["business"] == "orders"
    assert any(
        w.startswith("upsell, cross-sell: no probability is published") for w in info["warnings"]
    )
    assert any("no order within 365 days" in why for why in info["skipped"])
    assert all(gate["passed"] for gate in info["gates"])
    assert len(pd.read_parquet(_run(acme) / "whitespace.parquet")) == 0


@pytest.mark.slow
def test_a_score_reads_what_was_ordered_before_its_date_and_nothing_else(
    acme: Path, tmp_path: Path
) -> None:
    orders = pd.read_csv(acme.with_name("orders.csv"), parse_dates=["ordered_at"])
    config = write_company(tmp_path, orders[orders["ordered_at"] < "2024-12-29"])
    models = f'models_dir = "{acme.parent / "models"}"\n'
    config.write_text(models + config.read_text())
    done = call_health("score", config, "--as-of", "2024-12-29")
    assert done.code == 0, done.err
    ours, theirs = (
        pd.read_parquet(_run(c, "2024-12-29") / "scores.parquet").drop(columns="config_hash")
        for c in (config, acme)
    )
    pd.testing.assert_frame_equal(ours, theirs)


@pytest.mark.slow
def test_an_earlier_run_is_held_against_what_was_ordered_since(acme: Path, tmp_path: Path) -> None:
    orders = pd.read_csv(acme.with_name("orders.csv"), parse_dates=["ordered_at"])
    config = write_company(tmp_path, orders)
    config.write_text(f'models_dir = "{acme.parent / "models"}"\n' + config.read_text())
    for day in ("2024-09-29", "2025-01-05"):
        done = call_health("score", config, "--as-of", day, "--accept", "rows")
        assert done.code == 0, done.err
    (row,) = pd.read_parquet(_run(config) / "monitor.parquet").to_dict("records")
    then = pd.read_parquet(_run(config, "2024-09-29") / "scores.parquet").set_index("account_id")
    begin = pd.Timestamp("2024-09-29")
    since = orders[orders["ordered_at"].between(begin, begin + pd.Timedelta(days=89))]
    days = since.drop_duplicates(["account_id", "ordered_at"]).groupby("account_id").size()
    came = days.reindex(then.index).fillna(0.0)
    assert (row["as_of"], row["outcome"], row["accounts"]) == (begin, "order", len(then))
    assert (row["ordered"], row["orders"]) == ((came > 0).sum(), came.sum())
    assert row["expected"] == pytest.approx(then["order_probability"].sum())
    assert row["orders_expected"] == pytest.approx(then["orders_expected"].sum())
    assert 0.6 < row["auc"] < 0.95 and row["brier"] < row["brier_of_base_rate"]
    html = (_run(config) / "report.html").read_text(encoding="utf-8")
    assert "How earlier lists did" in html and "No order since" in html


@pytest.mark.slow
def test_the_spread_of_the_chances_is_gated_against_training(acme: Path) -> None:
    info = json.loads((_run(acme) / "run.json").read_text())
    gated = {gate["name"]: gate for gate in info["gates"] if gate["code"] == "score_drift"}
    assert {"drift of the alive probability", "drift of the order probability"} <= set(gated)
    drift = pd.read_parquet(_run(acme) / "drift.parquet").set_index("column")
    assert (drift.loc[["alive", "order"], "kind"] == "score").all()
    manifest = json.loads(
        (acme.parent / "models" / info["model_version"] / "manifest.json").read_text()
    )
    assert drift.loc["order", "psi_training"] < 0.1
    assert set(manifest["score_ranges"]) == {"alive", "order"}


@pytest.mark.slow
def test_orders_that_did_not_arrive_stop_the_run_by_the_drift_of_its_chances(
    acme: Path, tmp_path: Path
) -> None:
    orders = pd.read_csv(acme.with_name("orders.csv"), parse_dates=["ordered_at"])
    # Five weeks of silence.
    config = write_company(tmp_path, orders[orders["ordered_at"] < "2024-12-01"])
    config.write_text(f'models_dir = "{acme.parent / "models"}"\n' + config.read_text())
    done = call_health("score", config, "--as-of", "2025-01-05")
    assert done.code == 3, done.out
    assert "drift of the alive probability: PSI" in done.err


@pytest.mark.slow
def test_looking_back_on_contracts_is_refused_in_words(acme: Path) -> None:
    for command in ("backtest", "tune"):
        done = call_health(command, acme)
        assert done.code == 2, done.err
        assert "no subscriptions" in done.err


_DAYS = pd.date_range("2023-06-01", "2024-12-31", freq="3D")


def _spread(amounts: list[float], customers: int = 40, orders: int = 300) -> pd.DataFrame:
    rng = np.random.default_rng(1)
    return pd.DataFrame(
        {
            "account_id": [f"C{i % customers}" for i in range(orders)],
            "ordered_at": rng.choice(_DAYS, orders),
            "amount": rng.choice(amounts, orders),
        }
    )


ODD = {
    "one order each": pd.DataFrame(
        {"account_id": [f"C{i}" for i in range(60)], "ordered_at": _DAYS[-60:], "amount": 9.0}
    ),
    "one customer": pd.DataFrame({"account_id": "A", "ordered_at": _DAYS, "amount": 20.0}),
    "worth nothing": _spread([0.0]),
    "refunds outweigh": _spread([30.0, 50.0, -30.0, -80.0]),
    "all on one day": pd.DataFrame(
        {"account_id": [f"C{i}" for i in range(30)], "ordered_at": _DAYS[-1], "amount": 5.0}
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", ODD)
def test_odd_companies_are_scored_and_told_why_no_fit_stands(kind: str, tmp_path: Path) -> None:
    config = write_company(tmp_path, ODD[kind])
    for command in ("train", "score"):
        done = call_health(command, config)
        assert done.code == 0, done.err
    folder = _run(config)
    scores = pd.read_parquet(folder / "scores.parquet")
    assert scores["health_score"].notna().any()
    assert scores["churn_probability"].isna().all()
    assert (scores["clv"].dropna() >= 0).all() and (scores["monthly_orders"] >= 0).all()
    assert "No chance of having left is published" in (folder / "report.html").read_text()
    result = json.loads((folder / "run.json").read_text())["warnings"]
    assert any(
        "is used instead" in w or "not known yet" in w or "a weak prior" in w for w in result
    )


def test_refunds_alone_are_no_purchase(tmp_path: Path) -> None:
    config = write_company(tmp_path, _spread([-5.0]))
    done = call_health("train", config)
    assert done.code == 2
    assert "no purchase" in done.err


@pytest.mark.slow
def test_a_version_of_orders_does_not_score_contracts(acme: Path, tmp_path: Path) -> None:
    orders = pd.read_csv(acme.with_name("orders.csv"))
    config = write_company(tmp_path, orders, '[tables.subscriptions]\npath = "subscriptions.csv"\n')
    row = "account_id,product,started_at,ended_at,mrr\nC0001,Core,2024-01-01,,100\n"
    (tmp_path / "subscriptions.csv").write_text(row)
    config.write_text(f'models_dir = "{acme.parent / "models"}"\n' + config.read_text())
    done = call_health("score", config)
    assert done.code == 2, done.err
    assert "trained on orders, and the tables contain contracts" in done.err


@pytest.mark.slow
def test_the_book_is_weighted_by_orders(acme: Path) -> None:
    done = call_health("portfolio", acme)
    assert done.code == 0, done.err
    assert "weighted by monthly orders" in done.out and "MRR" not in done.out
