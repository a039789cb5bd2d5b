"""Word what is known about a customer who orders and has no contract."""

from __future__ import annotations

import pandas as pd

from health.business.kinds import business_of_scores
from health.presentation.wording import money, percent


def order_lines(row: pd.Series, currency: str) -> list[str]:
    """Word what the orders show about one account: its size first; empty for one with a contract.

    Parameters
    ----------
    row : pd.Series
        A row of scores.parquet.
    currency : str
        Currency of every amount.
    """
    if business_of_scores(row.to_frame().T).has_terms:
        return []
    lines = [f"monthly orders {money(row['monthly_orders'], currency)}"]
    if pd.isna(row["churn_probability"]):
        lines.append("Churn: no chance of having left is published")
    else:
        lines.append(
            f"Chance of having left: {percent(row['churn_probability'], 1)}, inferred from orders; "
            f"similar customers: {percent(row['churn_base_rate'], 1)}"
        )
    if pd.notna(row["order_probability"]):
        lines.append(
            f"Chance of an order within the horizon: {percent(row['order_probability'], 1)}; "
            f"{row['orders_expected']:.1f} orders expected"
        )
    return lines
