"""What is raised with other teams: for a user's own accounts, audited, closed with a date."""

from __future__ import annotations

import uuid
from collections.abc import Callable

from sqlalchemy import select

from health.app.access.roles import AccountFilter
from health.app.database.models import Closure, Raised
from health.app.reading.voice import mentioning, raised_of
from health.app.records.audit import check_chain
from health.app.records.read import counting
from health.business.app_tables import with_app_tables
from tests.health.app.company import OTHER, OWN, THEME_NAMES, AppUnderTest, form

Build = Callable[..., AppUnderTest]
THEME = THEME_NAMES[0]
EVERYTHING = AccountFilter(everything=True)


def post(app: AppUnderTest, role: str, path: str, **fields: str) -> int:
    client = app.signed_in(role)
    return client.post(path, data=form(client, uuid.uuid4().hex, **fields)).status_code


def raised_for(app: AppUnderTest) -> set[str]:
    with app.database.read() as session:
        return set(session.scalars(select(Raised.account_id)))


def test_a_theme_is_raised_for_the_accounts_of_the_user_alone(app: Build) -> None:
    built = app()
    assert post(built, "csm", "/voice/raised", theme=THEME, raised_with="product") == 303
    found = raised_for(built)
    assert OWN in found and OTHER not in found
    html = built.signed_in("csm").get("/voice").text
    assert f"{len(found)} open" in html and "<b>late</b>" not in html
    # A lead sees the same rows; whoever sees none of the accounts sees nothing of it.
    assert f"{len(found)} open" in built.signed_in("lead").get("/voice").text
    assert "open</td>" not in built.signed_in("colleague").get("/voice").text
    with built.database.read() as session:
        check = check_chain(session)
    assert check.entries == len(found) and not check.faults


def test_it_is_closed_with_a_date_and_what_came_of_it(app: Build) -> None:
    built = app()
    post(built, "csm", "/voice/raised", theme=THEME, raised_with="product")
    closed = {
        "kind": "theme",
        "subject": THEME,
        "closed_at": "2026-11-01",
        "outcome": "<i>Fixed</i>",
    }
    assert post(built, "csm", "/voice/closures", **{**closed, "closed_at": "2026-11-03"}) >= 400
    assert post(built, "csm", "/voice/closures", **closed) == 303
    html = built.signed_in("csm").get("/voice").text
    assert "Closed 1 Nov 2026" in html and "&lt;i&gt;Fixed&lt;/i&gt;" in html
    # Nothing is open any more.
    assert post(built, "csm", "/voice/closures", **closed) >= 400
    with built.database.read() as session:
        assert len(list(session.scalars(counting(Closure)))) == len(raised_for(built))


def test_a_reason_of_an_account_is_raised_closed_and_undone(app: Build) -> None:
    built = app()
    path = f"/accounts/{OWN}"
    about = "reason:tickets_backlog"
    assert post(built, "csm", f"{path}/raised", about=about, raised_with="support") == 303
    html = built.signed_in("csm").get(path).text
    assert "Raised with support" in html and "Close: " in html
    assert post(built, "csm", f"{path}/raised", about="rumour:x", raised_with="support") >= 400
    assert post(built, "csm", f"{path}/raised", about=about, raised_with="legal") >= 400
    with built.database.read() as session:
        record = session.scalars(select(Raised)).one()
    assert post(built, "csm", f"/records/raised/{record.id}/undo") == 303
    assert "Close: " not in built.signed_in("csm").get(path).text
    with built.database.read() as session:
        run = built.runs.run()
        assert raised_of(session, run, EVERYTHING) == []


def test_the_batch_reads_what_was_raised_and_closed(app: Build) -> None:
    built = app()
    post(built, "csm", f"/accounts/{OWN}/raised", about=f"theme:{THEME}", raised_with="product")
    closed = {"kind": "theme", "subject": THEME, "closed_at": "2026-11-01", "outcome": "Fixed"}
    post(built, "csm", f"/accounts/{OWN}/closures", **closed)
    with built.database.read() as session:
        url = session.get_bind().engine.url.render_as_string(hide_password=False)
    settings = built.app.config.app.model_copy(update={"database": url})
    runs_dir, base = built.app.config.runs_dir, built.app.config.base
    tables, prepare = with_app_tables({}, settings, runs_dir=runs_dir, base=base)
    assert "raised" in tables and prepare is not None


def test_a_theme_that_no_account_mentions_is_refused(app: Build) -> None:
    built = app()
    assert post(built, "lead", "/voice/raised", theme="nothing", raised_with="sales") >= 400
    assert mentioning(built.runs.run(), EVERYTHING, "nothing") == []
