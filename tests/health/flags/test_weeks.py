"""Flags across weeks: since, hold, hysteresis, snooze, outcomes, capacity, hold-out."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.errors import HealthError, quantity
from features.reading.frames import tables_from_frames
from health.flags.actions import read_actions
from health.flags.capacity import fit_week, lot
from health.flags.rules import Raised
from health.settings.config import Config
from health.settings.flags import FlagsConfig
from tests.health.flags.raised import raise_flags
from tests.health.flags.test_rules import DAY, _scored

WEEK = timedelta(days=7)


def _config(**flags: object) -> Config:
    return Config(tables={}, flags=FlagsConfig.model_validate(flags))


def _actions(*rows: Mapping[str, object], as_of: date = DAY) -> pd.DataFrame:
    actions = pd.DataFrame([{"account_id": "A0", "flag": "at_risk", **row} for row in rows])
    tables = tables_from_frames({"actions": actions}, observed_until=datetime(2027, 1, 1))
    return read_actions(tables, datetime.combine(as_of, datetime.min.time()))


def _weeks(
    chances: list[float],
    config: Config | None = None,
    actions: list[pd.DataFrame | None] | None = None,
) -> list[Raised]:
    """Raise one account's flags week by week, up to DAY; its base rate is 0.05."""
    raised: list[Raised] = []
    for place, chance in enumerate(chances):
        day = DAY - WEEK * (len(chances) - 1 - place)
        raised.append(
            raise_flags(
                _scored(count=1, churn_probability=chance),
                config or _config(),
                as_of=day,
                previous=raised[-1].episodes if raised else None,
                actions=actions[place] if actions else None,
            )
        )
    return raised


def _listed(weeks: list[Raised]) -> list[bool]:
    return [len(week.flags) > 0 for week in weeks]


@pytest.mark.slow
def test_a_flag_clears_by_itself_and_begins_anew() -> None:
    weeks = _weeks([0.2, 0.2, 0.05, 0.2])
    assert _listed(weeks) == [True, True, False, True]
    assert weeks[1].flags["since"].iloc[0] == pd.Timestamp(DAY - 3 * WEEK)
    assert weeks[2].cleared["account_id"].tolist() == ["A0"]
    assert weeks[2].counts == {"cleared": 1}
    assert weeks[3].flags["since"].iloc[0] == pd.Timestamp(DAY)


@pytest.mark.slow
def test_a_condition_must_hold_for_the_configured_time() -> None:
    weeks = _weeks([0.2, 0.2, 0.2], _config(hold_days={"at_risk": 14}))
    assert _listed(weeks) == [False, False, True]
    assert weeks[0].episodes["state"].tolist() == ["pending"]
    # The condition holds since the first week, though nobody was shown it.
    assert weeks[2].flags["since"].iloc[0] == pd.Timestamp(DAY - 2 * WEEK)


@pytest.mark.slow
def test_who_stands_stays_under_an_easier_limit_and_nobody_new_comes_in_under_it() -> None:
    # Twice the odds of 0.05 are those of 0.095; 0.85 of them are those of 0.082.
    assert _listed(_weeks([0.09, 0.11, 0.09, 0.08, 0.09])) == [False, True, True, False, False]


@pytest.mark.slow
def test_snoozed_until_a_date_then_back_with_the_same_since() -> None:
    day = DAY - WEEK
    row = {"action": "Snooze", "at": day - timedelta(days=3), "until": DAY, "reason": "on leave"}
    seen = _actions(row)
    weeks = _weeks([0.2, 0.2, 0.2], actions=[None, seen, seen])
    assert _listed(weeks) == [True, False, True]
    resting = weeks[1].episodes.iloc[0]
    assert resting["state"] == "snoozed"
    assert resting["note"] == "on leave"
    assert resting["until"] == pd.Timestamp(DAY)
    assert weeks[2].flags["since"].iloc[0] == pd.Timestamp(DAY - 2 * WEEK)


@pytest.mark.slow
def test_a_snooze_without_a_date_rests_for_the_configured_days() -> None:
    seen = _actions({"action": "not now", "at": DAY - timedelta(days=10)})
    assert _listed(_weeks([0.2, 0.2], actions=[None, seen])) == [True, False]
    short = _config(snooze_days=7)
    assert _listed(_weeks([0.2, 0.2], short, [None, seen])) == [True, True]


@pytest.mark.slow
def test_a_closed_case_rests_until_the_condition_begins_anew() -> None:
    seen = _actions({"action": "False alarm", "at": DAY - 3 * WEEK + timedelta(days=1)})
    weeks = _weeks([0.2, 0.2, 0.05, 0.2], actions=[None, seen, seen, seen])
    assert _listed(weeks) == [True, False, False, True]
    assert weeks[1].episodes["state"].tolist() == ["closed"]
    assert weeks[3].flags["last_action"].tolist() == ["false_alarm"]


