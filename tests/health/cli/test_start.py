"""Commands load only what they use: a small company is checked in about a second."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.features import small_company

#: Runs a command and prints which of the slow packages it loaded.
_SCRIPT = """
import sys
from health.cli import main
try:
    main()
finally:
    names = "pandas duckdb pyarrow pydantic scipy sklearn lifelines sqlalchemy".split()
    print("loaded:", *(name for name in names if name in sys.modules))
"""
_TABLES = {"pandas", "duckdb", "pyarrow", "pydantic"}


@pytest.mark.parametrize(
    ("command", "needed"),
    [(["--help"], set[str]()), (["init", "."], _TABLES), (["check", "health.toml"], _TABLES)],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
@pytest.mark.quick_cases(1)
def test_a_command_loads_only_what_it_uses(
    tmp_path: Path, command: list[str], needed: set[str]
) -> None:
    sources = small_company.write(tmp_path)
    paths = "".join(f'[tables.{name}]\npath = "{s.path}"\n' for name, s in sources.items())
    if command[0] == "check":
        (tmp_path / "health.toml").write_text(paths, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-c", _SCRIPT, *command],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    loaded = done.stdout.split("loaded:")[1].split()
    assert set(loaded) <= needed
