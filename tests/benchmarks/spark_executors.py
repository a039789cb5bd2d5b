"""How Spark's executors share the work of `health score`, and the memory of the driver.

    uv run --extra spark python -m tests.benchmarks.spark_executors --executors 1 2 --accounts 20000
    uv run --extra spark python -m tests.benchmarks.spark_executors --accounts 20000 200000

starts a cluster of Spark on this machine (Java 17), with so many executors of one core each, and
scores a company of the feature benchmark with 100 events an account on it, from raw events. Work is
counted in processor seconds of the executors, with their workers in Python, because the executors
share this machine's cores: so many executors finish in the time of the busiest one. A model is
trained once on a company of 1,000 accounts.
"""

from __future__ import annotations

import argparse
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pyspark

from tests.benchmarks.features_data import Size, company_folder
from tests.benchmarks.measured import family, gigabytes, processor_seconds
from tests.benchmarks.weekly_events import LAST, health, lay_out, trained

_CLASS = Path(pyspark.__file__).parent / "bin" / "spark-class"
_DEPLOY = "org.apache.spark.deploy"
#: Seconds between two looks at the processes.
_EVERY_S = 0.5
_SETTINGS = """
[data]
url = "{url}"
spill = "parts"
accounts_at_once = {at_once}
"""


@dataclass(frozen=True)
class Shared:
    """What a run on a cluster took: seconds of each executor, and the driver's peak in GB."""

    executors: list[float]
    driver_s: float
    driver_gb: float

    def __str__(self) -> str:
        each = ", ".join(f"{seconds:.0f}" for seconds in self.executors)
        return (
            f"processor seconds of the executors: {each}; of the driver: {self.driver_s:.0f}; "
            f"largest memory of the driver: {self.driver_gb:.2f} GB"
        )


@contextmanager
def cluster(executors: int) -> Iterator[tuple[str, list[int]]]:
    """Start a cluster; return its URL and the processes of its workers."""
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    url = f"spark://127.0.0.1:{port}"
    here = ["--host", "127.0.0.1", "--webui-port", "0"]
    worker = [f"{_DEPLOY}.worker.Worker", *here, "--cores", "1", "--memory", "3g", url]
    with tempfile.TemporaryDirectory() as scratch, ExitStack() as stack:
        environment = os.environ | {
            "SPARK_WORKER_DIR": scratch,
            "SPARK_LOCAL_IP": "127.0.0.1",
        }

        def start(words: Sequence[str]) -> int:
            quiet = subprocess.DEVNULL
            process = stack.enter_context(
                subprocess.Popen([str(_CLASS), *words], stderr=quiet, env=environment)
            )
            stack.callback(process.kill)
            return process.pid

        start([f"{_DEPLOY}.master.Master", *here, "--port", port])
        time.sleep(8)
        yield url, [start(worker) for _ in range(executors)]


def scored(folder: Path, workers: Sequence[int]) -> Shared:
    """Run the batch, and watch the driver and the workers until it ends."""
    spent = dict.fromkeys(workers, 0.0)
    idle = {pid: processor_seconds(family(pid)) for pid in workers}
    driver_s = driver_gb = 0.0
    command = health("score", folder / "health.toml", "--as-of", str(LAST.date()))
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        while process.poll() is None:
            for pid in workers:
                spent[pid] = max(spent[pid], processor_seconds(family(pid)) - idle[pid])
            driver_s = max(driver_s, processor_seconds([process.pid]))
            driver_gb = max(driver_gb, gigabytes(process.pid, "status", "VmHWM:"))
            time.sleep(_EVERY_S)
    if process.returncode:
        raise SystemExit(f"health score ended with {process.returncode}")
    return Shared(list(spent.values()), driver_s, driver_gb)


def main() -> None:
    """Print what each number of executors and accounts took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--executors", type=int, nargs="+", default=[2])
    parser.add_argument("--accounts", type=int, nargs="+", default=[20_000])
    parser.add_argument("--accounts-at-once", type=int, default=5_000)
    data = Path(tempfile.gettempdir()) / "health-benchmark"
    parser.add_argument("--data", type=Path, default=data, help="where companies are kept")
    options = parser.parse_args()
    # The driver decides which Python its executors run.
    os.environ["PYSPARK_PYTHON"] = sys.executable
    models = trained(500_000, options.data)
    print(f"load of the machine before: {os.getloadavg()[0]:.1f}", flush=True)
    alone: float | None = None
    for accounts in options.accounts:
        company = company_folder(Size(accounts * 100, accounts, accounts, accounts), options.data)
        for executors in options.executors:
            folder = options.data / "spark-executors"
            lay_out(company, folder)
            shutil.copytree(models, folder / "models")
            with cluster(executors) as (url, workers):
                settings = _SETTINGS.format(url=url, at_once=options.accounts_at_once)
                with (folder / "health.toml").open("a") as file:
                    file.write(settings)
                found = scored(folder, workers)
            busiest = max(found.executors)
            alone = busiest if executors == 1 else alone
            faster = f"; {alone / busiest:.2f} times one executor" if alone else ""
            print(f"{accounts:,} accounts, executors: {executors}; {found}{faster}", flush=True)
        alone = None


if __name__ == "__main__":
    main()
