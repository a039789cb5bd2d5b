"""Lifetime value with its interval, for a million accounts and 36 months.

    uv run python -m tests.benchmarks.lifetime [--accounts 1000000]

Peer curves, tilt, growth, the value and both ends of its interval: what `health score` does.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import pandas as pd

from health.scoring.lifetime import lifetime_columns
from health.settings.config import load_config
from models import PeerGrowth, PeerSurvival

CONFIG = Path(__file__).parents[2] / "notebooks" / "configs" / "churnsim_dev_a.toml"
GROUPS = np.array(["SMB", "Mid", "Enterprise"])


def main() -> None:
    """Print the seconds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--accounts", type=int, default=1_000_000)
    n = parser.parse_args().accounts
    config = load_config(CONFIG)
    rng = np.random.default_rng(0)
    lives = np.minimum(rng.exponential(900, 5000), 700)
    peers = GROUPS[rng.integers(0, 3, 5000)]
    survival = PeerSurvival().fit(lives, lives < 700, groups=peers)
    before = rng.uniform(50, 500, 5000)
    growth = PeerGrowth().fit(
        before, before * rng.choice([1.0, 1.2], 5000), np.full(5000, 28.0), groups=peers
    )
    scores = pd.DataFrame(
        {
            "account_id": np.arange(n),
            "tenure_days": rng.uniform(0, 1500, n),
            "mrr": rng.lognormal(6, 1, n),
            "churn_probability": rng.beta(1, 15, n),
        }
    )
    groups = pd.Series(GROUPS[rng.integers(0, 3, n)])
    start = time.perf_counter()
    columns = lifetime_columns(scores, groups, survival, None, config, growth=growth)
    seconds = time.perf_counter() - start
    assert (columns["clv_low"] <= columns["clv"]).all()
    months = config.clv.horizon_months
    print(f"{n:,} accounts × {months} months with interval: {seconds:.1f} s")


if __name__ == "__main__":
    main()
