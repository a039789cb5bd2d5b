"""Broken tables, configurations, workbooks, models and runs: every command ends in a message.

    uv run python -m tests.benchmarks.trust_fuzz DEMO --first 0 --last 400

DEMO is a folder that `health demo` made; it is copied. Each case is a seed: it breaks one file in
one way and runs a command on it. Exit 1 and a line per case that left a traceback, took more than
10 seconds of processor time, showed the planted secret, changed a published run, or lost something
without a message: rows of a table, answers of a workbook, what a command shows of a damaged run.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import random
import re
import shutil
import signal
import sqlite3
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd
from pydantic import BaseModel
from starlette.testclient import TestClient

from health.app.database.engine import open_database
from health.app.reading.runs import Runs
from health.app.routes import site
from health.app.serve import open_app_database
from health.app.web import App
from health.settings.config import Config, load_config
from health.training import registry
from tests.health.conftest import Finished, call_health
from tests.health.workbook.test_outcomes import fill

SECRET = "s3cretPlanted"
MOST_SECONDS = 10.0
#: Seconds of the clock; a busy machine needs several times the processor's.
_MOST_WAITED = 60
#: Rows of the workbook that are filled in.
_FILLED = 5
_NOW = datetime(2026, 11, 3)
#: Pages of the app that show a run.
_PATHS = (
    *("/", "/accounts", "/accounts/ACC-00001", "/accounts/ACC-00001/brief", "/renewals", "/team"),
    *(
        "/expansion",
        "/voice",
        "/trust",
        "/scorecard",
        "/api/v1/week",
        "/api/v1/trust",
        "/api/v1/renewals",
    ),
)
Command = tuple[str | Path, ...]
#: Commands that publish.
_WRITES = ("score", "erase")
#: What people and programs leave in a cell, a value or a name.
ODD = (
    "", " ", "NULL", "nan", "inf", "-1", "1e400", "9" * 400, "0x1F", "1,5", "1.234.567,89",
    "9999-12-31", "0001-01-01", "1901-01-01", "2026-02-30", "26/13/2026", "24:61", "\x00",
    "\x1b[2J", "\u202e", "=cmd|' /C calc'!A0", "x;=1+1", "'; DROP TABLE accounts; --",
    "../../etc/passwd",
    "{{7*7}}", "<script>alert(1)</script>", '"', "'", "\\", "a" * 10_000, "\ud83d", "true", "[]",
)  # fmt: skip


@dataclass(frozen=True)
class Case:
    """What a case broke, and how the command ended."""

    number: int
    what: str
    fault: str


def run_case(demo: Path, number: int) -> Case:
    """Break a copy of a demo company in one way and run the command that reads what was broken."""
    chance = random.Random(f"trust-{number}")
    kind = KINDS[number % len(KINDS)]
    with tempfile.TemporaryDirectory() as name, _copied(demo, Path(name) / "company") as company:
        config = company / "health.toml"
        text = config.read_text()
        config.write_text(text + f'\n[alerts]\nwebhook = "https://ann:{SECRET}@127.0.0.1:1/x"\n')
        before = _published(company)
        what, command = kind(company, chance)
        start = time.process_time()
        try:
            with _limited():
                done = open_pages(config) if command[0] == "pages" else call_health(*command)
        except _HungError:
            return Case(number, what, "waits for ever")
        seconds = time.process_time() - start
        shown = done.out + done.err
        faults = [
            "traceback" if "Traceback" in shown or "internal error" in shown else "",
            f"exit {done.code}" if done.code not in (0, 2, 3) else "",
            f"{seconds:.0f} seconds" if seconds > MOST_SECONDS else "",
            "secret" if SECRET in shown else "",
            "changed a run"
            if kind not in _CHANGES_RUNS
            and command[0] not in _WRITES
            and _published(company) != before
            else "",
            "exit 2 without a message" if done.code == 2 and not done.err.strip() else "",
            _LOSSES[kind](demo, company, command, done) if kind in _LOSSES else "",
        ]
        return Case(number, what, ", ".join(filter(None, faults)))


class _HungError(BaseException):
    """A command that waits, for a pipe or a lock."""


@contextmanager
def _limited() -> Iterator[None]:
    def stop(number: int, frame: object) -> None:
        raise _HungError

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(_MOST_WAITED)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@contextmanager
def _copied(demo: Path, folder: Path) -> Iterator[Path]:
    shutil.copytree(demo, folder, symlinks=True, ignore=shutil.ignore_patterns("rollups"))
    yield folder


def _published(company: Path) -> dict[str, int]:
    files = (company / "runs").glob("as_of=*/*")
    return {str(f.relative_to(company)): f.stat().st_mtime_ns for f in files if f.is_file()}


def _lost_rows(demo: Path, company: Path, command: Command, done: Finished) -> str:
    """Compare the rows that `check` reports of each table with the lines of its file."""
    if done.code != 0 or "warning" in done.out:
        return ""
    for file in sorted((company / "tables").glob("*.csv")):
        shown = re.search(rf"^ {file.stem} +([\d,]+) ", done.out, re.MULTILINE)
        with file.open(encoding="utf-8", newline="") as stream:
            rows = sum(any(cell.strip() for cell in row) for row in csv.reader(stream)) - 1
        if shown is None or int(shown[1].replace(",", "")) != rows:
            return f"reads {shown[1] if shown else 'nothing'} of {rows:,} rows of {file.stem}"
    return ""


def _lost_answers(demo: Path, company: Path, command: Command, done: Finished) -> str:
    """Compare the actions that were imported with the answers that were filled in."""
    file = company / "actions.csv"
    imported = len(pd.read_csv(file)) if file.exists() else 0
    if done.code == 2:
        return f"refused, and {imported} rows were written" if imported else ""
    return "" if imported >= _FILLED else f"imported {imported} of {_FILLED} answers"


def _shown_otherwise(demo: Path, company: Path, command: Command, done: Finished) -> str:
    """Compare what a command shows of a damaged run with what it shows of the intact one."""
    if done.code != 0 or re.search("warning|cannot|damaged|skipped", done.out + done.err):
        return ""
    intact = call_health(*(demo / "health.toml" if p == command[1] else p for p in command))
    return "" if intact.out == done.out else "shows something else without a message"


def _table(company: Path, chance: random.Random) -> tuple[str, Command]:
    file = chance.choice(sorted((company / "tables").glob("*.csv")))
    return f"{file.name}: {_break_text(file, chance)}", ("check", company / "health.toml")


def _configuration(company: Path, chance: random.Random) -> tuple[str, Command]:
    file = company / "health.toml"
    return f"{file.name}: {_break_text(file, chance)}", ("check", file)


def _workbook(company: Path, chance: random.Random) -> tuple[str, Command]:
    file = company / "filled.xlsx"
    shutil.copy(sorted(company.glob("runs/as_of=*/flags.xlsx"))[-1], file)
    for row in range(2, 2 + _FILLED):
        fill(file, "Renewals", row, Outcome="called", Notes=f"answer {row}")
    with zipfile.ZipFile(file) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    part = chance.choice(sorted(parts))
    parts[part], what = _broken(parts[part], chance)
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    if chance.random() < 0.2:
        part, what = "the archive", _break_bytes(file, chance)
    command = ("actions", "import", file, "--config", company / "health.toml")
    return f"workbook, {part}: {what}", command


def _model(company: Path, chance: random.Random) -> tuple[str, Command]:
    files = sorted(p for p in (company / "models").rglob("*") if p.is_file() and p.name != ".lock")
    file = chance.choice(files)
    what = _break_bytes(file, chance)
    version = chance.choice([file.parent.name, "../models", "..", "x" * 300, ""])
    command = ("models", company / "health.toml", "promote", version)
    return f"{file.name}: {what}", command if chance.random() < 0.5 else command[:2]


def _run(company: Path, chance: random.Random) -> tuple[str, Command]:
    files = sorted(p for p in company.glob("runs/as_of=*/*") if p.suffix in (".parquet", ".json"))
    file = chance.choice(files)
    what = _break_bytes(file, chance)
    config = company / "health.toml"
    commands: list[Command] = [
        ("list", config),
        ("explain", config, "ACC-00001"),
        ("portfolio", config),
        ("overrides", config),
    ]
    return f"{file.parent.name}/{file.name}: {what}", chance.choice(commands)


def _setting(company: Path, chance: random.Random) -> tuple[str, Command]:
    """Give a key that exists a value that no one would write."""
    file = company / "health.toml"
    heading, section = chance.choice(_SECTIONS)
    key = chance.choice(sorted(section.model_fields))
    value = chance.choice(
        [
            *map(json.dumps, ODD),
            "-1",
            "0",
            "1e308",
            "inf",
            "nan",
            "[]",
            "{}",
            "9" * 30,
            "1979-05-27",
        ]
    )
    head = f"\n[{heading}]\n" if heading else ""
    text = file.read_text()
    # A key of the top level comes before every section.
    file.write_text(f"{text}{head}{key} = {value}\n" if head else f"{key} = {value}\n{text}")
    return f"{heading}.{key} = {value[:30]}", ("check", file)


def _manifest(company: Path, chance: random.Random) -> tuple[str, Command]:
    """Change a value of a manifest and seal the version again, as an attacker would."""
    old = next(path for path in (company / "models").iterdir() if path.is_dir())
    manifest = json.loads((old / "manifest.json").read_text())
    what = _break_json(manifest, chance)
    name = f"{old.name.rpartition('-')[0]}-{registry.seal(manifest)}"
    folder = old.rename(old.with_name(name))
    (folder / "manifest.json").write_text(json.dumps(manifest))
    (company / "models" / "champion.json").write_text(json.dumps({"version": name}))
    config = company / "health.toml"
    commands: list[Command] = [
        ("models", config),
        ("models", config, "promote", name, "--force", "--reason", "fuzz"),
        ("score", config, "--replace"),
    ]
    return f"manifest, {what}", chance.choices(commands, [4, 4, 1])[0]


def _page(company: Path, chance: random.Random) -> tuple[str, Command]:
    """Break the newest run under the web app."""
    break_run = chance.choice([_run, _stored_table])
    return f"app, {break_run(company, chance)[0]}", ("pages", company / "health.toml")


def open_pages(file: Path) -> Finished:
    """Open every page of the app for reading; exit code 1 where one is an internal error."""
    config = load_config(file)
    database, runs = open_app_database(config, now=_NOW), Runs(config.runs_dir, file)
    try:
        app = App(config, database, runs, lambda: _NOW)
        with TestClient(
            site(app),
            base_url="http://127.0.0.1",
            client=("127.0.0.1", 50000),
            raise_server_exceptions=False,
        ) as browser:
            answers = {path: browser.get(path) for path in _PATHS}
    finally:
        runs.close()
        database.close()
    failed = [path for path, answer in answers.items() if answer.status_code == 500]
    shown = "\n".join(answer.text for answer in answers.values())
    return Finished(int(bool(failed)), shown, f"internal error in {failed}" if failed else "")


def _stored_table(company: Path, chance: random.Random) -> tuple[str, Command]:
    """Change a table or run.json of a run in a way that keeps the file readable."""
    run = chance.choice(sorted(company.glob("runs/as_of=*")))
    config = company / "health.toml"
    if chance.random() < 0.4:
        info = json.loads((run / "run.json").read_text())
        what = f"run.json, {_break_json(info, chance)}"
        (run / "run.json").write_text(json.dumps(info))
    else:
        file = chance.choice(sorted(run.glob("*.parquet")))
        table = pd.read_parquet(file)
        column = chance.choice(list(table.columns))
        how = chance.choice(["dropped", "text", "empty", "no rows", "number"])
        if how == "dropped":
            table = table.drop(columns=column)
        elif how == "no rows":
            table = table.head(0)
        else:
            values = {"text": chance.choice(ODD).replace("\ud83d", "?"), "empty": None, "number": 7}
            table = table.assign(**{column: values[how]})
        table.to_parquet(file)
        what = f"{file.name}, {column}: {how}"
    commands: list[Command] = [
        ("list", config),
        ("explain", config, "ACC-00001"),
        ("portfolio", config),
        ("overrides", config),
        ("erase", config, "ACC-00001"),
    ]
    return f"{run.name}/{what}", chance.choices(commands, [4, 4, 4, 4, 1])[0]


def _app_database(company: Path, chance: random.Random) -> tuple[str, Command]:
    """Break the app's database, as bytes or by SQL."""
    file, config = company / "runs" / "app.sqlite", company / "health.toml"
    open_database(f"sqlite:///{file}", now=_NOW).close()
    if chance.random() < 0.5:
        what = _break_bytes(file, chance)
    else:
        with closing(sqlite3.connect(file)) as database:
            query = "SELECT name FROM sqlite_master WHERE type = 'table'"
            table = chance.choice(sorted(name for (name,) in database.execute(query)))
            what = chance.choice(
                [
                    f"DROP TABLE {table}",
                    f"ALTER TABLE {table} RENAME TO gone",
                    f"DELETE FROM {table}",
                ]
            )
            database.execute(what)
            database.commit()
    commands: list[Command] = [("users", "list", config), ("check", config)]
    return f"app.sqlite, {what}", chance.choice(commands)


