"""Features of products that are not owned: computed by hand, and as known on the date."""

from __future__ import annotations

import math
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from features.targets.growth import growth_features, seats_days_to_limit
from features.targets.offers import NAMES, co_ownership, offer_features
from tests.features.company import DAY, Row, Rows, ago, open_tables
from tests.features.tables.test_point_in_time import truncated

EVENTS = {"addon": ("try",)}


def sub(account: str, product: str, start: float, end: float | None = None, **rest: Any) -> Row:
    ended = None if end is None else ago(end)
    given = {"account_id": account, "product": product, "started_at": ago(start)}
    return {"mrr": 10.0, **given, "ended_at": ended, **rest}


def use(account: str, event: str, day: float, user: str | None = "u", **rest: Any) -> Row:
    return {"account_id": account, "event": event, "occurred_at": ago(day), "user_id": user, **rest}


def rows(subscriptions: list[Row], usage: list[Row]) -> Rows:
    names = sorted({r["account_id"] for r in [*subscriptions, *usage]})
    accounts = [{"account_id": n, "created_at": ago(400), "segment": "mid"} for n in names]
    return {"accounts": accounts, "subscriptions": subscriptions, "usage": usage}


def offers(*pairs: tuple[str, str], day: datetime = DAY) -> pd.DataFrame:
    frame = pd.DataFrame(pairs, columns=["account_id", "product"])
    return frame.assign(as_of=pd.Timestamp(day))


def built(company: Rows, *pairs: tuple[str, str], **options: Any) -> pd.DataFrame:
    options = {"events": EVENTS, **options}
    frame = offers(*pairs)
    found = offer_features(open_tables(company), frame, **options)
    return found.set_index(pd.MultiIndex.from_frame(frame[["account_id", "product"]]))


def test_a_trial_is_told_by_uses_users_and_how_long_it_runs() -> None:
    company = rows(
        [sub("a", "core", 300), sub("b", "core", 300), sub("c", "core", 300), sub("c", "addon", 9)],
        [
            use("a", "try", 2, "u1", quantity=3.0),
            use("a", "try", 10, "u2"),
            # A pause of more than two weeks: what was before is another trial.
            use("a", "try", 40, "u3"),
            # On the date itself, and in another account.
            use("a", "try", 0),
            use("c", "try", 1),
            use("b", "view", 1),
        ],
    )
    found = built(company, ("a", "addon"), ("b", "addon"))
    row = found.loc[("a", "addon")]
    assert row["offer_tried_28d"] == 4.0
    assert row["offer_tried_users_28d"] == 2.0
    assert row["offer_days_since_tried"] == 1.0
    assert row["offer_trial_days"] == 9.0
    other = found.loc[("b", "addon")]
    assert other["offer_tried_28d"] == 0.0
    assert math.isnan(other["offer_days_since_tried"])
    assert math.isnan(other["offer_trial_days"])
    # Both of the two others use what it does, drawn towards two of three accounts.
    assert other["offer_peer_use_28d"] == pytest.approx((2 + 20 * 2 / 3) / 22)


def test_holders_peers_and_purchases_are_counted() -> None:
    company = rows(
        [
            *(sub(name, "core", 300) for name in "abcd"),
            sub("b", "addon", 100),
            sub("c", "addon", 200),
            sub("d", "addon", 250, 50),
        ],
        [],
    )
    found = built(company, ("a", "addon"), ("d", "addon"))
    assert found["offer_peer_share"].tolist() == pytest.approx([(2 + 10) / 23, (2 + 10) / 23])
    # b alone bought within 180 days; a and d are without it.
    assert found["offer_bought_180d"].tolist() == pytest.approx([1 / 3, 1 / 3])
    since = found["offer_days_since_held"]
    assert math.isnan(since["a", "addon"])
    assert since["d", "addon"] == 50.0


def test_events_nobody_named_are_those_that_holders_use() -> None:
    holders, others = [f"h{i}" for i in range(10)], [f"o{i}" for i in range(10)]
    company = rows(
        [sub(name, "core", 300) for name in holders + others]
        + [sub(name, "addon", 300) for name in holders],
        [use(name, "run", 5) for name in [*holders, "o1"]]
        + [use(name, "view", 5) for name in holders + others],
    )
    found = built(company, ("o1", "addon"), ("o2", "addon"), events={})
    assert found["offer_tried_28d"].tolist() == [1.0, 0.0]


def test_without_usage_nothing_is_told_from_use() -> None:
    company = rows([sub("a", "core", 300), sub("b", "addon", 300)], [])
    del company["usage"]
    found = built(company, ("a", "addon"))
    assert found.filter(like="tried").isna().all(axis=None)
    assert found["offer_peer_share"].notna().all()


