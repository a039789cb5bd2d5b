"""Every route with every role and with none; every account with everybody who may not see it."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable

import pytest

from health.app.access.sessions import new_token, sessions_of, start_session
from health.app.access.users import add_user, disable_user
from health.app.database.engine import Database
from health.app.records.entries import AssignmentEntry, NoteEntry
from health.app.routes import PAGES
from tests.health.app.company import NOW, OTHER, OWN, TEAM, THEME_NAMES, AppUnderTest, csrf_of
from tests.health.app.test_records import user, write

READ = ("reader", "csm", "lead", "admin")
WRITE = ("csm", "lead", "admin")
LEAD = ("lead", "admin")
ADMIN = ("admin",)
LATER = "2027-01-31"
#: What the form of each POST sends, apart from the token and the request's ID.
FORMS: dict[str, dict[str, str]] = {
    "/sign-in": {"login": "nobody", "password": "wrong"},
    "/accounts/{account_id:path}/actions": {"action": "called", "flag": "at_risk"},
    "/accounts/{account_id:path}/notes": {"text": "said hello"},
    "/accounts/{account_id:path}/overrides": {
        "measure": "health",
        "value": "40",
        "reason": "sponsor left",
        "expires_at": LATER,
    },
    "/accounts/{account_id:path}/forecasts": {"call": "commit"},
    "/accounts/{account_id:path}/raised": {
        "about": "reason:tickets_backlog",
        "raised_with": "support",
    },
    "/api/v1/accounts/{account_id:path}/raised": {
        "kind": "reason",
        "subject": "tickets_backlog",
        "raised_with": "support",
    },
    "/accounts/{account_id:path}/closures": {
        "kind": "reason",
        "subject": "tickets_backlog",
        "closed_at": "2026-11-01",
    },
    "/voice/raised": {"theme": THEME_NAMES[0], "raised_with": "product"},
    "/voice/closures": {
        "kind": "theme",
        "subject": THEME_NAMES[0],
        "closed_at": "2026-11-01",
    },
    "/accounts/{account_id:path}/assignments": {"csm": "Chloe Okafor"},
    "/team/assignments": {"csm": "Chloe Okafor", "accounts": OWN},
    "/profile/tokens": {"name": "crm"},
    "/views": {"name": "mine"},
    "/users": {"login": "new", "role": "reader"},
    "/users/disable": {"login": "colleague"},
}
#: Who may use each route; "everybody" needs no sign-in.
ROUTES: dict[tuple[str, str], tuple[str, ...] | str] = {
    ("GET", "/report.css"): "everybody",
    ("GET", "/sign-in"): "everybody",
    ("POST", "/sign-in"): "everybody",
    # Without a provider they are not there; test_oidc.py has them with one.
    ("GET", "/sign-in/start"): "nobody",
    ("GET", "/sign-in/callback"): "nobody",
    ("POST", "/sign-out"): READ,
    ("GET", "/profile"): READ,
    ("POST", "/profile/tokens"): READ,
    ("POST", "/profile/tokens/{token_id}/revoke"): READ,
    ("POST", "/profile/sessions/{digest}/revoke"): READ,
    ("GET", "/"): READ,
    ("GET", "/accounts"): READ,
    ("POST", "/accounts"): READ,
    ("POST", "/accounts.csv"): READ,
    ("POST", "/views"): READ,
    ("POST", "/views/{view_id}/delete"): READ,
    ("GET", "/accounts/{account_id:path}"): READ,
    ("GET", "/accounts/{account_id:path}/brief"): READ,
    ("POST", "/accounts/{account_id:path}/actions"): WRITE,
    ("POST", "/accounts/{account_id:path}/notes"): WRITE,
    ("POST", "/accounts/{account_id:path}/overrides"): WRITE,
    ("POST", "/accounts/{account_id:path}/forecasts"): WRITE,
    ("POST", "/accounts/{account_id:path}/raised"): WRITE,
    ("POST", "/accounts/{account_id:path}/closures"): WRITE,
    ("POST", "/accounts/{account_id:path}/assignments"): LEAD,
    ("POST", "/records/{kind}/{record_id}/undo"): WRITE,
    ("GET", "/renewals"): READ,
    ("GET", "/team"): LEAD,
    ("POST", "/team/assignments"): LEAD,
    ("GET", "/expansion"): READ,
    ("GET", "/voice"): READ,
    ("POST", "/voice/raised"): WRITE,
    ("POST", "/voice/closures"): WRITE,
    ("GET", "/trust"): READ,
    ("GET", "/scorecard"): LEAD,
    ("POST", "/scorecard"): LEAD,
    ("POST", "/scorecard/proposal"): LEAD,
    ("GET", "/users"): ADMIN,
    ("POST", "/users"): ADMIN,
    ("POST", "/users/disable"): ADMIN,
    ("GET", "/api/openapi.json"): READ,
    ("GET", "/api/v1/week"): READ,
    ("POST", "/api/v1/accounts"): READ,
    ("GET", "/api/v1/accounts/{account_id:path}"): READ,
    ("POST", "/api/v1/accounts/{account_id:path}/actions"): WRITE,
    ("POST", "/api/v1/accounts/{account_id:path}/notes"): WRITE,
    ("POST", "/api/v1/accounts/{account_id:path}/overrides"): WRITE,
    ("POST", "/api/v1/accounts/{account_id:path}/forecasts"): WRITE,
    ("POST", "/api/v1/accounts/{account_id:path}/raised"): WRITE,
    ("POST", "/api/v1/accounts/{account_id:path}/closures"): WRITE,
    ("POST", "/api/v1/accounts/{account_id:path}/assignments"): LEAD,
    ("POST", "/api/v1/records/{kind}/{record_id}/undo"): WRITE,
    ("GET", "/api/v1/renewals"): READ,
    ("GET", "/api/v1/team"): LEAD,
    ("GET", "/api/v1/expansion"): READ,
    ("GET", "/api/v1/trust"): READ,
    ("GET", "/api/v1/voice"): READ,
}
ACCOUNT_ROUTES = [route for route in ROUTES if "{account_id:path}" in route[1]]

Build = Callable[..., AppUnderTest]


def test_the_table_has_every_route() -> None:
    assert set(ROUTES) == {(page.method, page.path) for page in PAGES}


def ask(app: AppUnderTest, role: str, method: str, path: str, account: str = OWN) -> int:
    """Return the status of a route, asked for as a page of the role's browser would."""
    client = app.signed_in(role) if role else app.client()
    address = path.replace("{account_id:path}", account)
    if "{record_id}" in address:
        record = write(app.database, NoteEntry(text="to undo"), account, role or "lead")
        address = address.format(kind="notes", record_id=record)
    address = address.format(token_id="none", view_id="none", digest=own_session(app, role))
    if path.startswith("/api/"):
        return ask_api(app, role, method, path, address)
    if method == "GET":
        return client.get(address).status_code
    token = csrf_of(client) if role else "none"
    fields = {"csrf": token, "request_id": uuid.uuid4().hex, **FORMS.get(path, {})}
    return client.post(address, data=fields).status_code


