"""A feature of one's own: how much of the work is done at the weekend."""

from __future__ import annotations

from datetime import datetime, timedelta

import narwhals as nw
import pandas as pd

from features import Feature, Tables, known_rows

FEATURES = (
    Feature(
        "own_weekend_share_28d",
        "own",
        "usage",
        28,
        "share",
        -1,
        "no use in 28 days",
        "nobody works at the weekend",
        "{value} of the actions in 28 days fell on a weekend",
    ),
)


def build(tables: Tables, as_of: datetime, accounts: pd.DataFrame) -> pd.DataFrame:
    """Return the feature for accounts indexed by account_id, from what was known before a date."""
    recent = nw.col("occurred_at") >= as_of - timedelta(days=28)
    rows = known_rows(tables, "usage", as_of).filter(recent)
    weekend = nw.col("occurred_at").dt.weekday() >= 6
    counted = rows.group_by("account_id").agg(
        nw.len().alias("all"), weekend.cast(nw.Int64).sum().alias("weekend")
    )
    frame = counted.collect("pandas").to_native().set_index("account_id")
    share = frame["weekend"] / frame["all"]
    return pd.DataFrame({"own_weekend_share_28d": share.reindex(accounts.index)})
