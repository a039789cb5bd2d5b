"""Signing in, sessions, forged requests, headers, and what bad input leads to."""

from __future__ import annotations

import re
import shutil
import tomllib
import uuid
from collections.abc import Callable
from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest
from markupsafe import escape
from pydantic import ValidationError

from health.app.access.users import MOST_BY_LOGIN, add_user
from health.app.database.engine import Database
from health.app.records.entries import NoteEntry
from health.app.records.read import latest_forecasts
from health.settings.app import AppConfig
from tests.health.app.company import NOW, OWN, PASSWORD, AppUnderTest, csrf_of, form
from tests.health.app.test_records import write
from tests.health.conftest import Demo
from tests.health.sample_run import HOSTILE


class Inert(HTMLParser):
    """Collects what would run: handlers, styles and scripts within a page."""

    def __init__(self) -> None:
        super().__init__()
        self.faults: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = dict(attrs)
        self.faults += [name for name in names if name.startswith("on") or name == "style"]
        # An attribute that was escaped together with its quotes.
        self.faults += [name for name, value in attrs if value and value.startswith('"')]
        if tag == "script" and not (names.get("src") or "").startswith("/static/"):
            self.faults.append("script")
        target = names.get("href") or names.get("src") or names.get("action") or "/"
        if not target.startswith(("/", "#")):
            self.faults.append(target)

    @classmethod
    def faults_of(cls, page: str) -> list[str]:
        parser = cls()
        parser.feed(page)
        return parser.faults


Build = Callable[..., AppUnderTest]


def test_every_answer_has_the_headers(app: Build) -> None:
    built = app(url="https://app.test")
    client = built.client(base_url="https://app.test")
    for path in ("/sign-in", "/report.css", "/static/htmx.min.js", "/nothing", "/"):
        headers = client.get(path).headers
        policy = headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'")
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["strict-transport-security"]
        assert headers.get("cache-control") == (None if "/static/" in path else "no-store")


@pytest.mark.slow
def test_signing_in_by_password_and_out_again(app: Build, database: Database) -> None:
    add_user(database, "csm", role="csm", password=PASSWORD, now=NOW)
    built = app(url="https://app.test")
    client = built.client(base_url="https://app.test")
    done = client.post("/sign-in", data={"login": " CSM ", "password": PASSWORD})
    assert (done.status_code, done.headers["location"]) == (303, "/")
    cookie = done.headers["set-cookie"].lower()
    assert cookie.startswith("__host-health=")
    for attribute in ("httponly", "samesite=lax", "secure", "path=/"):
        assert attribute in cookie
    assert client.get("/").status_code == 200
    stolen = dict(client.cookies)
    client.post("/sign-out", data={"csrf": csrf_of(client)})
    client.cookies.clear()
    client.cookies.update(stolen)
    assert client.get("/").headers["location"] == "/sign-in?expired=1"
    assert "session has ended" in client.get("/sign-in?expired=1").text


@pytest.mark.slow
def test_attempts_are_limited_and_the_limit_ends(app: Build, database: Database) -> None:
    add_user(database, "csm", role="csm", password=PASSWORD, now=NOW)
    built = app()
    client = built.client()
    wrong = {"login": "csm", "password": "wrong"}
    statuses = [client.post("/sign-in", data=wrong).status_code for _ in range(MOST_BY_LOGIN + 1)]
    assert statuses == [401] * MOST_BY_LOGIN + [429]
    right = {"login": "csm", "password": PASSWORD}
    refused = client.post("/sign-in", data=right)
    assert refused.status_code == 429
    assert "wait 15 minutes" in refused.text
    built.clock.now += timedelta(minutes=16)
    assert client.post("/sign-in", data=right).status_code == 303


@pytest.mark.slow
def test_neither_an_unknown_login_nor_one_without_a_password_signs_in(app: Build) -> None:
    client = app().client()
    for login in ("nobody", "csm", "", "x" * 300):
        for password in ("", "no password of anybody"):
            fields = {"login": login, "password": password}
            assert client.post("/sign-in", data=fields).status_code == 401


