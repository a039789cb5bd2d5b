"""Accounts asked for by identifier or name."""

from __future__ import annotations

import pandas as pd
import pytest

from features.errors import HealthError
from health.runs.account_names import find_account

ACCOUNTS = pd.DataFrame(
    {
        "account_id": ["A030", "A031", "A032", "A033", "Acme"],
        "name": ["Firm 30", "Firm  31 ", "Twin", "Twin", None],
    }
)


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ("A030", "A030"),
        ("a031", "A031"),
        ("Firm 30", "A030"),
        ("firm 31", "A031"),
        ("Acme", "Acme"),
        (" ACME ", "Acme"),
    ],
)
def test_an_id_or_a_name_finds_its_account(wanted: str, found: str) -> None:
    assert find_account(ACCOUNTS, wanted, where="the run") == found


def test_an_exact_id_wins_over_a_name() -> None:
    accounts = pd.DataFrame({"account_id": ["1", "2"], "name": ["2", "x"]})
    assert find_account(accounts, "2", where="the run") == "2"


@pytest.mark.parametrize(
    ("wanted", "named"),
    [
        ("Twin", "Twin (A032), Twin (A033)"),
        ("irm 30", "did you mean Firm 30 (A030)?"),
        ("Firm 3o", "Firm 30 (A030)"),
        # The account may have left.
        ("A034", "A run contains only accounts that pay on its date"),
        ("Zebra AG", "A run contains only accounts that pay on its date"),
    ],
)
def test_what_matches_none_or_several_is_refused_with_the_closest(wanted: str, named: str) -> None:
    with pytest.raises(HealthError) as raised:
        find_account(ACCOUNTS, wanted, where="the run")
    assert named in str(raised.value)


def test_accounts_without_names_are_found_by_id() -> None:
    accounts = ACCOUNTS[["account_id"]]
    assert find_account(accounts, "A030", where="the run") == "A030"
    with pytest.raises(HealthError, match="did you mean A03"):
        find_account(accounts, "A03", where="the run")