def _break_json(value: Any, chance: random.Random) -> str:
    """Replace a value somewhere in a JSON object by one of another kind; return where."""
    place, path = value, []
    while True:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        key = chance.choice(keys)
        path.append(str(key))
        inner = place[key]
        if not (isinstance(inner, dict | list) and inner) or chance.random() < 0.3:
            break
        place = inner
    if isinstance(place, dict) and chance.random() < 0.3:
        del place[key]
        return f"{'.'.join(path)} removed"
    odd = chance.choice([None, -1, 1e308, True, [], {}, [[]], "x", *ODD])
    place[key] = odd.replace("\ud83d", "?") if isinstance(odd, str) else odd
    return f"{'.'.join(path)} = {str(odd)[:20]!r}"


def _sections() -> list[tuple[str, type[BaseModel]]]:
    """Return every section of the configuration that is a table of its own."""
    found: list[tuple[str, type[BaseModel]]] = [("", Config)]
    for name, field in Config.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            found.append((name, kind))
    return found


_SECTIONS = _sections()
KINDS: tuple[Callable[[Path, random.Random], tuple[str, Command]], ...] = (
    _table,
    _configuration,
    _workbook,
    _model,
    _run,
    _setting,
    _manifest,
    _stored_table,
    _app_database,
    _page,
)
#: What a command may lose of each kind without a message.
_LOSSES: dict[Any, Callable[[Path, Path, Command, Finished], str]] = {
    _table: _lost_rows,
    _workbook: _lost_answers,
    _run: _shown_otherwise,
}
#: Kinds that change what is published by themselves.
_CHANGES_RUNS = (_run, _stored_table, _page)


