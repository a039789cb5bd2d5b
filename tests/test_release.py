"""What is released: a wheel that runs outside the checkout, and an image that runs as nobody."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
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


@pytest.mark.slow
def test_the_version_is_the_same_everywhere() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    done = _run(sys.executable, "-m", "health.cli", "--version", where=ROOT)
    assert (done.returncode, done.stdout) == (0, f"health {project['version']}\n")
    released = re.findall(r"^## \[(\d[^\]]*)\]", (ROOT / "CHANGELOG.md").read_text(), re.M)
    assert released[0] == project["version"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "at", "expected"),
    [
        ("health sc", 1, {"score"}),
        ("health models health.toml --f", 3, {"--force"}),
        ("health actions ", 2, {"import"}),
    ],
)
def test_the_shell_completes_commands_and_options(words: str, at: int, expected: set[str]) -> None:
    asked = {"_HEALTH_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(at)}
    command = Path(sys.executable).with_name("health")
    done = subprocess.run(
        [command], env={**os.environ, **asked}, capture_output=True, text=True, check=False
    )
    assert set(done.stdout.split()) == expected, done.stderr


#: Packages that are needed on other systems only.
_ELSEWHERE = {"pywinpty"}


@pytest.mark.parametrize("python", ["311", "312", "313", "314"])
@pytest.mark.quick_cases(1)
def test_what_is_locked_is_built_for_every_python(python: str) -> None:
    """On Linux, nothing that a user installs is compiled: each package has a wheel."""
    lock = tomllib.loads((ROOT / "uv.lock").read_text(encoding="utf-8"))
    by_name: dict[str, bool] = {}
    for package in lock["package"]:
        wheels = [wheel["url"].rsplit("/", 1)[-1] for wheel in package.get("wheels", [])]
        if wheels:
            fits = any(_fits(wheel, python) for wheel in wheels)
            # A package may be locked in one version for newer and in one for older Pythons.
            by_name[package["name"]] = by_name.get(package["name"], False) or fits
    missing = {name for name, fits in by_name.items() if not fits}
    assert missing - _ELSEWHERE - _of_benchmarks() == set()


def _fits(wheel: str, python: str) -> bool:
    tag, abi, system = wheel.removesuffix(".whl").split("-")[-3:]
    linux = "any" in system or ("linux" in system and "x86_64" in system)
    return linux and (tag.startswith(("py3", "py2.py3")) or tag == f"cp{python}" or abi == "abi3")


def _of_benchmarks() -> set[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    named = project["dependency-groups"]["benchmark"]
    return {re.split(r"[^\w-]", requirement)[0] for requirement in named}
