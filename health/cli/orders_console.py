"""What a terminal says of a customer who orders and has no contract."""

from __future__ import annotations

import pandas as pd

from health.business.kinds import by_orders
from health.presentation.wording import money, percent


def order_lines(row: pd.Series, currency: str) -> list[str]:
    """Word what the orders tell of one account: its size first; empty for one with a contract.

    Parameters
    ----------
    row : pd.Series
        A row of scores.parquet.
    currency : str
        Of every amount.
    """
    if not by_orders(row.to_frame().T):
        return []
    lines = [f"monthly orders {money(row['monthly_orders'], currency)}"]
    if pd.isna(row["churn_probability"]):
        lines.append("Whether it has left cannot be told: no chance of it is published")
    else:
        lines.append(
            f"Has left already: {percent(row['churn_probability'], 1)}, inferred from its orders; "
            f"customers like this: {percent(row['churn_base_rate'], 1)}"
        )
    if pd.notna(row["order_probability"]):
        lines.append(
            f"Orders again within the horizon: {percent(row['order_probability'], 1)}; "
            f"{row['orders_expected']:.1f} orders expected"
        )
    return lines
