"""Companies without any signal: how often a probability beyond the base rate is published.

    uv run python -m tests.benchmarks.silence [--companies 200] [--first 0] [--most-churned 45]

Models layer only. Each company has up to 120 accounts with autocorrelated features, a renewal
date, a segment and missing values, none of which has anything to do with who leaves.
"""

from __future__ import annotations

import argparse

import numpy as np
import pandas as pd

from models import ChurnModel

#: What is no feature.
KEYS = ("account", "as_of", "churned", "observed_days", "left")
_HORIZON, _GRACE, _EVERY, _DATES = 90, 30, 28, 24


def company(seed: int, most_churned: int) -> pd.DataFrame:
    """Return rows of one company: account, as_of, features and what followed.

    churned is NaN where it is not known up to the horizon; observed_days and left say what is known
    of every row.
    """
    rng = np.random.default_rng(seed)
    accounts = int(rng.integers(60, 121))
    leaves = rng.permutation(accounts) < min(rng.integers(12, most_churned + 1), accounts)
    last = np.where(leaves, rng.uniform(0, _EVERY * _DATES, accounts), np.inf)
    term = rng.choice([30, 90, 365], accounts)
    start = rng.uniform(0, 365, accounts)
    level = rng.normal(size=(accounts, 12))
    parts = []
    state = rng.normal(size=(accounts, 12))
    for number in range(_DATES):
        day = number * _EVERY
        state = 0.8 * state + 0.6 * rng.normal(size=state.shape)
        frame = pd.DataFrame(level + state, columns=[f"signal_{i}" for i in range(12)])
        frame = frame.mask(rng.random(frame.shape) < 0.05)
        frame["days_to_term_end"] = term - (day - start) % term
        frame["tenure_days"] = start + day
        frame["segment"] = np.array(["small", "large", "public"])[np.arange(accounts) % 3]
        frame["account"] = np.arange(accounts)
        frame["as_of"] = pd.Timestamp("2024-01-07") + pd.Timedelta(day, "D")
        seen = _EVERY * _DATES - _GRACE - day
        frame["churned"] = (last - day <= _HORIZON).astype(float) if seen >= _HORIZON else np.nan
        frame["observed_days"] = np.clip(np.minimum(last - day, seen), 0, _HORIZON)
        frame["left"] = (last - day < min(seen, _HORIZON)).astype(float)
        parts.append(frame[last > day])
    return pd.concat(parts, ignore_index=True)


def main() -> None:
    """Print what was published beyond the base rate, and the share."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--companies", type=int, default=200)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--most-churned", type=int, default=45)
    given = parser.parse_args()
    published: list[str] = []
    kinds: list[str] = []
    for seed in range(given.first, given.first + given.companies):
        rows = company(seed, given.most_churned)
        model = ChurnModel(_HORIZON, grace_days=_GRACE, peer_column="segment", seed=seed)
        model.fit(
            rows.drop(columns=list(KEYS)),
            rows["churned"],
            groups=rows["account"],
            times=rows["as_of"],
            durations=rows["observed_days"],
            events=rows["left"],
        )
        kinds.append(model.basis_)
        if model.has_signal_ and model.choice_ is not None:
            published.append(f"{seed}: {model.choice_.chosen}")
            print(f"company {seed}, {model.event_accounts_} left: {model.reasons_}", flush=True)
    share = len(published) / given.companies
    print(f"{len(published)} of {given.companies} companies ({share:.1%}): {published}")
    print(pd.Series(kinds).value_counts().to_dict())


if __name__ == "__main__":
    main()
