"""The API: tokens, what it gives and takes, and its description."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

from health.app.access.sessions import new_token
from health.app.api import OPERATIONS
from tests.health.app.company import NOW, OTHER, OWN, AppUnderTest, csrf_of
from tests.health.app.test_records import user

Build = Callable[..., AppUnderTest]


def program(app: AppUnderTest, login: str = "csm") -> TestClient:
    """Return a client with a token of a user."""
    client = app.client()
    token = new_token(app.database, user(app.database, login), "crm", now=NOW)
    client.headers["authorization"] = f"Bearer {token}"
    return client


def test_a_crm_shows_a_score(app: Build) -> None:
    client = program(app())
    found = client.get(f"/api/v1/accounts/{OWN}").json()
    assert found["account"]["account_id"] == OWN
    assert 0 <= found["account"]["health_score"] <= 100
    assert found["health_reasons"][0]["text"]
    assert client.get(f"/api/v1/accounts/{OTHER}").status_code == 404
    page = client.post("/api/v1/accounts", json={"band": "red"}).json()
    assert page["total"] == len(page["rows"])
    assert {row["health_band"] for row in page["rows"]} == {"red"}


@pytest.mark.slow
def test_what_a_program_writes_is_written_once_and_shown(app: Build) -> None:
    built = app()
    client = program(built)
    body = {"action": "snooze", "until": "2027-01-31T12:00:00+02:00", "request_id": "r" * 32}
    first = client.post(f"/api/v1/accounts/{OWN}/actions", json=body)
    again = client.post(f"/api/v1/accounts/{OWN}/actions", json=body)
    assert (first.status_code, again.json()) == (201, first.json())
    records = client.get(f"/api/v1/accounts/{OWN}").json()["records"]
    assert [r["until"] for r in records] == ["2027-01-31T10:00:00"]
    assert not records[0].keys() & {"salt", "request_id", "user_id"}
    assert "Not now until 31 Jan 2027" in built.signed_in("csm").get(f"/accounts/{OWN}").text
    undo = f"/api/v1/records/actions/{first.json()['id']}/undo"
    assert client.post(undo, json={"request_id": "u" * 32}).status_code == 200
    assert client.get(f"/api/v1/accounts/{OWN}").json()["records"] == []


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"[1]", "not a JSON object"),
        (b"{", "not a JSON object"),
        (b'{"text": "x", "color": "red", "request_id": "rrrrrrrrrrrrrrrrrr"}', "Color"),
        (b'{"text": "x"}', "incomplete"),
    ],
)
@pytest.mark.slow
def test_a_wrong_body_is_refused(app: Build, body: bytes, message: str) -> None:
    answer = program(app()).post(f"/api/v1/accounts/{OWN}/notes", content=body)
    assert answer.status_code == 422
    assert message in answer.json()["error"]


def test_a_revoked_token_and_a_wrong_one_open_nothing(app: Build) -> None:
    built = app()
    browser = built.signed_in("csm")
    page = browser.post("/profile/tokens", data={"csrf": csrf_of(browser), "name": "crm"}).text
    token = re.search(r"chk_[\w-]+", page)
    assert token is not None
    client = built.client()
    client.headers["authorization"] = f"Bearer {token.group()}"
    assert client.get("/api/v1/week").status_code == 200
    # A token is for the API; pages are for browsers.
    assert client.get("/").status_code == 303
    assert token.group() not in browser.get("/profile").text
    revoke = re.search(r'action="(/profile/tokens/[^"]+/revoke)"', browser.get("/profile").text)
    assert revoke is not None
    browser.post(revoke.group(1), data={"csrf": csrf_of(browser)})
    assert client.get("/api/v1/week").status_code == 401
    client.headers["authorization"] = "Bearer chk_guess"
    assert client.get("/api/v1/week").status_code == 401


def test_a_browsers_session_needs_its_token_for_the_api_too(app: Build) -> None:
    browser = app().signed_in("csm")
    assert browser.get("/api/v1/week").status_code == 200
    body = {"text": "x", "request_id": "r" * 32}
    address = f"/api/v1/accounts/{OWN}/notes"
    assert browser.post(address, json=body).status_code == 403
    headers = {"x-csrf-token": csrf_of(browser)}
    assert browser.post(address, json=body, headers=headers).status_code == 201


def test_the_description_has_every_operation(app: Build) -> None:
    described: dict[str, Any] = program(app()).get("/api/openapi.json").json()
    found = {(method.upper(), path) for path, own in described["paths"].items() for method in own}
    assert found == {(o.page.method, o.page.path.replace(":path", "")) for o in OPERATIONS}
    for path, own in described["paths"].items():
        for operation in own.values():
            names = {p["name"] for p in operation["parameters"] if p["in"] == "path"}
            assert names == set(re.findall(r"{(\w+)}", path))
            assert {"401", "404"} <= operation["responses"].keys()
    note = described["paths"]["/api/v1/accounts/{account_id}/notes"]["post"]
    schema = note["requestBody"]["content"]["application/json"]["schema"]
    assert set(schema["required"]) == {"text", "request_id"}
