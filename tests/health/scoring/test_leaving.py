"""When accounts that gave notice leave."""

from __future__ import annotations

import warnings
from datetime import datetime

import numpy as np
import pandas as pd

from features.reading.frames import tables_from_frames
from health.scoring.leaving import terms_of_contracts

DAY = datetime(2026, 11, 1)


def test_the_last_day_is_that_of_the_last_contract_if_every_end_is_known() -> None:
    rows = [
        ("both", "Core", 10.0, "2027-01-31"),
        ("both", "Plus", 20.0, "2026-12-31"),
        ("one", "Core", 10.0, "2027-01-31"),
        ("one", "Plus", 20.0, None),
        ("open", "Core", 10.0, None),
        ("stays", "Core", 10.0, "2027-01-31"),
    ]
    subscriptions = pd.DataFrame(rows, columns=["account_id", "product", "mrr", "renews_at"])
    subscriptions["renews_at"] = pd.to_datetime(subscriptions["renews_at"])
    subscriptions = subscriptions.assign(started_at=pd.Timestamp("2026-01-01"), ended_at=pd.NaT)
    names = ["both", "one", "open", "stays", "absent"]
    accounts = pd.DataFrame({"account_id": names, "created_at": pd.Timestamp("2026-01-01")})
    frames = {"accounts": accounts, "subscriptions": subscriptions}
    features = accounts.assign(
        notice_given=[1.0, 1.0, 1.0, 0.0, 1.0], mrr=30.0, days_to_renewal=91.0
    )
    found = terms_of_contracts(tables_from_frames(frames, observed_until=DAY), features, DAY)
    last = found["last_day"].set_axis(names)
    assert last["both"] == pd.Timestamp("2027-01-31")
    assert last[["one", "open", "stays", "absent"]].isna().all()
    assert found["renewal_date"].set_axis(names)["stays"] == pd.Timestamp("2027-01-31")
    assert found["leaving_arr"].sum() == 4 * 360.0


def test_a_missing_day_of_renewal_is_no_number_whatever_memory_contains() -> None:
    """For missing values, `pd.to_timedelta` of pandas 2 multiplies memory that it never set.

    If they were given to it, this would fail reliably only where new memory is filled with a
    pattern (MALLOC_PERTURB_, which .ci/run sets).
    """
    names = [f"account {number}" for number in range(300)]
    accounts = pd.DataFrame({"account_id": names, "created_at": pd.Timestamp("2026-01-01")})
    contracts = accounts.rename(columns={"created_at": "started_at"}).assign(ended_at=pd.NaT)
    frames = {"accounts": accounts, "subscriptions": contracts.assign(mrr=30.0, product="Core")}
    days = np.where(np.arange(len(names)) % 2 == 0, 91.0, np.nan)
    features = accounts.assign(notice_given=0.0, mrr=30.0, days_to_renewal=days)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = terms_of_contracts(tables_from_frames(frames, observed_until=DAY), features, DAY)
    assert (found["renewal_date"][::2] == pd.Timestamp("2027-01-31")).all()
    assert found["renewal_date"][1::2].isna().all()