@pytest.mark.slow
def test_a_call_is_shown_and_keeps_the_flag_on_the_list() -> None:
    seen = _actions({"action": "called", "at": DAY - timedelta(days=2), "flag": None})
    flags = _weeks([0.2, 0.2], actions=[None, seen])[1].flags
    assert flags["last_action"].tolist() == ["called"]
    assert flags["last_action_at"].tolist() == [pd.Timestamp(DAY - timedelta(days=2))]


def test_what_was_done_later_is_not_known_yet() -> None:
    assert _actions({"action": "saved", "at": DAY}).empty


@pytest.mark.parametrize(
    ("row", "where"),
    [
        ({"action": "shouted"}, "actions.action"),
        ({"action": "called", "flag": "at risque"}, "actions.flag"),
        ({"action": "snooze", "until": DAY - 2 * WEEK}, "actions.until"),
    ],
)
def test_an_action_that_is_none_is_refused(row: dict[str, object], where: str) -> None:
    with pytest.raises(HealthError) as refused:
        _actions({"at": DAY - WEEK, **row})
    assert refused.value.where == where
    assert "1 of 1 rows" in refused.value.what
    assert "A0" in refused.value.what


# Capacity and hold-out


def _candidates(values: list[float], csm: object = "Ann") -> pd.DataFrame:
    accounts = [f"A{i}" for i in range(len(values))]
    columns = {"account_id": accounts, "flag": "at_risk", "csm": csm, "value": values}
    return pd.DataFrame({**columns, "mrr": 100.0, "asked": False})


def test_each_csm_has_a_capacity_and_some_their_own() -> None:
    csms = pd.Series(["Ann", "Ben"] * 5)
    fitted = fit_week(
        _candidates([float(i) for i in range(10)], csm=csms),
        csms,
        FlagsConfig(capacity_per_csm=3, capacity={"Ben": 1}),
    )
    listed = fitted[fitted["state"] == "listed"].groupby("csm")["account_id"].agg(list)
    assert listed.to_dict() == {"Ann": ["A8", "A6", "A4"], "Ben": ["A9"]}
    assert (fitted["state"] == "waiting").sum() == 6


@pytest.mark.quick_cases(1)
@pytest.mark.parametrize(
    ("given", "room"), [({}, 45), ({"unassigned_csms": 2}, 30), ({"accounts_per_csm": 250}, 15)]
)
def test_accounts_without_a_csm_have_room_for_as_many_as_they_would_need(
    given: dict[str, int], room: int
) -> None:
    config = _config(**given)
    scored = _scored(count=250, churn_probability=0.5, csm=None)
    raised = raise_flags(scored, config, as_of=DAY)
    assert (raised.flags["flag"] == "at_risk").sum() == room
    assert "250 of 250 accounts have no CSM" in raised.warnings[0]
    assert f"each of {quantity(room // 15, 'CSM')}" in raised.warnings[0]


@given(
    st.lists(st.floats(0, 1e6), min_size=1, max_size=60),
    st.floats(0, 0.5),
    st.integers(1, 20),
)
def test_lists_are_full_by_value_and_the_held_out_would_have_been_on_them(
    values: list[float], share: float, capacity: int
) -> None:
    config = FlagsConfig(hold_out=share, capacity_per_csm=capacity)
    fitted = fit_week(_candidates(values), pd.Series(["Ann"]), config)
    by_state = {state: rows["value"] for state, rows in fitted.groupby("state")}
    listed = by_state.get("listed", pd.Series(dtype=float))
    waiting = by_state.get("waiting", pd.Series(dtype=float))
    held = by_state.get("held_out", pd.Series(dtype=float))
    drawn = fitted["account_id"].map(lot) < share
    assert len(listed) == min(capacity, int((~drawn).sum()))
    assert set(fitted.loc[fitted["state"] == "held_out", "account_id"]) <= set(
        fitted.loc[drawn, "account_id"]
    )
    if len(listed):
        assert (waiting[~drawn] <= listed.min()).all()
    if len(held) and len(listed) == capacity:
        assert held.min() >= listed.min()


def test_the_lot_is_even_and_the_same_every_week() -> None:
    lots = np.array([lot(f"ACC-{i}") for i in range(4000)])
    assert lot("ACC-7") == lots[7]
    assert (lots < 0.1).mean() == pytest.approx(0.1, abs=0.015)
    assert lots.mean() == pytest.approx(0.5, abs=0.02)


def test_the_held_out_are_kept_apart_and_not_shown() -> None:
    config = _config(hold_out=0.5, capacity_per_csm=10)
    raised = raise_flags(_scored(count=12, churn_probability=0.5), config, as_of=DAY)
    states = raised.episodes.set_index("account_id")["state"]
    held = [account for account in states.index if lot(account) < 0.5]
    assert held
    assert (states[held] == "held_out").all()
    assert not set(raised.flags["account_id"]) & set(held)
