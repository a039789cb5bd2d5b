"""What is released: a wheel that runs outside the checkout, and an image that runs as nobody."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("uv") is None, reason="uv is not installed")
def test_the_wheel_runs_the_demo_outside_the_checkout(tmp_path: Path) -> None:
    built = _run("uv", "build", "-q", "--wheel", "-o", tmp_path / "dist", ROOT, where=tmp_path)
    assert built.returncode == 0, built.stderr
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    command = ("uv", "run", "-q", "--isolated", "--no-project", "--with", wheel, "health")
    done = _run(*command, "demo", tmp_path / "demo", "--accounts", "150", where=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    runs = tmp_path / "demo" / "runs" / "latest"
    assert (runs / "report.html").exists() and (runs / "flags.xlsx").exists()


def _run(*command: str | Path, where: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(part) for part in command],
        cwd=where,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )


def test_the_image_runs_as_nobody_and_installs_what_is_locked() -> None:
    lines = (ROOT / "Dockerfile").read_text(encoding="utf-8").splitlines()
    assert "USER 10001" in lines and "VOLUME /data" in lines
    assert any("uv sync --locked --no-dev" in line for line in lines)
    copied = {line.split()[1] for line in lines if line.startswith("COPY") and "--from" not in line}
    kept = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert {line[1:] for line in kept if line.startswith("!")} >= copied