def test_a_lift_of_what_is_held_together_is_positive_and_of_what_is_not_negative() -> None:
    held = pd.DataFrame(
        {"p": [1.0] * 50 + [0.0] * 50, "q": [1.0] * 50 + [0.0] * 50, "r": [0.0] * 50 + [1.0] * 50}
    )
    lift = co_ownership(held)
    assert lift["q"].iloc[0] == pytest.approx(math.log((50 + 10) / 70 / 0.5))
    assert lift["r"].iloc[0] < 0 < lift["q"].iloc[0]
    assert co_ownership(held[["p"]])["p"].tolist() == [0.0] * 100


_days = st.integers(-20, 200)
_names = st.sampled_from("abc")


@pytest.mark.slow
@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(
        st.tuples(_names, st.sampled_from(["core", "addon"]), _days, _days),
        min_size=1,
        max_size=12,
    ),
    st.lists(
        st.tuples(st.sampled_from("abc"), st.sampled_from(["try", "view"]), _days), max_size=12
    ),
)
def test_what_comes_later_changes_no_offer(
    held: list[tuple[str, str, int, int]], used: list[tuple[str, str, int]]
) -> None:
    subscriptions = [sub("a", "core", 250)]
    for account, product, start, end in held:
        ended = min(start, end) if end < start else None
        subscriptions.append(sub(account, product, start, ended, plan="low", seats=3.0))
    company = rows(subscriptions, [use(*u) for u in used])
    short = truncated(company, DAY)
    short["accounts"] = company["accounts"]
    pairs = [("a", "addon"), ("b", "addon"), ("c", "core")]
    now, then = built(company, *pairs), built(short, *pairs)
    pd.testing.assert_frame_equal(now, then)


def _growth(company: Rows, **metrics: float) -> pd.Series:
    features = pd.DataFrame(
        {
            "account_id": ["a"],
            "as_of": [pd.Timestamp(DAY)],
            "seats": [10.0],
            "usage_active_users_28d": [8.0],
            "usage_active_users_90d": [9.0],
            "usage_users_trend": [0.0],
        }
    ).assign(**metrics)
    found = growth_features(
        open_tables(company),
        features,
        plans=("low", "mid", "high"),
        plan_events={"mid": ("export",), "high": ("audit",)},
    )
    return found.iloc[0]


@pytest.mark.slow
def test_seats_run_out_at_the_pace_of_the_last_months() -> None:
    company = rows([sub("a", "core", 300, plan="low")], [])
    # From 3 to 8 users in 35 days: one a week, and two seats are free.
    row = _growth(company, usage_users_trend=math.log(9 / 4))
    assert row["growth_seats_days_to_limit"] == pytest.approx(14.0)
    assert row["growth_seats_in_use_90d"] == pytest.approx(0.9)
    assert math.isnan(_growth(company)["growth_seats_days_to_limit"])
    assert _growth(company, usage_active_users_28d=10.0)["growth_seats_days_to_limit"] == 0.0
    assert math.isnan(_growth(company, seats=np.nan)["growth_seats_days_to_limit"])


def test_days_to_the_limit_fall_as_use_grows() -> None:
    users = np.arange(1.0, 10.0)
    frame = pd.DataFrame({"usage_active_users_28d": users, "seats": 10.0, "usage_users_trend": 0.5})
    assert np.all(np.diff(seats_days_to_limit(frame)) < 0)


@pytest.mark.slow
def test_a_higher_plan_is_tried_by_who_holds_a_lower_one() -> None:
    tried = [use("a", "audit", 3, quantity=2.0), use("a", "export", 5), use("a", "audit", 100)]
    low = _growth(rows([sub("a", "core", 300, plan="low")], tried))
    assert low["growth_higher_plan_tried_28d"] == 3.0
    assert low["growth_days_since_higher_plan"] == 2.0
    assert low["growth_plans_above"] == 2.0
    mid = _growth(rows([sub("a", "core", 300, plan="mid")], tried))
    assert mid["growth_higher_plan_tried_28d"] == 2.0
    high = _growth(rows([sub("a", "core", 300, plan="high")], tried))
    assert math.isnan(high["growth_higher_plan_tried_28d"])
    assert high["growth_plans_above"] == 0.0


@pytest.mark.slow
def test_an_expansion_is_more_of_the_same_product() -> None:
    company = rows(
        [
            sub("a", "core", 300, 100),
            sub("a", "core", 100, mrr=20.0),
            sub("a", "other", 30),
        ],
        [],
    )
    assert _growth(company)["growth_days_since_expansion"] == 100.0
    renewed = rows([sub("a", "core", 300, 100), sub("a", "core", 100)], [])
    assert math.isnan(_growth(renewed)["growth_days_since_expansion"])


def test_every_feature_of_an_offer_is_declared() -> None:
    company = rows([sub("a", "core", 300), sub("b", "addon", 300)], [use("a", "try", 3)])
    assert tuple(built(company, ("a", "addon")).columns) == NAMES
