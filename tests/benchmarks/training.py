"""Seconds to choose, test and fit a churn model on many rows, on as many threads as are given.

    uv run python -m tests.benchmarks.training [--accounts 5400] [--dates 20] [--threads 2]

Each account has 60 features that change slowly; twenty of them have to do with who leaves. All
candidates are compared, as `health train` does.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import pandas as pd

from models import ChurnModel

FEATURES, EVERY_DAYS, HORIZON_DAYS, GRACE_DAYS = 60, 28, 90, 30


def company(accounts: int, dates: int, *, seed: int = 0) -> pd.DataFrame:
    """Return account, as_of, features and what followed, as `tests.benchmarks.silence` does.

    An account leaves within four weeks of a date with a probability that follows its features, and
    is in no later row.
    """
    rng = np.random.default_rng(seed)
    names = [f"feature_{i}" for i in range(FEATURES)]
    level, state = rng.normal(size=(2, accounts, FEATURES))
    slopes = np.zeros(FEATURES)
    slopes[:20] = np.linspace(0.35, 0.05, 20)
    last = np.full(accounts, np.inf)
    parts = []
    for number in range(dates):
        state = 0.8 * state + 0.6 * rng.normal(size=state.shape)
        values = (level + state) / np.sqrt(2.0)
        day = number * EVERY_DAYS
        frame = pd.DataFrame(values, columns=names).mask(rng.random(values.shape) < 0.05)
        parts.append(frame.assign(account=np.arange(accounts), day=day)[last > day])
        chance = 1.0 - np.exp(-np.exp(values @ slopes - 5.5))
        leaves = (last > day) & (rng.random(accounts) < chance)
        last[leaves] = day + rng.uniform(0.0, EVERY_DAYS, int(leaves.sum()))
    rows = pd.concat(parts, ignore_index=True)
    left_after = last[rows["account"]] - rows["day"]
    seen = EVERY_DAYS * dates - GRACE_DAYS - rows["day"]
    within = (left_after <= HORIZON_DAYS).astype(float)
    return rows.drop(columns="day").assign(
        as_of=pd.Timestamp("2024-01-07") + pd.to_timedelta(rows["day"], "D"),
        churned=within.where(seen >= HORIZON_DAYS),
        observed_days=np.minimum(left_after, seen).clip(0, HORIZON_DAYS),
        left=(left_after < np.minimum(seen, HORIZON_DAYS)).astype(float),
    )


def main() -> None:
    """Print the seconds, and what was chosen."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--accounts", type=int, default=5_400)
    parser.add_argument("--dates", type=int, default=20)
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args()
    rows = company(given.accounts, given.dates)
    X = rows[[name for name in rows if str(name).startswith("feature_")]]
    model = ChurnModel(HORIZON_DAYS, grace_days=GRACE_DAYS, n_jobs=given.threads)
    wall, processor = time.perf_counter(), time.process_time()
    model.fit(
        X,
        rows["churned"],
        groups=rows["account"],
        times=rows["as_of"],
        durations=rows["observed_days"],
        events=rows["left"],
    )
    wall, processor = time.perf_counter() - wall, time.process_time() - processor
    print(
        f"{len(X):,} rows × {X.shape[1]} features, {model.event_accounts_:,} of "
        f"{model.accounts_:,} accounts left: {wall:.0f} s, {processor:.0f} processor seconds"
    )
    print(model.choice_ and {name: round(loss, 4) for name, loss in model.choice_.log_loss.items()})
    print(model.reasons_)


if __name__ == "__main__":
    main()
