"""The months ahead: what is due, renews, contracts, expands and leaves."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime

import numpy as np
import pandas as pd
import pytest

from features.reading.frames import tables_from_frames
from features.tables.truncation import as_known
from health.renewals.forecast import (
    FAR,
    LEAST_RENEWALS,
    MONTHLY,
    NEAR,
    Basis,
    due_accounts,
    due_parts,
    learn_basis,
    month_table,
    no_basis,
    total_range,
    with_level,
)
from health.renewals.history import TERM, past_renewals, seen_again
from health.renewals.outlook import build_outlook
from models.clv.lifetime_value import expected_loss
from tests.health.renewals.book import DAY, scores_of, yearly_book

AS_OF = pd.Timestamp(DAY)


def test_past_renewals_and_what_came_of_them() -> None:
    tables = yearly_book(400, left=0.25, monthly=100)
    past = past_renewals(tables, DAY)
    basis = learn_basis(past, horizon_days=90)
    for name in (NEAR, FAR):
        assert basis.pools[name].rate == pytest.approx(0.25, abs=0.05)
        assert basis.pools[name].ratios.mean == pytest.approx(
            1 + 0.25 * 0.2 - 0.125 * 0.5, abs=0.03
        )
    assert basis.pools[MONTHLY].rate == pytest.approx(0.25 / 4, abs=0.02)
    assert basis.dependence[TERM].correlation < 0.1
    # Each renewal of the last two years once, whatever the number of months that saw it ahead.
    term = past[past["kind"] == TERM]
    assert len(term) > 3 * len(term.drop_duplicates(["account", "due"]))
    assert (term["due"] + pd.Timedelta(days=30) <= AS_OF).all()


def test_the_past_is_what_was_known_on_the_date() -> None:
    tables = yearly_book(120, monthly=40)
    day = datetime(2026, 2, 10)
    whole = past_renewals(tables, day)
    then = past_renewals(as_known(tables, day), day)
    pd.testing.assert_frame_equal(
        whole.drop(columns="account"), then.drop(columns="account"), check_dtype=False
    )


def test_a_large_company_learns_from_some_accounts(monkeypatch: pytest.MonkeyPatch) -> None:
    tables = yearly_book(400, left=0.25, monthly=100)
    whole = past_renewals(tables, DAY)
    monkeypatch.setattr("health.renewals.history.MOST_ACCOUNTS", 250)
    some = past_renewals(tables, DAY)
    assert 150 < some["account"].nunique() <= 250
    assert len(some) == pytest.approx(len(whole) / 2, rel=0.1)
    basis = learn_basis(some, horizon_days=90)
    assert basis.pools[NEAR].rate == pytest.approx(0.25, abs=0.07)
    # The sample is of the accounts that were known: what came later changes nothing.
    day = datetime(2025, 9, 10)
    columns = ["as_of", "due", "arr", "arr_after"]
    pd.testing.assert_frame_equal(
        past_renewals(tables, day)[columns], past_renewals(as_known(tables, day), day)[columns]
    )


def test_a_time_that_nobody_could_be_seen_to_leave_in_teaches_nothing() -> None:
    tables = yearly_book(400, left=0.25)
    rows = tables["subscriptions"].collect("pandas").to_native()
    gone = rows.groupby("account_id")["ended_at"].transform("max")
    last = rows["started_at"] == rows.groupby("account_id")["started_at"].transform("max")
    early = rows.loc[last & (gone < "2025-11-01") & rows["ended_at"].notna(), "account_id"]
    kept = rows[~rows["account_id"].isin(early)]
    names = kept.groupby("account_id", as_index=False)["started_at"].min()
    survivors = tables_from_frames(
        {
            "accounts": names.rename(columns={"started_at": "created_at"}),
            "subscriptions": kept,
        },
        observed_until=DAY,
    )
    basis = learn_basis(past_renewals(survivors, DAY), horizon_days=90)
    assert basis.pools[NEAR].rate == pytest.approx(0.25, abs=0.07)


def test_an_account_that_rather_buys_more_rather_expands() -> None:
    tables = yearly_book(240)
    basis = learn_basis(past_renewals(tables, DAY), horizon_days=90)
    usual = scores_of(tables)
    keen = usual.assign(upsell_probability=0.4, upsell_base_rate=0.25)
    before, after = (
        due_accounts(scores, basis, as_of=AS_OF, horizon_days=90) for scores in (usual, keen)
    )
    near = before["pool"] == NEAR
    stays = 1 - before["leaves"]
    ratio = after["expanding"] / (stays - after["expanding"])
    ratio /= before["expanding"] / (stays - before["expanding"])
    # (0.4 / 0.6) / (0.25 / 0.75) = 2 within the horizon; beyond it nothing is known.
    np.testing.assert_allclose(ratio[near], 2.0)
    np.testing.assert_allclose(ratio[~near], 1.0)
    assert (after.loc[near, "expected"] > before.loc[near, "expected"]).all()
    assert after["leaves"].tolist() == before["leaves"].tolist()
    table = month_table(after, basis)
    assert table["kept"].sum() == pytest.approx(table["kept_as_published"].sum(), rel=0.2)
    inside = (table["kept_low"] <= table["kept"]) & (table["kept"] <= table["kept_high"])
    assert inside.mean() > 0.7
    # An account without a published probability is as usual.
    unknown = usual.assign(upsell_probability=np.nan, upsell_base_rate=np.nan)
    pd.testing.assert_frame_equal(
        due_accounts(unknown, basis, as_of=AS_OF, horizon_days=90), before
    )


@pytest.mark.parametrize(("terms", "monthly"), [(40, 60), (40, 0), (0, 60)])
@pytest.mark.slow
def test_a_month_at_a_time_equals_the_whole_book(terms: int, monthly: int) -> None:
    tables = yearly_book(terms, monthly=monthly)
    scores = scores_of(tables)
    past = past_renewals(tables, DAY)
    basis = with_level(learn_basis(past, horizon_days=90), scores, horizon_days=90)
    whole = due_accounts(scores, basis, as_of=AS_OF, horizon_days=90)
    parts = list(due_parts(scores, basis, as_of=AS_OF, horizon_days=90))
    # The renewals by term, and each month of the others.
    assert len(parts) == (13 if monthly else 1)
    assert [len(part) for part in parts[1:]] == [len(whole[whole["kind"] == MONTHLY]) // 12] * (
        len(parts) - 1
    )
    outlook = build_outlook(tables, scores, [], DAY)
    assert outlook.basis.to_dict() == basis.to_dict()
    pd.testing.assert_frame_equal(outlook.months, month_table(whole, basis))
    assert outlook.due["account_id"].tolist() == (
        whole.loc[whole["kind"] == TERM, "account_id"].tolist()
    )


def test_a_renewal_counts_as_it_was_seen_last() -> None:
    past = past_renewals(yearly_book(40, monthly=10), DAY)
    last = past[~seen_again(past)]
    ordered = past.sort_values("lead_days", kind="stable")
    expected = ordered.drop_duplicates(["account", "due"]).sort_index()
    pd.testing.assert_frame_equal(last, expected)
    assert len(last) < len(past)


@pytest.mark.slow
def test_every_month_adds_up() -> None:
    tables = yearly_book(240, monthly=60)
    basis = learn_basis(past_renewals(tables, DAY), horizon_days=90)
    scores = scores_of(tables)
    due = due_accounts(scores, basis, as_of=AS_OF, horizon_days=90)
    table = month_table(due, basis)
    assert table["arr"].to_numpy() == pytest.approx(
        (table["renews"] + table["contracts"] + table["leaves"]).to_numpy()
    )
    assert table["kept"].to_numpy() == pytest.approx(
        (table["renews"] + table["expands"]).to_numpy()
    )
    assert (table["kept_low"] <= table["kept_high"]).all()
    term = table[table["kind"] == TERM]
    assert term["arr"].sum() == pytest.approx(
        12 * scores.loc[scores["days_to_renewal"].notna(), "mrr"].sum()
    )
    assert term["kept"].sum() == pytest.approx(total_range(due, basis)["kept"])
    monthly = table[table["kind"] == MONTHLY]
    assert len(monthly) == 12
    # What is left at the end of a month is what the next one starts with.
    assert monthly["kept"].to_numpy()[:-1] == pytest.approx(monthly["arr"].to_numpy()[1:], rel=1e-9)
    again = month_table(due, Basis.from_dict(json.loads(json.dumps(basis.to_dict()))))
    pd.testing.assert_frame_equal(table, again, rtol=1e-3)


@pytest.mark.slow
def test_outcomes_of_an_account_sum_to_one_and_have_the_published_chance() -> None:
    tables = yearly_book(240, left=0.25, monthly=60)
    scores = scores_of(tables)
    rng = np.random.default_rng(1)
    scores["churn_probability"] = rng.beta(1, 8, len(scores))
    basis = learn_basis(past_renewals(tables, DAY), horizon_days=90)
    basis = with_level(basis, scores, horizon_days=90)
    assert basis.level[NEAR] != 0
    due = due_accounts(scores, basis, as_of=AS_OF, horizon_days=90)
    chances = due[["leaves", "contracting", "flat", "expanding"]]
    np.testing.assert_allclose(chances.sum(axis=1), 1.0, atol=1e-12)
    assert ((chances >= 0) & (chances <= 1)).all().all()
    p = scores.set_index("account_id")["churn_probability"]
    near = due[due["pool"] == NEAR].set_index("account_id")
    assert near["leaves"].tolist() == p.reindex(near.index).tolist()
    # The money at risk of an account is what leaves of its renewal.
    risk = expected_loss(near["leaves"], near["arr"] / 12)
    np.testing.assert_allclose(risk, near["leaves"] * near["arr"])
    # Of an account without a term, the chances of the months up to the horizon come to p.
    months = due[due["kind"] == MONTHLY]
    stays = (
        (1 - months["leaves"]).groupby(months["account_id"]).apply(lambda own: own.head(3).prod())
    )
    until = months.groupby("account_id")["elapsed"].nth(2).iloc[0] * 365.25 / 12
    assert until == pytest.approx(90, abs=3)
    log = np.log(stays) * 90 / until
    np.testing.assert_allclose(1 - np.exp(log), p.reindex(stays.index), atol=0.01)
    table = month_table(due, basis)
    assert table["kept_as_published"].sum() == pytest.approx(due["expected"].sum())
    plain = month_table(
        due_accounts(scores, replace(basis, level={NEAR: 0.0, MONTHLY: 0.0}), as_of=AS_OF,
                     horizon_days=90), basis)  # fmt: skip
    np.testing.assert_allclose(plain["kept"], plain["kept_as_published"])


def test_by_quarter_the_sums_are_those_of_its_months() -> None:
    tables = yearly_book(240)
    basis = learn_basis(past_renewals(tables, DAY), horizon_days=90)
    due = due_accounts(scores_of(tables), basis, as_of=AS_OF, horizon_days=90)
    quarters = due.assign(quarter=[str(pd.Period(m, "M").asfreq("Q")) for m in due["month"]])
    by = month_table(quarters, basis, by="quarter")
    assert by["kept"].sum() == pytest.approx(month_table(due, basis)["kept"].sum())
    assert by["month"].tolist() == sorted(by["month"])
    # A quarter of which one month is due has that month's range.
    first = quarters[quarters["month"] == quarters["month"].min()]
    ends = [
        month_table(first, basis, by=name)[["kept_low", "kept_high"]]
        for name in ("month", "quarter")
    ]
    pd.testing.assert_frame_equal(*ends)


def test_the_level_moves_to_the_past_and_the_order_stays() -> None:
    tables = yearly_book(400, left=0.25)
    basis = learn_basis(past_renewals(tables, DAY), horizon_days=90)
    scores = scores_of(tables)
    rng = np.random.default_rng(0)
    scores["churn_probability"] = rng.beta(1, 20, len(scores))
    moved = with_level(basis, scores, horizon_days=90)
    due = due_accounts(scores, moved, as_of=AS_OF, horizon_days=90)
    soon = due[due["pool"] == NEAR].set_index("account_id")
    near = soon["book_leaves"]
    before = scores.set_index("account_id")["churn_probability"].reindex(near.index)
    # Of one account, the published probability is the one that counts.
    assert soon["leaves"].tolist() == before.tolist()
    assert before.mean() < 0.08
    assert near.mean() == pytest.approx(basis.pools[NEAR].rate, abs=0.03)
    assert near.rank().equals(before.rank())


def test_without_a_past_nothing_is_expected_beyond_the_horizon() -> None:
    tables = yearly_book(60)
    scores = scores_of(tables)
    due = due_accounts(scores, no_basis(), as_of=AS_OF, horizon_days=90)
    table = month_table(due, no_basis()).set_index("month")
    assert table.loc["2026-12", "leaves"] == pytest.approx(0.2 * table.loc["2026-12", "arr"])
    assert np.isnan(table.loc["2027-06", "kept"])
    few = past_renewals(yearly_book(LEAST_RENEWALS // 3), DAY)
    assert np.isnan(learn_basis(few, horizon_days=90).pools[NEAR].rate)
    nobody = scores.assign(churn_probability=np.nan)
    silent = month_table(due_accounts(nobody, no_basis(), as_of=AS_OF, horizon_days=90), no_basis())
    assert silent["kept"].isna().all()
    assert (silent["unknown"] == silent["accounts"]).all()


def test_accounts_that_gave_notice_are_not_due() -> None:
    tables = yearly_book(60)
    scores = scores_of(tables)
    scores.loc[scores.index[:5], "known_to_leave"] = True
    due = due_accounts(scores, no_basis(), as_of=AS_OF, horizon_days=90)
    assert not set(scores["account_id"].head(5)) & set(due["account_id"])


def test_a_book_without_terms_has_retention_instead() -> None:
    tables = yearly_book(0, monthly=200)
    basis = learn_basis(past_renewals(tables, DAY), horizon_days=90)
    due = due_accounts(scores_of(tables, chance=0.15), basis, as_of=AS_OF, horizon_days=90)
    table = month_table(due, basis)
    assert set(table["kind"]) == {MONTHLY}
    # Three months at the monthly rate are the chance within the horizon.
    assert (1 - table["leaves"] / table["arr"]).head(3).prod() == pytest.approx(0.85, abs=0.01)
    assert table["kept_low"].iloc[0] < table["kept"].iloc[0] < table["kept_high"].iloc[0]


@pytest.mark.slow
def test_accounts_that_grew_in_their_first_months_do_not_multiply() -> None:
    # Ten accounts start in every month and pay 20 % more in each of their first six months.
    months = pd.date_range("2023-01-01", "2026-11-01", freq="MS")
    paid = np.zeros((10 * len(months), len(months)))
    for start in range(len(months)):
        age = np.minimum(np.arange(len(months) - start), 6)
        paid[10 * start : 10 * (start + 1), start:] = 100 * 1.2**age
    now = 24
    past = pd.DataFrame(
        [
            (account, months[m], MONTHLY, months[m + 1], 30, 12 * row[m], 12 * row[m + 1])
            for m in range(now)
            for account, row in enumerate(paid)
            if row[m] > 0
        ],
        columns=["account", "as_of", "kind", "due", "lead_days", "arr", "arr_after"],
    )
    basis = learn_basis(past, horizon_days=90)
    own = paid[:, now] > 0
    scores = pd.DataFrame(
        {
            "account_id": np.flatnonzero(own).astype(str),
            "mrr": paid[own, now],
            "days_to_renewal": np.nan,
            "churn_probability": 1e-6,
        }
    )
    due = due_accounts(scores, basis, as_of=months[now], horizon_days=90)
    table = month_table(due, basis)
    growth = table["kept"].to_numpy() / (12 * paid[own, now].sum())
    actual = paid[own, now + 1 : now + 13].sum(axis=0) / paid[own, now].sum()
    usual = basis.pools[MONTHLY].ratios.mean
    assert usual**12 > 1.4 * actual[-1]
    np.testing.assert_allclose(growth, actual, rtol=0.1)
    assert ((table["kept_low"] <= table["kept"]) & (table["kept"] <= table["kept_high"])).all()
    stored = Basis.from_dict(json.loads(json.dumps(basis.to_dict())))
    assert stored.growth == basis.growth
    # A basis of an earlier release has no damping: its page is as it was.
    earlier = {name: own for name, own in basis.to_dict().items() if name != "growth"}
    kept = due_accounts(scores, Basis.from_dict(earlier), as_of=months[now], horizon_days=90)
    assert kept.groupby("month")["grown"].max().iloc[-1] == pytest.approx(usual**12, rel=0.05)
