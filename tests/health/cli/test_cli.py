"""The commands on good and bad input: exit codes, messages, nothing half written.

Two run as processes of their own, as an operator runs them; the others call the same entry point.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd
import pytest

from tests.health.conftest import Demo, call_health, run_health

_SUBSCRIPTIONS = "account_id,product,started_at,ended_at,mrr\n"


def test_check_prints_rows_and_dates(demo: Demo) -> None:
    done = call_health("check", demo.config)
    assert done.code == 0, done.err
    for table in ("accounts", "subscriptions", "usage", "tickets", "surveys"):
        assert table in done.out


@pytest.mark.parametrize(
    ("table", "column", "row"),
    [
        ("forecasts", "call", "A1,perhaps,Ada,2026-05-01"),
        ("interventions", "arm", "A1,2026-05-01,call,half"),
        ("actions", "action", "A1,Kalled,2026-05-01"),
    ],
)
def test_check_refuses_what_the_batch_would_refuse(
    tmp_path: Path, table: str, column: str, row: str
) -> None:
    texts = {
        "accounts": "account_id,created_at\nA1,2025-01-01\n",
        "subscriptions": _SUBSCRIPTIONS + "A1,Core,2025-01-01,,100\n",
        "forecasts": "account_id,call,author,created_at\n",
        "interventions": "account_id,occurred_at,kind,arm\n",
        "actions": "account_id,action,at\n",
    }
    config = 'company = "C"\ncurrency = "EUR"\nobserved_until = 2026-06-01\n'
    for name in ("accounts", "subscriptions", table):
        added = row + "\n" if name == table else ""
        (tmp_path / f"{name}.csv").write_text(texts[name] + added, encoding="utf-8")
        config += f'[tables.{name}]\npath = "{name}.csv"\n'
    (tmp_path / "health.toml").write_text(config, encoding="utf-8")
    done = call_health("check", tmp_path / "health.toml")
    assert done.code == 2 and f"{table}.{column}: 1 of 1 rows" in done.err
    assert "can be scored" not in done.out


@pytest.mark.quick_cases(1)
@pytest.mark.parametrize("stale", [True, False])
def test_check_warns_of_a_table_that_would_stop_the_batch(tmp_path: Path, stale: bool) -> None:
    days = pd.date_range(end="2026-03-01" if stale else "2026-05-31", periods=60)
    usage = pd.DataFrame({"account_id": "A1", "event": "login", "occurred_at": days})
    usage.to_csv(tmp_path / "usage.csv", index=False)
    (tmp_path / "accounts.csv").write_text("account_id,created_at\nA1,2025-01-01\n")
    row = "A1,Core,2025-01-01,,100"
    (tmp_path / "subscriptions.csv").write_text(f"{_SUBSCRIPTIONS}{row}\n")
    config = 'company = "C"\ncurrency = "EUR"\nobserved_until = 2026-06-01\n'
    for name in ("accounts", "subscriptions", "usage"):
        config += f'[tables.{name}]\npath = "{name}.csv"\n'
    (tmp_path / "health.toml").write_text(config, encoding="utf-8")
    done = call_health("check", tmp_path / "health.toml")
    assert done.code == 0, done.err
    assert ("freshness of usage on 2026-06-01" in done.out) == stale


@pytest.mark.parametrize("ending", ["parquet", "csv"])
@pytest.mark.slow
def test_features_to_a_file(demo: Demo, tmp_path: Path, ending: str) -> None:
    output = tmp_path / f"features.{ending}"
    done = call_health("features", demo.config, "--as-of", "2026-06-07", "-o", output)
    assert done.code == 0, done.err
    read = pd.read_parquet if ending == "parquet" else pd.read_csv
    frame = read(output)
    assert frame["account_id"].is_unique
    assert "usage_active_users_28d" in frame.columns
    assert [p.name for p in tmp_path.iterdir()] == [output.name]


def test_features_list_needs_no_company() -> None:
    done = call_health("features", "--list")
    assert done.code == 0
    assert "usage_events_trend" in done.out


@pytest.mark.slow
def test_score_runs_from_another_folder(
    demo: Demo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere, copy = tmp_path / "elsewhere", tmp_path / "company"
    elsewhere.mkdir()
    shutil.copytree(demo.folder, copy, symlinks=True)
    config = copy / "health.toml"
    monkeypatch.chdir(elsewhere)
    done = call_health("score", config, "--as-of", "2026-09-06")
    assert done.code == 0, done.err
    assert list(elsewhere.iterdir()) == []


@pytest.mark.slow
def test_a_scored_date_is_refused_without_replace(demo: Demo) -> None:
    before = {p.name: p.stat().st_mtime_ns for p in demo.runs[-1].iterdir()}
    done = call_health("score", demo.config)
    assert done.code == 2
    assert "--replace" in done.err
    assert before == {p.name: p.stat().st_mtime_ns for p in demo.runs[-1].iterdir()}


def test_explain_tells_score_reasons_and_change(demo: Demo) -> None:
    account = pd.read_parquet(demo.runs[-1] / "flags.parquet")["account_id"].iloc[0]
    done = run_health("explain", demo.config, account)
    assert done.code == 0, done.err
    parts = (account, "Health", "Churn", "Lifetime value", "contributions", "History")
    for part in (*parts, "95 % of such customers", "their average", "MRR of those who stay"):
        assert part in done.out, part


def test_explain_an_account_that_is_not_there(demo: Demo) -> None:
    done = call_health("explain", demo.config, "ACC-9")
    assert done.code == 2
    assert "no account has the id or the name" in done.err


def test_models_lists_and_promotes(demo: Demo) -> None:
    done = call_health("models", demo.config)
    assert done.code == 0, done.err
    assert "* " in done.out
    refused = call_health("models", demo.config, "promote", "none")
    assert refused.code == 2
    assert "choose one of" in refused.err


def test_a_tampered_model_is_refused(demo: Demo, tmp_path: Path) -> None:
    company = tmp_path / "company"
    shutil.copytree(demo.folder, company)
    artefact = next((company / "models").glob("*/churn.joblib"))
    artefact.write_bytes(artefact.read_bytes() + b" ")
    done = call_health("score", company / "health.toml", "--as-of", "2026-09-06")
    assert done.code == 2
    assert "checksum" in done.err
    assert not (company / "runs" / "as_of=2026-09-06").exists()


@pytest.mark.slow
def test_score_before_train(own_tables: Path) -> None:
    done = call_health("score", own_tables / "health.toml")
    assert done.code == 2
    assert "health train" in done.err


@pytest.mark.parametrize("day", ["1999-01-03", "2031-01-05"])
@pytest.mark.slow
def test_a_date_outside_the_data(demo: Demo, day: str) -> None:
    done = call_health("score", demo.config, "--as-of", day)
    assert done.code == 2
    assert "outside the data" in done.err


def test_every_violation_in_one_go_and_nothing_written(own_tables: Path) -> None:
    accounts = pd.read_csv(own_tables / "tables" / "accounts.csv", dtype=str)
    accounts.loc[1, "account_id"] = accounts.loc[0, "account_id"]
    accounts.loc[2, "created_at"] = "31/31/2025"
    accounts.to_csv(own_tables / "tables" / "accounts.csv", index=False)
    subscriptions = pd.read_csv(own_tables / "tables" / "subscriptions.csv", dtype=str)
    subscriptions.loc[0, "mrr"] = "-5"
    subscriptions.loc[1, "mrr"] = "a lot"
    subscriptions.to_csv(own_tables / "tables" / "subscriptions.csv", index=False)
    (own_tables / "tables" / "tickets.csv").unlink()
    done = call_health("score", own_tables / "health.toml")
    assert done.code == 2
    assert "Traceback" not in done.err
    for part in (
        "accounts.csv",
        "accounts.account_id",
        "31/31/2025",
        "subscriptions.mrr",
        "-5",
        "a lot",
        "tickets.csv",
        "remedy",
    ):
        assert part in done.err, part
    assert not list((own_tables / "runs").glob("as_of=*"))


@pytest.mark.slow
def test_an_account_that_accounts_does_not_know(own_tables: Path) -> None:
    tickets = pd.read_csv(own_tables / "tables" / "tickets.csv", dtype=str)
    tickets.loc[:2, "account_id"] = "NOBODY"
    tickets.to_csv(own_tables / "tables" / "tickets.csv", index=False)
    done = call_health("check", own_tables / "health.toml")
    # Counted and left out by default; the reader sees it either way.
    assert done.code == 0
    assert "tickets.account_id" in done.out
    assert "NOBODY" in done.out
    config = own_tables / "health.toml"
    text = config.read_text(encoding="utf-8")
    config.write_text(
        text.replace("[tables.tickets]\n", '[tables.tickets]\nunmatched = "refuse"\n')
    )
    refused = call_health("check", config)
    assert refused.code == 2
    assert "NOBODY" in refused.err


@pytest.mark.parametrize("damage", ["end", "middle"])
@pytest.mark.slow
def test_a_damaged_parquet_file_is_named_with_the_remedy(own_tables: Path, damage: str) -> None:
    file = sorted((own_tables / "tables" / "usage").glob("*.parquet"))[0]
    content = file.read_bytes()
    half = len(content) // 2
    zeros = content[:half] + bytes(4_000) + content[half + 4_000 :]
    file.write_bytes(content[:-100] if damage == "end" else zeros)
    done = call_health("check", own_tables / "health.toml")
    assert done.code == 2
    assert file.name in done.err and "export the file again" in done.err
    assert "Traceback" not in done.err


def test_an_unknown_key_and_a_missing_file(own_tables: Path) -> None:
    config = own_tables / "health.toml"
    config.write_text("curency = 'EUR'\n" + config.read_text())
    done = call_health("check", config)
    assert done.code == 2
    assert "did you mean 'currency'?" in done.err
    absent = call_health("check", own_tables / "absent.toml")
    assert absent.code == 2
    assert "no such configuration file" in absent.err


def test_a_second_demo_in_the_same_folder_is_refused(demo: Demo) -> None:
    done = call_health("demo", demo.folder)
    assert done.code == 2
    assert "--replace" in done.err


def test_a_list_is_printed_for_a_csm(demo: Demo) -> None:
    flags = pd.read_parquet(demo.runs[-1] / "flags.parquet")
    own = flags[flags["flag"] == "at_risk"]
    csm = own["csm"].iloc[0]
    done = call_health("list", demo.config, "--flag", "at_risk", "--csm", csm.lower())
    assert done.code == 0
    assert f"At risk of {csm}" in done.out
    theirs = own.loc[own["csm"] == csm, "name"]
    assert all(name.split()[0] in done.out for name in theirs)
    everybody = call_health("list", demo.config)
    assert f"{len(own)} row" in everybody.out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--flag", "nobody"), "no list is called 'nobody'"),
        (("--csm", "Nobody At All"), "no account has the CSM"),
        (("--as-of", "2001-01-07"), "no run of 2001-01-07"),
    ],
)
def test_a_list_that_is_not_there_is_said_to_be_so(
    demo: Demo, arguments: tuple[str, ...], said: str
) -> None:
    done = call_health("list", demo.config, *arguments)
    assert done.code == 2
    assert said in done.err
    assert "remedy" in done.err
