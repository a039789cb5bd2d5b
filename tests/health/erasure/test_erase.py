"""An erased customer or person is in nothing that is stored, and the rest works as before."""

from __future__ import annotations

import base64
import gzip
import json
import re
import shutil
import sqlite3
import unicodedata
import zipfile
import zlib
from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from health.erasure.stored_files import Erased, erase_from_file, mentions
from health.erasure.stored_runs import OUTDATED, erase_from_run
from health.erasure.subject import ERASED, Subject
from health.runs.directory import PublishedRun, list_runs
from health.weekly.pages import stored_content, write_pages
from tests.health.conftest import Demo, call_health
from tests.health.run_files import FILES

#: Details of accounts in a report.
PACKED = re.compile(rb'id="details">([^<]+)<')
PUBLISH = '\n[publish]\nurl = "sqlite:///warehouse.sqlite"\n'
#: The company's own: they are not changed.
OWN = ("tables", "truth.parquet", "health.toml")


def _contents(folder: Path) -> Iterator[tuple[Path, str]]:
    """Yield all that is stored as text: tables, archives and compressed models unpacked."""
    for file in sorted(p for p in folder.rglob("*") if p.is_file()):
        if file.relative_to(folder).parts[0] in OWN:
            continue
        raw = file.read_bytes()
        parts = [raw]
        parts += [gzip.decompress(base64.b64decode(found)) for found in PACKED.findall(raw)]
        if file.suffix == ".parquet":
            parts.append(pd.read_parquet(file).to_csv().encode())
        elif file.suffix == ".xlsx":
            with zipfile.ZipFile(file) as archive:
                parts += [archive.read(name) for name in archive.namelist()]
        elif file.suffix == ".joblib":
            parts.append(zlib.decompress(raw))
        yield file, b"\n".join(parts).decode("utf-8", "replace")


def _mentioning(folder: Path, *words: str) -> list[str]:
    return [str(f) for f, text in _contents(folder) if any(word in text for word in words)]


@pytest.fixture
def company(demo: Demo, tmp_path: Path) -> Path:
    """The demo company, published, with a replaced run, actions and a backup of the app."""
    folder = tmp_path / "company"
    shutil.copytree(demo.folder, folder, symlinks=True)
    config = folder / "health.toml"
    config.write_text(config.read_text() + PUBLISH)
    newest = list_runs(folder / "runs")[-1].folder
    shutil.copytree(newest, folder / "runs" / "replaced" / f"{newest.name}.1")
    return folder


def record_of(company: Path) -> dict[str, Any]:
    """Return the record of the last erasure."""
    lines = (company / "runs" / "erasures.jsonl").read_text().splitlines()
    record: dict[str, Any] = json.loads(lines[-1])
    return record


@pytest.mark.slow
def test_an_erased_account_is_in_nothing_that_is_left(company: Path) -> None:
    config = company / "health.toml"
    scores = pd.read_parquet(company / "runs" / "latest" / "scores.parquet")
    flags = pd.read_parquet(company / "runs" / "latest" / "flags.parquet")
    account, name = (
        scores.set_index("account_id")
        .loc[[flags["account_id"].iloc[0]], "name"]
        .reset_index()
        .iloc[0]
    )
    others = scores["account_id"].iloc[1:3].tolist()
    pd.DataFrame(
        {
            "account_id": [account, others[0]],
            "action": "called",
            "at": "2026-10-30",
            "reason": ["x", f"knows {name} well"],
        }
    ).to_csv(company / "actions.csv", index=False)
    assert call_health("publish", config).code == 0
    with sqlite3.connect(company / "runs" / "app.before_0001_2026.sqlite") as backup:
        backup.execute("CREATE TABLE notes (id TEXT, account_id TEXT, text TEXT)")
        backup.execute("INSERT INTO notes VALUES ('1', ?, 'x'), ('2', 'b', ?)", (account, name))
    backup.close()
    before = _mentioning(company, account, name)
    assert len(before) > 20
    done = call_health("erase", config, account)
    assert done.code == 0, done.err
    assert account not in done.out
    assert name not in done.out
    assert _mentioning(company, account, name) == []
    kept = pd.read_csv(company / "actions.csv")
    assert kept["reason"].tolist() == [f"knows {ERASED} well"]
    for run in list_runs(company / "runs"):
        assert len(run.table("scores")) > 90
        # Pages are written again, with everything else that they had.
        assert [f for f in FILES if not (run.folder / f).is_file()] == []
        report = (run.folder / "report.html").read_text()
        assert "<h2>Retention</h2>" in report
        assert others[0] in report
        with zipfile.ZipFile(run.folder / "flags.xlsx") as archive:
            assert archive.testzip() is None
    assert "Removed:" not in done.out
    record = record_of(company)
    assert record["kind"] == "account"
    assert record["rows"] > 20
    # The champion still opens, under its new name, and the rest is explained as before.
    assert call_health("models", config).code == 0
    assert call_health("explain", config, others[1]).code == 0
    again = call_health("erase", config, account)
    assert again.code == 0
    assert "0 rows" in again.out


