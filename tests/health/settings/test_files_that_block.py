"""Pipes and devices instead of files: refused at once, because reading one could block forever."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from features.errors import HealthError
from features.tables.regular_files import read_regular
from health.settings.secrets import secret
from tests.health.conftest import Demo, call_health

TABLES = '[tables.accounts]\n{of_accounts}\n[tables.subscriptions]\npath = "subscriptions.csv"\n'


def _fifo(path: Path) -> None:
    os.mkfifo(path)


def _device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def _folder(path: Path) -> None:
    path.mkdir()


@pytest.fixture(params=[_fifo, _device, _folder], ids=["pipe", "device", "folder"])
def blocking(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / "blocking"
    make: Callable[[Path], None] = request.param
    make(path)
    return path


def test_no_file_is_read_that_is_none(blocking: Path) -> None:
    with pytest.raises(OSError, match="not a file"):
        read_regular(blocking)


def test_a_file_of_an_implausible_size_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(b"x" * 11)
    assert read_regular(tmp_path / "large", most_bytes=11) == b"x" * 11
    with pytest.raises(OSError, match="11 bytes, more than 10"):
        read_regular(tmp_path / "large", most_bytes=10)


def test_a_secret_is_read_from_a_file_alone(blocking: Path) -> None:
    with pytest.raises(HealthError, match="cannot be read: it is not a file"):
        secret(f"file:{blocking}", where="publish.url", base=blocking.parent)


def test_a_secret_that_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(b"\xff\xfe\x00s3cret")
    with pytest.raises(HealthError, match="not a text in UTF-8") as refused:
        secret("file:key", where="publish.url", base=tmp_path)
    assert "s3cret" not in str(refused.value)


@pytest.mark.quick_cases(2)
@pytest.mark.parametrize("key", ["sql_file", "path"])
def test_a_table_is_read_from_files_alone(blocking: Path, key: str) -> None:
    (blocking.parent / "subscriptions.csv").write_text("account_id,product,started_at,ended_at,mrr")
    config = blocking.parent / "health.toml"
    config.write_text(TABLES.format(of_accounts=f'{key} = "blocking"'))
    done = call_health("check", config)
    assert done.code == 2, done.err
    assert "blocking" in done.err and "Traceback" not in done.err


@pytest.mark.parametrize(
    "command",
    [
        ("backtest", "{config}", "--scorecard", "{file}"),
        ("restate", "{config}", "--config", "{file}"),
        ("actions", "import", "{file}", "--config", "{config}"),
    ],
    ids=lambda command: command[0],
)
def test_a_file_of_an_option_is_a_file(
    own_tables: Path, blocking: Path, command: tuple[str, ...]
) -> None:
    given = {"config": own_tables / "health.toml", "file": blocking}
    done = call_health(*(part.format(**given) for part in command))
    assert done.code == 2, done.err
    assert "blocking" in done.err and "Traceback" not in done.err


@pytest.mark.parametrize("name", ["run.json", "background.json", "scores.parquet"])
def test_a_stored_file_is_a_file(demo: Demo, tmp_path: Path, name: str) -> None:
    company = tmp_path / "company"
    shutil.copytree(demo.folder, company, symlinks=True)
    file = company / "runs" / demo.runs[-1].name / name
    file.unlink()
    os.mkfifo(file)
    done = call_health("list", company / "health.toml")
    assert done.code in (0, 2), done.err
    assert "Traceback" not in done.err


def test_a_link_that_leads_to_itself_is_named(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "subscriptions.csv").write_text("account_id,product,started_at,ended_at,mrr")
    config = tmp_path / "health.toml"
    config.write_text(TABLES.format(of_accounts='path = "loop"'))
    for file in (config, tmp_path / "loop"):
        done = call_health("check", file)
        assert done.code == 2, done.err
        assert "loop" in done.err and "Traceback" not in done.err
