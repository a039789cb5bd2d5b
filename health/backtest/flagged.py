"""Which accounts would have stood on their CSM's at-risk list on past dates."""

from __future__ import annotations

import numpy as np
import pandas as pd

from health.flags.capacity import capacities, unassigned
from health.flags.rules import at_risk_list
from health.flags.scored import Scored
from health.reasons.reasons import COLUMNS as REASON_COLUMNS
from health.settings.config import Config
from models import expected_loss


def on_the_list(
    features: pd.DataFrame, bands: pd.Series[str], model: pd.DataFrame, config: Config
) -> pd.Series[bool]:
    """Tell of each row whether the rules of the weekly run would have put it on a list.

    Parameters
    ----------
    features : pd.DataFrame, shape = (n_rows, n_columns)
        account_id, as_of, mrr, notice_given, [name, csm].
    bands : pd.Series of str, shape = (n_rows,)
        Band of the health score.
    model : pd.DataFrame, shape = (n_rows, 4)
        What the churn model said, as in `ModelPast.said`.
    config : Config
        Limits and capacity.
    """
    scores = pd.DataFrame(
        {
            "account_id": features["account_id"],
            "name": None,
            "csm": features["csm"] if "csm" in features.columns else None,
            "mrr": features["mrr"],
            "health_band": bands,
            "churn_probability": model["probability"],
            "churn_base_rate": model["base_rate"],
            "expected_loss": expected_loss(model["probability"], features["mrr"]),
        },
        index=features.index,
    )
    nothing = pd.DataFrame(columns=list(REASON_COLUMNS))
    listed = pd.Series(False, index=features.index)
    for _, rows in features.groupby("as_of"):
        supports = {"churn": bool(model.loc[rows.index, "supported"].any())}
        scored = Scored(scores.loc[rows.index], rows, nothing, supports)
        flagged = set(at_risk_list(scored, config)["account_id"])
        listed.loc[rows.index] = rows["account_id"].isin(flagged)
    return listed.astype(np.bool_)


def room_for(rows: pd.DataFrame, config: Config) -> pd.Series[float]:
    """Return how many accounts fit the list that each row may stand on, by CSM and date.

    Parameters
    ----------
    rows : pd.DataFrame, shape = (n_rows, n_columns)
        as_of, csm.
    config : Config
        Capacities.
    """
    room = pd.Series(0.0, index=rows.index)
    for _, own in rows.groupby("as_of"):
        by_csm = own["csm"].map(capacities(own["csm"], config.flags)).astype(float)
        room.loc[own.index] = by_csm.fillna(float(unassigned(own["csm"], config.flags)))
    return room
