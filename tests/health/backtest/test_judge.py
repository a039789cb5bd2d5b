from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from health.backtest.bootstrap import Resampling
from health.backtest.comparison import compare
from health.backtest.judge import judge
from health.backtest.lead_time import approach, lead_time
from health.backtest.verdict import verdict
from tests.health.backtest.small_past import config, past


def _says(knows: float, **changes: float) -> tuple[str, str]:
    found = judge(past(knows=knows, **changes), config())
    said = verdict(found, 90, 10)
    return said.kind, " ".join((said.headline, *said.sentences))


def test_a_score_that_knows_predicts() -> None:
    kind, text = _says(0.3)
    assert kind == "predicts"
    assert "0.5 is chance" in text


def test_noise_does_not_predict() -> None:
    kind, text = _says(0.0)
    assert kind == "chance"
    assert "does not show that the health score predicts" in text
    assert "The interval includes 0.5" in text
    assert "Better than the health score at finding who leaves: the churn model" in text


def test_contenders_are_compared_with_each_other() -> None:
    _, text = _says(0.0)
    assert "the churn model ranks above usage in 28 days alone" in text


def test_a_single_feature_that_is_ahead_of_the_model_is_reported() -> None:
    own = past(knows=0.0)
    swapped = own.rows.assign(usage=own.rows["model"], model=own.rows["usage"])
    found = judge(dataclasses.replace(own, rows=swapped), config())
    text = " ".join(verdict(found, 90, 10).sentences)
    assert "usage in 28 days alone ranks above the churn model" in text


def test_a_score_turned_round_points_the_wrong_way() -> None:
    own = past(knows=0.5)
    turned = own.rows.assign(rules=-own.rows["rules"], score=100 - own.rows["score"])
    kind = verdict(judge(dataclasses.replace(own, rows=turned), config()), 90, 10).kind
    assert kind == "backwards"


def test_too_good_to_be_true_is_a_warning() -> None:
    _, text = _says(0.9)
    assert "contains the outcome" in text


def test_two_churned_accounts_are_no_proof() -> None:
    found = judge(past(share_left=0.02, knows=0.9), config())
    assert 0 < found.counts.churned_accounts < 10
    assert found.alone is None
    assert found.together is None
    said = verdict(found, 90, 10)
    assert said.kind == "too_few"
    assert f"{found.counts.churned_accounts} account" in said.sentences[0]


def test_figures_are_scikit_learns_and_a_copy_differs_by_nothing() -> None:
    rows = past(knows=0.2).rows
    rows["copy"] = rows["rules"]
    found = compare(rows, ["rules", "copy", "usage"], resampling=Resampling(50))
    assert found.figures["rules"]["auc"].value == pytest.approx(
        roc_auc_score(rows["churned"], rows["rules"])
    )
    same = found.difference("copy", "rules", "auc")
    assert same is not None
    assert (same.low, same.value, same.high) == (0.0, 0.0, 0.0)
    other = found.difference("usage", "rules", "auc")
    assert other is not None
    assert other.value == pytest.approx(
        found.figures["usage"]["auc"].value - found.figures["rules"]["auc"].value
    )
    assert found.counts.dates == 4
    # One list a date, since nobody has a CSM.
    assert (found.lists, found.listed) == (4, 60)


def test_an_account_without_outcome_or_score_is_counted_and_left_out() -> None:
    own = past(knows=0.3)
    rows = own.rows.copy()
    rows.loc[rows["as_of"] == rows["as_of"].max(), "churned"] = np.nan
    rows.loc[:9, ["rules", "score"]] = np.nan
    rows.loc[:9, "band"] = None
    found = judge(dataclasses.replace(own, rows=rows), config())
    assert found.unknown == 120
    assert found.not_scored == 10
    assert found.counts.rows == 360
    assert found.alone is not None
    assert found.alone.counts.rows == 350
    assert found.bands["rows"].sum() == 360
    assert found.tenths["rows"].sum() == 350


def test_a_measure_that_never_differs_is_not_judged() -> None:
    worth = {m.feature: m for m in judge(past(knows=0.3), config()).measures}
    assert np.isnan(worth["notice_given"].auc.value)
    assert worth["usage_events_trend"].auc.value > 0.6
    assert worth["usage_events_trend"].coverage == 1.0


def test_segments_with_few_ends_are_not_judged_alone() -> None:
    own = past(knows=0.3)
    rows = own.rows.assign(group=np.where(own.rows["account_id"] < "A004", "tiny", "rest"))
    segments = judge(dataclasses.replace(own, rows=rows), config()).segments.set_index("name")
    assert np.isnan(segments.at["tiny", "auc"])
    assert segments.at["rest", "auc"] > 0.5


def test_lead_time_by_hand() -> None:
    days = pd.to_datetime(["2026-01-01", "2026-02-01", "2026-03-01", "2026-01-01", "2026-02-01"])
    rows = pd.DataFrame({"account_id": ["a", "a", "a", "b", "c"], "as_of": days})
    warned = pd.Series([False, True, True, False, True])
    churns = pd.DataFrame(
        {"account_id": ["a", "b"], "churned_at": pd.to_datetime(["2026-03-11", "2026-01-31"])}
    )
    found = lead_time(rows, warned, churns, lead_days=60, resampling=Resampling(50))
    # a was warned of on 1 February, 38 days before; b never; c did not leave.
    assert (found.churned_accounts, found.warned) == (2, 1)
    assert found.days.value == 38
    assert found.share_warned.value == 0.5
    assert found.usual_share == pytest.approx(3 / 5)
    steps = approach(rows, warned, churns, lead_days=60, resampling=Resampling(50))
    assert dict(zip(steps["name"], steps["rows"], strict=True)) == {"30-60": 1, "0-30": 2}
