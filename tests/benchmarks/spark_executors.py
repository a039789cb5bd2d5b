"""How Spark's executors share the work of `health score`, and the memory of the driver.

    uv run --extra spark python -m tests.benchmarks.spark_executors --executors 1 2 --accounts 20000
    uv run --extra spark python -m tests.benchmarks.spark_executors --accounts 20000 200000

starts a cluster of Spark on this machine (Java 17), with so many executors of one core each, and
scores a company of the feature benchmark with 100 events an account on it, from raw events. Work is
counted in processor seconds of the executors, with their workers in Python, because the executors
share this machine's cores: so many executors finish in the time of the busiest one. Each stage is
also counted alone, as the first contains the start of the executors. A model is trained once on a
company of 1,000 accounts.
"""

from __future__ import annotations

import argparse
import os
import re
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
_EVERY_S = 0.2
#: A run is short: Java's second compiler takes 15 s of an executor and saves less.
_JAVA = "spark.executor.extraJavaOptions=-XX:TieredStopAtLevel=1"
#: A stage that took one executor fewer seconds is not compared.
_LONG_S = 2.0
_SETTINGS = """
[data]
url = "{url}"
spill = "parts"
accounts_at_once = {at_once}
"""


@dataclass(frozen=True)
class Shared:
    """What a run on a cluster took.

    Attributes
    ----------
    stages : dict of str to list of float
        Processor seconds of each executor, by stage of the run.
    driver_s, driver_gb : float
        Processor seconds of the driver, and its largest memory.
    """

    stages: dict[str, list[float]]
    driver_s: float
    driver_gb: float

    @property
    def executors(self) -> list[float]:
        """Processor seconds of each executor in all stages."""
        return [sum(each) for each in zip(*self.stages.values(), strict=True)]

    def __str__(self) -> str:
        stages = {"all": self.executors} | self.stages
        each = "; ".join(
            f"{name} {', '.join(f'{s:.1f}' for s in seconds)}" for name, seconds in stages.items()
        )
        return (
            f"processor seconds of the executors: {each}; of the driver: {self.driver_s:.0f}; "
            f"largest memory of the driver: {self.driver_gb:.2f} GB"
        )

    def faster_than(self, alone: Shared) -> str:
        """Return how many times as fast as one executor the busiest one is done, by stage."""
        ratios = {"all": max(alone.executors) / max(self.executors)}
        for name, seconds in self.stages.items():
            if max(alone.stages.get(name, [0.0])) >= _LONG_S:
                ratios[name] = max(alone.stages[name]) / max(seconds)
        return "; ".join(f"{name} {ratio:.2f}" for name, ratio in ratios.items())


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
    now = [processor_seconds(family(pid)) for pid in workers]
    driver_s = driver_gb = 0.0
    stages: dict[str, list[float]] = {}
    log = folder / "log"
    command = health("score", folder / "health.toml", "--as-of", str(LAST.date()))
    with (
        log.open("w") as file,
        subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=file) as process,
    ):
        while process.poll() is None:
            # A worker in Python that ends takes its time with it, until its parent waited for it.
            later = [
                max(processor_seconds(family(pid)), old)
                for pid, old in zip(workers, now, strict=True)
            ]
            spent = stages.setdefault(_stage(log.read_text()), [0.0] * len(workers))
            spent[:] = [
                total + new - old for total, new, old in zip(spent, later, now, strict=True)
            ]
            now = later
            driver_s = max(driver_s, processor_seconds([process.pid]))
            driver_gb = max(driver_gb, gigabytes(process.pid, "status", "VmHWM:"))
            time.sleep(_EVERY_S)
    if process.returncode:
        raise SystemExit(f"health score ended with {process.returncode}:\n{log.read_text()}")
    return Shared(stages, driver_s, driver_gb)


def _stage(log: str) -> str:
    """Return the stage that a run's progress has reached."""
    started = re.findall(r"Z ([a-z ]+) …$", log, re.MULTILINE)
    return started[-1] if started else "start"


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
    os.environ["PYSPARK_SUBMIT_ARGS"] = f"--conf {_JAVA} pyspark-shell"
    models = trained(500_000, options.data)
    print(f"load of the machine before: {os.getloadavg()[0]:.1f}", flush=True)
    for accounts in options.accounts:
        company = company_folder(Size(accounts * 100, accounts, accounts, accounts), options.data)
        alone: Shared | None = None
        for executors in options.executors:
            folder = options.data / "spark-executors"
            lay_out(company, folder)
            shutil.copytree(models, folder / "models")
            with cluster(executors) as (url, workers):
                settings = _SETTINGS.format(url=url, at_once=options.accounts_at_once)
                with (folder / "health.toml").open("a") as file:
                    file.write(settings)
                found = scored(folder, workers)
            print(f"{accounts:,} accounts, executors: {executors}; {found}", flush=True)
            if executors == 1:
                alone = found
            elif alone is not None:
                print(f"times as fast as one executor: {found.faster_than(alone)}", flush=True)


if __name__ == "__main__":
    main()
