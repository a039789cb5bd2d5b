"""How long each training row was observed: agrees with the labels, and never looks ahead."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from features.reading.frames import tables_from_frames
from features.tables.opened import Tables
from health.settings.config import Config
from health.training.rows import TrainingSet, build_training_set

BEGIN, END = datetime(2024, 1, 1), datetime(2025, 12, 29)


def company(until: datetime) -> Tables:
    """Yearly contracts from different days on; of every three accounts one leaves at its end."""
    rows = []
    for i in range(60):
        start = BEGIN + timedelta(days=6 * i)
        for year in range(2):
            renews = start + timedelta(days=365)
            leaves = i % 3 == 0 and year == (i // 3) % 2
            ended = renews if leaves and renews < until else None
            if start < until:
                rows.append((f"A{i:02d}", start, ended, renews, 100.0))
            if leaves:
                break
            start = renews
    frame = pd.DataFrame(rows, columns=["account_id", "started_at", "ended_at", "renews_at", "mrr"])
    accounts = frame.groupby("account_id", as_index=False)["started_at"].min()
    accounts = accounts.rename(columns={"started_at": "created_at"})
    frames = {"accounts": accounts, "subscriptions": frame.assign(product="core")}
    return tables_from_frames(frames, observed_until=until)


def trained(until: datetime) -> TrainingSet:
    return build_training_set(company(until), Config(tables={}))


@pytest.mark.slow
def test_days_agree_with_labels_and_stop_where_a_churn_would_not_be_known() -> None:
    config = Config(tables={})
    rows = trained(END).accounts
    horizon, grace = config.labels.horizon_days, config.labels.grace_days
    known = rows["churned"].notna()
    assert known.any() and (~known).any()
    assert (rows["observed_churn"] == rows["churned"])[known].all()
    stays = known & (rows["churned"] == 0)
    assert (rows.loc[stays, "observed_days"] == horizon).all()
    seen = (pd.Timestamp(END) - rows["as_of"]).dt.days - grace
    assert (rows["observed_days"] <= seen.clip(lower=0, upper=horizon)).all()
    left = rows[rows["observed_churn"] == 1]
    # They leave where their term ends: on the day that `days_to_term_end` names.
    np.testing.assert_allclose(left["observed_days"], left["days_to_term_end"], atol=1)
    # Some outcomes are known only in part, and some of those accounts have left already.
    assert rows.loc[~known, "observed_churn"].sum() > 0


@pytest.mark.slow
def test_what_comes_later_changes_nothing_that_was_observed() -> None:
    earlier = END - timedelta(days=84)
    before, after = trained(earlier).accounts, trained(END).accounts
    both = before.merge(after, on=["account_id", "as_of"], suffixes=("", "_later"))
    assert len(both) == len(before)
    assert (both["observed_days"] <= both["observed_days_later"]).all()
    done = both["observed_churn"] == 1
    assert (both["observed_days"] == both["observed_days_later"])[done].all()
    assert (both["observed_churn_later"] == 1)[done].all()
