"""The lifetime value over six months that have passed, compared with MRR × 6.

    uv run python -m tests.benchmarks.lifetime_value CONFIG [CONFIG …] [--dates 4]

For each of the last dates that lie six months before the end of the data, and differ by a quarter
or more, the value is computed from what was known then. Printed are the errors of MRR × 6, of the
value under the share of growth that `health train` would choose on those six months (so its own
errors are optimistic), of the value without growth, and of a *perfect expectation*: the
mean of what the accounts of a peer group paid afterwards per unit of MRR, which nobody can know.
Each is compared with MRR × 6, with a 95 % interval from a bootstrap over accounts.

What to compare: a lifetime value is an expectation, and an expectation has the least squared error
and the right total. The least absolute error belongs to the median, and the median account stays
and pays what it paid. Where even the perfect expectation has a larger absolute error than MRR × 6,
no shrinkage of growth can have a smaller one, unless the value stops being an expectation.
"""

from __future__ import annotations

import argparse
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd

from health.business.company import open_company
from health.settings.config import load_config
from health.training.rows import build_training_set
from health.training.value_check import ACTUAL, FLAT, MONTHS, SHARES, predict_revenue
from models.survival.peer_survival import DAYS_PER_MONTH

#: Days between two dates that are compared.
_APART = 91
_RESAMPLES = 2000


def main() -> None:
    """Print the comparison of each company and date."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("configs", type=Path, nargs="+")
    parser.add_argument("--dates", type=int, default=4)
    given = parser.parse_args()
    for path in given.configs:
        _company(path, given.dates)


def _company(path: Path, most: int) -> None:
    config = load_config(path)
    company = open_company(config)
    tables = company.opened.tables
    training = build_training_set(tables, config)
    limit = tables.observed_until - timedelta(days=MONTHS * DAYS_PER_MONTH)
    days = [day for day in training.dates if day <= limit]
    chosen = []
    for day in reversed(days):
        if not chosen or (chosen[-1] - day).days >= _APART:
            chosen.append(day)
    for day in chosen[:most]:
        predicted = predict_revenue(tables, training, config, day)
        if predicted is not None:
            _print(config.company, str(day.date()), predicted)


def _print(name: str, day: str, predicted: pd.DataFrame) -> None:
    actual, flat = (predicted[column].to_numpy(dtype=float) for column in (ACTUAL, FLAT))
    rmse = {s: float(np.sqrt(((predicted[s] - actual) ** 2).mean())) for s in SHARES}
    limit = float(np.sqrt(((flat - actual) ** 2).mean()))
    good = [share for share in SHARES if rmse[share] <= limit]
    share = good[0] if good else min(SHARES, key=rmse.__getitem__)
    paid = predicted.groupby("group")[[ACTUAL, FLAT]].transform("sum")
    rows = {
        "MRR × 6": flat,
        f"value, {share:.0%} of growth": predicted[share].to_numpy(dtype=float),
        "value without growth": predicted[0.0].to_numpy(dtype=float),
        "perfect expectation": flat * (paid[ACTUAL] / paid[FLAT]).to_numpy(dtype=float),
    }
    print(f"{name}, {day}: {len(predicted):,} accounts paid {actual.sum():,.0f} in six months")
    for what, value in rows.items():
        squared = _against(value, flat, actual, squared=True)
        absolute = _against(value, flat, actual, squared=False)
        print(
            f"  {what:24} total {value.sum() / actual.sum():6.1%}  RMSE {squared}  MAE {absolute}"
        )


def _against(value: np.ndarray, flat: np.ndarray, actual: np.ndarray, *, squared: bool) -> str:
    """Return the error relative to that of MRR × 6, with its 95 % interval over accounts."""
    errors = np.column_stack([value - actual, flat - actual])
    errors = errors**2 if squared else np.abs(errors)
    n = len(errors)
    drawn = np.random.default_rng(0).multinomial(n, np.full(n, 1 / n), size=_RESAMPLES)
    sums = drawn @ errors
    ratios = np.append(sums[:, 0] / sums[:, 1], errors[:, 0].sum() / errors[:, 1].sum())
    ratios = np.sqrt(ratios) if squared else ratios
    low, high = np.quantile(ratios[:-1], [0.025, 0.975])
    return f"{ratios[-1]:.3f} ({low:.3f} to {high:.3f})"


if __name__ == "__main__":
    main()
