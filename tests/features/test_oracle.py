"""Every feature against an oracle that works it out row by row."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from features import CATALOGUE, build_features
from tests.features import (
    oracle_commercial,
    oracle_journey,
    oracle_orders,
    oracle_relationship,
    oracle_surveys,
    oracle_tickets,
    oracle_usage,
    oracle_voice,
)
from tests.features.company import DAY, company, open_tables
from tests.features.oracle import ORACLES, Then
from tests.features.text_models import SETTINGS

#: Importing them files their oracles.
FAMILIES = (
    oracle_commercial,
    oracle_journey,
    oracle_orders,
    oracle_relationship,
    oracle_surveys,
    oracle_tickets,
    oracle_usage,
    oracle_voice,
)
#: Two dates before the story's own, and one after the rows that came late.
DATES = [DAY - timedelta(days=35), DAY - timedelta(days=7), DAY, DAY + timedelta(days=14)]


@pytest.fixture(scope="module")
def built() -> pd.DataFrame:
    return build_features(open_tables(company()), DATES, SETTINGS).set_index(
        ["as_of", "account_id"]
    )


@pytest.fixture(scope="module")
def thens() -> list[Then]:
    return [Then(company(), day) for day in DATES]


def test_no_oracle_stands_for_nothing() -> None:
    assert ORACLES.keys() <= CATALOGUE.keys()


def test_the_rows_are_the_accounts_that_pay(built: pd.DataFrame, thens: list[Then]) -> None:
    expected = [(pd.Timestamp(then.day), account) for then in thens for account in then.accounts]
    assert list(built.index) == expected


@pytest.mark.parametrize("name", CATALOGUE)
def test_feature_agrees_with_its_oracle(name: str, built: pd.DataFrame, thens: list[Then]) -> None:
    assert name in ORACLES, f"write an oracle for {name}"
    expected = [ORACLES[name](then, account) for then in thens for account in then.accounts]
    wanted = pd.Series(expected, index=built.index, dtype=float, name=name)
    np.testing.assert_allclose(built[name], wanted, rtol=1e-9, atol=1e-9, err_msg=str(wanted))
    assert wanted.notna().any(), f"the company gives no value of {name}"
