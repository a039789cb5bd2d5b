"""What `health serve` does where it cannot: a port in use, a locked database."""

from __future__ import annotations

import json
import socket
import sqlite3
import uuid
from pathlib import Path

import pytest

from health.app.access.users import add_user
from health.app.database.engine import open_database
from tests.health.app.company import NOW, OWN, USERS, build_app, csrf_of
from tests.health.conftest import call_health


@pytest.fixture
def config(runs_dir: Path, tmp_path: Path) -> Path:
    file = tmp_path / "health.toml"
    file.write_text(
        f"runs_dir = {json.dumps(str(runs_dir))}\n"
        f'[app]\ndatabase = "sqlite:///{tmp_path / "app.sqlite"}"\n'
        '[tables.accounts]\npath = "a.csv"\n[tables.subscriptions]\npath = "s.csv"\n',
        encoding="utf-8",
    )
    return file


def test_a_port_in_use_is_named_with_the_way_out(config: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        done = call_health("serve", config, "--port", str(port))
    assert done.code == 2
    assert f"port {port} is in use" in done.err
    assert "--port" in done.err
    assert "Traceback" not in done.err


def test_an_address_of_another_machine_is_named(config: Path) -> None:
    text = config.read_text(encoding="utf-8")
    config.write_text(
        text.replace("[app]\n", '[app]\nsign_in = "local"\nhost = "192.0.2.1"\n'), encoding="utf-8"
    )
    done = call_health("serve", config, "--port", "0")
    assert (done.code, "cannot listen on 192.0.2.1" in done.err) == (2, True)


def test_a_locked_database_gives_a_page_and_loses_nothing(runs_dir: Path, tmp_path: Path) -> None:
    file = tmp_path / "app.sqlite"
    database = open_database(f"sqlite:///{file}?timeout=0.1", now=NOW)
    add_user(database, "csm", now=NOW, **USERS["csm"])
    built = build_app(database, runs_dir, tmp_path)
    client = built.signed_in("csm")
    fields = {"csrf": csrf_of(client), "request_id": uuid.uuid4().hex, "text": "once"}
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    answer = client.post(f"/accounts/{OWN}/notes", data=fields)
    assert answer.status_code == 503
    assert "has locked the database; nothing was written" in answer.text
    assert "try again" in answer.text
    # Reading goes on, and the same form is saved once the other program has ended.
    assert client.get("/").status_code == 200
    other.close()
    assert client.post(f"/accounts/{OWN}/notes", data=fields).status_code == 303
    assert client.get(f"/accounts/{OWN}").text.count("once</p>") == 1
    built.runs.close()
    database.close()
