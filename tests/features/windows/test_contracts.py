"""The rules on contract rows: versions, gaps, the usual lag, notices and unpaid rows."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from random import Random

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from features import build_features, build_labels, cross_sell_labels
from features.windows.contracts import known_spans, load_contracts, running_contracts
from features.windows.table_columns import DAY_US, moment
from tests.examples import examples
from tests.features import oracle_commercial
from tests.features.company import DAY, Row, Rows, ago, open_tables
from tests.features.oracle import ORACLES, Then
from tests.features.random_company import random_company

_SECOND = timedelta(seconds=1)
_FEATURES = [n for n, o in ORACLES.items() if o.__module__ == oracle_commercial.__name__]


def _row(start: datetime, end: datetime | None = None, **rest: object) -> Row:
    row = {"account_id": "a", "product": "core", "mrr": 10.0}
    return {**row, "started_at": start, "ended_at": end, **rest}


def _open(*rows: Row) -> Rows:
    accounts = sorted({row["account_id"] for row in rows})
    return {
        "accounts": [{"account_id": a, "created_at": ago(900)} for a in accounts],
        "subscriptions": list(rows),
    }


def _monthly(
    account: str, gap: timedelta, *, until: datetime = DAY, late: timedelta | None = None
) -> list[Row]:
    """Return a row of 30 days after the other, the last one ending before `until`."""
    rows, start = [], until - 12 * timedelta(days=30)
    while start + timedelta(days=30) - gap <= until:
        known = {} if late is None else {"known_at": start + late}
        end = start + timedelta(days=30) - gap
        rows.append(_row(start, end, account_id=account, **known))
        start += timedelta(days=30)
    return rows


def _mrr(rows: list[Row], day: datetime = DAY) -> dict[str, float]:
    running = running_contracts(open_tables(_open(*rows)), day)
    paid = running[running["mrr"] > 0].groupby("account_id")["mrr"].sum()
    return {str(k): float(v) for k, v in paid.items()}


@pytest.mark.quick_cases(1)
@pytest.mark.parametrize("gap", [_SECOND, timedelta(days=1), timedelta(days=3)])
def test_accounts_billed_with_a_gap_pay_on_the_days_between_two_rows(gap: timedelta) -> None:
    rows = [row for number in range(4) for row in _monthly(f"a{number}", gap)]
    assert _mrr(rows) == {f"a{number}": 10.0 for number in range(4)}
    contracts = load_contracts(open_tables(_open(*rows)))
    assert contracts.usual_lag(moment(pd.Timestamp(DAY))) == gap / timedelta(microseconds=1)
    # An account that left longer ago than the lag does not pay.
    left = _monthly("left", gap, until=DAY - timedelta(days=1))
    assert "left" not in _mrr([*rows, *left])


def test_invoices_that_arrive_late_do_not_interrupt_a_contract() -> None:
    late = timedelta(days=3)
    rows = [
        row
        for number in range(4)
        for row in _monthly(f"a{number}", timedelta(0), late=late, until=DAY - timedelta(days=2))
    ]
    assert len(_mrr(rows)) == 4


def test_without_gaps_an_account_that_left_pays_no_day_longer() -> None:
    rows = [row for number in range(4) for row in _monthly(f"a{number}", timedelta(0))]
    left = _monthly("left", timedelta(0), until=DAY - _SECOND)
    assert "left" not in _mrr([*rows, *left])


def test_few_pairs_state_no_lag() -> None:
    assert _mrr(_monthly("a", timedelta(days=1))) == {}


@pytest.mark.parametrize(
    ("change", "pays"),
    [
        ({}, True),
        ({"notice_at": ago(9)}, False),
        ({"notice_at": DAY}, True),
    ],
)
def test_a_row_never_counts_past_a_notice(change: Row, pays: bool) -> None:
    gap = timedelta(days=1)
    others = [row for number in range(4) for row in _monthly(f"a{number}", gap)]
    *before, last = _monthly("own", gap)
    assert ("own" in _mrr([*others, *before, {**last, **change}])) is pays


def test_a_row_never_counts_past_the_start_of_an_unpaid_one() -> None:
    gap = timedelta(days=1)
    others = [row for number in range(4) for row in _monthly(f"a{number}", gap)]
    own = _monthly("own", gap)
    unpaid = _row(own[-1]["ended_at"], None, account_id="own", mrr=0.0)
    assert "own" in _mrr([*others, *own])
    assert "own" not in _mrr([*others, *own, unpaid])
    trial = _row(ago(900), own[0]["started_at"], account_id="own", mrr=0.0)
    assert "own" in _mrr([*others, *own, trial])


def test_a_backfill_is_no_late_invoice() -> None:
    rows = [row for number in range(4) for row in _monthly(f"a{number}", timedelta(0))]
    loaded = [{**row, "known_at": ago(5)} for row in rows]
    contracts = load_contracts(open_tables(_open(*loaded)))
    assert contracts.usual_lag(moment(pd.Timestamp(DAY))) <= 30 * DAY_US
    assert _mrr(loaded, ago(4)) == _mrr(rows, ago(4))


_VERSION = {"subscription_id": "s", "seats": 5.0}


def test_the_version_that_reached_the_warehouse_last_counts() -> None:
    rows = [
        _row(ago(300), **_VERSION, known_at=ago(299)),
        _row(ago(300), **{**_VERSION, "mrr": 15.0}, known_at=ago(100)),
        _row(ago(300), ago(20), **{**_VERSION, "mrr": 15.0}, known_at=ago(20)),
    ]
    assert [_mrr(rows, day) for day in (ago(200), ago(50), DAY)] == [{"a": 10.0}, {"a": 15.0}, {}]


def test_a_row_in_two_versions_of_which_one_has_an_end_counts_once_and_ends() -> None:
    rows = [_row(ago(300), **_VERSION), _row(ago(300), ago(20), **_VERSION)]
    assert [_mrr(rows, day) for day in (ago(50), DAY)] == [{"a": 10.0}, {}]
    assert [_mrr(rows[::-1], day) for day in (ago(50), DAY)] == [{"a": 10.0}, {}]


def test_two_seats_under_two_ids_are_two_contracts() -> None:
    rows = [_row(ago(300), subscription_id=name) for name in "xy"]
    assert _mrr(rows) == {"a": 20.0}


def test_a_row_that_ends_when_it_starts_continues_its_contract() -> None:
    rows = [
        _row(ago(60), ago(30)),
        _row(ago(29), ago(29)),
        _row(ago(28)),
    ]
    spans = known_spans(open_tables(_open(*rows)), DAY)
    assert len(spans) == 3
    assert build_features(open_tables(_open(*rows)), [DAY])["mrr_churn_180d"].tolist() == [0.0]


def test_contracts_in_parallel_continue_those_they_are_like() -> None:
    # Two departments, both billed with a gap that differs: neither spends more at any time.
    rows = [
        _row(ago(90), ago(60), mrr=100.0, plan="x"),
        _row(ago(90), ago(60), mrr=50.0, plan="y"),
        _row(ago(57), mrr=100.0, plan="x"),
        _row(ago(55), mrr=50.0, plan="y"),
    ]
    values = build_features(open_tables(_open(*rows)), [DAY]).iloc[0]
    assert (values["mrr"], values["expansions_180d"], values["contractions_180d"]) == (150, 0, 0)


@pytest.mark.parametrize(("days", "expansion"), [(29, 0), (45, 1)])
def test_only_a_gap_shorter_than_the_grace_period_is_closed(days: int, expansion: int) -> None:
    add_on = [
        _row(ago(300), ago(100), product="addon"),
        _row(ago(100 - days), product="addon"),
    ]
    tables = open_tables(_open(_row(ago(300)), *add_on))
    values = build_features(tables, [DAY]).iloc[0]
    assert (values["expansions_180d"], values["contractions_180d"]) == (expansion, expansion)
    observations = pd.DataFrame({"account_id": ["a"], "as_of": [pd.Timestamp(ago(110))]})
    assert cross_sell_labels(tables, observations).empty


@settings(max_examples=examples(6), deadline=None, suppress_health_check=list(HealthCheck))
@given(st.integers(0, 10**6), st.integers(-30, 8))
@pytest.mark.slow
def test_contract_features_agree_with_the_oracle_on_random_companies(seed: int, back: int) -> None:
    rows, day = random_company(seed), DAY - timedelta(days=back)
    then = Then(rows, day)
    tables = {name: rows[name] for name in ("accounts", "subscriptions")}
    built = build_features(open_tables(tables), [day]).set_index("account_id")
    assert list(built.index) == then.accounts
    for name in _FEATURES:
        expected = [ORACLES[name](then, account) for account in then.accounts]
        wanted = np.array(expected, dtype=float)
        np.testing.assert_allclose(built[name], wanted, rtol=1e-9, atol=1e-9, err_msg=name)


def _split(rows: Rows, chance: Random) -> Rows:
    """Split paid rows in two: the second starts less than the grace period after the first ends."""
    divided: list[Row] = []
    for row in rows["subscriptions"]:
        end = min(row.get("ended_at") or DAY, DAY)
        length = end - row["started_at"]
        if row["mrr"] <= 0 or length <= timedelta(days=1) or chance.random() < 0.5:
            divided.append(row)
            continue
        at = row["started_at"] + length * chance.uniform(0.2, 0.6)
        gap = min(length * 0.3, chance.choice((0, 1, 29)) * timedelta(days=1))
        divided += [{**row, "ended_at": at}, {**row, "started_at": at + gap}]
    return {**rows, "subscriptions": divided}


@pytest.mark.slow
@settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.integers(0, 10**6))
def test_splitting_contracts_in_two_changes_no_value(seed: int) -> None:
    chance = Random(seed)
    rows = {n: random_company(seed)[n] for n in ("accounts", "subscriptions")}
    # Every row is a contract of its own: which of several continues another is not in question.
    # Fewer rows than an estimate of the usual lag needs.
    rows["subscriptions"] = [
        {**row, "product": f"p{number}", "renews_at": None, "known_at": None}
        for number, row in enumerate(chance.sample(rows["subscriptions"], 18))
    ]
    split = _split(rows, chance)
    assert len(split["subscriptions"]) > len(rows["subscriptions"])
    before, after = open_tables(rows), open_tables(split)
    days = [DAY, DAY + timedelta(days=30)]
    whole, parts = build_features(before, days), build_features(after, days)
    pd.testing.assert_frame_equal(whole, parts, rtol=1e-9)
    # Labels of dates on which the account pays either way.
    observations = build_features(before, [ago(90)])[["account_id", "as_of"]]
    options = {"horizon_days": 60, "grace_days": 30}
    pd.testing.assert_frame_equal(
        build_labels(before, observations, **options), build_labels(after, observations, **options)
    )


def test_contracts_are_loaded_once_and_again_only_for_further_columns() -> None:
    tables = open_tables(_open(_row(ago(100)), _row(ago(50), account_id="b", list_mrr=20.0)))
    plain = load_contracts(tables)
    assert load_contracts(tables) is plain
    more = load_contracts(tables, columns=["list_mrr"])
    assert sorted(more.rows["list_mrr"], key=np.isnan)[0] == 20.0
    assert load_contracts(tables, columns=["seats"]) is more
    assert load_contracts(tables, grace_days=5) is not more
    assert load_contracts(replace(tables)) is not more
