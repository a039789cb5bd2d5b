"""An app over a made-up run with hostile names, on SQLite and on Postgres."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from health.app.access.users import add_user
from health.app.database.engine import Database, open_database
from tests.health import postgres
from tests.health.app.company import NOW, USERS, AppUnderTest, build_app, write_runs

#: Every test of the app runs on both: on SQLite always, on Postgres among the slow tests.
_DATABASES = ("sqlite", pytest.param("postgres", marks=pytest.mark.slow))


@pytest.fixture(params=_DATABASES)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of an empty database."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'app.sqlite'}"
        return
    yield request.getfixturevalue("postgres_url")


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated database with a user of each role, to copy."""
    file = tmp_path_factory.mktemp("template") / "app.sqlite"
    fill(f"sqlite:///{file}")
    return file


@pytest.fixture(scope="session")
def postgres_template(postgres_server: str) -> Iterator[str]:
    """The same on Postgres; returns its name."""
    with postgres.database(postgres_server) as made:
        fill(made)
        yield made.rsplit("/", 1)[1]


@pytest.fixture(params=_DATABASES)
def filled_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a database with a user of each role."""
    if request.param == "sqlite":
        file = tmp_path / "app.sqlite"
        shutil.copy(request.getfixturevalue("sqlite_template"), file)
        yield f"sqlite:///{file}"
        return
    server, template = map(request.getfixturevalue, ("postgres_server", "postgres_template"))
    with postgres.database(server, template=template) as made:
        yield made


@pytest.fixture
def database(filled_url: str) -> Iterator[Database]:
    """A database with a user of each role."""
    opened = open_database(filled_url, now=NOW)
    yield opened
    opened.close()


def fill(url: str) -> None:
    """Migrate a database and add a user of each role."""
    opened = open_database(url, now=NOW)
    for login, options in USERS.items():
        add_user(opened, login, now=NOW, **options)
    opened.close()


@pytest.fixture(scope="session")
def runs_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Published runs that no test changes."""
    return write_runs(tmp_path_factory.mktemp("published") / "runs")


@pytest.fixture
def app(
    database: Database, runs_dir: Path, tmp_path: Path
) -> Iterator[Callable[..., AppUnderTest]]:
    """Build an app with settings of `[app]`."""
    made: list[AppUnderTest] = []

    def build(*, runs: Path | None = None, **settings: object) -> AppUnderTest:
        built = build_app(database, runs or runs_dir, tmp_path, **settings)
        made.append(built)
        return built

    yield build
    for built in made:
        built.runs.close()


@pytest.fixture
def later() -> datetime:
    return NOW + timedelta(hours=1)