def ask_api(app: AppUnderTest, role: str, method: str, path: str, address: str) -> int:
    """Return the status of a route of the API, asked for with a token of the role's user."""
    headers = {}
    if role:
        token = new_token(app.database, user(app.database, role), "test", now=NOW)
        headers["authorization"] = f"Bearer {token}"
    fields = FORMS.get(path) or FORMS.get(path.removeprefix("/api/v1"), {})
    body = None if method == "GET" else {**fields, "request_id": uuid.uuid4().hex}
    return app.client().request(method, address, json=body, headers=headers).status_code


def own_session(app: AppUnderTest, role: str) -> str:
    """Start another session of a user; return its digest."""
    if not role:
        return "none"
    cookie = app.signed_in(role).cookies.get("health") or ""
    start_session(app.database, user(app.database, role), now=NOW)
    with app.database.read() as session:
        rows = sessions_of(session, user(app.database, role).id)
    current = hashlib.sha256(cookie.encode()).hexdigest()
    return next(row.digest for row in rows if row.digest != current)


@pytest.mark.parametrize("role", ["", *READ])
@pytest.mark.quick_cases(1)
def test_every_route_with_every_role(app: Build, role: str) -> None:
    found, expected = {}, {}
    built = app()
    # The write that ends the browser's session comes last.
    for method, path in sorted(ROUTES, key=lambda route: route[1] == "/sign-out"):
        allowed = ROUTES[method, path]
        status = ask(built, role, method, path)
        found[method, path] = status
        if allowed == "nobody":
            expected[method, path] = 404
        elif allowed == "everybody":
            # Whoever is signed in is sent on; a wrong password is refused.
            known = 401 if method == "POST" else 303 if role and path == "/sign-in" else 200
            expected[method, path] = known if not (role and method == "POST") else status
        elif not role:
            expected[method, path] = 401 if path.startswith("/api/") else 303
        elif role not in allowed:
            expected[method, path] = 404
        else:
            expected[method, path] = status if status in {200, 201, 303} else -1
    assert found == expected


