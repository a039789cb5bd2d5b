"""The lifecycle stage of an account, by ordered rules of which the first that holds applies."""

from __future__ import annotations

import numpy as np
import pandas as pd

from health.scorecard.stage_config import StageConfig

STAGES = ("leaving", "onboarding", "renewal", "expansion", "adoption", "retention")


def lifecycle_stage(features: pd.DataFrame, limits: StageConfig) -> pd.Series[str]:
    """Name the stage each account is in.

    In this order: *leaving* (gave notice), *onboarding* (younger than `onboarding_days`),
    *renewal* (the term ends within `renewal_days`), *expansion* (MRR rose in the last 180
    days), *adoption* (younger than `adoption_days`), else *retention*.

    Parameters
    ----------
    features : pd.DataFrame, shape = (n_accounts, n_features)
        Needs notice_given, tenure_days, days_to_renewal and expansions_180d.
    limits : StageConfig
        The limits in days.
    """
    names = np.select(
        [
            features["notice_given"] > 0,
            features["tenure_days"] < limits.onboarding_days,
            features["days_to_renewal"] <= limits.renewal_days,
            features["expansions_180d"] > 0,
            features["tenure_days"] < limits.adoption_days,
        ],
        STAGES[:5],
        default=STAGES[5],
    )
    return pd.Series(names, index=features.index, dtype=object)
