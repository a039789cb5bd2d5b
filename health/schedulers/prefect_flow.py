"""The weekly batch as flows of Prefect 3: `python prefect_flow.py` serves both schedules.

A fault that a repetition does not cure (bad input, a gate that failed) is not retried.
"""

from __future__ import annotations

import subprocess
from typing import Any

from prefect import flow, get_run_logger, serve, task

#: Where health.toml is, and where `health` is installed.
FOLDER = "/srv/health"
CHECK = ["health", "check", "health.toml"]
SCORE = ["health", "score", "health.toml", "--wait", "--log-json"]
TRAIN = ["health", "train", "health.toml"]
#: Exit codes of `health` that stay the same if the command is repeated.
FINAL = {2: "bad input or configuration", 3: "a gate failed, and nothing was published"}


class FinalError(RuntimeError):
    """A fault that stays the same if the command is repeated."""


def may_cure(task: Any, run: Any, state: Any) -> bool:
    """Return whether a repetition may cure the fault."""
    return not isinstance(state.result(raise_on_failure=False), FinalError)


@task(retries=2, retry_delay_seconds=600, retry_condition_fn=may_cure)
def run(command: list[str]) -> None:
    """Run a command of `health`, with its output in the log of the flow."""
    done = subprocess.run(command, cwd=FOLDER, capture_output=True, text=True, check=False)
    get_run_logger().info(done.stdout + done.stderr)
    if done.returncode in FINAL:
        raise FinalError(f"{' '.join(command)}: {FINAL[done.returncode]}")
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with exit code {done.returncode}")


@flow
def customer_health_weekly() -> None:
    """Check the tables and score every account."""
    run(CHECK)
    run(SCORE)


@flow
def customer_health_training() -> None:
    """Train a new version; it is promoted unless a gate stops it."""
    run(TRAIN)


if __name__ == "__main__":
    serve(
        customer_health_weekly.to_deployment("weekly", cron="0 3 * * 0"),
        customer_health_training.to_deployment("quarterly", cron="0 1 1 */3 *"),
    )