@pytest.mark.parametrize(("method", "path"), ACCOUNT_ROUTES)
@pytest.mark.quick_cases(1)
def test_an_account_that_is_not_theirs_does_not_exist(app: Build, method: str, path: str) -> None:
    allowed = ROUTES[method, path]
    built, seeing_team = app(), app(csm_sees_team=True)
    for account in (OTHER, TEAM, "no such account", "ACC-00002' OR '1'='1"):
        assert ask(built, "csm", method, path, account) == 404
    assert ask(seeing_team, "csm", method, path, OTHER) == 404
    if "csm" in allowed:
        assert ask(built, "csm", method, path, OWN) in {200, 201, 303}
        # It exists; with nothing to renew, a call on it is refused.
        seen = {200, 201, 303, 422} if path.endswith("/forecasts") else {200, 201, 303}
        assert ask(seeing_team, "csm", method, path, TEAM) in seen


def test_no_list_shows_an_account_that_is_not_theirs(app: Build) -> None:
    client = app().signed_in("csm")
    token = csrf_of(client)
    pages = [client.get(path).text for path in ("/", "/accounts", "/renewals", "/expansion")]
    pages += [client.get(f"/accounts?page={n}").text for n in range(1, 6)]
    pages.append(client.get("/?csm=Lena+Fischer").text)
    pages.append(client.post("/accounts", data={"csrf": token, "q": "ACC"}).text)
    pages.append(client.post("/accounts.csv", data={"csrf": token}).text)
    shown = "".join(pages)
    assert OWN in shown
    assert OTHER not in shown
    assert TEAM not in shown


def test_a_record_of_an_account_that_is_not_theirs_cannot_be_undone(app: Build) -> None:
    built = app()
    record = write(built.database, NoteEntry(text="of the lead"), OTHER, "lead")
    client = built.signed_in("csm")
    fields = {"csrf": csrf_of(client), "request_id": uuid.uuid4().hex}
    assert client.post(f"/records/notes/{record}/undo", data=fields).status_code == 404


def test_a_reassigned_account_moves_at_once(app: Build) -> None:
    built = app()
    client, colleague = built.signed_in("csm"), built.signed_in("colleague")
    assert client.get(f"/accounts/{OWN}").status_code == 200
    assert colleague.get(f"/accounts/{OWN}").status_code == 404
    write(built.database, AssignmentEntry(csm="Viktor Ueda"), OWN, "lead")
    assert client.get(f"/accounts/{OWN}").status_code == 404
    assert colleague.get(f"/accounts/{OWN}").status_code == 200
    assert "Viktor Ueda" in built.signed_in("lead").get(f"/accounts/{OWN}").text


def test_a_saved_view_is_its_users_alone(app: Build) -> None:
    built = app()
    client, other = built.signed_in("csm"), built.signed_in("lead")
    saved = client.post("/views", data={"csrf": csrf_of(client), "name": "x", "band": "red"})
    address = saved.headers["location"]
    assert client.get(address).status_code == 200
    assert other.get(address).status_code == 404


def test_a_disabled_user_is_out_at_once(app: Build, database: Database) -> None:
    client = app().signed_in("csm")
    assert client.get("/").status_code == 200
    disable_user(database, "csm", now=NOW)
    assert client.get("/").status_code == 303


def test_a_csm_without_accounts_sees_none(app: Build, database: Database) -> None:
    add_user(database, "newcomer", role="csm", now=NOW)
    client = app().signed_in("newcomer")
    assert "0 accounts" in client.get("/accounts").text
    assert client.get(f"/accounts/{OWN}").status_code == 404
