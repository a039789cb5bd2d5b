"""Server time of the app's main pages with few and with many accounts.

    uv run python -m tests.benchmarks.app_pages [--accounts 1000 100000]

A run is made up for each size; a CSM has 60 accounts in both, as in life. The median of 30 requests
after 5 to warm up, in one process, without a network. No request is asked twice: the filters of
Accounts and the account differ each time, so that nothing is measured that the app has kept.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
from starlette.testclient import TestClient

from health.app.access.users import add_user
from health.app.database.engine import open_database
from health.app.reading.accounts import SORTS
from health.runs.part_files import ROWS_OF_A_GROUP
from health.weekly.batch import ROW_GROUP
from tests.health.app.company import NOW, AppUnderTest, build_app
from tests.health.sample_run import AS_OF, sample_run

#: Accounts of one CSM, and runs before the newest.
BOOK, WEEKS = 60, 52
_ASKED, _WARM = 30, 5
#: Rows of reasons that the pages of one account read.
_TERMS = 60


def main() -> None:
    """Print the time of each page at each size, and how much longer the largest takes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--accounts", type=int, nargs="+", default=[1000, 100_000])
    sizes = parser.parse_args().accounts
    times = {size: measure(size) for size in sizes}
    for page in times[sizes[0]]:
        row = [times[size][page] for size in sizes]
        cells = "  ".join(
            f"{size:>9,}: {1000 * t:6.1f} ms" for size, t in zip(sizes, row, strict=True)
        )
        print(f"{page:<28} {cells}  × {row[-1] / row[0]:.2f}")


def measure(accounts: int) -> dict[str, float]:
    """Return the median seconds of each page."""
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        write(base / "runs", accounts)
        database = open_database(f"sqlite:///{base / 'app.sqlite'}", now=NOW)
        add_user(database, "csm", role="csm", csm="CSM 0", now=NOW)
        add_user(database, "lead", role="lead", now=NOW)
        app = build_app(database, base / "runs", base)
        lists = [
            f"/accounts?sort={sort}&band={band}"
            for sort in SORTS
            for band in ("", "red", "yellow", "green", "none")
        ]
        names = [f"/accounts/ACC-{number:07d}" for number in range(BOOK)]
        result = {
            "My week (CSM)": timed(app, "csm", ["/"] * len(lists)),
            "Accounts (CSM)": timed(app, "csm", lists),
            "Accounts (lead, all)": timed(app, "lead", lists),
            "Account": timed(app, "csm", names),
        }
        app.runs.close()
        database.close()
    return result


def timed(app: AppUnderTest, login: str, paths: Sequence[str]) -> float:
    """Return the median seconds of a page for a user, over as many addresses as are asked."""
    client: TestClient = app.signed_in(login)
    seconds = []
    for number, path in enumerate(paths[: _WARM + _ASKED]):
        begin = time.perf_counter()
        answer = client.get(path)
        if number >= _WARM:
            seconds.append(time.perf_counter() - begin)
        assert answer.status_code == 200, answer.text[:500]
    return statistics.median(seconds)


def write(runs_dir: Path, accounts: int) -> None:
    """Write a run of this many accounts, and a year of runs before it."""
    sample = sample_run(200, weeks=1)
    rng = np.random.default_rng(0)
    many = sample.scores.iloc[np.arange(accounts) % 200].reset_index(drop=True)
    many["account_id"] = [f"ACC-{number:07d}" for number in range(accounts)]
    many["csm"] = [f"CSM {number // BOOK}" for number in range(accounts)]
    many["mrr"] = rng.lognormal(6.5, 1, accounts)
    many["expected_loss"] = many["mrr"] * many["churn_probability"] * 12
    flagged = many[rng.random(accounts) < 0.3]
    flags = pd.DataFrame(
        {
            **{name: flagged[name] for name in ("account_id", "name", "csm")},
            "flag": "at_risk",
            "rank": 1,
            "value": flagged["expected_loss"],
            "since": AS_OF - timedelta(days=7),
            "product": None,
            "reasons": "Only 4 % of seats are used on a typical day; No answer on ease in a year",
            "suggested_play": "Call the sponsor this week",
        }
    )
    reasons = pd.DataFrame(
        {
            "account_id": np.repeat(many["account_id"].to_numpy(), _TERMS),
            "output": np.tile(["health", "churn"], accounts * _TERMS // 2),
            "term": np.tile([f"term_{number}" for number in range(_TERMS)], accounts),
            "contribution": rng.normal(size=accounts * _TERMS),
            "missing": rng.random(accounts * _TERMS),
            "text": "Active users log in on 1.7 of 28 days (similar accounts: 4.2)",
        }
    )
    for week in range(WEEKS, -1, -1):
        day = AS_OF - timedelta(days=7 * week)
        folder = runs_dir / f"as_of={day.date()}"
        folder.mkdir(parents=True)
        many.assign(as_of=day).to_parquet(
            folder / "scores.parquet", index=False, row_group_size=ROW_GROUP
        )
        points = many[["account_id", "health_score", "churn_probability"]]
        points.assign(as_of=day, usage_events_7d=7.0).to_parquet(
            folder / "points.parquet", index=False, row_group_size=ROW_GROUP
        )
        if week < 2:
            flags.to_parquet(folder / "flags.parquet", index=False, row_group_size=ROW_GROUP)
        text = pd.Series({**sample.run, "as_of": str(day.date())}).to_json()
        (folder / "run.json").write_text(text, encoding="utf-8")
    # Written by parts of the accounts, each in groups of a million rows at most.
    reasons.to_parquet(folder / "reasons.parquet", index=False, row_group_size=ROWS_OF_A_GROUP)


if __name__ == "__main__":
    main()
