"""`health demo` end to end: a real process, real files, and what a reader relies on."""

from __future__ import annotations

import json
import os
import re
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import openpyxl
import pandas as pd
import pytest

from tests.health.conftest import Demo
from tests.health.run_files import FILES

SCORES = {
    "account_id",
    "as_of",
    "csm",
    "segment",
    "stage",
    "mrr",
    "health_score",
    "health_band",
    "health_coverage",
    "health_change",
    "churn_probability",
    "expected_loss",
    "clv",
    "clv_low",
    "clv_high",
    "past_value",
    "total_value",
    "upsell_probability",
    "upsell_value",
    "cross_sell_product",
    "cross_sell_probability",
    "cross_sell_value",
}


@pytest.fixture(scope="module")
def run(demo: Demo) -> Path:
    return demo.runs[-1]


@pytest.fixture(scope="module")
def scores(run: Path) -> pd.DataFrame:
    return pd.read_parquet(run / "scores.parquet")


@pytest.fixture(scope="module")
def reasons(run: Path) -> pd.DataFrame:
    return pd.read_parquet(run / "reasons.parquet")


@pytest.fixture(scope="module")
def flags(run: Path) -> pd.DataFrame:
    return pd.read_parquet(run / "flags.parquet")


def test_the_summary_says_what_a_reader_needs(demo: Demo) -> None:
    for part in (
        "accounts scored",
        "red",
        "yellow",
        "green",
        "Money at risk",
        "Upsell candidates",
        "Cross-sell candidates",
        "oracle",
        "report.html",
        "flags.xlsx",
    ):
        assert part in demo.printed, part


def test_two_weeks_were_published_whole(demo: Demo) -> None:
    assert len(demo.runs) == 2
    for folder in demo.runs:
        files = [str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()]
        assert sorted(files) == sorted(FILES)


def test_every_output_is_there_per_account(scores: pd.DataFrame) -> None:
    assert set(scores.columns) >= SCORES
    assert scores["account_id"].is_unique
    assert scores["health_score"].between(0, 100).mean() > 0.95
    staying = scores[~scores["known_to_leave"]]
    assert staying["churn_probability"].between(0, 1).all()
    assert staying["upsell_probability"].between(0, 1).all()
    assert (scores["clv_low"] <= scores["clv"]).all()
    assert (scores["clv"] <= scores["clv_high"]).all()
    assert (scores["clv"] > 0).all()
    assert (scores["past_value"] > 0).mean() > 0.95
    assert np.allclose(scores["past_value"] + scores["clv"], scores["total_value"])
    assert scores["cross_sell_product"].notna().any()
    assert scores["health_change"].notna().mean() > 0.9


@pytest.mark.parametrize(
    ("output", "column"),
    [
        ("health", "health_score"),
        ("churn", "churn_probability"),
        ("upsell", "upsell_probability"),
        ("cross_sell", "cross_sell_probability"),
    ],
)
def test_contributions_sum_to_the_published_figure(
    scores: pd.DataFrame, reasons: pd.DataFrame, output: str, column: str
) -> None:
    published = scores.set_index("account_id")[column].dropna()
    if column.endswith("probability"):
        published = np.log(published / (1 - published))
    sums = reasons[reasons["output"] == output].groupby("account_id")["contribution"].sum()
    np.testing.assert_allclose(sums.reindex(published.index), published, atol=1e-6)
    assert reasons["text"].str.len().min() > 3


def test_flags_fit_a_week_and_rank_by_money(flags: pd.DataFrame) -> None:
    assert {"at_risk", "upsell"} <= set(flags["flag"])
    for _, own in flags.groupby(["flag", "csm"]):
        ordered = own.sort_values("rank")
        assert ordered["rank"].tolist() == list(range(1, len(own) + 1))
        # Advocates have no value; they are ranked by what they pay.
        assert ordered["value"].dropna().is_monotonic_decreasing
        assert len(own) <= 15
    assert (flags["reasons"].str.len() > 0).all()
    assert (flags["suggested_play"].str.len() > 0).all()


