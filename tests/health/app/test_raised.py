"""What is raised with other teams: for a user's own accounts, audited, closed with a date."""

from __future__ import annotations

import json
import shutil
import uuid
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pandas as pd
import pytest
from sqlalchemy import select

from health.app.access.roles import AccountFilter, accounts_of
from health.app.database.models import Closure, Raised
from health.app.reading.voice import mentioning, raised_of
from health.app.records.audit import check_chain
from health.app.records.read import counting
from tests.health.app.company import OTHER, OWN, THEME_NAMES, AppUnderTest, form
from tests.health.app.test_api import program
from tests.health.app.test_records import user

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


def in_a_file(runs: Path, **columns: object) -> Path:
    """Write rows of the table `raised` to a run as the batch would: of a CSM and another."""
    rows = {"kind": "theme", "subject": "slow exports", "raised_with": "product"}
    times = {"raised_at": datetime(2026, 9, 1), "closed_at": pd.NaT, "outcome": None}
    keys = {"author": "Ops", "record_id": None, "closure_id": None}
    table = pd.DataFrame({"account_id": [OWN, OTHER], **rows, **times, **keys, **columns})
    table = table.astype({"raised_at": "datetime64[us]", "closed_at": "datetime64[us]"})
    table.to_parquet(runs / "as_of=2026-11-01" / "raised.parquet", index=False)
    return runs


@pytest.fixture
def runs(runs_dir: Path, tmp_path: Path) -> Path:
    """Runs that a test may change."""
    return Path(shutil.copytree(runs_dir, tmp_path / "own runs", symlinks=True))


SLOW = {"kind": "theme", "subject": "slow exports", "closed_at": "2026-11-01", "outcome": "Faster"}


def status_of(app: AppUnderTest, role: str) -> tuple[int, int, tuple[str, ...]]:
    client = app.signed_in(role)
    assert "slow exports" in client.get("/voice").text
    with app.database.read() as session:
        scope = accounts_of(session, user(app.database, role), csm_sees_team=False)
        (group,) = raised_of(session, app.runs.run(), scope)
    return group.accounts, group.open, group.outcomes


def test_rows_of_a_file_are_closed_from_the_voice_page(app: Build, runs: Path) -> None:
    built = app(runs=in_a_file(runs))
    before = (runs / "as_of=2026-11-01" / "raised.parquet").read_bytes()
    assert post(built, "reader", "/voice/closures", **SLOW) >= 400
    # A CSM closes what is raised for the accounts that they see, a lead the rest.
    assert post(built, "csm", "/voice/closures", **SLOW) == 303
    assert status_of(built, "csm") == (1, 0, ("Faster",))
    assert status_of(built, "lead") == (2, 1, ("Faster",))
    assert post(built, "lead", "/voice/closures", **SLOW) == 303
    assert status_of(built, "lead") == (2, 0, ("Faster",))
    assert "Closed 1 Nov 2026" in built.signed_in("lead").get("/voice").text
    with built.database.read() as session:
        check = check_chain(session)
    assert check.entries == 2 and not check.faults
    assert (runs / "as_of=2026-11-01" / "raised.parquet").read_bytes() == before


@pytest.mark.slow
def test_a_row_of_a_file_is_closed_from_the_account_and_undone(app: Build, runs: Path) -> None:
    built = app(runs=in_a_file(runs))
    client = built.signed_in("csm")
    assert "Close: slow exports" in client.get(f"/accounts/{OWN}").text
    assert post(built, "csm", f"/accounts/{OTHER}/closures", **SLOW) == 404
    assert post(built, "csm", f"/accounts/{OWN}/closures", **SLOW) == 303
    assert "Close: slow exports" not in client.get(f"/accounts/{OWN}").text
    with built.database.read() as session:
        record = session.scalars(select(Closure)).one()
    # A later run has read the closure; undoing it opens the row again all the same.
    closed = {"closed_at": datetime(2026, 11, 1), "outcome": "Faster", "closure_id": record.id}
    in_a_file(runs, **closed)
    assert post(built, "csm", f"/records/closures/{record.id}/undo") == 303
    assert "Close: slow exports" in client.get(f"/accounts/{OWN}").text
    # What the file itself closes stays closed.
    in_a_file(runs, **{**closed, "closure_id": None})
    assert "Close: slow exports" not in client.get(f"/accounts/{OWN}").text


def test_programs_read_what_is_open_and_close_it(app: Build, runs: Path) -> None:
    built = app(runs=in_a_file(runs))
    client = program(built)
    (found,) = client.get(f"/api/v1/accounts/{OWN}").json()["open_raised"]
    assert (found["subject"], found["raised_with"]) == ("slow exports", "product")
    body = {**SLOW, "closed_at": "2026-11-01T00:00:00", "request_id": "c" * 32}
    first = client.post(f"/api/v1/accounts/{OWN}/closures", json=body)
    assert first.status_code == 201
    assert client.post(f"/api/v1/accounts/{OWN}/closures", json=body).json() == first.json()
    assert client.get(f"/api/v1/accounts/{OWN}").json()["open_raised"] == []
    (group,) = client.get("/api/v1/voice").json()["raised"]
    assert (group["open"], group["closed"]) == (0, "2026-11-01T00:00:00")


def test_what_was_raised_is_shown_without_comments(app: Build, runs: Path) -> None:
    info = runs / "as_of=2026-11-01" / "run.json"
    run = json.loads(info.read_text())
    del run["voice"]
    info.write_text(json.dumps(run))
    for file in ("voice_comments", "voice_themes"):
        (info.parent / f"{file}.parquet").unlink()
    html = app(runs=in_a_file(runs, kind="reason", subject="tickets_backlog"))
    assert "Raised with other teams" in html.signed_in("csm").get("/voice").text


def test_a_theme_that_no_account_mentions_is_refused(app: Build) -> None:
    built = app()
    assert post(built, "lead", "/voice/raised", theme="nothing", raised_with="sales") >= 400
    assert mentioning(built.runs.run(), EVERYTHING, "nothing") == []
