"""Power and effects by group: against textbook values and by simulation."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from models.base.inputs import ModelInputError
from models.uplift.effects import accounts_per_arm, group_effects, require_two_arms


def test_accounts_per_arm() -> None:
    # Control churn of 8 %, reduced by a quarter.
    assert math.ceil(accounts_per_arm(0.08, 0.06)) == 2_551
    assert accounts_per_arm(0.08, 0.08) == math.inf
    # Nine treated accounts for each control account: the control arm shrinks, the sum grows.
    unequal = accounts_per_arm(0.08, 0.06, treated_per_control=9)
    assert unequal < 2_551 < 10 * unequal / 2


def test_an_experiment_of_that_size_detects_the_effect_in_four_of_five_cases() -> None:
    n = math.ceil(accounts_per_arm(0.3, 0.2))
    rng = np.random.default_rng(0)
    one, other = rng.binomial(n, 0.3, 4_000) / n, rng.binomial(n, 0.2, 4_000) / n
    error = np.sqrt(one * (1 - one) / n + other * (1 - other) / n)
    assert (np.abs(one - other) > 1.96 * error).mean() == pytest.approx(0.8, abs=0.02)


def _trial(seed: int, effects: dict[str, float], n: int = 400) -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(seed)
    group = rng.choice(list(effects), size=n * len(effects))
    treated = rng.random(len(group)) < 0.5
    share = 0.3 + treated * pd.Series(group).map(effects).to_numpy()
    return (rng.random(len(group)) < share).astype(float), treated, group


@pytest.mark.slow
def test_intervals_cover_the_true_effects() -> None:
    true = {"a": -0.1, "b": 0.0, "c": 0.05}
    covered = []
    for seed in range(400):
        outcome, treated, group = _trial(seed, true)
        table = group_effects(outcome, treated, pd.Series(group)).table
        covered += [table.loc[g, "low"] <= e <= table.loc[g, "high"] for g, e in true.items()]
    assert 0.93 <= np.mean(covered) <= 0.97


def test_groups_are_shrunk_to_their_mean_where_they_do_not_differ() -> None:
    outcome, treated, group = _trial(1, dict.fromkeys("abcdef", -0.05), n=60)
    found = group_effects(outcome, treated, pd.Series(group))
    spread = found.table["effect"].std()
    assert found.table["shrunk"].std() < 0.6 * spread
    widths = found.table.eval("shrunk_high - shrunk_low") <= found.table.eval("high - low") + 1e-12
    assert widths.all()


def test_groups_that_differ_keep_their_effects() -> None:
    outcome, treated, group = _trial(2, {"a": -0.25, "b": 0.3}, n=3_000)
    found = group_effects(outcome, treated, pd.Series(group))
    assert found.spread > 0.2
    assert found.table["shrunk"].to_numpy() == pytest.approx(found.table["effect"], abs=0.01)


def test_groups_without_enough_accounts_are_left_out() -> None:
    outcome, treated = np.zeros(30), np.arange(30) % 2 == 0
    group = pd.Series(["large"] * 25 + ["small"] * 5)
    assert group_effects(outcome, treated, group).table.index.tolist() == ["large"]
    assert group_effects(outcome[25:], treated[25:], group[25:]).table.empty


def test_one_arm_is_refused() -> None:
    with pytest.raises(ModelInputError, match="one arm"):
        require_two_arms(np.ones(3, dtype=bool))