@given(st.text(max_size=40))
def test_no_text_is_changed_where_nobody_is_mentioned(text: str) -> None:
    subject = Subject("account", "1234", ("Acme & Sons",))
    if "Acme & Sons" not in text:
        assert subject.freed(text) == text


NAMES = ("Café & Sons", "Box")


@pytest.mark.parametrize(
    "text",
    [
        "We at CAFÉ & SONS are content",
        "café &\n  sons",
        unicodedata.normalize("NFD", "by Café & Sons."),
        "Café\xa0&\xa0Sons",
        "the contact of BOX, A-12",
    ],
)
def test_a_name_is_found_in_any_spelling(text: str) -> None:
    subject = Subject("account", "A-1", NAMES)
    assert subject.is_in(text)
    assert not subject.is_in(subject.freed(text))


@pytest.mark.parametrize(
    "text", ["a box of tickets", "A-12", "a-1", "XA-1", "Boxes", "Cafés & Sons"]
)
def test_other_words_and_identifiers_stay(text: str) -> None:
    assert Subject("account", "A-1", NAMES).freed(text) == text


@pytest.mark.parametrize("name", ["events.jsonl", "run.json", "page.html", "notes.txt"])
def test_a_name_is_found_however_a_file_writes_it(tmp_path: Path, name: str) -> None:
    subject, file = Subject("account", "A-1", NAMES), tmp_path / name
    texts = {
        "events.jsonl": json.dumps({"a": NAMES[0]}) + '\nno JSON\n{"a": "\\ud83d A-1"}\n',
        "run.json": json.dumps({"warnings": [f"{NAMES[0]} is new", 1.5]}),
        "page.html": "<p>caf&#233; &amp; Sons</p>",
        "notes.txt": f"{NAMES[0]} called",
    }
    file.write_text(texts[name])
    assert mentions(file, subject)
    erase_from_file(file, subject, Erased())
    assert not file.exists() or not mentions(file, subject)
    if name == "events.jsonl":
        assert file.read_text().split("\n")[1] == "no JSON"


def test_longer_identifiers_and_names_of_others_stay() -> None:
    known = ["A-1", "A-1-EU", "A-10", "Acme", "ACME", "Acme Labs", "jo-A-1"]
    subject = Subject("account", "A-1", ("Acme",)).among(known)
    text = "A-1-EU, acme  labs and jo-A-1"
    assert subject.freed(text) == text and not subject.is_in(text)
    assert subject.freed("A-1-EU like A-1 and A-1-X01; ACME") == (
        f"A-1-EU like {ERASED} and {ERASED}-X01; {ERASED}"
    )
    rows = pd.DataFrame({"account_id": ["A-1", "A-1-EU"], "name": ["Acme", "Acme Labs"]})
    freed, changed = subject.freed_table(rows)
    assert changed == 1 and freed.to_dict("records") == [
        {"account_id": "A-1-EU", "name": "Acme Labs"}
    ]


@pytest.mark.slow
def test_a_version_that_is_a_link_is_freed_where_it_is(company: Path, tmp_path: Path) -> None:
    version = next(file.parent for file in (company / "models").glob("*/manifest.json"))
    version.rename(tmp_path / "elsewhere")
    version.symlink_to(tmp_path / "elsewhere")
    done = call_health("erase", company / "health.toml", "ACC-00001")
    assert done.code == 0, done.err
    assert not version.is_symlink() and not (tmp_path / "elsewhere").exists()


@pytest.mark.slow
def test_an_id_that_nothing_has_is_reported(company: Path) -> None:
    done = call_health("erase", company / "health.toml", "acc-00002")
    assert done.code == 0, done.err
    assert "nothing that is stored has this id" in done.out + done.err
    assert "did you mean ACC-00002?" in " ".join((done.out + done.err).split())


