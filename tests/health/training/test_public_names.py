"""What a notebook imports is there, and importing the package alone loads none of it."""

from __future__ import annotations

import subprocess
import sys

import pytest

import health.training


@pytest.mark.parametrize("name", health.training.__all__)
def test_every_name_is_there(name: str) -> None:
    assert callable(getattr(health.training, name))


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'absent'"):
        health.training.absent  # noqa: B018


def test_the_package_alone_loads_no_model() -> None:
    code = "import sys, health.training; print('sklearn' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
