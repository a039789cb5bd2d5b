"""An app over a made-up run with hostile names, on SQLite and on Postgres."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from health.app.access.users import add_user
from health.app.database.engine import Database, database_url, open_database
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
    server = database_url(request.getfixturevalue("postgres"), runs_dir=tmp_path)
    name = f"t{uuid.uuid4().hex}"
    engine = sa.create_engine(server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(sa.text(f"CREATE DATABASE {name}"))
    yield server.rsplit("/", 1)[0] + f"/{name}"
    with engine.connect() as connection:
        connection.execute(sa.text(f"DROP DATABASE {name} WITH (FORCE)"))
    engine.dispose()


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    """A database with a user of each role."""
    opened = open_database(url, now=NOW)
    for login, options in USERS.items():
        add_user(opened, login, now=NOW, **options)
    yield opened
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