def test_rows_are_removed_by_identifier_and_mentions_replaced() -> None:
    subject = Subject("account", "A-1", ("Acme",))
    table = pd.DataFrame(
        {
            "account_id": ["A-1", "A-10", "B"],
            "parent_id": [None, "A-1", None],
            "text": ["x", "Acme's sister", "Acmeological"],
            "at": [datetime(2026, 1, 1)] * 3,
        }
    )
    freed, rows = subject.freed_table(table)
    assert freed["account_id"].tolist() == ["A-10", "B"]
    assert freed["parent_id"].tolist() == [ERASED, None]
    assert freed["text"].tolist() == [f"{ERASED}'s sister", "Acmeological"]
    assert rows == 3
    person = Subject("person", "u-7")
    contacts = pd.DataFrame({"account_id": ["B", "B"], "contact_id": ["u-7", "u-8"]})
    assert person.freed_table(contacts)[0]["contact_id"].tolist() == ["u-8"]


@pytest.mark.slow
def test_a_stopped_erasure_still_knows_the_name(company: Path) -> None:
    config, runs = company / "health.toml", company / "runs"
    scores = list_runs(runs)[-1].table("scores")
    account, name, other = *scores.loc[0, ["account_id", "name"]], scores.loc[1, "account_id"]
    actions = {"account_id": [other], "action": "called", "at": "2026-10-30", "reason": [name]}
    pd.DataFrame(actions).to_csv(company / "actions.csv", index=False)
    # The runs are freed when this is found out.
    lock = company / ".actions.csv.lock"
    lock.mkdir()
    stopped = call_health("erase", config, account)
    assert stopped.code == 2, stopped.err
    assert name not in list_runs(runs)[-1].table("scores")["name"].tolist()
    lock.rmdir()
    done = call_health("erase", config, account)
    assert done.code == 0, done.err
    assert _mentioning(company, account, name) == []
    assert not (runs / ".erasing").exists()


@pytest.mark.slow
def test_an_erased_person_is_in_nothing_that_is_left(company: Path) -> None:
    config = company / "health.toml"
    newest = list_runs(company / "runs")[-1]
    contact = newest.table("contacts")["contact_id"].iloc[0]
    assert call_health("publish", config).code == 0
    with sqlite3.connect(company / "warehouse.sqlite") as database:
        (published,) = database.execute(
            "SELECT name FROM sqlite_master WHERE name LIKE 'health_reasons_2%'"
        ).fetchone()
        database.execute(f"UPDATE {published} SET text = 'asked ' || ? WHERE rowid = 1", [contact])
        rows = database.execute(f"SELECT count(*) FROM {published}").fetchone()
    database.close()
    assert _mentioning(company, contact)
    done = call_health("erase", config, contact, "--person")
    assert done.code == 0, done.err
    assert contact not in done.out
    assert _mentioning(company, contact) == []
    with sqlite3.connect(company / "warehouse.sqlite") as database:
        first = database.execute(f"SELECT text FROM {published} WHERE rowid = 1").fetchone()
        assert database.execute(f"SELECT count(*) FROM {published}").fetchone() == rows
    database.close()
    assert first == (f"asked {ERASED}",)
    assert contact not in newest.table("contacts")["contact_id"].tolist()


@pytest.mark.slow
def test_a_report_written_again_from_a_run_says_what_it_said(demo: Demo, tmp_path: Path) -> None:
    run = list_runs(demo.folder / "runs")[-1]
    content = stored_content(run, demo.folder / "runs", quotes=3)
    write_pages(tmp_path, content, per_csm=False)
    for page in ("forecast.html", "lists/my_week.csv", "lists/at_risk.csv"):
        assert (tmp_path / page).read_text() == (run.folder / page).read_text(), page
    # Details in the report word tickets a little differently; everything in plain sight is equal.
    made, first = ((f / "report.html").read_text() for f in (tmp_path, run.folder))
    assert PACKED.sub(b"", made.encode()) == PACKED.sub(b"", first.encode())
    voice = (tmp_path / "voice.html").read_text()
    assert voice.count("<blockquote>") > 3
    assert voice.count("<section") == (run.folder / "voice.html").read_text().count("<section")


@pytest.mark.slow
def test_pages_that_cannot_be_written_again_are_removed_with_a_reason(
    demo: Demo, tmp_path: Path
) -> None:
    folder = tmp_path / "runs" / list_runs(demo.folder / "runs")[-1].folder.name
    shutil.copytree(list_runs(demo.folder / "runs")[-1].folder, folder)
    run = list_runs(tmp_path / "runs")[0]
    account = run.table("scores")["account_id"].iloc[0]
    run.table("scores").drop(columns="mrr").to_parquet(folder / "scores.parquet")
    erased = Erased()
    subject = Subject("account", account)
    erase_from_run(run, tmp_path / "runs", subject, erased, quotes=3)
    assert not (folder / "report.html").exists()
    assert "scores.parquet: " in (reason := dict(erased.removed)[folder / "report.html"])
    assert "its columns are not those" in reason
    assert _mentioning(tmp_path, account) == []