def test_a_week_fits_and_is_ranked_by_money(run: Path, flags: pd.DataFrame) -> None:
    week = pd.read_parquet(run / "my_week.parquet")
    assert week["account_id"].is_unique
    assert set(week["account_id"]) == set(flags["account_id"])
    for _, own in week.groupby("csm"):
        assert own["rank"].tolist() == list(range(1, len(own) + 1))
        assert own["value"].dropna().is_monotonic_decreasing
        assert len(own) <= 15
    info = json.loads((run / "run.json").read_text())
    assert info["my_week"]["accounts"] == len(week)
    assert "room for 15 accounts" in info["my_week"]["rule"]


def test_nobody_leaving_is_ranked_as_a_risk(scores: pd.DataFrame, flags: pd.DataFrame) -> None:
    leaving = set(scores.loc[scores["stage"] == "leaving", "account_id"])
    at_risk = set(flags.loc[flags["flag"] == "at_risk", "account_id"])
    assert leaving == set(flags.loc[flags["flag"] == "leaving", "account_id"]) or leaving
    assert not leaving & at_risk


def test_a_red_account_gets_an_offer_only_if_it_asked(
    scores: pd.DataFrame, flags: pd.DataFrame
) -> None:
    red = set(scores.loc[scores["health_band"] == "red", "account_id"])
    offers = flags[flags["flag"].isin(["upsell", "cross_sell"])]
    offered = set(offers.loc[~offers["asked"].astype(bool), "account_id"])
    assert not red & offered


def test_a_flag_that_stood_last_week_keeps_its_since(demo: Demo, flags: pd.DataFrame) -> None:
    before = pd.read_parquet(demo.runs[0] / "flags.parquet")
    keys = ["account_id", "flag", "product"]
    stood = flags.merge(before[keys], on=keys)
    assert len(stood) > 0
    assert (stood["since"] == before["since"].max()).all()


def test_run_json_tells_the_run(run: Path, scores: pd.DataFrame) -> None:
    info = json.loads((run / "run.json").read_text())
    assert info["as_of"] == run.name.removeprefix("as_of=")
    assert info["row_counts"]["accounts"] in {100, 200}
    assert all(gate["passed"] for gate in info["gates"])
    assert info["clv"]["horizon_months"] == 36
    assert set(info["evaluation"]) == {"churn", "upsell", "cross_sell"}
    assert len(info["config_hash"]) == 16


def test_workbook_and_report_hold_every_flagged_account(run: Path, flags: pd.DataFrame) -> None:
    html = (run / "report.html").read_text(encoding="utf-8")
    assert not re.search(r"""(?:src|href)=["']https?:""", html)
    for account in flags["account_id"].unique():
        assert account in html
    book = openpyxl.load_workbook(run / "flags.xlsx")
    text = {str(cell.value) for sheet in book for row in sheet.iter_rows() for cell in row}
    assert set(flags["account_id"]) <= text


def test_the_truth_is_no_table_of_the_company(demo: Demo) -> None:
    truth = pd.read_parquet(demo.folder / "truth.parquet")
    assert truth["churn_hazard"].between(0, 1).all()
    assert "truth" not in demo.config.read_text()


def test_changes_of_the_score_sum_to_it(run: Path, scores: pd.DataFrame) -> None:
    changes = pd.read_parquet(run / "changes.parquet")
    sums = changes.groupby("account_id")["change"].sum()
    published = scores.set_index("account_id")["health_change"].dropna()
    gaps = sums.reindex(published.index, fill_value=0.0) - published
    assert gaps.abs().max() < 1e-6
    assert set(changes["account_id"]) <= set(published.index)
    assert not (changes["kind"] == "configuration").any()
    assert (changes["text"] != "").all()


def test_the_portfolio_holds_the_whole_book(run: Path, scores: pd.DataFrame) -> None:
    portfolio = pd.read_parquet(run / "portfolio.parquet")
    whole = portfolio[portfolio["grouping"] == "all"].iloc[0]
    assert whole["accounts"] == len(scores)
    assert whole["health_by_account"] == pytest.approx(scores["health_score"].mean())
    assert whole["change_by_account"] == whole["change_by_account"]
    assert {"csm", "segment"} <= set(portfolio["grouping"])


@pytest.mark.slow
def test_a_company_that_the_disk_has_no_room_for_leaves_nothing(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "health.cli", "demo", tmp_path / "demo", "--accounts", "60"]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        # Python would keep what it compiled, cut off at the limit.
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, 30_000)),
    )
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    left = [path.name for path in (tmp_path / "demo").rglob("*") if path.name != ".lock"]
    assert left == []
