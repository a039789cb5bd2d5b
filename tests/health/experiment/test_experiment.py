"""Experiments: assignment, balance, effects with intervals, and honest doubts."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from features.errors import HealthError
from features.reading.frames import tables_from_frames
from health.experiment.assignment import assignments
from health.experiment.effects import mean_effect, share_effect
from health.experiment.readout import Readout, read_out
from health.runs.directory import list_runs, publish
from health.settings.config import Config, load_config
from tests.health.conftest import call_health

START = datetime(2026, 3, 1)
END = datetime(2026, 10, 1)
CONFIG = """
observed_until = 2026-10-01
[tables.accounts]
path = "accounts.csv"
[tables.subscriptions]
path = "subscriptions.csv"
"""


def _series(ones: int, count: int) -> pd.Series:
    return pd.Series([1.0] * ones + [0.0] * (count - ones))


def test_newcombe_golden_value() -> None:
    effect = share_effect("x", _series(56, 70), _series(48, 80))
    assert effect.difference == pytest.approx(0.2)
    assert (effect.low, effect.high) == pytest.approx((0.0524, 0.3339), abs=1e-4)


def test_welch_interval_golden_value() -> None:
    # Means 3 and 5, variances 2.5 and 2.5 of five each: t(8) = 2.306, standard error 1.
    one, other = pd.Series([1.0, 2, 3, 4, 5]), pd.Series([3.0, 4, 5, 6, 7])
    effect = mean_effect("x", one, other)
    assert (effect.difference, effect.low, effect.high) == pytest.approx(
        (-2, -4.306, 0.306), abs=1e-3
    )
    assert effect.too_small


def test_accounts_needed_to_see_churn_halved() -> None:
    # (1.96 + 0.8416)² · (0.2 · 0.8 + 0.1 · 0.9) ⁄ 0.1² = 196.2
    effect = share_effect("x", _series(10, 100), _series(20, 100))
    assert effect.needed == 197
    assert effect.too_small
    assert not share_effect("x", _series(20, 300), _series(60, 300)).too_small


def test_an_arm_without_accounts_is_not_known() -> None:
    for effect in (
        share_effect("x", pd.Series(dtype=float), _series(1, 9)),
        mean_effect("x", pd.Series([1.0]), pd.Series(dtype=float)),
    ):
        assert np.isnan(effect.low)
        assert effect.too_small


def _company(folder: Path, treated: int, control: int, *, mrr_gap: float = 0.0) -> Config:
    """Of treated accounts a tenth leaves within the horizon, of control three tenths."""
    count = treated + control
    arms = np.array(["treated"] * treated + ["control"] * control)
    place = np.concatenate([np.arange(treated) / treated, np.arange(control) / control])
    leaves = place < np.where(arms == "treated", 0.1, 0.3)
    accounts = [f"A{i:04}" for i in range(count)]
    mrr = 100.0 + 20 * np.cos(np.arange(count)) + np.where(arms == "treated", mrr_gap, 0.0)
    made = datetime(2025, 1, 1)
    pd.DataFrame({"account_id": accounts, "created_at": made}).to_csv(folder / "accounts.csv")
    pd.DataFrame(
        {
            "account_id": accounts,
            "product": "Core",
            "started_at": made,
            "ended_at": [START + timedelta(days=40) if gone else None for gone in leaves],
            "mrr": mrr,
        }
    ).to_csv(folder / "subscriptions.csv")
    pd.DataFrame(
        {
            "account_id": accounts,
            "occurred_at": START,
            "kind": "call",
            "flag": "at_risk",
            "arm": arms,
        }
    ).to_csv(folder / "interventions.csv")
    text = CONFIG + '[tables.interventions]\npath = "interventions.csv"\n'
    (folder / "health.toml").write_text(text)
    return load_config(folder / "health.toml")


def _only(config: Config) -> Readout:
    (found,) = read_out(config)
    return found


def test_an_effect_that_is_there_is_found(tmp_path: Path) -> None:
    found = _only(_company(tmp_path, 300, 200))
    assert (found.name, found.treated, found.control) == ("call for at_risk", 300, 200)
    churn, health, mrr = found.effects
    assert (churn.treated, churn.control) == pytest.approx((0.1, 0.3))
    assert churn.low < -0.2 < churn.high < 0
    assert mrr.difference == pytest.approx(20, abs=2)
    assert mrr.low > 0
    # No run was ever published, so nothing is known of health.
    assert health.n_treated == 0
    assert any("too small a sample for change in health" in w for w in found.warnings)
    assert not any("churn" in w for w in found.warnings)
    assert not found.balance["unlike"].any()


@pytest.mark.slow
def test_power_segments_and_savable_are_reported(tmp_path: Path) -> None:
    _company(tmp_path, 300, 200)
    accounts = pd.read_csv(tmp_path / "accounts.csv")
    accounts["segment"] = np.where(np.arange(len(accounts)) % 2, "[large]", "small")
    accounts.to_csv(tmp_path / "accounts.csv")
    found = _only(load_config(tmp_path / "health.toml")).responders
    # A quarter less than 30 % needs about 500 control accounts at three treated for two.
    assert "a quarter less churn (30.0 to 22.5 %)" in found.power and "more weeks" in found.power
    assert found.by_segment.index.tolist() == ["[large]", "small"]
    assert (found.by_segment["high"] < 0).all()
    assert "are too few" in found.savable and found.model is not None and not found.model.is_on_
    done = call_health("experiment", tmp_path / "health.toml")
    assert done.code == 0, done.err
    shown = " ".join(done.out.split())
    assert "Power: To detect" in shown and "[large]" in shown and "Savable accounts:" in shown


@pytest.mark.slow
def test_a_large_experiment_says_who_can_be_saved(tmp_path: Path) -> None:
    found = _only(_company(tmp_path, 1_500, 1_500)).responders
    assert found.power.startswith("Large enough") and found.by_segment.empty
    assert found.model is not None and found.model.qini_ is not None
    assert "Qini" in found.savable


def test_a_small_sample_and_unlike_arms_are_said(tmp_path: Path) -> None:
    found = _only(_company(tmp_path, 40, 40, mrr_gap=30.0))
    result = " ".join(found.warnings)
    assert "the arms already differed before: mrr by +2" in result
    assert "too small a sample for churn" in result
    assert "40 treated and 40 control outcomes known; about 118 in each arm" in result


def test_what_is_not_known_yet_counts_for_nobody(tmp_path: Path) -> None:
    config = _company(tmp_path, 50, 50)
    (found,) = read_out(config, until=START + timedelta(days=60))
    assert [effect.n_treated for effect in found.effects] == [0, 0, 0]


@pytest.mark.slow
def test_the_command_prints_a_readout(tmp_path: Path) -> None:
    _company(tmp_path, 300, 200)
    done = call_health("experiment", tmp_path / "health.toml")
    assert done.code == 0, done.err
    for part in ("call for at_risk", "300 treated and 200 control", "10.00 % of 300", "-20.00"):
        assert part in done.out, part


def test_without_arms_the_command_says_how_to_get_them(tmp_path: Path) -> None:
    _company(tmp_path, 5, 5)
    (tmp_path / "health.toml").write_text(CONFIG)
    done = call_health("experiment", tmp_path / "health.toml")
    assert done.code == 2
    assert "flags.hold_out" in done.err


def test_an_arm_that_is_none_is_refused() -> None:
    rows = pd.DataFrame(
        {"account_id": ["A"], "occurred_at": START, "kind": "call", "arm": ["placebo"]}
    )
    tables = tables_from_frames({"interventions": rows}, observed_until=END)
    with pytest.raises(HealthError, match="placebo"):
        assignments(tables, [], END)


def test_an_account_with_both_arms_on_one_day_is_refused_and_a_later_change_is_not() -> None:
    days = [START, START + timedelta(days=30), START, START + timedelta(hours=8)]
    rows = pd.DataFrame({"account_id": ["A", "A", "B", "B"], "occurred_at": days, "kind": "call"})
    rows["arm"] = ["treated", "control"] * 2
    with pytest.raises(HealthError) as refused:
        assignments(tables_from_frames({"interventions": rows}, observed_until=END), [], END)
    assert "1 of 2 accounts" in refused.value.what and "B (call)" in refused.value.what
    tables = tables_from_frames({"interventions": rows.head(2)}, observed_until=END)
    (found,) = assignments(tables, [], END).to_dict("records")
    assert (found["arm"], found["as_of"], found["changed"]) == ("treated", START, True)


def _publish_lists(runs_dir: Path, day: datetime, states: dict[str, str]) -> None:
    episodes = pd.DataFrame({"account_id": list(states), "state": list(states.values())})
    episodes["flag"] = "at_risk"
    health = [50.0 if state == "held_out" else 60.0 for state in states.values()]
    scores = pd.DataFrame({"account_id": list(states), "health_score": health})
    scores["churn_probability"] = 0.2

    def write(folder: Path) -> None:
        episodes.to_parquet(folder / "episodes.parquet")
        scores.to_parquet(folder / "scores.parquet")
        (folder / "run.json").write_text(json.dumps({}))

    publish(runs_dir, day.date(), write, replace=False)


@pytest.mark.slow
def test_lists_that_hold_out_are_an_experiment_and_the_first_arm_counts(tmp_path: Path) -> None:
    config = _company(tmp_path, 20, 20)
    accounts = [f"A{i:04}" for i in range(40)]
    first = {a: "listed" if i < 20 else "held_out" for i, a in enumerate(accounts)}
    _publish_lists(config.runs_dir, START, first)
    # Later the other way round, which changes no arm.
    later = {a: "held_out" if i < 20 else "listed" for i, a in enumerate(accounts)}
    _publish_lists(config.runs_dir, START + timedelta(days=91), later)
    names = {readout.name: readout for readout in read_out(config)}
    found = names["list at_risk"]
    assert (found.treated, found.control) == (20, 20)
    assert found.last == pd.Timestamp(START)
    assert found.warnings[0].startswith("40 of 40 accounts have later rows of the other arm")
    assert not any("other arm" in warning for warning in names["call for at_risk"].warnings)
    assert [e.n_treated for e in found.effects] == [20, 20, 20]
    health = found.balance.set_index("measure").loc["health_score"]
    assert (health["treated"], health["control"]) == (60.0, 50.0)
    assert found.effects[1].difference == pytest.approx(-20.0)
    assert len(list_runs(config.runs_dir)) == 2