def test_a_session_ends_without_requests_and_can_be_revoked(app: Build) -> None:
    built = app(session_hours=2)
    client = built.signed_in("csm")
    built.clock.now += timedelta(hours=1, minutes=50)
    assert client.get("/").status_code == 200
    built.clock.now += timedelta(hours=1, minutes=50)
    assert client.get("/").status_code == 200
    built.clock.now += timedelta(hours=2, minutes=1)
    assert client.get("/").headers["location"] == "/sign-in?expired=1"
    asked = client.post("/accounts", data={}, headers={"HX-Request": "true"})
    assert asked.headers["hx-redirect"] == "/sign-in?expired=1"


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"sec-fetch-site": "cross-site"},
    ],
)
def test_a_request_from_another_site_is_refused(app: Build, headers: dict[str, str]) -> None:
    built = app()
    client = built.signed_in("csm")
    fields = form(client, action="called")
    answer = client.post(f"/accounts/{OWN}/actions", data=fields, headers=headers)
    assert answer.status_code == 403
    assert client.post("/sign-in", data={}, headers=headers).status_code == 403


def test_a_form_needs_the_token_of_its_own_session(app: Build) -> None:
    built = app()
    client = built.signed_in("csm")
    for token in ("", "wrong", csrf_of(built.signed_in("lead")), "é"):
        fields = {**form(client, action="called"), "csrf": token}
        assert client.post(f"/accounts/{OWN}/actions", data=fields).status_code == 403
    fields = form(client, action="called")
    own = client.post(
        f"/accounts/{OWN}/actions", data=fields, headers={"origin": "http://app.test"}
    )
    assert own.status_code == 303


def test_without_sign_in_there_is_one_user_on_this_machine(app: Build) -> None:
    built = app(sign_in="none")
    here = built.client(base_url="http://127.0.0.1", address="127.0.0.1")
    page = here.get("/users")
    assert page.status_code == 200
    assert here.post(f"/accounts/{OWN}/notes", data=form(here, text="x")).status_code == 303
    elsewhere = built.client(base_url="http://127.0.0.1", address="10.0.0.9")
    assert elsewhere.get("/").status_code == 403
    # A name that somebody else points at this machine.
    renamed = built.client(base_url="http://evil.example", address="127.0.0.1")
    assert renamed.get("/").status_code == 403


def test_a_public_address_needs_a_sign_in() -> None:
    with pytest.raises(ValidationError, match="can be reached from elsewhere"):
        AppConfig(host="0.0.0.0")
    with pytest.raises(ValidationError, match=r"needs proxy\.addresses"):
        AppConfig(sign_in="proxy")


