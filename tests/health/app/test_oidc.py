"""Sign-in by an OpenID Connect provider that runs in a process of its own."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from datetime import UTC, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
import requests
from pydantic import ValidationError
from starlette.testclient import TestClient

from features.errors import HealthError
from health.app.access.users import add_user, disable_user, find_user
from health.app.database.engine import Database
from health.settings.app import AppConfig
from tests.health.app.company import NOW, AppUnderTest, csrf_of
from tests.health.app.provider import CLIENT, SECRET, running_provider

Build = Callable[..., AppUnderTest]
CHLOE = {"sub": "u-1", "email": "Chloe@Example.com", "email_verified": True, "name": "Chloe O."}


@pytest.fixture(scope="module")
def issuer() -> Iterator[str]:
    with running_provider() as address:
        yield address


@pytest.fixture
def sign_in(issuer: str, app: Build, monkeypatch: pytest.MonkeyPatch) -> SignIn:
    monkeypatch.setenv("OIDC_SECRET", SECRET)
    return SignIn(issuer, app)


class SignIn:
    """An app with the provider, and browsers that go there and back."""

    def __init__(self, issuer: str, build: Build) -> None:
        self.issuer, self._build = issuer, build
        self.app = self.build()

    def build(self, **oidc: Any) -> AppUnderTest:
        settings = {"issuer": self.issuer, "client_id": CLIENT, "client_secret": "$OIDC_SECRET"}
        self.app = self._build(sign_in="oidc", url="https://app.test", oidc={**settings, **oidc})
        return self.app

    def next_is(self, claims: dict[str, Any], fault: str = "", **control: Any) -> None:
        now = int(self.app.clock.now.replace(tzinfo=UTC).timestamp())
        body = {"claims": claims, "fault": fault, "now": now, **control}
        requests.put(f"{self.issuer}/control", json=body, timeout=5).raise_for_status()

    def start(self) -> tuple[TestClient, str]:
        """Go to the provider; return the browser and the address that it sends back to."""
        client = self.app.client(base_url="https://app.test")
        started = client.get("/sign-in/start")
        assert started.status_code == 303, started.text
        sent = requests.get(started.headers["location"], timeout=5, allow_redirects=False)
        return client, sent.headers["location"].removeprefix("https://app.test")

    def go(self, claims: dict[str, Any], fault: str = "", **control: Any) -> httpx2.Response:
        self.next_is(claims, fault, **control)
        self.client, back = self.start()
        return self.client.get(back)


def test_a_known_user_signs_in_and_out(sign_in: SignIn, database: Database) -> None:
    add_user(database, "chloe@example.com", role="csm", csm="Chloe Okafor", now=NOW)
    assert "company account" in sign_in.app.client(base_url="https://app.test").get("/sign-in").text
    answer = sign_in.go(CHLOE)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    cookies = [c.lower() for c in answer.headers.get_list("set-cookie")]
    session = next(c for c in cookies if c.startswith("__host-health="))
    for attribute in ("httponly", "samesite=lax", "secure", "path=/"):
        assert attribute in session
    page = sign_in.client.get("/")
    assert page.status_code == 200
    assert "Chloe O." in page.text
    assert "Sign out" in page.text
    sign_in.client.post("/sign-out", data={"csrf": csrf_of(sign_in.client)})
    assert sign_in.client.get("/").headers["location"].startswith("/sign-in")


@pytest.mark.quick_cases(4)
@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("nonce", "not for this sign-in"),
        ("no nonce", "not for this sign-in"),
        ("issuer", "not for this sign-in"),
        ("audience", "not for this sign-in"),
        ("two audiences", "not for this sign-in"),
        ("hash", "not for this sign-in"),
        ("expired", "has expired"),
        ("signature", "cannot be verified"),
        ("none", "cannot be verified"),
        ("by the public key", "cannot be verified"),
        ("no id token", "has no ID token"),
        ("denied", "has refused"),
        ("mixed up", "another provider"),
    ],
)
def test_an_answer_that_is_not_valid_signs_nobody_in(
    sign_in: SignIn, database: Database, fault: str, message: str
) -> None:
    add_user(database, "chloe@example.com", role="admin", now=NOW)
    answer = sign_in.go(CHLOE, fault)
    assert answer.status_code == 403
    assert message in answer.text
    assert "What to do:" in answer.text
    assert sign_in.client.get("/").status_code == 303


def test_a_sign_in_belongs_to_the_browser_that_started_it_and_works_once(
    sign_in: SignIn, database: Database
) -> None:
    add_user(database, "chloe@example.com", role="admin", now=NOW)
    sign_in.next_is(CHLOE)
    client, back = sign_in.start()
    other = sign_in.app.client(base_url="https://app.test")
    assert other.get(back).status_code == 403
    state = parse_qs(urlsplit(back).query)["state"][0]
    for wrong in (back.replace(state, "x" * len(state)), "/sign-in/callback"):
        assert sign_in.start()[0].get(wrong).status_code == 403
    cookie = client.cookies["__Host-health-sign-in"]
    assert client.get(back).status_code == 303
    again = sign_in.app.client(base_url="https://app.test")
    again.cookies.set("__Host-health-sign-in", cookie)
    assert again.get(back).status_code == 403


def test_a_sign_in_that_takes_too_long_starts_again(sign_in: SignIn, database: Database) -> None:
    add_user(database, "chloe@example.com", role="admin", now=NOW)
    sign_in.next_is(CHLOE)
    client, back = sign_in.start()
    sign_in.app.clock.now += timedelta(minutes=11)
    answer = client.get(back)
    assert (answer.status_code, "took too long" in answer.text) == (403, True)


def test_an_unknown_or_disabled_user_is_refused(sign_in: SignIn, database: Database) -> None:
    answer = sign_in.go(CHLOE)
    assert (answer.status_code, "is not a user" in answer.text) == (403, True)
    add_user(database, "chloe@example.com", role="csm", now=NOW)
    disable_user(database, "chloe@example.com", now=NOW)
    assert "is disabled" in sign_in.go(CHLOE).text
    unverified = sign_in.go({**CHLOE, "email_verified": False})
    assert (unverified.status_code, "not confirmed" in unverified.text) == (403, True)
    assert "does not give your login" in sign_in.go({"sub": "u-1"}).text


def test_groups_decide_the_role_at_each_sign_in(sign_in: SignIn, database: Database) -> None:
    sign_in.build(
        roles={"cs": "csm", "cs-leads": "lead"}, csm_claim="csm_name", team_claim="department"
    )
    person = {**CHLOE, "csm_name": "Chloe Okafor", "department": "north", "groups": ["all", "cs"]}
    assert sign_in.go(person).status_code == 303
    user = find_user(database, "chloe@example.com")
    assert user is not None
    assert (user.role, user.csm, user.team) == ("csm", "Chloe Okafor", "north")
    assert sign_in.client.get("/team").status_code == 404
    assert sign_in.go({**person, "groups": ["cs-leads", "cs"]}).status_code == 303
    assert sign_in.client.get("/team").status_code == 200
    for groups in ([], ["all"], None, "all"):
        refused = sign_in.go({**person, "groups": groups})
        assert (refused.status_code, "none of your groups" in refused.text) == (403, True)
    # A user whom an admin has disabled is not added again by a group.
    disable_user(database, "chloe@example.com", now=NOW)
    assert "is disabled" in sign_in.go(person).text


def test_claims_that_only_userinfo_gives_count(sign_in: SignIn, database: Database) -> None:
    sign_in.build(roles={"cs": "csm"})
    more = {"email": "chloe@example.com", "groups": ["cs"]}
    assert sign_in.go({"sub": "u-1"}, userinfo=more).status_code == 303
    assert find_user(database, "chloe@example.com") is not None
    refused = sign_in.go({"sub": "u-1"}, "userinfo", userinfo=more)
    assert (refused.status_code, "two different people" in refused.text) == (403, True)


def test_a_login_given_to_another_person_is_refused(sign_in: SignIn, database: Database) -> None:
    add_user(database, "chloe@example.com", role="csm", now=NOW)
    assert sign_in.go(CHLOE).status_code == 303
    refused = sign_in.go({**CHLOE, "sub": "u-2"})
    assert (refused.status_code, "another person" in refused.text) == (403, True)
    # The same person with another login stays the same user.
    known = find_user(database, "chloe@example.com")
    assert sign_in.go({**CHLOE, "email": "chloe.new@example.com"}).status_code == 303
    renamed = find_user(database, "chloe.new@example.com")
    assert known is not None
    assert renamed is not None
    assert renamed.id == known.id
    disable_user(database, "chloe.new@example.com", now=NOW)
    add_user(database, "chloe.new@example.com", role="csm", now=NOW)
    assert sign_in.go({**CHLOE, "email": "chloe.new@example.com", "sub": "u-2"}).status_code == 303


def test_new_keys_of_the_provider_are_found(sign_in: SignIn, database: Database) -> None:
    add_user(database, "chloe@example.com", role="csm", now=NOW)
    assert sign_in.go(CHLOE).status_code == 303
    sign_in.app.clock.now += timedelta(minutes=2)
    assert sign_in.go(CHLOE, "new key").status_code == 303


def test_the_secret_goes_where_the_provider_wants_it(sign_in: SignIn, database: Database) -> None:
    add_user(database, "chloe@example.com", role="csm", now=NOW)
    assert sign_in.go(CHLOE, methods=["client_secret_post"]).status_code == 303


def test_a_wrong_secret_is_in_no_message(
    issuer: str,
    app: Build,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv("OIDC_SECRET", "another-s3cret")
    browser = SignIn(issuer, app)
    add_user(database, "chloe@example.com", role="csm", now=NOW)
    with caplog.at_level(logging.DEBUG):
        answer = browser.go(CHLOE)
    assert (answer.status_code, "has not confirmed" in answer.text) == (403, True)
    assert "invalid_client" in caplog.text
    assert "another-s3cret" not in answer.text + caplog.text


def test_a_provider_that_is_another_one_or_not_there_is_named(sign_in: SignIn) -> None:
    sign_in.next_is(CHLOE, "metadata")
    client = sign_in.app.client(base_url="https://app.test")
    answer = client.get("/sign-in/start")
    assert (answer.status_code, "other.example" in answer.text) == (503, True)
    client = sign_in.build(issuer="http://127.0.0.1:9").client(base_url="https://app.test")
    answer = client.get("/sign-in/start")
    assert (answer.status_code, "cannot be reached" in answer.text) == (503, True)


def test_without_the_provider_its_pages_are_not_there(app: Build) -> None:
    client = app().client()
    assert client.get("/sign-in/start").status_code == 404
    assert client.get("/sign-in/callback?code=x&state=y").status_code == 404


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "needs oidc.issuer and oidc.client_id"),
        ({"issuer": "http://login.example.com", "client_id": "x"}, "starts with https"),
        ({"issuer": "https://x", "client_id": "x", "client_secret": "hunter22"}, "variable"),
        ({"issuer": "https://x", "client_id": "x", "scopes": "email"}, "need openid"),
        ({"issuer": "https://x", "client_id": "x", "roles": {"g": "boss"}}, "reader"),
    ],
)
def test_an_incomplete_configuration_is_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        AppConfig(sign_in="oidc", url="https://app.test", oidc=settings)
    with pytest.raises(ValidationError, match="sends people back"):
        AppConfig(sign_in="oidc", oidc={"issuer": "https://x", "client_id": "x"})


def test_a_secret_that_is_not_set_stops_the_start(
    sign_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OIDC_SECRET")
    client = sign_in.app.client(base_url="https://app.test")
    answer = client.get("/sign-in/start")
    assert (answer.status_code, "OIDC_SECRET is not set" in answer.text) == (503, True)
    with pytest.raises(HealthError, match="OIDC_SECRET is not set"):
        _ = sign_in.app.app.provider
