"""A small book of yearly and monthly contracts, whose renewals are known by construction."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import pandas as pd

from features import Tables, build_features
from features.reading.frames import tables_from_frames

DAY = datetime(2026, 11, 1)


def yearly_book(
    accounts: int = 240,
    *,
    seed: int = 0,
    left: float = 0.2,
    monthly: int = 0,
    forecasts: pd.DataFrame | None = None,
    until: datetime = DAY,
) -> Tables:
    """Return accounts that started on a day of the last three years and renew every year.

    At each renewal an account leaves with chance `left`; one in four of the others pays 20 %
    more, one in eight 50 % less. `monthly` more accounts have no term, and each leaves in any
    month with chance `left` / 4.
    """
    rng = np.random.default_rng(seed)
    rows = []
    first = pd.Timestamp("2023-01-01")
    for number in range(accounts):
        start = first + pd.Timedelta(days=int(rng.integers(0, 1000)))
        mrr = float(rng.integers(50, 500))
        while start < pd.Timestamp(until):
            end = start + pd.DateOffset(years=1)
            stays = rng.random() >= left or end >= pd.Timestamp(until)
            rows.append((f"A{number:03d}", start, end if end < pd.Timestamp(until) else pd.NaT,
                         mrr, end))  # fmt: skip
            if not stays:
                break
            start, draw = end, rng.random()
            mrr *= 1.2 if draw < 0.25 else 0.5 if draw < 0.375 else 1.0
    for number in range(monthly):
        start = first + pd.Timedelta(days=int(rng.integers(0, 300)))
        months = min(int(rng.geometric(left / 4)), 200)
        end = start + pd.Timedelta(days=30 * months)
        gone = end < pd.Timestamp(until)
        rows.append((f"M{number:03d}", start, end if gone else pd.NaT, 100.0, pd.NaT))
    subscriptions = pd.DataFrame(
        rows, columns=["account_id", "started_at", "ended_at", "mrr", "renews_at"]
    ).assign(product="Core")
    names = subscriptions.groupby("account_id", as_index=False)["started_at"].min()
    frames = {
        "accounts": names.rename(columns={"started_at": "created_at"}).assign(csm="Ada"),
        "subscriptions": subscriptions,
    }
    if forecasts is not None:
        frames["forecasts"] = forecasts
    return tables_from_frames(frames, observed_until=until)


def scores_of(tables: Tables, day: datetime = DAY, *, chance: float = 0.2) -> pd.DataFrame:
    """Return scores of the accounts that pay on a date, with one probability for all."""
    features = build_features(tables, [day])
    return pd.DataFrame(
        {
            "account_id": features["account_id"],
            "mrr": features["mrr"],
            "days_to_renewal": features["days_to_renewal"],
            "churn_probability": chance,
            "known_to_leave": features["notice_given"] > 0,
        }
    )
