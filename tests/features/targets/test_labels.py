"""What counts as churn, upsell and cross-sell, and what is not known yet."""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from typing import Any

import pandas as pd
import pytest

from features import Tables, build_labels, cross_sell_labels, tenure_spells
from features.targets.labels import paid_spells
from tests.features.company import DAY, Row, ago, open_tables

FAR, CREATED = ago(-200), ago(400)


def _sub(
    start: float, end: float | None = None, mrr: float = 100.0, product: str = "core", **rest: Any
) -> Row:
    """Return a subscription from this many days before the date to this many before it."""
    ended = None if end is None else ago(end)
    keys = {"account_id": "a", "product": product, "started_at": ago(start), "ended_at": ended}
    return {**keys, "mrr": mrr, **rest}


def _tables(*subscriptions: Row, until: datetime = FAR, created: datetime = CREATED) -> Tables:
    names = sorted({row["account_id"] for row in subscriptions})
    accounts = [{"account_id": name, "created_at": created} for name in names]
    rows = {"accounts": accounts, "subscriptions": list(subscriptions)}
    return open_tables(rows, until=until)


def _spine(*days: datetime, account: str = "a") -> pd.DataFrame:
    return pd.DataFrame(
        {"account_id": account, "as_of": pd.Series(list(days), dtype="datetime64[us]")}
    )


def _label(*subscriptions: Row, until: datetime = FAR, **options: Any) -> pd.Series[Any]:
    return build_labels(_tables(*subscriptions, until=until), _spine(DAY), **options).iloc[0]


# ------------------------------------------------------------------------------------ churn


@pytest.mark.quick_cases(2)
@pytest.mark.parametrize(("gap", "churned"), [(0, 0.0), (10, 0.0), (29, 0.0), (30, 1.0), (40, 1.0)])
def test_renewals_as_rows_are_churn_only_after_a_long_gap(gap: int, churned: float) -> None:
    label = _label(_sub(300, 100), _sub(100, -20), _sub(-20 - gap))
    assert label["churned"] == churned


@pytest.mark.quick_cases(2)
@pytest.mark.parametrize(
    ("end", "churned"),
    [(0, 1.0), (-1, 1.0), (-89, 1.0), (-90, 0.0), (-150, 0.0), (None, 0.0)],
)
def test_churn_is_an_end_within_the_horizon(end: float | None, churned: float) -> None:
    assert _label(_sub(300, end))["churned"] == churned


@pytest.mark.quick_cases(1)
@pytest.mark.parametrize("end", [-200, -201, -300])
def test_an_end_where_the_data_ends_has_not_happened(end: float) -> None:
    spells = paid_spells(_tables(_sub(300, end)), grace_days=30)
    assert spells["ended_at"].isna().all()
    label = _label(_sub(300, end), horizon_days=10, grace_days=0, until=ago(-200))
    assert label["churned"] == 0.0


@pytest.mark.slow
def test_churn_is_not_known_before_horizon_and_grace_have_passed() -> None:
    for until, known in ((ago(-120), True), (ago(-119), False), (ago(-60), False)):
        for end in (-10, None):
            value = _label(_sub(300, end), until=until)["churned"]
            assert value == float(end is not None) if known else math.isnan(value)


def test_ending_one_of_several_is_no_churn() -> None:
    assert _label(_sub(300, -10), _sub(200, product="addon"))["churned"] == 0.0
    # A free product that stays is no customer that stays.
    assert _label(_sub(300, -10), _sub(200, product="free", mrr=0.0))["churned"] == 1.0


def test_an_account_that_fell_silent_has_a_label() -> None:
    rows = {
        "accounts": [{"account_id": "a", "created_at": ago(400)}],
        "subscriptions": [_sub(300, -30)],
        "usage": [{"account_id": "a", "event": "view", "occurred_at": ago(290)}],
    }
    labels = build_labels(open_tables(rows, until=FAR), _spine(ago(100), ago(50), DAY))
    assert list(labels["churned"]) == [0.0, 1.0, 1.0]


def test_labels_keep_the_order_of_the_spine() -> None:
    tables = _tables(_sub(300, -30), {**_sub(300), "account_id": "b"})
    observations = pd.concat([_spine(DAY, account="b"), _spine(DAY, ago(100))], ignore_index=True)
    labels = build_labels(tables, observations)
    assert list(labels["account_id"]) == ["b", "a", "a"]
    assert list(labels["churned"]) == [0.0, 1.0, 0.0]


def test_an_empty_spine_has_empty_labels() -> None:
    tables = _tables(_sub(300))
    assert len(build_labels(tables, _spine())) == 0
    assert len(cross_sell_labels(tables, _spine())) == 0


# ----------------------------------------------------------------------------------- upsell


@pytest.mark.quick_cases(2)
@pytest.mark.parametrize(("mrr", "upsold"), [(105.0, 1.0), (104.9, 0.0), (150.0, 1.0), (80.0, 0.0)])
def test_upsell_is_a_rise_of_five_per_cent_or_more(mrr: float, upsold: float) -> None:
    label = _label(_sub(300, -20), _sub(-20, mrr=mrr))
    assert label["upsold"] == upsold
    assert label["upsell_step_mrr"] == pytest.approx((mrr - 100) * upsold)


