"""The demo company: reproducible, valid, and as uncertain as its truth says it is."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from features.errors import HealthError
from features.tables.schema import TABLES
from health.demo import DemoCompany, simulate_company, write_company
from health.demo.oracle import HORIZON_DAYS
from health.demo.words import ANSWERS

GRACE = pd.Timedelta(days=30)
CHURN = "churn_probability_90d"


@pytest.fixture(scope="module")
def company() -> DemoCompany:
    return simulate_company(300, seed=3)


def churn_dates(company: DemoCompany) -> pd.DataFrame:
    """Ends of the core product that no new row follows within the grace period."""
    rows = company.tables["subscriptions"]
    core = rows[rows["product"] == "Platform"].sort_values(["account_id", "started_at"])
    following = core.groupby("account_id")["started_at"].shift(-1)
    gone = core["ended_at"].notna() & ~((following - core["ended_at"]) < GRACE)
    return core.loc[gone, ["account_id", "ended_at"]]


def scored(company: DemoCompany) -> pd.DataFrame:
    """Truth rows with a probability and a known outcome, `churned` beside it."""
    truth = company.truth
    horizon = pd.Timedelta(days=HORIZON_DAYS)
    last = pd.Timestamp(company.observed_until) - horizon - GRACE
    rows = truth[truth[CHURN].notna() & (truth["as_of"] <= last)].reset_index(drop=True)
    pairs = rows[["account_id", "as_of"]].reset_index().merge(churn_dates(company), on="account_id")
    ahead = pairs["ended_at"] - pairs["as_of"]
    hit = pairs.loc[(ahead > pd.Timedelta(0)) & (ahead <= horizon), "index"]
    return rows.assign(churned=rows.index.isin(hit))


def test_same_seed_same_company():
    first, again = (simulate_company(40, weeks=30, seed=5) for _ in range(2))
    for name, table in first.tables.items():
        pd.testing.assert_frame_equal(table, again.tables[name])
    pd.testing.assert_frame_equal(first.truth, again.truth)


def test_another_seed_another_company():
    first, other = (simulate_company(40, weeks=30, seed=seed) for seed in (5, 6))
    assert not first.tables["subscriptions"].equals(other.tables["subscriptions"])


def test_tables_hold_canonical_columns_only(company):
    for name, table in company.tables.items():
        known = {column.name for column in TABLES[name].columns}
        assert set(table.columns) <= known
        needed = {column.name for column in TABLES[name].columns if column.required}
        assert needed <= set(table.columns)


def test_keys_are_unique_and_accounts_known(company):
    tables = company.tables
    assert tables["accounts"]["account_id"].is_unique
    assert tables["tickets"]["ticket_id"].is_unique
    assert tables["subscriptions"]["subscription_id"].is_unique
    ids = set(tables["accounts"]["account_id"])
    for name in ("subscriptions", "usage", "tickets", "surveys"):
        assert set(tables[name]["account_id"]) <= ids
    assert set(tables["accounts"]["parent_id"].dropna()) <= ids


def test_nothing_is_known_after_the_end(company):
    end = pd.Timestamp(company.observed_until)
    assert end == pd.Timestamp(2026, 11, 1)
    for name, table in company.tables.items():
        for column in table.select_dtypes("datetime"):
            latest = table[column].max()
            may_be_planned = column in ("renews_at", "due_at", "target_at")
            assert may_be_planned or latest < end, f"{name}.{column}"
    assert company.truth["as_of"].max() == end


def test_required_values_are_there_and_not_negative(company):
    for name, table in company.tables.items():
        for column in TABLES[name].columns:
            if column.name not in table.columns:
                continue
            values = table[column.name]
            assert column.nullable or values.notna().all()
            if column.minimum is not None:
                assert values.dropna().ge(column.minimum).all()
    rows = company.tables["subscriptions"]
    assert rows["mrr"].gt(0).all()
    assert rows["seats"].dropna().ge(2).all()


def test_rows_of_a_product_follow_each_other(company):
    rows = company.tables["subscriptions"].sort_values(["account_id", "product", "started_at"])
    group = rows.groupby(["account_id", "product"])
    following = group["started_at"].shift(-1)
    has_next = following.notna()
    assert (rows["ended_at"][has_next] <= following[has_next]).all()
    assert (rows["ended_at"].isna() | (rows["ended_at"] > rows["started_at"])).all()
    noted = rows[rows["notice_at"].notna()]
    assert (noted["notice_at"] >= noted["started_at"]).all()
    assert (noted["ended_at"].isna() | (noted["notice_at"] < noted["ended_at"])).all()


def test_nothing_happens_before_signup_or_long_after_the_end(company):
    rows = company.tables["subscriptions"]
    spans = rows.groupby("account_id").agg(
        start=("started_at", "min"), end=("ended_at", "max"), open=("ended_at", "count")
    )
    running = rows[rows["ended_at"].isna()]["account_id"].unique()
    spans.loc[running, "end"] = pd.Timestamp.max.floor("us")
    signup = company.tables["accounts"].set_index("account_id")["created_at"]
    for name, time in (("usage", "occurred_at"), ("tickets", "opened_at"), ("surveys", "sent_at")):
        table = company.tables[name]
        account = table["account_id"].map
        assert (table[time] >= account(signup)).all()
        assert (table[time] >= account(spans["start"])).all()
    usage = company.tables["usage"]
    late = usage["occurred_at"] - usage["account_id"].map(spans["end"])
    assert late.max() < pd.Timedelta(days=4)
    assert (late > pd.Timedelta(0)).mean() < 0.001


def test_only_some_of_those_who_leave_give_notice(company):
    rows = company.tables["subscriptions"]
    gone = churn_dates(company).merge(
        rows[rows["product"] == "Platform"], on=["account_id", "ended_at"]
    )
    assert 0.2 < gone["notice_at"].notna().mean() < 0.5


def test_hazards_are_probabilities(company):
    truth = company.truth
    assert truth["churn_hazard"].between(0, 1).all()
    assert (truth.loc[~truth["paying"], "churn_hazard"] == 0).all()
    for column in (CHURN, "upsell_probability_90d", "cross_sell_probability_90d"):
        known = truth[column].dropna()
        assert known.between(0, 1).all()
    last = truth[truth["as_of"] == truth["as_of"].max()]
    assert last.loc[last["paying"], CHURN].notna().all()
    assert not truth.duplicated(["account_id", "as_of"]).any()


def test_truth_agrees_with_the_contracts(company):
    # An end on the last midnight is in the truth, and not known to the tables yet.
    past = company.truth["as_of"] < pd.Timestamp(company.observed_until)
    truth = company.truth.loc[past, ["account_id", "as_of", "paying"]]
    rows = company.tables["subscriptions"]
    core = rows[rows["product"] == "Platform"]
    pairs = truth.merge(core, on="account_id")
    runs = (pairs["started_at"] <= pairs["as_of"]) & ~(pairs["ended_at"] <= pairs["as_of"])
    paying = pairs[runs].groupby(["account_id", "as_of"]).size()
    assert (paying == 1).all()
    assert len(paying) == truth["paying"].sum()


def test_weekly_hazards_add_up_to_the_churn_seen(company):
    expected = company.truth.loc[
        company.truth["as_of"] < pd.Timestamp(company.observed_until), "churn_hazard"
    ].sum()
    seen = len(churn_dates(company))
    # Ends are rare and nearly independent: three standard errors of a Poisson count.
    assert abs(seen - expected) < 3 * np.sqrt(expected)


def test_the_oracle_beats_chance_and_is_calibrated(company):
    rows = scored(company)
    rows = rows[~rows["leaving"]]
    auc = roc_auc_score(rows["churned"], rows[CHURN])
    assert 0.72 < auc < 0.92
    # About 100 accounts leave, so the observed rate itself is uncertain by a tenth.
    assert rows["churned"].mean() == pytest.approx(rows[CHURN].mean(), rel=0.3)


def test_yearly_churn_is_plausible(company):
    weeks = company.truth["paying"].sum()
    assert 0.15 < len(churn_dates(company)) / weeks * 52 < 0.35


@pytest.mark.slow
def test_identifier_and_manager_say_nothing_of_churn():
    company = simulate_company(400, weeks=52, seed=2)
    rows = scored(company)
    place = rows["account_id"].str[4:].astype(int)
    assert 0.4 < roc_auc_score(rows["churned"], place) < 0.6


@pytest.mark.slow
def test_size_scales():
    small, large = (simulate_company(size, weeks=26, seed=1) for size in (50, 200))
    assert len(small.tables["accounts"]) == 50
    assert len(large.tables["accounts"]) == 200
    ratio = len(large.tables["usage"]) / len(small.tables["usage"])
    assert 2 < ratio < 8


def test_bad_sizes_are_refused():
    with pytest.raises(HealthError, match="too few"):
        simulate_company(3)
    with pytest.raises(HealthError, match="too short"):
        simulate_company(50, weeks=4)
    with pytest.raises(HealthError, match="not a Sunday"):
        simulate_company(50, end=date(2026, 11, 2))


def test_written_company_reads_back(tmp_path: Path):
    company = simulate_company(50, weeks=40, seed=1)
    write_company(company, tmp_path)
    usage = company.tables["usage"]
    with duckdb.connect() as connection:
        for name in ("accounts", "subscriptions", "tickets", "surveys"):
            path = (tmp_path / "tables" / f"{name}.csv").as_posix()
            found = connection.execute(f"select * from read_csv('{path}')").fetch_df()
            assert list(found.columns) == list(company.tables[name].columns)
            assert len(found) == len(company.tables[name])
        files = (tmp_path / "tables" / "usage" / "*.parquet").as_posix()
        row = connection.execute(
            f"select count(*), min(occurred_at), max(occurred_at), sum(quantity) from '{files}'"
        ).fetchone()
        truth = (tmp_path / "truth.parquet").as_posix()
        count = connection.execute(f"select count(*) from '{truth}'").fetchone()
    assert row == (
        len(usage),
        usage["occurred_at"].min().to_pydatetime(),
        usage["occurred_at"].max().to_pydatetime(),
        usage["quantity"].sum(),
    )
    assert count == (len(company.truth),)


def test_writing_again_leaves_no_old_quarter(tmp_path: Path):
    write_company(simulate_company(20, weeks=40, seed=1), tmp_path)
    later = simulate_company(20, weeks=13, seed=1)
    write_company(later, tmp_path)
    files = sorted((tmp_path / "tables" / "usage").glob("*.parquet"))
    total = sum(len(pd.read_parquet(file)) for file in files)
    assert total == len(later.tables["usage"])
    assert later.observed_until - timedelta(weeks=13) <= later.tables["usage"]["occurred_at"].min()
    assert later.observed_until == datetime(2026, 11, 1)


@pytest.mark.slow
def test_comments_and_tickets_are_written_by_the_latent_state_in_two_languages() -> None:
    tables = simulate_company(150, weeks=60, seed=3).tables
    answers = tables["surveys"].dropna(subset=["comment"])
    tickets = tables["tickets"]
    for texts in (answers["comment"], tickets["subject"]):
        german = texts.str.contains(r"\b(?:das|wir|der|und|für)\b", case=False)
        assert 0.05 < german.mean() < 0.5
        # Several authors: few texts are the same.
        assert texts.nunique() > 60
    nps = answers[answers["kind"] == "nps"]
    pleased, annoyed = (
        nps["comment"].str.contains("|".join(re.escape(text) for text in texts), case=False)
        for texts in (
            [text for language in ANSWERS.values() for text in language[tone]]
            for tone in ("high", "low")
        )
    )
    assert nps.loc[pleased, "score"].mean() > nps.loc[annoyed, "score"].mean() + 2
    # One account writes in one language.
    german = tickets["subject"].str.contains(r"LG$|^Na ja")
    english = tickets["subject"].str.contains(r"Thx$|^Hm\.")
    assert not set(tickets.loc[german, "account_id"]) & set(tickets.loc[english, "account_id"])
