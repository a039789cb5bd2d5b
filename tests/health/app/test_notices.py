"""`health notify`: to a real mail server and a real web server, once per run."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from pydantic import ValidationError

from features.errors import HealthError
from health.app.access.users import add_user, disable_user
from health.app.database.engine import Database, open_database
from health.app.database.models import Notice
from health.app.notices.send import Delivery, notify
from health.app.reading.runs import Runs
from health.app.records.entries import ActionEntry
from health.app.records.erase import erase_person
from health.app.records.write import write_entry
from health.settings.notify import NotifyConfig
from tests.health.app.company import NOW, config_of
from tests.health.app.receivers import (
    LOGIN,
    PASSWORD,
    Hook,
    mail_server,
    web_server,
    write_certificate,
)
from tests.health.app.test_records import user
from tests.health.app.test_web import Inert
from tests.health.conftest import call_health

CHLOE, VIKTOR = "chloe@example.com", "viktor@example.com"
ADDRESSES = {"Chloe Okafor": CHLOE, "Viktor Ueda": VIKTOR}
Notify = Callable[..., dict[str, Delivery]]


@pytest.fixture
def send(database: Database, runs_dir: Path, tmp_path: Path) -> Notify:
    """Run `notify` with settings of `[notify]`; returns what happened by CSM."""

    def run(settings: dict[str, Any], **options: Any) -> dict[str, Delivery]:
        config = config_of(runs_dir, tmp_path, notify=settings, app={"url": "https://app.test"})
        runs = Runs(config.runs_dir, config.file)
        try:
            return {d.csm: d for d in notify(config, database, runs, now=NOW, **options)}
        finally:
            runs.close()

    return run


def by_mail(port: int, **smtp: Any) -> dict[str, Any]:
    server = {"host": "127.0.0.1", "port": port, "security": "none", "sender": "health@app.test"}
    return {"via": "smtp", "addresses": ADDRESSES, "smtp": {**server, **smtp}}


def to_hook(hook: Hook, **webhook: Any) -> dict[str, Any]:
    return {"via": "webhook", "addresses": ADDRESSES, "webhook": {"url": hook.url, **webhook}}


def statuses(found: dict[str, Delivery]) -> dict[str, str]:
    return {csm: found[csm].status for csm in ADDRESSES}


@pytest.mark.slow
def test_each_csm_gets_their_own_week_once(send: Notify) -> None:
    with mail_server() as box:
        found = send(by_mail(box.port))
        assert statuses(found) == dict.fromkeys(ADDRESSES, "sent")
        assert box.to() == [CHLOE, VIKTOR]
        mail = next(m for m in box.mails if m["To"] == CHLOE)
        text = mail.get_body(("plain",))
        page = mail.get_body(("html",))
        assert text is not None
        assert page is not None
        notice = found["Chloe Okafor"].notice
        assert mail["Subject"] == f"Your week: {len(notice.rows)} accounts"
        for row in notice.rows:
            assert f"https://app.test/accounts/{row.account_id}" in text.get_content()
            assert f"https://app.test/accounts/{row.account_id}" in page.get_content()
        theirs = {row.account_id for row in found["Viktor Ueda"].notice.rows}
        assert theirs
        assert not any(account in text.get_content() for account in theirs)
        # The others have no address: that is reported, and nothing is sent.
        others = {d.status for csm, d in found.items() if csm not in ADDRESSES}
        assert others <= {"no address", "nothing to do"}
        again = send(by_mail(box.port))
        assert statuses(again) == dict.fromkeys(ADDRESSES, "sent before")
        assert len(box.mails) == 2
        send(by_mail(box.port), again=True, csms=["Chloe Okafor"])
        assert box.to() == [CHLOE, CHLOE, VIKTOR]


@pytest.mark.slow
def test_another_run_is_another_week(send: Notify, runs_dir: Path) -> None:
    days = sorted(folder.name.removeprefix("as_of=") for folder in runs_dir.glob("as_of=*"))
    with mail_server() as box:
        assert send(by_mail(box.port))["Chloe Okafor"].status == "sent"
        earlier = send(by_mail(box.port), as_of=date.fromisoformat(days[-2]))["Chloe Okafor"]
        assert earlier.status in {"sent", "nothing to do"}
        assert len(box.mails) >= 2


def test_hostile_names_are_inert_in_messages(send: Notify) -> None:
    with mail_server() as box:
        send(by_mail(box.port))
        for mail in box.mails:
            page = mail.get_body(("html",))
            assert page is not None
            content = page.get_content()
            assert "<script" not in content
            assert "<img" not in content
            faults = [f for f in Inert.faults_of(content) if f != "style"]
            assert [f for f in faults if not f.startswith("https://app.test/")] == []
            assert set(mail.keys()) >= {"Subject", "From", "To", "Date", "Message-ID"}
            assert "Bcc" not in mail


@pytest.mark.slow
def test_what_is_done_is_not_in_the_message(send: Notify, database: Database) -> None:
    with mail_server() as box:
        before = send(by_mail(box.port), dry_run=True)["Chloe Okafor"].notice.rows
        for row in before:
            write_entry(
                database,
                ActionEntry(action="called"),
                account_id=row.account_id,
                user=user(database),
                request_id=uuid.uuid4().hex,
                now=NOW,
            )
        assert send(by_mail(box.port))["Chloe Okafor"].status == "nothing to do"
        assert box.to() == [VIKTOR]


def test_a_dry_run_sends_and_records_nothing(send: Notify, database: Database) -> None:
    with mail_server() as box:
        for settings in (
            {"addresses": ADDRESSES},
            by_mail(box.port, password="$NOT_SET", user="x", security="tls"),
        ):
            found = send(settings, dry_run=True)
            assert statuses(found) == dict.fromkeys(ADDRESSES, "to send")
        assert box.mails == []
    with database.read() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(Notice)) == 0


def test_the_login_of_a_user_is_an_address_too(send: Notify, database: Database) -> None:
    add_user(database, "Chloe@New.example", role="csm", csm="Chloe Okafor", now=NOW)
    add_user(database, "gone@example.com", role="csm", csm="Viktor Ueda", now=NOW)
    disable_user(database, "gone@example.com", now=NOW)
    with mail_server() as box:
        found = send({**by_mail(box.port), "addresses": {}})
        assert box.to() == ["chloe@new.example"]
        assert found["Viktor Ueda"].status == "no address"


@pytest.mark.slow
def test_one_refused_address_does_not_stop_the_others(send: Notify) -> None:
    with mail_server() as box:
        box.unknown = CHLOE
        found = send(by_mail(box.port))
        assert statuses(found) == {"Chloe Okafor": "not sent", "Viktor Ueda": "sent"}
        assert "no such person here" in found["Chloe Okafor"].detail
        box.unknown = ""
        found = send(by_mail(box.port))
        assert statuses(found) == {"Chloe Okafor": "sent", "Viktor Ueda": "sent before"}
        assert box.to() == [CHLOE, VIKTOR]


@pytest.mark.slow
def test_what_may_have_arrived_is_not_sent_again_unless_asked(send: Notify) -> None:
    with mail_server() as box:
        box.hangs_up = CHLOE
        found = send(by_mail(box.port))
        assert statuses(found) == {"Chloe Okafor": "unknown", "Viktor Ueda": "sent"}
        box.hangs_up = ""
        found = send(by_mail(box.port))
        assert found["Chloe Okafor"].status == "unknown"
        assert "--again" in found["Chloe Okafor"].detail
        assert box.to() == [CHLOE, VIKTOR]
        assert send(by_mail(box.port), again=True)["Chloe Okafor"].status == "sent"


@pytest.mark.slow
def test_a_server_that_is_not_there_is_named(send: Notify) -> None:
    with mail_server() as box:
        port = box.port
    found = send(by_mail(port))
    assert statuses(found) == dict.fromkeys(ADDRESSES, "not sent")
    with mail_server() as box:
        assert statuses(send(by_mail(box.port))) == dict.fromkeys(ADDRESSES, "sent")


@pytest.mark.slow
def test_two_at_the_same_time_send_once(
    send: Notify, database: Database, runs_dir: Path, tmp_path: Path
) -> None:
    with mail_server() as box, ThreadPoolExecutor() as pool:
        runs = [pool.submit(send, by_mail(box.port)) for _ in range(4)]
        found = [run.result()["Chloe Okafor"].status for run in runs]
        assert box.to() == [CHLOE, VIKTOR]
        assert found.count("sent") == 1


@pytest.mark.slow
def test_a_login_over_an_encrypted_connection(
    send: Notify, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = write_certificate(tmp_path)
    (tmp_path / "password").write_text(f"{PASSWORD}\n", encoding="utf-8")
    secure = {"security": "starttls", "user": LOGIN, "password": "file:password"}
    with mail_server(certificate=certificate) as box:
        # A certificate that nobody has signed is refused.
        refused = send(by_mail(box.port, **secure))["Chloe Okafor"]
        assert (refused.status, "certificate" in refused.detail) == ("not sent", True)
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        (tmp_path / "password").write_text("wrong-s3cret", encoding="utf-8")
        refused = send(by_mail(box.port, **secure))["Chloe Okafor"]
        assert refused.status == "not sent"
        assert "wrong-s3cret" not in refused.detail
        (tmp_path / "password").write_text(PASSWORD, encoding="utf-8")
        assert statuses(send(by_mail(box.port, **secure))) == dict.fromkeys(ADDRESSES, "sent")


def test_a_webhook_gets_each_week_as_json_once(send: Notify) -> None:
    with web_server() as hook:
        found = send(to_hook(hook))
        sent = [d for d in found.values() if d.status == "sent"]
        assert len(sent) == len(hook.bodies) == len(set(hook.keys))
        body = next(b for b in hook.bodies if b["csm"] == "Chloe Okafor")
        assert body["email"] == CHLOE
        rows = found["Chloe Okafor"].notice.rows
        assert [a["account_id"] for a in body["accounts"]] == [row.account_id for row in rows]
        send(to_hook(hook))
        assert len(hook.bodies) == len(sent)


def test_a_message_for_slack_keeps_names_plain(send: Notify) -> None:
    with web_server() as hook:
        send(to_hook(hook, shape="slack"))
        text = "\n".join(body["text"] for body in hook.bodies)
        assert "<https://app.test/accounts/" in text
        assert "<script" not in text
        assert "<!channel>" not in text


@pytest.mark.parametrize("status", [302, 404, 500])
def test_a_webhook_that_refuses_gets_it_again(send: Notify, status: int) -> None:
    with web_server() as hook:
        hook.status = status
        found = send(to_hook(hook), csms=["Chloe Okafor"])["Chloe Okafor"]
        assert (found.status, str(status) in found.detail) == ("not sent", True)
        assert len(hook.bodies) == 1
        hook.status = 204
        assert send(to_hook(hook), csms=["Chloe Okafor"])["Chloe Okafor"].status == "sent"


def test_a_webhook_that_does_not_answer_may_have_taken_it(send: Notify) -> None:
    with web_server() as hook:
        hook.waits = 2
        only = {"csms": ["Chloe Okafor"]}
        assert send(to_hook(hook, timeout_s=0.2), **only)["Chloe Okafor"].status == "unknown"
        assert send(to_hook(hook), **only)["Chloe Okafor"].status == "unknown"
        assert len(hook.bodies) == 1


def test_an_erased_person_is_in_no_notice(send: Notify, database: Database) -> None:
    with mail_server() as box:
        send(by_mail(box.port))
    erase_person(database, "csm", now=NOW)
    with database.read() as session:
        assert "Chloe Okafor" not in set(session.scalars(sa.select(Notice.csm)))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"via": "smtp"}, r"needs smtp\.host and smtp\.sender"),
        ({"via": "webhook"}, r"needs webhook\.url"),
        ({"addresses": {"Chloe": "chloe"}}, "not an email address: Chloe"),
        ({"smtp": {"user": "x", "password": "hunter22"}}, "variable"),
        ({"smtp": {"user": "x"}}, "given together"),
        ({"smtp": {"user": "x", "password": "$X", "security": "none"}}, "a password needs"),
        ({"webhook": {"url": "http://hooks.example.com/x"}}, "starts with https"),
        ({"webhook": {"url": "https://me:hunter22@hooks.example.com/x"}}, "password"),
    ],
)
def test_an_incomplete_configuration_is_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        NotifyConfig.model_validate(settings)


def test_nothing_is_sent_by_default(send: Notify) -> None:
    with pytest.raises(HealthError, match="no way to send is configured"):
        send({})
    with pytest.raises(HealthError, match="no CSM of the run"):
        send({}, csms=["Nobody"])


@pytest.mark.slow
def test_the_command_sends_reports_and_keeps_the_secret(
    runs_dir: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    file, database = tmp_path / "health.toml", f"sqlite:///{tmp_path / 'app.sqlite'}"
    open_database(database, now=NOW).close()
    with web_server() as hook:
        # The path of a webhook is its secret.
        secret = f"{hook.url}/T0-s3cret-path"
        monkeypatch.setenv("HOOK_URL", secret)
        file.write_text(
            f"runs_dir = {json.dumps(str(runs_dir))}\n"
            f'[app]\ndatabase = "{database}"\n'
            '[tables.accounts]\npath = "a.csv"\n[tables.subscriptions]\npath = "s.csv"\n'
            '[notify]\nvia = "webhook"\n[notify.webhook]\nurl = "$HOOK_URL"\n',
            encoding="utf-8",
        )
        done = call_health("notify", file, "--dry-run")
        assert (done.code, "to send" in done.out + done.err) == (0, True)
        assert hook.bodies == []
        hook.status = 500
        done = call_health("notify", file)
        assert done.code == 2
        assert "not sent" in done.out + done.err
        assert "status 500" in done.out + done.err
        hook.status = 200
        count = len(hook.bodies)
        assert call_health("notify", file).code == 0
        done = call_health("notify", file)
        assert (done.code, "sent before" in done.out + done.err) == (0, True)
        assert len(hook.bodies) == 2 * count
        monkeypatch.setenv("HOOK_URL", "ftp://T0-s3cret-path")
        done = call_health("notify", file)
        assert (done.code, "s3cret" in done.out + done.err) == (2, False)