@pytest.mark.slow
def test_headers_of_a_proxy_count_only_from_its_address_with_the_secret(
    app: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEALTH_PROXY_SECRET", "s3cret")
    built = app(sign_in="proxy", proxy={"addresses": ["10.0.0.0/24"]})
    proxy = built.client(address="10.0.0.7")
    right = {"X-Proxy-Secret": "s3cret", "X-Forwarded-User": "csm"}
    assert proxy.get(f"/accounts/{OWN}", headers=right).status_code == 200
    for wrong in (
        {**right, "X-Proxy-Secret": "guess"},
        {**right, "X-Proxy-Secret": ""},
        {"X-Forwarded-User": "csm"},
    ):
        assert proxy.get("/", headers=wrong).status_code == 403
    assert built.client(address="10.0.1.7").get("/", headers=right).status_code == 403
    unknown = built.client(address="10.0.0.7").get("/", headers={**right, "X-Forwarded-User": "x"})
    assert (unknown.status_code, "Ask an admin" in unknown.text) == (403, True)
    # Another user through the same browser is another session.
    lead = proxy.get("/team", headers={**right, "X-Forwarded-User": "lead"})
    assert lead.status_code == 200
    monkeypatch.delenv("HEALTH_PROXY_SECRET")
    assert proxy.get("/", headers={**right, "X-Proxy-Secret": ""}).status_code == 403


@pytest.mark.slow
def test_hostile_names_and_notes_are_inert_everywhere(app: Build) -> None:
    built = app()
    client = built.signed_in("admin")
    token = csrf_of(client)
    accounts = re.findall(r'href="/accounts/(ACC-\d+)"', client.get("/accounts").text)[:3]
    for number, text in enumerate(HOSTILE):
        account = accounts[number % 3]
        fields = {"csrf": token, "request_id": uuid.uuid4().hex}
        client.post(f"/accounts/{account}/notes", data={**fields, "text": text})
        client.post(
            f"/accounts/{account}/actions", data={**fields, "action": "called", "reason": text}
        )
    client.post("/views", data={"csrf": token, "name": HOSTILE[0]})
    client.post(
        "/users", data={"csrf": token, "login": HOSTILE[0], "name": HOSTILE[4], "role": "csm"}
    )
    client.post("/profile/tokens", data={"csrf": token, "name": HOSTILE[4]})
    paths = ["/", "/renewals", "/team", "/expansion", "/trust", "/scorecard", "/users", "/profile"]
    paths += [f"/accounts?page={n}" for n in (1, 2, 3, 4)]
    paths += [f"/accounts/{account}{end}" for account in accounts for end in ("", "/brief")]
    pages = [client.get(path).text for path in paths]
    for page in pages:
        assert "<script>alert" not in page
        assert "<img" not in page
        assert "<b>Sync" not in page
        assert Inert.faults_of(page) == []
    text = "".join(pages)
    assert "&lt;script&gt;alert(1)" in text
    assert "{{ 7 * 7 }}" in text
    sheet = client.post("/accounts.csv", data={"csrf": token}).text
    assert not re.search(r"(^|,)\"?[=@+]", sheet, flags=re.MULTILINE)


@pytest.mark.slow
def test_a_search_finds_part_of_a_name_and_names_are_not_in_addresses(app: Build) -> None:
    client = app().signed_in("admin")
    token = csrf_of(client)
    found = client.post("/accounts", data={"csrf": token, "q": "söhne"}).text
    assert "Söhne &#34;GmbH&#34;" in found
    assert "200 accounts" not in found
    # A name in the address is not searched for, so nobody gets used to writing it there.
    assert "200 accounts" in client.get("/accounts?q=söhne").text
    for page in (client.get("/"), client.get("/accounts"), client.get("/renewals")):
        for address in re.findall(r'(?:href|action|hx-post)="([^"]*)"', page.text):
            assert "North" not in address
            assert "script" not in address or address.startswith("/static/")


def test_undone_by_the_button_that_is_shown(app: Build) -> None:
    built = app()
    client = built.signed_in("csm")
    first = re.search(r'action="/accounts/(ACC-\d+)/actions"', client.get("/").text)
    assert first is not None
    account = first.group(1)
    fields = {**form(client, uuid.uuid4().hex, action="saved", flag="at_risk"), "from": "week"}
    done = client.post(
        f"/accounts/{account}/actions", data=fields, headers={"HX-Request": "true"}
    ).text
    assert f'action="/accounts/{account}/actions"' not in done
    notice = done.partition('id="notice"')[2].partition("</span>")[0]
    name = re.search(rf'href="/accounts/{account}"[^>]*><bdi>(.*?)</bdi>', done)
    assert name is not None
    assert f"Saved · {name.group(1)}" in notice
    undo = re.search(r'action="(/records/actions/[^"]+/undo)"', done)
    assert undo is not None
    fields = {**form(client, uuid.uuid4().hex), "from": "week"}
    again = client.post(undo.group(1), data=fields, headers={"HX-Request": "true"}).text
    assert f'action="/accounts/{account}/actions"' in again


def test_the_week_is_empty_when_the_work_is_done(app: Build) -> None:
    built = app(capacity=3)
    client = built.signed_in("csm")
    for expected in (3, 2, 1):
        page = client.get("/").text
        accounts = re.findall(r'action="/accounts/(ACC-\d+)/actions"', page)
        assert len(accounts) == expected
        fields = form(client, uuid.uuid4().hex, action="called")
        client.post(f"/accounts/{accounts[0]}/actions", data=fields)
    page = client.get("/").text
    assert "Everything is done for this week." in page
    assert "0 accounts to do, 3 done" in page


def test_a_lead_sees_how_many_flagged_accounts_are_open(app: Build) -> None:
    built = app()
    lead, csm = built.signed_in("lead"), built.signed_in("csm")

    def loads() -> dict[str, dict[str, int]]:
        return {row["csm"]: row for row in lead.get("/api/v1/team").json()["csms"]}

    before = loads()
    account = re.findall(r'action="/accounts/(ACC-\d+)/actions"', csm.get("/").text)[0]
    csm.post(f"/accounts/{account}/actions", data=form(csm, uuid.uuid4().hex, action="called"))
    after = loads()
    assert all(row["open"] + row["worked"] == row["flagged"] > 0 for row in before.values())
    assert sum(before[csm]["open"] - after[csm]["open"] for csm in after) == 1
    assert '<th scope="col" class="r">Open</th>' in lead.get("/team").text


@pytest.mark.quick_cases(4)
@pytest.mark.parametrize(
    ("path", "fields", "message"),
    [
        ("actions", {"action": "dance"}, "Action: Input should be"),
        ("actions", {"action": "snooze"}, "needs a date"),
        ("actions", {"action": "snooze", "until": "2020-01-01"}, "in the future"),
        ("actions", {"action": "snooze", "until": "soon"}, "soon is not a date"),
        ("actions", {"action": "called", "flag": "nonsense"}, "no flag is called"),
        ("notes", {"text": "  "}, "Text: Field required"),
        ("notes", {"text": "x" * 5000}, "at most 4000"),
        (
            "overrides",
            {"measure": "health", "value": "200", "reason": "x", "expires_at": "2027-01-01"},
            "less than or equal to 100",
        ),
        (
            "overrides",
            {"measure": "nothing", "value": "1", "reason": "x", "expires_at": "2027-01-01"},
            "has no measure nothing",
        ),
        ("forecasts", {"call": "commit", "amount": "nan"}, "finite"),
        ("notes", {"text": "x", "request_id": "short"}, "the form is incomplete"),
    ],
)
def test_bad_input_is_refused_with_what_to_do(
    app: Build, path: str, fields: dict[str, str], message: str
) -> None:
    client = app().signed_in("csm")
    answer = client.post(f"/accounts/{OWN}/{path}", data={**form(client), **fields})
    assert answer.status_code == 422
    assert message in answer.text


def test_no_run_yet_says_what_to_do(app: Build, tmp_path: Path) -> None:
    client = app(runs=tmp_path / "empty").signed_in("admin")
    for path in ("/", "/accounts", "/accounts/x", "/renewals", "/team", "/trust", "/scorecard"):
        answer = client.get(path)
        assert answer.status_code == 503
        assert "health score" in answer.text
    assert client.get("/profile").status_code == 200


@pytest.mark.parametrize("missing", ["scores.parquet", "flags.parquet", "run.json"])
def test_a_half_deleted_run_names_the_folder(
    app: Build, runs_dir: Path, tmp_path: Path, missing: str
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(runs_dir, copy)
    newest = sorted(copy.glob("as_of=*"))[-1]
    (newest / missing).unlink()
    client = app(runs=copy).signed_in("admin")
    answer = client.get("/")
    if missing == "run.json":
        # Without it the folder is no run: the one before is shown.
        assert "25 Oct 2026" in answer.text
        return
    assert answer.status_code == 503
    assert str(newest) in answer.text
    assert "--replace" in answer.text
    assert client.get("/?as_of=2026-10-25").status_code == 200


def test_an_earlier_run_is_shown_by_its_date(app: Build) -> None:
    client = app().signed_in("admin")
    assert "25 Oct 2026" in client.get("/accounts?as_of=2026-10-25").text
    assert client.get("/accounts?as_of=2020-01-01").status_code == 503
    assert client.get("/accounts?as_of=yesterday").status_code == 404


def test_a_form_of_any_size_does_not_fill_the_memory(app: Build) -> None:
    client = app().signed_in("csm")
    fields = form(client, text="x" * 300_000)
    assert client.post(f"/accounts/{OWN}/notes", data=fields).status_code == 413


def test_a_proposed_scorecard_is_a_file_that_loads(app: Build) -> None:
    client = app().signed_in("lead")
    fields = {
        "csrf": csrf_of(client),
        "yellow": "40",
        "c0": "99",
        "c0m0curve": "0:0, 0.5:80, 1:100",
    }
    page = client.post("/scorecard", data=fields).text
    assert "would change band" in page
    answer = client.post("/scorecard/proposal", data=fields)
    proposed = tomllib.loads(answer.text)["scorecard"]
    assert proposed["bands"]["yellow"] == 40
    assert proposed["components"][0]["weight"] == 99
    assert proposed["components"][0]["measures"][0]["curve"] == [[0, 0], [0.5, 80], [1, 100]]
    for wrong in ({"c0": "-1"}, {"c0": "x"}, {"c0m0curve": "1:1"}, {"yellow": "90"}):
        assert client.post("/scorecard", data={**fields, **wrong}).status_code == 422


def test_a_call_on_an_account_without_a_renewal_is_refused(app: Build) -> None:
    built = app()
    client = built.signed_in("lead")
    scores = built.runs.run().rows("scores", ["account_id"], "days_to_renewal IS NULL", limit=1)
    path = f"/accounts/{scores[0]['account_id']}/forecasts"
    answer = client.post(path, data=form(client, uuid.uuid4().hex, call="commit"))
    assert answer.status_code == 422
    assert "no renewal ahead" in answer.text
    with built.database.read() as session:
        assert not latest_forecasts(session)


def test_what_was_written_is_on_the_accounts_page(app: Build) -> None:
    built = app()
    client = built.signed_in("csm")
    write(built.database, NoteEntry(text="They asked for a review"), OWN, "lead")
    fields = {
        "measure": "health",
        "value": "33",
        "reason": "New sponsor",
        "expires_at": "2026-12-24",
    }
    client.post(f"/accounts/{OWN}/overrides", data=form(client, uuid.uuid4().hex, **fields))
    client.post(f"/accounts/{OWN}/forecasts", data=form(client, uuid.uuid4().hex, call="at_risk"))
    page = client.get(f"/accounts/{OWN}").text
    for text in ("They asked for a review", "Lea Der", "New sponsor", "Health score: 33.0"):
        assert text in page
    assert "Renewal call: At risk" in page
    assert "Champion" in page
    assert "left 2 Oct 2026" in page
    for heading in ("Contracts", "Contacts", "Open tickets", "In the customer’s words", "Timeline"):
        assert f">{heading}</h2>" in page
    assert "1 Dec 2026" in page
    assert client.get(f"/accounts/{OWN}/brief").text.count("<h2>") >= 4


def test_a_week_of_the_batch_is_shown_in_its_order(app: Build, demo: Demo) -> None:
    week = pd.read_parquet(demo.runs[-1] / "my_week.parquet")
    name = week["csm"].value_counts().index[0]
    own = week[week["csm"] == name].sort_values("rank")
    built = app(runs=demo.folder / "runs", capacity=60)
    client = built.signed_in("admin")
    page = client.get("/", params={"csm": name}).text
    assert re.findall(r'action="/accounts/([^/"]+)/actions"', page) == list(own["account_id"])
    # The form writes about a flag that the account has.
    written = re.findall(r'name="flag" value="(\w+)"', page)
    assert written == [flags.split("; ")[0] for flags in own["flags"]]
    for text in own["play"]:
        assert escape(text) in page
