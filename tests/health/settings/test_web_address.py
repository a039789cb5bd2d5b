"""Webhooks: an address to which nothing can be sent is refused before it is needed, unrepeated."""

from __future__ import annotations

from pathlib import Path

import pytest

from health.settings.web_address import require_web_address
from tests.health.conftest import call_health

SECRET = "T0-B0-s3cr3t-part"
INVALID = [
    f"hooks.example.com/{SECRET}",
    f"https:/hooks.example.com/{SECRET}",
    f"https//hooks.example.com/{SECRET}",
    f"htps://hooks.example.com/{SECRET}",
    f"ftp://hooks.example.com/{SECRET}",
    f"https://hooks.example.com/ {SECRET}",
    f"https://hooks.example.com/{SECRET}\n",
    f"https:///{SECRET}",
    f"https://:443/{SECRET}",
    f"https://hooks..example.com/{SECRET}",
    f"https://hooks.example.com:port/{SECRET}",
    f"https://hooks.example.com:99999/{SECRET}",
    f"https://[::1/{SECRET}",
    f"mailto:{SECRET}@example.com",
]
VALID = ["https://hooks.example.com/x?y=1", "http://127.0.0.1:8000/", "http://[::1]:80/x",
         "https://hooks.example.com.", "https://b\u00fccher.example/x"]  # fmt: skip
SECTIONS = {
    "alerts.webhook": '[alerts]\nwebhook = "{}"\n',
    "notify.webhook.url": '[notify.webhook]\nurl = "{}"\n',
}


@pytest.mark.parametrize("url", VALID)
def test_addresses_are_accepted(url: str) -> None:
    require_web_address(url)


@pytest.mark.parametrize("url", INVALID)
def test_other_texts_are_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(ValueError, match="not a web address") as raised:
        require_web_address(url)
    assert SECRET not in str(raised.value)


def _configured(folder: Path, section: str, address: str) -> Path:
    (folder / "accounts.csv").write_text("account_id,created_at\n1,2025-01-01\n")
    (folder / "subscriptions.csv").write_text(
        "account_id,product,started_at,ended_at,mrr\n1,core,2025-01-01,,10\n"
    )
    tables = "".join(f'[tables.{n}]\npath = "{n}.csv"\n' for n in ("accounts", "subscriptions"))
    text = "observed_until = 2026-01-01\n" + tables + section.format(address)
    (folder / "health.toml").write_text(text)
    return folder / "health.toml"


@pytest.mark.quick_cases(2)
@pytest.mark.parametrize("url", [INVALID[0], INVALID[2], INVALID[9], INVALID[10]])
@pytest.mark.parametrize("name", SECTIONS)
@pytest.mark.parametrize("by_name", [False, True])
def test_check_names_the_setting(
    by_name: bool, name: str, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOOK", url)
    done = call_health("check", _configured(tmp_path, SECTIONS[name], "$HOOK" if by_name else url))
    assert done.code == 2
    assert name in done.err and "web address" in done.err
    assert SECRET not in done.err + done.out


@pytest.mark.parametrize("name", SECTIONS)
@pytest.mark.slow
def test_check_accepts_an_address_and_warns_of_one_that_is_not_known_here(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = _configured(tmp_path, SECTIONS[name], "$HOOK")
    monkeypatch.setenv("HOOK", f"https://hooks.example.com/{SECRET}")
    done = call_health("check", config)
    assert (done.code, "HOOK" in done.out) == (0, False), done.err
    monkeypatch.delenv("HOOK")
    done = call_health("check", config)
    assert (done.code, "HOOK is not set" in done.out) == (0, True), done.err
