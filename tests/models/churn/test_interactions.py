"""Pairs of features that interact are found early, and claimed only where they hold later."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

from models.churn.interactions import Interactions, _round_between, find_interactions


def _company(
    seed: int, *, accounts: int, interaction: float = 0.0, ends_after: int = 99, k: int = 10
) -> pd.DataFrame:
    """Accounts on 16 dates: usage and tickets act together, a curve and a line act alone."""
    rng = np.random.default_rng(seed)
    trait, state = rng.normal(size=(2, accounts, k))
    alive, rows, left = np.ones(accounts, bool), [], np.full(accounts, 99)
    for date in range(19):
        state = 0.8 * state + 0.6 * rng.normal(size=state.shape)
        x = 0.7 * trait + 0.7 * state
        x[:, 0] = np.maximum(np.round(1.5 * x[:, 0]), 0)
        busy, many = x[:, 1] >= 0, x[:, 0] >= 1
        log_odds = -3.4 - 0.7 * x[:, 2] + 0.3 * x[:, 3] ** 2
        if date < ends_after:
            log_odds = log_odds + interaction * np.where(busy == many, 1.0, -1.0)
        leaves = alive & (rng.random(accounts) < expit(log_odds))
        left[leaves] = date
        names = ["tickets", "active_days", *(f"use_{i}" for i in range(2, k))]
        frame = pd.DataFrame(x, columns=names)[alive]
        as_of = pd.Timestamp("2024-01-07") + pd.Timedelta(days=28 * date)
        rows.append(frame.assign(account_id=np.flatnonzero(alive), as_of=as_of, date=date))
        alive = alive & ~leaves
    table = pd.concat(rows, ignore_index=True)
    table["churned"] = (left[table["account_id"]] - table["date"] < 3).astype(float)
    return table[table["date"] < 16].drop(columns="date").reset_index(drop=True)


def _found(table: pd.DataFrame, **options: object) -> Interactions:
    keys = ["account_id", "as_of", "churned"]
    return find_interactions(
        table.drop(columns=keys),
        table["churned"],
        groups=table["account_id"],
        times=table["as_of"],
        embargo_days=120,
        **options,  # type: ignore[arg-type]
    )


def test_a_planted_pair_is_found_with_its_table() -> None:
    table = _company(1, accounts=800, interaction=1.0)
    table["segment"] = np.where(table["account_id"] % 2, "small", "large")
    found = _found(table)
    assert {found.held[0].first, found.held[0].second} == {"tickets", "active_days"}
    assert found.pairs == 45 and len(found.held) <= found.checked <= 5
    assert found.early_until < found.late_from
    cells = {(c.first_high, c.second_high): c for c in found.held[0].cells}
    assert all(cells[s, s].difference.low > 0 > cells[s, not s].difference.high for s in (0, 1))
    # The sum of the parts has as many events as there were, in each margin.
    for side in (False, True):
        for margin in (
            [cells[side, other] for other in (False, True)],
            [cells[other, side] for other in (False, True)],
        ):
            excess = sum(c.rows * (c.rate - c.expected) for c in margin)
            assert excess == pytest.approx(0.0, abs=1e-4)
    late = table[table["as_of"] >= found.late_from]
    high = (late["tickets"] >= found.held[0].first_from) & (
        late["active_days"] >= found.held[0].second_from
    )
    corner, own = late[high], cells[True, True]
    assert (own.rows, own.accounts) == (len(corner), corner["account_id"].nunique())
    assert own.event_accounts == corner.loc[corner["churned"] == 1, "account_id"].nunique()
    assert own.rate == pytest.approx(corner["churned"].mean())


def test_what_has_ended_is_not_claimed() -> None:
    """The interaction of early dates alone is found there, and does not hold."""
    found = _found(_company(3, accounts=800, interaction=1.2, ends_after=9))
    assert found.checked >= 1
    assert found.held == ()
    assert "and none of these held on later dates" in found.why


@pytest.mark.slow
def test_without_an_interaction_nothing_is_claimed() -> None:
    claims = [bool(_found(_company(100 + seed, accounts=200)).held) for seed in range(40)]
    assert sum(claims) <= 2


def test_features_left_out_outcomes_not_known_and_row_order() -> None:
    table = _company(1, accounts=800, interaction=1.0)
    left_out = _found(table, left_out=["tickets", "absent"])
    assert left_out.pairs == 36
    assert all("tickets" not in (p.first, p.second) for p in left_out.held)
    unknown = table.assign(churned=table["churned"].where(table["as_of"] < "2024-12-20"))
    known = table[table["as_of"] < "2024-12-20"]
    assert _found(unknown) == _found(known)


def test_short_histories_few_events_and_flat_features_say_why() -> None:
    table = _company(2, accounts=300)
    assert "too short" in _found(table[table["as_of"] < "2024-04-01"]).why
    calm = _found(table.assign(churned=(table["account_id"] == 0).astype(float)))
    assert "too few to search pairs" in calm.why and calm.pairs == 0
    numbers = [n for n in table if n.startswith("use_")] + ["tickets", "active_days"]
    flat = _found(table.assign(**dict.fromkeys(numbers, 1.0)))
    assert flat.why == "no feature varies"
    one = _found(table.assign(**dict.fromkeys(numbers[1:], 1.0)))
    assert "fewer than two numbers" in one.why


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (1.0, 2.0, 2.0),
        (13.62, 14.08, 14.0),
        (0.1234, 0.1236, 0.1236),
        (-3.0, -2.0, -2.0),
        (0, 7, 7),
    ],
)
def test_thresholds_are_round(low: float, high: float, expected: float) -> None:
    assert _round_between(low, high) == pytest.approx(expected)
