"""The README's Python lines run."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.health.conftest import Demo

README = Path(__file__).parents[2] / "README.md"


@pytest.mark.slow
def test_the_lines_for_data_scientists_run(demo: Demo, capsys: pytest.CaptureFixture[str]) -> None:
    lines = re.search(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    assert lines is not None
    code = lines.group(1).replace('Path("demo/health.toml")', f'Path("{demo.config}")')
    assert code != lines.group(1)
    exec(compile(code, str(README), "exec"), {})
    assert "mean" in capsys.readouterr().out
