"""The weekly batch as assets of Dagster 1.8 or later: `dagster dev -f dagster_definitions.py`.

A fault that a repetition does not cure (bad input, a gate that failed) is not retried.
"""

import subprocess

import dagster as dg

#: Where health.toml is, and where `health` is installed.
FOLDER = "/srv/health"
SCORE = ["health", "score", "health.toml", "--wait", "--log-json"]
TRAIN = ["health", "train", "health.toml"]
#: Exit codes of `health` that stay the same if the command is repeated.
FINAL = {2: "bad input or configuration", 3: "a gate failed, and nothing was published"}
RETRIES = dg.RetryPolicy(max_retries=2, delay=600)


def run(command: list[str], context: dg.AssetExecutionContext) -> None:
    """Run a command of `health`, with its output in the log of the run."""
    done = subprocess.run(command, cwd=FOLDER, capture_output=True, text=True, check=False)
    context.log.info(done.stdout + done.stderr)
    if done.returncode:
        what = FINAL.get(done.returncode, f"exit code {done.returncode}")
        raise dg.Failure(f"{' '.join(command)}: {what}", allow_retries=done.returncode not in FINAL)


@dg.asset(group_name="customer_health", retry_policy=RETRIES)
def health_model(context: dg.AssetExecutionContext) -> None:
    """Train the model version that scores; it is promoted unless a gate stops it."""
    run(TRAIN, context)


@dg.asset(group_name="customer_health", deps=[health_model], retry_policy=RETRIES)
def health_run(context: dg.AssetExecutionContext) -> None:
    """Write the scores, reasons, lists and pages of a week."""
    run(SCORE, context)


weekly = dg.define_asset_job("customer_health_weekly", selection=[health_run])
training = dg.define_asset_job("customer_health_training", selection=[health_model])

definitions = dg.Definitions(
    assets=[health_model, health_run],
    jobs=[weekly, training],
    schedules=[
        dg.ScheduleDefinition(job=weekly, cron_schedule="0 3 * * 0"),
        dg.ScheduleDefinition(job=training, cron_schedule="0 1 1 */3 *"),
    ],
)
