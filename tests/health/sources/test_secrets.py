"""No message repeats a password, whatever form the password or the message has."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.errors import HealthError
from features.redaction import redact, redacted
from health.settings.secrets import secret
from tests.health.conftest import call_health

PASSWORDS = st.text(st.characters(codec="ascii", categories=("L", "N", "P", "S")), min_size=6)


@given(PASSWORDS.filter(lambda p: "'" not in p and '"' not in p))
def test_a_url_loses_its_password(password: str) -> None:
    url = f"postgresql://ann:{password}@db.example/crm"
    shown = redact(f"cannot connect to {url} (timeout)")
    assert shown == "cannot connect to postgresql://***@db.example/crm (timeout)"


@given(st.from_regex(r"[A-Za-z0-9!$%^*_+.-]{6,20}", fullmatch=True))
@pytest.mark.parametrize(
    "form",
    [
        "host=db user=ann password={} dbname=crm",
        "host=db password='{}'",
        '{{"api_key": "{}"}}',
        "Authorization: Bearer {}",
        "https://api.example/v1?access_token={}&page=2",
        "aws_secret_access_key = {}",
    ],
)
def test_what_is_assigned_to_a_secret_name_is_hidden(form: str, value: str) -> None:
    text = form.format(value)
    assert value not in redact(text).replace("password", "").replace("user=ann", "")


def test_words_about_secrets_stay_readable() -> None:
    for text in (
        "password authentication failed for user ann",
        "the environment variable WAREHOUSE_URL is not set",
        "3 of 20 rows; e.g. 2026-01-02 10:00:00",
        "mail ann@first.example about it",
    ):
        assert redact(text) == text


def test_a_secret_that_was_read_is_hidden_in_any_message(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    url = "postgresql://ann:" + quote("s3cr@t/word") + "@db.example/crm"
    monkeypatch.setenv("CRM_URL", url)
    (tmp_path / "token").write_text("tok-123456789\n")
    assert secret("$CRM_URL", where="sources.crm.url", base=tmp_path) == url
    assert secret("file:token", where="sources.api.url", base=tmp_path) == "tok-123456789"
    for text in (url, "wrong: s3cr@t/word", "sent tok-123456789"):
        shown = redact(text)
        assert "s3cr" not in shown and "tok-123456789" not in shown
    assert redacted({"a": ["tok-123456789", 1], "b": {"c": url}}) == {
        "a": ["***", 1],
        "b": {"c": "***"},
    }


@pytest.mark.parametrize(
    "form",
    [
        lambda secret: secret,
        quote,
        lambda secret: quote(secret, safe=""),
        quote_plus,
        repr,
        json.dumps,
        lambda secret: secret.splitlines()[-1],
    ],
)
def test_a_secret_is_hidden_in_the_form_that_a_library_writes(
    tmp_path: Path, form: Callable[[str], str]
) -> None:
    found = "first+line of 'it'/\\\n" + "cGxhbnRlZA/pl4nted+ü=" * 2
    (tmp_path / "key").write_text(found)
    assert secret("file:key", where="sources.api.url", base=tmp_path) == found
    shown = redact(f"the server refused {form(found)} at once")
    assert "***" in shown
    assert "pl4nted" not in shown and "first" not in shown


def test_a_password_in_a_file_of_sql_is_hidden(tmp_path: Path) -> None:
    (tmp_path / "q.sql").write_text("SELECT 'https://ann:pl4nt:edInSql@h/x'::int AS account_id")
    config = tmp_path / "health.toml"
    config.write_text('[tables.accounts]\nsql_file = "q.sql"\n')
    done = call_health("check", config)
    assert done.code == 2, done.err
    assert "pl4nt" not in done.err and "edInSql" not in done.err


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("postgresql://ann:pl4nted/x@h/db", 'invalid integer value "pl4nted" for option "port"'),
        ("postgresql://h:pl4nted/db", 'invalid integer value "pl4nted" for option "port"'),
        ("sqlite:///crm.db?key=pl4nted", "no such file: /srv/crm.db?key=pl4nted"),
    ],
)
def test_a_part_of_a_url_that_a_driver_takes_for_another_is_hidden(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, url: str, message: str
) -> None:
    monkeypatch.setenv("CRM_URL", url)
    secret("$CRM_URL", where="sources.crm.url", base=tmp_path)
    assert "pl4nted" not in redact(message)


def test_a_password_that_starts_like_a_variable_is_not_named(tmp_path: Path) -> None:
    with pytest.raises(HealthError, match=r"(?s)alerts.webhook.*is not set") as refused:
        secret("$ecretPl4nted", where="alerts.webhook", base=tmp_path)
    assert "ecretPl4nted" not in str(refused.value)


def test_a_key_in_a_list_is_not_repeated(tmp_path: Path) -> None:
    config = tmp_path / "health.toml"
    config.write_text('[training]\nsigning_key = ["pl4nted-key"]\n')
    done = call_health("check", config)
    assert done.code == 2 and "pl4nted" not in done.err


def test_a_variable_or_file_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(HealthError, match=r"(?s)sources.crm.url.*NOT_SET_ANYWHERE"):
        secret("$NOT_SET_ANYWHERE", where="sources.crm.url", base=tmp_path)
    with pytest.raises(HealthError, match="absent"):
        secret("file:absent", where="sources.crm.url", base=tmp_path)
