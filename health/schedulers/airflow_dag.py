"""The weekly batch as a DAG of Apache Airflow 2.9 or later: copy this file into the DAGs folder.

A fault that a repetition does not cure (bad input, a gate that failed) is not retried.
"""

from __future__ import annotations

import subprocess
from datetime import datetime, timedelta

from airflow.decorators import dag, task
from airflow.exceptions import AirflowFailException

#: Where health.toml is, and where `health` is installed.
FOLDER = "/srv/health"
CHECK = ["health", "check", "health.toml"]
SCORE = ["health", "score", "health.toml", "--wait", "--log-json"]
TRAIN = ["health", "train", "health.toml"]
#: Exit codes of `health` that stay the same if the command is repeated.
FINAL = {2: "bad input or configuration", 3: "a gate failed, and nothing was published"}


def run(command: list[str]) -> None:
    """Run a command of `health`; its output is in the task's log."""
    code = subprocess.run(command, cwd=FOLDER, check=False).returncode
    if code in FINAL:
        raise AirflowFailException(f"{' '.join(command)}: {FINAL[code]}; see the log above")
    if code:
        raise RuntimeError(f"{' '.join(command)} ended with exit code {code}")


OPTIONS = {
    "start_date": datetime(2026, 1, 4),
    "catchup": False,
    "max_active_runs": 1,
    "default_args": {"retries": 2, "retry_delay": timedelta(minutes=10)},
    "tags": ["customer-health"],
}


@dag(schedule="0 3 * * 0", **OPTIONS)
def customer_health_weekly() -> None:
    """Check the tables and score every account, on Sunday at three."""

    @task
    def check() -> None:
        run(CHECK)

    @task
    def score() -> None:
        run(SCORE)

    check() >> score()


@dag(schedule="0 1 1 */3 *", **OPTIONS)
def customer_health_training() -> None:
    """Train a new version every quarter; it is promoted unless a gate stops it."""

    @task
    def train() -> None:
        run(TRAIN)

    train()


customer_health_weekly()
customer_health_training()
