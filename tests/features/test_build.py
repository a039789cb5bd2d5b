"""Many dates at once are each date by itself."""

from __future__ import annotations

from datetime import timedelta

import pandas as pd
import pytest

from features import CATALOGUE, build_features, quota_levels
from features.windows.observations import build_observations
from tests.features.company import DAY, ago, company, open_tables

DATES = [DAY - timedelta(days=7 * week) for week in range(12)]


@pytest.mark.slow
def test_many_dates_are_each_date_by_itself() -> None:
    tables = open_tables(company())
    dates = [DATES[week] for week in (0, 1, 11)]
    together = build_features(tables, dates)
    alone = pd.concat([build_features(tables, [day]) for day in sorted(dates)], ignore_index=True)
    pd.testing.assert_frame_equal(together, alone, rtol=1e-9)
    assert together["as_of"].nunique() == len(dates)


@pytest.fixture(scope="module")
def whole() -> pd.DataFrame:
    return build_features(open_tables(company()), [DAY])


@pytest.mark.slow
def test_a_date_that_stands_twice_counts_once(whole: pd.DataFrame) -> None:
    twice = build_features(open_tables(company()), [DAY, DAY])
    pd.testing.assert_frame_equal(twice, whole)


def test_without_dates_and_without_accounts_the_table_has_its_columns_and_no_row(
    whole: pd.DataFrame,
) -> None:
    tables = open_tables(company())
    for dates in ([], [ago(2000)]):
        nothing = build_features(tables, dates)
        assert nothing.empty
        assert list(nothing.columns) == list(whole.columns)
        assert (nothing[list(CATALOGUE)].dtypes == "float64").all()


def test_the_spine_has_a_row_per_paying_account_and_date() -> None:
    observations = build_observations(open_tables(company()), [DAY, DATES[5]])
    assert list(observations.columns[:3]) == ["account_id", "as_of", "created_at"]
    assert list(observations.index) == list(range(len(observations)))
    assert not observations.duplicated(["account_id", "as_of"]).any()
    assert observations["as_of"].is_monotonic_increasing


@pytest.mark.slow
def test_the_quota_of_each_product_is_told(whole: pd.DataFrame) -> None:
    tables = open_tables(company())
    of_dates = quota_levels(tables, build_observations(tables, [DATES[5], DAY]))
    assert set(of_dates["as_of"]) == {DATES[5], DAY}
    result = quota_levels(tables, whole)
    pd.testing.assert_frame_equal(result, of_dates[of_dates["as_of"] == DAY].reset_index(drop=True))
    busy = result[result["account_id"] == "busy"].set_index("product")
    assert set(busy.index) == {"core", "addon"}
    assert busy.loc["core", "quota"] == 40
    built = whole.set_index("account_id").loc["busy"]
    assert busy["share"].max() == built["usage_quota_use_30d"]
    assert busy["days_to_limit"].min() == built["usage_quota_days_to_limit"]


@pytest.mark.slow
def test_without_use_no_quota_is_told(whole: pd.DataFrame) -> None:
    rows = company()
    del rows["usage"]
    assert quota_levels(open_tables(rows), whole).empty
    present = quota_levels(open_tables(company()), whole)
    assert list(quota_levels(open_tables(company()), whole[:0])) == list(present)
