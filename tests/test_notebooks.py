"""The notebooks' two halves say the same, and none keeps outputs."""

from __future__ import annotations

from pathlib import Path

import pytest

jupytext = pytest.importorskip("jupytext", reason="jupytext is not installed (extra notebooks)")

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
PAIRED = sorted(NOTEBOOKS.glob("*.ipynb"))


def test_the_six_notebooks_are_there() -> None:
    assert [path.stem[:2] for path in PAIRED] == ["01", "02", "03", "04", "05", "06"]


@pytest.mark.parametrize("path", PAIRED, ids=lambda path: path.stem)
def test_a_notebook_is_its_script_and_keeps_no_outputs(path: Path) -> None:
    notebook, script = jupytext.read(path), jupytext.read(path.with_suffix(".py"))
    cells = [(cell.cell_type, cell.source) for cell in notebook.cells]
    assert cells == [(cell.cell_type, cell.source) for cell in script.cells]
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(not cell.outputs and cell.execution_count is None for cell in code)