def _break_text(file: Path, chance: random.Random) -> str:
    """Break a text in a way that keeps most of its form."""
    if chance.random() < 0.3:
        return _break_bytes(file, chance)
    lines = file.read_text(encoding="utf-8").split("\n")
    place = chance.randrange(len(lines))
    odd = chance.choice(ODD)
    how = chance.choice(["value", "cell", "twice", "removed", "joined"])
    if how == "value" and "=" in lines[place]:
        lines[place] = f"{lines[place].partition('=')[0]}= {chance.choice([odd, repr(odd)])}"
    elif how == "twice":
        lines.insert(place, lines[place])
    elif how == "removed":
        del lines[place]
    elif how == "joined" and place:
        lines[place - 1 : place + 1] = [lines[place - 1] + lines[place]]
    else:
        cells = lines[place].split(",")
        cells[chance.randrange(len(cells))] = odd
        lines[place] = ",".join(cells)
    file.write_bytes("\n".join(lines).encode("utf-8", "surrogatepass"))
    return f"{how} {odd[:20]!r} in line {place + 1}"


def _break_bytes(file: Path, chance: random.Random) -> str:
    how = chance.randrange(4)
    if how == 0:
        file.unlink()
        return "removed"
    if how == 1:
        file.unlink()
        chance.choice([file.mkdir, lambda: os.mkfifo(file), lambda: file.symlink_to("nowhere")])()
        return "is no file any more"
    content, what = _broken(file.read_bytes(), chance)
    file.write_bytes(content)
    return what


def _broken(content: bytes, chance: random.Random) -> tuple[bytes, str]:
    how = chance.choice(["cut", "flipped", "emptied", "doubled", "random"])
    place = chance.randrange(len(content) + 1)
    if how == "cut":
        return content[:place], f"cut at {place:,}"
    if how == "emptied":
        return b"", how
    if how == "doubled":
        return content + content, how
    if how == "random":
        return chance.randbytes(200), how
    changed = bytearray(content)
    for _ in range(chance.randrange(1, 20)):
        if changed:
            changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
    return bytes(changed), how


def main() -> None:
    """Run the cases and print those that failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("demo", type=Path)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--last", type=int, default=400)
    given = parser.parse_args()
    cases = [run_case(given.demo, number) for number in range(given.first, given.last)]
    failed = [case for case in cases if case.fault]
    for case in failed:
        print(f"case {case.number}: {case.what}: {case.fault}")
    print(f"{len(cases)} cases, {len(failed)} failed")
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
