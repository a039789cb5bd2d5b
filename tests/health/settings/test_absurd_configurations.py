"""What no configuration can mean ends at once, in a message, with exit code 2."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.health.conftest import Finished, call_health

TABLES = '[tables.accounts]\npath = "accounts.csv"\n'
CARD = """
[[scorecard.components]]
name = "adoption"
weight = 1
measures = [{ feature = "usage_seat_utilisation_28d", curve = [[0.1, 0], [%s, 100]] }]
"""


def _check(path: Path | str) -> Finished:
    done = call_health("check", path)
    assert done.code == 2, done.err
    assert "Traceback" not in done.err
    assert len(done.err) < 2500
    return done


@pytest.mark.quick_cases(5)
@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"labels.horizon_days = {10**30}", "labels.horizon_days"),
        ("labels.horizon_days = 400000", "labels.horizon_days"),
        (f"training.seed = {10**12}", "training.seed"),
        ("labels.horizon_days = true", "horizon_days is true"),
        ("clv.margin = false", "margin is false"),
        (f"a = {'9' * 6000}", "not valid TOML"),
        ("clv.margin = nan", "clv.margin"),
        ("exchange_rates.EUR = inf", "exchange_rates.EUR"),
        ("exchange_rates.EUR = 1e-300", "exchange_rates.EUR"),
        ("observed_until = 9999-12-31", "observed_until"),
        ("observed_until = 0001-01-01T00:00:00", "observed_until"),
        ("observed_until = 2026-02-31", "not valid TOML"),
        ('company = "a\\u0000b"', "company"),
        ('data.memory_limit = "99999999999999 GB"', "data.memory_limit"),
        ("a = " + "[" * 5000 + "]" * 5000, "nested"),
        ("a = " + "{a = " * 300 + "1" + "}" * 300, "nested"),
        (".".join("a" * 200) + " = 1", "nested"),
        (f'models_dir = "{"x" * 5000}"', "models_dir"),
        (f"a = [{'1, ' * 200_000}]", "too many values"),
        (CARD % "inf", "curve"),
        (CARD % "1e99", "curve"),
    ],
)
def test_an_absurd_value_is_named(tmp_path: Path, text: str, said: str) -> None:
    config = tmp_path / "health.toml"
    config.write_text(f"{text}\n{TABLES}")
    assert said in _check(config).err


@pytest.mark.slow
def test_an_absurd_path_of_a_table(tmp_path: Path) -> None:
    config = tmp_path / "health.toml"
    for path in ("x" * 5000, "/".join("x" * 2000), "x" * 300 + ".csv"):
        config.write_text(f'[tables.accounts]\npath = "{path}"\n')
        assert "accounts" in _check(config).err


def test_files_that_are_none(tmp_path: Path) -> None:
    fifo, folder = tmp_path / "fifo", tmp_path / "folder"
    os.mkfifo(fifo)
    folder.mkdir()
    for path in (fifo, folder, "/dev/zero", "x" * 5000, "a\0b", tmp_path / "absent.toml"):
        _check(path)


@pytest.mark.parametrize(
    "content",
    [
        "\ufeff".encode() + TABLES.encode(),
        TABLES.encode("utf-16"),
        b"\xff" + TABLES.encode(),
        b"\0" * 100,
        b"",
    ],
)
def test_files_that_are_no_text(tmp_path: Path, content: bytes) -> None:
    config = tmp_path / "health.toml"
    config.write_bytes(content)
    _check(config)


def test_a_file_that_is_too_large(tmp_path: Path) -> None:
    config = tmp_path / "health.toml"
    with config.open("wb") as stream:
        stream.truncate(2**30)
    assert "bytes" in _check(config).err
