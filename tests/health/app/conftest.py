"""An app over a made-up run with hostile names, on SQLite and on Postgres."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from health.app.access.users import add_user
from health.app.database.engine import Database, open_database
from health.business.app_database import database_url
from tests.health.app.company import NOW, USERS, AppUnderTest, build_app, write_runs
from tests.health.app.postgres import postgres_server, why_not


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    reason = why_not()
    if reason:
        pytest.skip(reason)
    with postgres_server() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of an empty database."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'app.sqlite'}"
        return
    with new_database(request.getfixturevalue("postgres")) as made:
        yield made


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated database with a user of each role, to copy."""
    file = tmp_path_factory.mktemp("template") / "app.sqlite"
    fill(f"sqlite:///{file}")
    return file


@pytest.fixture(scope="session")
def postgres_template(postgres: str) -> Iterator[str]:
    """The same on Postgres; returns its name."""
    with new_database(postgres) as made:
        fill(made)
        yield made.rsplit("/", 1)[1]


@pytest.fixture(params=["sqlite", "postgres"])
def filled_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a database with a user of each role."""
    if request.param == "sqlite":
        file = tmp_path / "app.sqlite"
        shutil.copy(request.getfixturevalue("sqlite_template"), file)
        yield f"sqlite:///{file}"
        return
    server = request.getfixturevalue("postgres")
    with new_database(server, request.getfixturevalue("postgres_template")) as made:
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


@contextmanager
def new_database(server: str, template: str = "template1") -> Iterator[str]:
    """Create a database of a Postgres server, and drop it afterwards."""
    url, name = database_url(server, runs_dir=Path()), f"t{uuid.uuid4().hex}"
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(sa.text(f"CREATE DATABASE {name} TEMPLATE {template}"))
    yield url.rsplit("/", 1)[0] + f"/{name}"
    with engine.connect() as connection:
        connection.execute(sa.text(f"DROP DATABASE {name} WITH (FORCE)"))
    engine.dispose()


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
