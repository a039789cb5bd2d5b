"""A secret in any key of the configuration appears in no output."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
import tomlkit
from pydantic import BaseModel

from features.redaction import remember, without_known_secrets
from health.settings.config import NOT_KEYS, Config
from tests.health.conftest import call_health

PLANTED = "s3cretPlanted"
FORMS = (
    f"https://ann:{PLANTED}:more@127.0.0.1:1/hook",
    f"postgresql://ann:{PLANTED}@127.0.0.1:1/crm",
    f"password={PLANTED}",
)
TABLES = """
account_id,created_at
a,2026-01-01
"""


def _text_keys(model: type[BaseModel], path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the path of every key of the configuration, its sections included."""
    for name, field in model.model_fields.items():
        if name in NOT_KEYS:
            continue
        yield (*path, name)
        kinds = [field.annotation, *get_args(field.annotation)]
        for inner in kinds:
            if isinstance(inner, type) and issubclass(inner, BaseModel):
                # A mapping of sections, such as [sources], needs a name of one.
                is_named = "dict" in str(field.annotation)
                yield from _text_keys(inner, (*path, name, *(["one"] if is_named else [])))


KEYS = sorted({".".join(path) for path in _text_keys(Config)})


def _config(folder: Path, key: str, value: str) -> Path:
    (folder / "accounts.csv").write_text(TABLES.strip())
    content: dict[str, Any] = {"tables": {"accounts": {"path": "accounts.csv"}}}
    at = content
    *parents, last = key.split(".")
    for parent in parents:
        at = at.setdefault(parent, {})
        if not isinstance(at, dict):
            return folder / "health.toml"
    at[last] = value
    (folder / "health.toml").write_text(tomlkit.dumps(content))
    return folder / "health.toml"


def test_there_are_keys_of_every_section() -> None:
    assert {"alerts.webhook", "app.database", "publish.url", "sources.one.url", "data.url"} <= set(
        KEYS
    )


@pytest.mark.slow
@pytest.mark.parametrize("section", sorted({key.partition(".")[0] for key in KEYS}))
def test_no_key_of_a_section_shows_its_value(section: str, tmp_path: Path) -> None:
    for key in (k for k in KEYS if k.partition(".")[0] == section):
        for form in FORMS:
            done = call_health("check", _config(tmp_path, key, form))
            assert done.code == 2, (key, form)
            assert PLANTED not in done.out + done.err, (key, form)
            assert "Traceback" not in done.err, (key, form)


def test_a_part_of_a_password_that_a_parser_repeats_is_hidden() -> None:
    remember("https://bob:first:second@hooks.example/x")
    # What urllib says of the address: the password's end is taken for the port.
    assert re.search("second", without_known_secrets("nonnumeric port: 'second@hooks'")) is None
