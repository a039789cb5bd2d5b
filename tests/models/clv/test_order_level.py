"""Season and trend of all customers: the level of the next horizon."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from models import PurchaseModel, purchase_history
from models.base.inputs import FloatArray
from models.clv.order_level import PastHorizon, level_of, past_horizons, with_level
from tests.models.clv.test_beta_geo import simulated

UNTIL, DAYS = pd.Timestamp("2025-09-01"), 91
END = UNTIL + pd.Timedelta(days=DAYS)


@pytest.fixture(scope="module")
def orders() -> pd.DataFrame:
    return simulated(1500, r=1.5, alpha=6.0, a=0.4, b=6.0, seed=5)


def kept(orders: pd.DataFrame, share: FloatArray) -> pd.DataFrame:
    """Leave out orders at random, as if everybody bought less at times; never a first order."""
    first = ~orders.duplicated("account_id")
    return orders[first | (np.random.default_rng(0).random(len(orders)) < share)]


def sums(orders: pd.DataFrame) -> tuple[float, float, float]:
    """Return purchases expected without and with the level, and those that came."""
    known = purchase_history(orders, until=UNTIL)
    later = purchase_history(orders, until=END)["repeats"].reindex(known.index)
    model = PurchaseModel().fit(known)
    level = with_level(model, orders, until=UNTIL, horizon_days=DAYS)
    assert model.level_ == 1.0 and level.alive(known) == pytest.approx(model.alive(known))
    weeks = [DAYS / 7]
    return (
        float(model.expected(known, weeks).sum()),
        float(level.expected(known, weeks).sum()),
        float((later - known["repeats"]).sum()),
    )


@pytest.mark.slow
def test_a_rising_customer_base_is_expected_to_buy_more(orders: pd.DataFrame) -> None:
    days = (orders["ordered_at"] - orders["ordered_at"].min()).dt.days.to_numpy()
    without, with_, actual = sums(kept(orders, 0.25 + 0.75 * days / days.max()))
    assert without < 0.9 * actual
    assert without < with_ and abs(with_ - actual) < abs(without - actual)


@pytest.mark.slow
def test_the_season_of_the_year_before_counts(orders: pd.DataFrame) -> None:
    autumn = orders["ordered_at"].dt.month.isin([9, 10, 11]).to_numpy()
    season = kept(orders, np.where(autumn, 1.0, 0.5))
    without, with_, actual = sums(season)
    assert without < with_ and abs(with_ - actual) < abs(without - actual)
    a_year_before = UNTIL - pd.Timedelta(weeks=52)
    past = past_horizons(season, until=UNTIL, horizon_days=DAYS)
    assert max(past, key=lambda p: p.actual / p.expected).start == a_year_before


@pytest.mark.slow
def test_without_season_or_trend_hardly_anything_changes(orders: pd.DataFrame) -> None:
    without, with_, _ = sums(orders)
    assert with_ == pytest.approx(without, rel=0.05)


@pytest.mark.slow
def test_orders_after_the_date_change_nothing(orders: pd.DataFrame) -> None:
    earlier = orders[orders["ordered_at"] < UNTIL]
    model = PurchaseModel().fit(purchase_history(earlier, until=UNTIL))
    levels = [
        with_level(model, known, until=UNTIL, horizon_days=DAYS).level_
        for known in (orders, earlier, earlier.sample(frac=1.0, random_state=0))
    ]
    assert levels[0] == levels[1] == pytest.approx(levels[2], abs=1e-12)


def test_a_short_history_has_no_level(orders: pd.DataFrame) -> None:
    early = pd.Timestamp("2024-05-01")
    model = PurchaseModel().fit(purchase_history(orders, until=early))
    assert past_horizons(orders, until=early, horizon_days=DAYS) == []
    assert with_level(model, orders, until=early, horizon_days=DAYS).level_ == 1.0
    few = orders[orders["account_id"].isin([f"C{n}" for n in range(8)])]
    assert past_horizons(few, until=UNTIL, horizon_days=DAYS) == []


def test_the_level_is_shrunk_and_ends_with_the_horizon(orders: pd.DataFrame) -> None:
    twice = PastHorizon(UNTIL, 100.0, 200.0, 1.0)
    assert level_of([]) == level_of([twice]) == 1.0
    assert level_of([twice] * 2) == pytest.approx(2.0 ** (2 / 3))
    assert level_of([twice] * 9) == pytest.approx(2.0**0.9)
    known = purchase_history(orders, until=UNTIL)
    model = PurchaseModel().fit(known)
    before = model.expected(known, [13.0, 26.0, 60.0])
    model.level_, model.level_weeks_ = 2.0, 13.0
    after = model.expected(known, [6.5, 13.0, 47.0])
    np.testing.assert_allclose(after, before[:, [0, 1, 2]], rtol=1e-9)
    soon = model.order_probability(known, 6.5)
    model.level_ = 1.0
    np.testing.assert_allclose(soon, model.order_probability(known, 13.0), rtol=1e-9)