@pytest.mark.quick_cases(1)
@pytest.mark.parametrize(("seats", "upsold"), [(21.0, 1.0), (20.9, 0.0), (20.0, 0.0)])
def test_more_seats_are_an_upsell_too(seats: float, upsold: float) -> None:
    label = _label(_sub(300, -20, seats=20.0), _sub(-20, seats=seats))
    assert label["upsold"] == upsold
    assert label["upsell_step_mrr"] == 0.0


@pytest.mark.parametrize("gap", [0, 10])
def test_a_renewal_at_the_same_price_is_no_upsell(gap: float) -> None:
    label = _label(_sub(300, -20, mrr=33.33), _sub(-20 - gap, mrr=33.33))
    assert label["upsold"] == 0.0


def test_a_new_product_is_no_upsell() -> None:
    assert _label(_sub(300), _sub(-20, product="addon"))["upsold"] == 0.0


@pytest.mark.quick_cases(2)
@pytest.mark.parametrize(("start", "upsold"), [(0, 1.0), (-89, 1.0), (-90, 0.0), (1, 0.0)])
def test_upsell_counts_within_the_horizon(start: float, upsold: float) -> None:
    assert _label(_sub(300), _sub(start, mrr=50.0))["upsold"] == upsold


def test_upsell_is_known_once_the_horizon_has_passed() -> None:
    assert _label(_sub(300), until=ago(-90))["upsold"] == 0.0
    label = _label(_sub(300), _sub(-5, mrr=50.0), until=ago(-89))
    assert math.isnan(label["upsold"])
    assert math.isnan(label["upsell_step_mrr"])


# ------------------------------------------------------------------------------- cross-sell


def _other(product: str) -> Row:
    """Let somebody else hold a product, so that it is on offer."""
    return {**_sub(300, product=product), "account_id": "z"}


def test_cross_sell_offers_what_is_not_held_and_sees_what_was_bought() -> None:
    tables = _tables(
        _sub(300),
        _sub(250, 50, product="given_up"),
        _sub(-30, mrr=40.0, product="addon"),
        _sub(-91, product="later"),
        _sub(-30, product="unseen"),
        *(_other(p) for p in ("core", "addon", "given_up", "later")),
    )
    offers = cross_sell_labels(tables, _spine(DAY)).set_index("product")
    assert set(offers.index) == {"addon", "given_up", "later"}
    assert offers["bought"].to_dict() == {"addon": 1.0, "given_up": 0.0, "later": 0.0}
    assert offers.loc["addon", "step_mrr"] == 40.0
    assert offers["step_mrr"].isna().sum() == 2


def test_cross_sell_is_known_once_the_horizon_has_passed() -> None:
    tables = _tables(_sub(300), _sub(-5, product="addon"), _other("addon"), until=ago(-89))
    offers = cross_sell_labels(tables, _spine(DAY))
    assert list(offers["product"]) == ["addon"]
    assert offers["bought"].isna().all()
    earlier = cross_sell_labels(tables, _spine(DAY, ago(1)))
    assert earlier.set_index("as_of")["bought"].loc[ago(1)] == 1.0


def test_who_holds_everything_is_offered_nothing() -> None:
    assert len(cross_sell_labels(_tables(_sub(300)), _spine(DAY))) == 0


# ----------------------------------------------------------------------------------- tenure


def test_tenure_counts_from_the_start_of_the_customer() -> None:
    tables = _tables(_sub(300), until=DAY, created=ago(400))
    spell = tenure_spells(tables, grace_days=30).iloc[0]
    assert (spell["entry_days"], spell["duration_days"]) == (100.0, 400.0)
    assert not spell["churned"]


@pytest.mark.quick_cases(2)
@pytest.mark.parametrize(
    ("end", "duration", "churned"),
    [
        (100, 200.0, True),
        (30, 270.0, True),
        # The grace period has not passed: it may still turn out a late renewal.
        (29, 271.0, False),
        (0, 300.0, False),
        (-60, 300.0, False),
    ],
)
def test_a_spell_is_churn_once_its_grace_has_passed(
    end: float, duration: float, churned: bool
) -> None:
    tables = _tables(_sub(300, end), until=DAY, created=ago(300))
    spell = tenure_spells(tables, grace_days=30).iloc[0]
    assert (spell["entry_days"], spell["duration_days"]) == (0.0, duration)
    assert bool(spell["churned"]) is churned


def test_who_comes_back_begins_anew() -> None:
    tables = _tables(_sub(300, 200), _sub(195, 150), _sub(60), until=DAY, created=ago(310))
    spells = tenure_spells(tables, grace_days=30)
    assert list(spells["entry_days"]) == [10.0, 0.0]
    assert list(spells["duration_days"]) == [160.0, 60.0]
    assert list(spells["churned"]) == [True, False]


def test_rows_within_rows_are_one_spell() -> None:
    tables = _tables(_sub(300, 50), _sub(250, 200, product="addon"), _sub(60), until=DAY)
    spells = paid_spells(tables, grace_days=30)
    assert len(spells) == 1
    assert spells["started_at"].iloc[0] == ago(300)
    assert spells["ended_at"].isna().all()


def test_a_row_after_the_data_is_not_there() -> None:
    tables = _tables(_sub(300), _sub(-1, product="addon"), until=DAY)
    assert len(paid_spells(tables, grace_days=0)) == 1
    assert timedelta(0) == DAY - tables.observed_until
