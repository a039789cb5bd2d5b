"""Features that look ahead are found by making them again from what was known."""

from __future__ import annotations

import pandas as pd

from features import CATALOGUE, build_features
from health.training.leakage import known_late, strong_alone
from models import ChurnModel
from tests.features.company import ago, company, open_tables
from tests.health.training.sample_versions import labelled_rows

DATES = [ago(90), ago(60), ago(30)]


def test_no_feature_of_ours_looks_ahead() -> None:
    tables = open_tables(company())
    trained = build_features(tables, DATES)
    assert known_late(tables, trained, DATES, CATALOGUE) == []


def test_a_value_from_later_is_found_and_named() -> None:
    tables = open_tables(company())
    trained = build_features(tables, DATES)
    # As if the last week of use had been read up to four weeks after the date.
    later = build_features(tables, [ago(2)]).set_index("account_id")["usage_events_28d"]
    trained["usage_events_28d"] = trained["account_id"].map(later)
    found = known_late(tables, trained, DATES, CATALOGUE)
    assert [leak.feature for leak in found] == ["usage_events_28d"]
    assert "known only after the date" in found[0].why
    assert "of " in found[0].why


def test_a_feature_that_alone_tells_is_named_with_its_auc() -> None:
    rows = labelled_rows()
    X = rows.frame[rows.inputs].assign(cancelled=rows.frame["churned"])
    model = ChurnModel(leakage_auc=0.9).fit(X, pd.Series(rows.frame["churned"]))
    found = strong_alone({"churn": model, "upsell": None}, ["churn", "upsell"], 0.9)
    assert found[0].feature == "cancelled"
    assert "AUC of 1.000 on churn" in found[0].why


def test_a_handful_of_events_makes_no_suspects() -> None:
    rows = labelled_rows()
    first = rows.frame["account_id"].drop_duplicates().index[:9]
    churned = rows.frame.index.isin(first).astype(float)
    model = ChurnModel().fit(
        pd.DataFrame({"cancelled": churned, "noise": rows.frame["noise"]}),
        churned,
        groups=rows.frame["account_id"],
    )
    assert model.leakage_
    assert strong_alone({"churn": model}, ["churn"], 0.95) == []
