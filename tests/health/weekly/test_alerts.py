"""Alerts: what a webhook is told, and that its failure is nobody's."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pandas as pd
import pytest

from health.settings.weekly import AlertsConfig
from health.weekly.alerts import send_alert

INFO = {"company": "Acme", "as_of": "2026-11-01", "currency": "EUR", "warnings": ["old model"]}


class _Hook(HTTPServer):
    """A webhook on this machine that keeps what it is told."""

    def __init__(self, answer: int) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answer = answer
        self.result: list[Any] = []

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/hook"


class _Handler(BaseHTTPRequestHandler):
    server: _Hook

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.result.append(json.loads(body))
        self.send_response(self.server.answer)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(params=[200])
def hook(request: pytest.FixtureRequest) -> Iterator[_Hook]:
    with _Hook(request.param) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join(timeout=5)


def _send(**settings: Any) -> tuple[bool, list[str]]:
    count = 12
    scores = pd.DataFrame(
        {
            "account_id": [f"A{i:02}" for i in range(count)],
            "name": ["<Big> & Co", *[None] * (count - 1)],
            "csm": "Ann",
            "health_score": [float(50 + i) for i in range(count)],
            "health_band": ["red"] * 3 + ["yellow"] * 9,
            "health_change": [-30.0, -20, -10, -5, -4, -3, -2, 0, None, 2, 3, 4],
        }
    )
    flags = pd.DataFrame({"flag": ["at_risk", "at_risk", "upsell"], "value": [100.0, 50.0, 7.0]})
    said: list[str] = []
    sent = send_alert(AlertsConfig(**settings), scores, flags, INFO, describe=said.append)
    return sent, said


def test_counts_and_the_biggest_movers(hook: _Hook) -> None:
    assert _send(webhook=hook.address) == (True, [])
    result = hook.result[0]
    assert result["event"] == "run_published"
    assert result["bands"] == {"red": 3, "yellow": 9, "green": 0}
    assert result["lists"] == {"at_risk": 2, "upsell": 1}
    assert result["value_at_risk"] == 150.0
    assert [m["account_id"] for m in result["fell"]] == ["A00", "A01", "A02", "A03", "A04"]
    assert [m["health_change"] for m in result["rose"]] == [4.0, 3.0, 2.0]
    assert result["fell"][0]["name"] == "<Big> & Co"
    assert result["warnings"] == ["old model"]


def test_slack_takes_one_text_in_which_names_are_no_markup(
    hook: _Hook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEALTH_HOOK", hook.address)
    assert _send(webhook="$HEALTH_HOOK", shape="slack") == (True, [])
    (text,) = hook.result[0].values()
    assert "*Acme as of 2026-11-01*" in text
    assert "12 accounts: 3 red, 9 yellow, 0 green" in text
    assert "2 at_risk, 1 upsell; EUR 150 at risk" in text
    assert "Fell most: &lt;Big&gt; &amp; Co -30 to 50" in text


@pytest.mark.parametrize("hook", [500], indirect=True)
def test_a_hook_that_answers_with_an_error_is_told_and_no_more(hook: _Hook) -> None:
    sent, said = _send(webhook=hook.address)
    assert not sent
    assert "500" in said[0]
    assert "published nevertheless" in said[0]


@pytest.mark.parametrize(
    "webhook", ["http://127.0.0.1:1/", "ftp://127.0.0.1/", "", "http://[", "http:// a"]
)
def test_a_hook_that_cannot_be_reached_is_reported_and_no_more(
    webhook: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEALTH_HOOK", webhook)
    sent, said = _send(webhook="$HEALTH_HOOK", timeout_s=2)
    assert not sent
    assert "not sent" in said[0]


def test_without_a_hook_nothing_is_sent() -> None:
    assert _send() == (False, [])


@pytest.mark.parametrize("in_environment", [True, False])
def test_a_failure_repeats_no_part_of_a_password(
    in_environment: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    webhook = "https://bob:first-part:second-part@hooks.example/services/x"
    monkeypatch.setenv("HOOK", webhook)
    taken, said = _send(webhook="$HOOK" if in_environment else webhook)
    assert not taken
    assert "was not sent" in said[0]
    assert "-part" not in said[0]