@pytest.mark.slow
def test_a_killed_erasure_goes_on_with_the_pages(demo: Demo, tmp_path: Path) -> None:
    folder = tmp_path / "runs" / list_runs(demo.folder / "runs")[-1].folder.name
    shutil.copytree(list_runs(demo.folder / "runs")[-1].folder, folder)
    run = list_runs(tmp_path / "runs")[0]
    account = run.table("scores")["account_id"].iloc[0]
    subject = Subject("account", account)
    # Its tables are free, its pages are not; the mark is what a kill leaves.
    for file in folder.glob("*.parquet"):
        erase_from_file(file, subject, Erased())
    (folder / OUTDATED).touch()
    (folder / ".reasons.parquet.4194999-0a1b2c3d.tmp.parquet").write_bytes(b"PAR1 cut")
    erased = Erased()
    erase_from_run(run, tmp_path / "runs", subject, erased, quotes=3)
    assert folder / "report.html" in erased.rebuilt
    assert list(folder.glob(".*")) == []
    assert _mentioning(tmp_path, account) == []


@pytest.mark.parametrize("kind", ["account", "person"])
def test_words_that_only_they_used_are_in_no_theme(tmp_path: Path, kind: str) -> None:
    """Of phrases that name a theme or are among its terms, those of others stay."""
    folder = tmp_path / "runs" / "as_of=2026-06-07"
    folder.mkdir(parents=True)
    name, renamed = "walküre launch · export slow", "export slow"
    comments = pd.DataFrame(
        {
            "account_id": ["A1", "A1", "A2"],
            "written_at": pd.Timestamp("2026-05-01"),
            "source": "nps",
            "score": [1.0, 2.0, 3.0],
            "respondent_id": ["p1", "p1", "p2"],
            "tone": "negative",
            "themes": json.dumps([name]),
            "comment": ["Walküre launch, export slow", "Walküre again", "The export slow, again"],
        }
    )
    terms = {"walküre": 0.5, "walküre launch": 0.4, "export": 0.3, "export slow": 0.2}
    numbers = dict.fromkeys(("mentions", "share", "recent", "earlier", "impact"), 1.0)
    limits = {"impact_low": 0.0, "impact_high": 2.0, "by_segment": "{}", "by_stage": "{}"}
    texts = {"phrases": name, "terms": json.dumps(terms, ensure_ascii=False)}
    rows = {"account_id": ["A2"], "kind": "theme", "subject": name}
    tables = {
        "voice_comments": comments,
        "voice_themes": pd.DataFrame([{"theme": name, **texts, **numbers, **limits}]),
        "raised": pd.DataFrame({**rows, "raised_with": "product"}),
        "scores": pd.DataFrame({"account_id": ["A1", "A2"], "health_score": 50.0}),
    }
    for table, content in tables.items():
        content.to_parquet(folder / f"{table}.parquet", index=False)
    (folder / "run.json").write_text("{}")
    run = PublishedRun(date(2026, 6, 7), folder)
    subject = Subject(kind, "A1" if kind == "account" else "p1")
    erase_from_run(run, tmp_path / "runs", subject, Erased(), quotes=2)
    assert _mentioning(tmp_path, "walküre", "Walküre", "walk") == []
    themes = run.table("voice_themes").iloc[0]
    assert (themes["theme"], themes["phrases"]) == (renamed, renamed)
    assert json.loads(themes["terms"]) == {"export": 0.3, "export slow": 0.2}
    assert run.table("voice_comments")["themes"].tolist() == [json.dumps([renamed])]
    assert run.table("raised")["subject"].tolist() == [renamed]


@pytest.mark.slow
def test_what_a_person_wrote_is_removed_where_nobody_is_named(demo: Demo, tmp_path: Path) -> None:
    folder = tmp_path / "runs" / list_runs(demo.folder / "runs")[-1].folder.name
    shutil.copytree(list_runs(demo.folder / "runs")[-1].folder, folder)
    run = list_runs(tmp_path / "runs")[0]
    comments = run.table("voice_comments").dropna(subset=["respondent_id"])
    # A person whose words and name are in no other's.
    every = run.table("voice_comments")

    def is_one(name: str, text: str) -> bool:
        return every[name].str.contains(text, regex=False).sum() == 1

    own = next(
        row
        for _, row in comments.iterrows()
        if is_one("comment", row["comment"]) and is_one("respondent_id", row["respondent_id"])
    )
    assert _mentioning(tmp_path, own["comment"])
    subject = Subject("person", own["respondent_id"])
    erase_from_run(run, tmp_path / "runs", subject, Erased(), quotes=3)
    assert _mentioning(tmp_path, own["comment"], own["respondent_id"]) == []
