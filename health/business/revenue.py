"""What accounts have paid before a date."""

from __future__ import annotations

from datetime import datetime

import pandas as pd

from features.tables.opened import Tables
from features.tables.point_in_time import collect, known_rows
from features.windows.contracts import GRACE_DAYS, known_spans
from models.survival.peer_survival import DAYS_PER_MONTH


def paid_so_far(
    tables: Tables, as_of: datetime, *, grace_days: int = GRACE_DAYS
) -> pd.Series[float]:
    """Return each account's revenue before a date, by account_id: MRR times months paid.

    Orders count with their amount.
    """
    paid = pd.Series(dtype="float64")
    if tables.has("subscriptions"):
        rows = known_spans(tables, as_of, grace_days=grace_days)
        end = rows["ended_at"].fillna(pd.Timestamp(as_of))
        months = (end - rows["started_at"]).dt.total_seconds() / 86_400 / DAYS_PER_MONTH
        revenue = months.clip(lower=0.0) * rows["mrr"]
        paid = revenue.groupby(rows["account_id"]).sum()
    if tables.has("orders"):
        orders = collect(known_rows(tables, "orders", as_of))
        paid = paid.add(orders.groupby("account_id")["amount"].sum(), fill_value=0.0)
    return paid.rename("paid")
