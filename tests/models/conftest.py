"""Rows of simulated accounts, whose true log-odds of the event are known."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

SHARED = Path(__file__).parents[2].parent / "shared" / "data"


@dataclass(frozen=True)
class Rows:
    X: pd.DataFrame
    y: np.ndarray
    groups: np.ndarray
    times: pd.DatetimeIndex


def simulated(
    n_accounts: int, n_dates: int, *, intercept: float = -2.0, slope: float = 1.5, seed: int = 0
) -> Rows:
    """Two features that matter, two that do not, a segment, and gaps in the numbers."""
    rng = np.random.default_rng(seed)
    n = n_accounts * n_dates
    groups = np.tile(np.arange(n_accounts), n_dates)
    times = pd.date_range("2023-01-01", periods=n_dates, freq="28D").repeat(n_accounts)
    X = pd.DataFrame(rng.normal(size=(n, 4)), columns=["logins", "tickets", "noise", "seats"])
    segment = np.array(["small", "large", "public"])[groups % 3]
    logit = intercept - slope * X["logins"] + 0.5 * slope * X["tickets"]
    y = (rng.random(n) < expit(logit.to_numpy())).astype(int)
    X["logins"] = X["logins"].where(rng.random(n) > 0.1)
    X["segment"] = pd.Series(segment, dtype=object).where(rng.random(n) > 0.05)
    X.index = pd.Index([f"row {i}" for i in range(n)], name="row")
    return Rows(X, y, groups, times)


@pytest.fixture(scope="session")
def rows() -> Rows:
    return simulated(150, 14)


def shared(path: str) -> Path:
    """Return the path of shared data, or skip the test where there is none."""
    file = SHARED / path
    if not file.exists():
        pytest.skip(f"shared data {path} is not beside the project")
    return file
