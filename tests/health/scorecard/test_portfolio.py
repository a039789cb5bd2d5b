"""The portfolio: the golden value, both weightings, groups, parents and changes."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from health.scorecard.bands import band
from health.scorecard.portfolio import roll_up, topmost_parents
from health.settings.scorecard import Bands
from tests.examples import examples

NAN = float("nan")


def _scores(rows: list[tuple[float, float, str | None]]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=["health_score", "mrr", "csm"])
    frame["account_id"] = [f"A{i}" for i in frame.index]
    frame["segment"] = None
    frame["parent_id"] = None
    frame["health_band"] = band(frame["health_score"].astype(float), Bands())
    return frame


def _of(rolled: pd.DataFrame, grouping: str, group: str) -> pd.Series:
    found = rolled[(rolled["grouping"] == grouping) & (rolled["group"] == group)]
    assert len(found) == 1
    return found.iloc[0]


def test_golden_portfolio() -> None:
    book = _scores([(100.0, 10, "Ana")] * 5 + [(60.0, 10, "Ana")] * 3 + [(40.0, 10, "Ana")] * 2)
    whole = _of(roll_up(book), "all", "all")
    assert whole["health_by_account"] == pytest.approx(76)
    assert whole["health_by_mrr"] == pytest.approx(76)
    assert (whole["green_accounts"], whole["yellow_accounts"], whole["red_accounts"]) == (5, 3, 2)
    assert whole["red_mrr"] == 20


def test_weighting_by_mrr_or_by_account_and_who_is_not_scored() -> None:
    book = _scores([(80, 100, "Ana"), (40, 300, "Ana"), (NAN, 900, "Ana"), (70, 5, None)])
    rolled = roll_up(book)
    ana = _of(rolled, "csm", "Ana")
    assert ana["health_by_account"] == 60
    assert ana["health_by_mrr"] == 50
    assert (ana["accounts"], ana["scored"], ana["mrr"], ana["scored_mrr"]) == (3, 2, 1300, 400)
    assert _of(rolled, "csm", "unassigned")["health_by_mrr"] == 70
    assert set(rolled["grouping"]) == {"all", "csm"}


def test_a_group_without_scores_has_no_figure() -> None:
    assert np.isnan(_of(roll_up(_scores([(NAN, 10, "Ana")])), "all", "all")["health_by_mrr"])


def test_changes_are_those_of_the_group() -> None:
    before = roll_up(_scores([(80, 100, "Ana"), (50, 100, "Bo")]))
    now = roll_up(_scores([(70, 100, "Ana"), (50, 100, "Cy")]), before)
    assert _of(now, "csm", "Ana")["change_by_mrr"] == -10
    assert _of(now, "all", "all")["change_by_account"] == -5
    assert np.isnan(_of(now, "csm", "Cy")["change_by_account"])


def test_an_account_belongs_to_its_topmost_parent() -> None:
    book = _scores([(50, 1, "Ana")] * 6).assign(
        account_id=["top", "middle", "leaf", "alone", "loop", "pool"],
        parent_id=[None, "top", "middle", None, "pool", "loop"],
    )
    tops = topmost_parents(book)
    assert tops.drop(3).tolist() == ["top", "top", "top", "loop", "loop"]
    assert pd.isna(tops[3])
    rolled = roll_up(book)
    assert _of(rolled, "parent", "top")["accounts"] == 3
    assert set(rolled.loc[rolled["grouping"] == "parent", "group"]) == {"top", "loop"}


def test_a_parent_that_is_no_account_of_ours_still_makes_a_group() -> None:
    book = _scores([(50, 1, "Ana"), (70, 1, "Ana")]).assign(parent_id=["HQ", "HQ"])
    assert _of(roll_up(book), "parent", "HQ")["health_by_account"] == 60


_row = st.tuples(st.floats(0, 100), st.floats(0.01, 1e6), st.sampled_from(["Ana", "Bo", None]))


@settings(deadline=None, max_examples=examples(40))
@given(st.lists(_row, min_size=1, max_size=12))
def test_groups_sum_to_the_whole(rows: list[tuple[float, float, str | None]]) -> None:
    rolled = roll_up(_scores(rows))
    whole, csms = _of(rolled, "all", "all"), rolled[rolled["grouping"] == "csm"]
    if csms.empty:
        return
    assert csms["accounts"].sum() == whole["accounts"]
    mean = np.average(csms["health_by_mrr"], weights=csms["scored_mrr"])
    assert mean == pytest.approx(whole["health_by_mrr"])
