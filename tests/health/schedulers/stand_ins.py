"""As much of each scheduler as its recipe uses: what it declares is kept, what it runs can be run.

The schedulers are no dependency, so their own parsers are not at hand. These stand-ins have the
names and keyword arguments of their documentation; anything else raises an error.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import ModuleType
from typing import Any


class AirflowFailException(Exception):  # noqa: N818 - Airflow's own name
    """Fails a task that is not to be retried."""


@dataclass
class Declared:
    """What a recipe declared, and the functions that do its work, in order."""

    crons: list[str] = field(default_factory=list)
    retries: list[int] = field(default_factory=list)
    work: list[Callable[[], object]] = field(default_factory=list)


class _Step:
    """A called task of Airflow, which `>>` puts before another."""

    def __rshift__(self, other: _Step) -> _Step:
        return other


def airflow(declared: Declared) -> dict[str, ModuleType]:
    """Airflow 2.9: `@dag` and `@task`."""

    def task(work: Callable[[], object]) -> Callable[[], _Step]:
        def called() -> _Step:
            declared.work.append(work)
            return _Step()

        return called

    def dag(
        *,
        schedule: str,
        start_date: datetime,
        catchup: bool,
        max_active_runs: int,
        default_args: dict[str, Any],
        tags: list[str],
    ) -> Callable[[Callable[[], object]], Callable[[], object]]:
        assert not catchup and max_active_runs == 1
        assert isinstance(default_args["retry_delay"], timedelta)
        declared.crons.append(schedule)
        declared.retries.append(default_args["retries"])
        return lambda body: body

    return {
        "airflow": _module("airflow"),
        "airflow.decorators": _module("airflow.decorators", dag=dag, task=task),
        "airflow.exceptions": _module(
            "airflow.exceptions", AirflowFailException=AirflowFailException
        ),
    }


class Failure(Exception):  # noqa: N818 - Dagster's own name
    """Fails an asset of Dagster."""

    def __init__(self, description: str, *, allow_retries: bool) -> None:
        super().__init__(description)
        self.allow_retries = allow_retries


class _Log:
    def info(self, text: str) -> None:
        assert isinstance(text, str)


class _Context:
    log = _Log()


def dagster(declared: Declared) -> dict[str, ModuleType]:
    """Dagster 1.8: assets, jobs and schedules."""

    def retry_policy(*, max_retries: int, delay: float) -> int:
        return max_retries

    def asset(
        *, group_name: str, retry_policy: int, deps: tuple[object, ...] | list[object] = ()
    ) -> Callable[[Callable[[Any], object]], Callable[[Any], object]]:
        declared.retries.append(retry_policy)

        def keep(work: Callable[[Any], object]) -> Callable[[Any], object]:
            assert list(inspect.signature(work).parameters) == ["context"]
            declared.work.append(lambda: work(_Context()))
            return work

        return keep

    def define_asset_job(name: str, *, selection: list[object]) -> str:
        assert all(callable(chosen) for chosen in selection)
        return name

    def schedule(*, job: str, cron_schedule: str) -> str:
        declared.crons.append(cron_schedule)
        return job

    def definitions(*, assets: list[object], jobs: list[str], schedules: list[str]) -> None:
        assert set(schedules) == set(jobs) and len(assets) == len(declared.work)

    return {
        "dagster": _module(
            "dagster",
            RetryPolicy=retry_policy,
            AssetExecutionContext=_Context,
            Failure=Failure,
            asset=asset,
            define_asset_job=define_asset_job,
            ScheduleDefinition=schedule,
            Definitions=definitions,
        )
    }


class _Flow:
    """A flow of Prefect."""

    def __init__(self, declared: Declared, body: Callable[[], object]) -> None:
        self._declared, self._body = declared, body
        declared.work.append(body)

    def to_deployment(self, name: str, *, cron: str) -> str:
        self._declared.crons.append(cron)
        return name


@dataclass
class State:
    """The state of a failed run of a task, as Prefect gives it to the condition of a retry."""

    error: Exception

    def result(self, *, raise_on_failure: bool) -> Exception:
        assert not raise_on_failure
        return self.error


def prefect(declared: Declared) -> dict[str, ModuleType]:
    """Prefect 3: `@flow`, `@task` and `serve`."""

    def task(
        *, retries: int, retry_delay_seconds: float, retry_condition_fn: Callable[..., bool]
    ) -> Callable[[Callable[..., object]], Callable[..., object]]:
        assert list(inspect.signature(retry_condition_fn).parameters) == ["task", "run", "state"]
        declared.retries.append(retries)
        return lambda work: work

    def serve(*deployments: str) -> None:
        assert all(isinstance(name, str) for name in deployments)

    return {
        "prefect": _module(
            "prefect",
            flow=lambda body: _Flow(declared, body),
            task=task,
            serve=serve,
            get_run_logger=_Log,
        )
    }


def _module(name: str, **content: object) -> ModuleType:
    module = ModuleType(name)
    vars(module).update(content)
    return module
