"""`health train` at the command line: what it prints and exits with, and what `score` says then."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.health.conftest import Finished, call_health

UNTIL = "2026-06-01"


def company(folder: Path, *, overwritten: bool) -> Path:
    """Write a company of contracts alone, a third of which end.

    If the end of a term is overwritten at each renewal, only accounts that left have an old one.
    """
    rng = np.random.default_rng(0)
    n = 70
    ids = [f"A{number:03}" for number in range(n)]
    start = pd.Timestamp("2023-01-01") + pd.to_timedelta(rng.integers(0, 300, n), unit="D")
    end = start + pd.to_timedelta(rng.integers(330, 1100, n), unit="D")
    leaves = (rng.random(n) < 0.45) & (end < pd.Timestamp(UNTIL))
    ended = np.where(leaves, end.strftime("%Y-%m-%d"), "")
    rows = {"account_id": ids, "product": "core", "started_at": start, "ended_at": ended}
    contracts = pd.DataFrame(rows).assign(mrr=rng.integers(50, 500, n))
    if overwritten:
        contracts["renews_at"] = np.where(leaves, ended, "2026-12-31")
    contracts.to_csv(folder / "subscriptions.csv", index=False)
    pd.DataFrame({"account_id": ids, "created_at": start}).to_csv(
        folder / "accounts.csv", index=False
    )
    config = folder / "health.toml"
    config.write_text(
        f"observed_until = {UNTIL}\n"
        '[tables.accounts]\npath = "accounts.csv"\n'
        '[tables.subscriptions]\npath = "subscriptions.csv"\n'
        "[training]\nevery_days = 168\n"
    )
    return config


def words(done: Finished) -> str:
    return " ".join((done.out + done.err).split())


@pytest.fixture(scope="module")
def leaking(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Finished]]:
    """A company whose end of a term leaks the outcome, and what `train` left."""
    config = company(tmp_path_factory.mktemp("leaking"), overwritten=True)
    yield config, call_health("train", config)


@pytest.mark.slow
def test_3_a_leak_is_named_with_its_cause_and_the_version_is_not_promoted(
    leaking: tuple[Path, Finished],
) -> None:
    config, done = leaking
    assert done.code == 3
    printed = words(done)
    assert "stop days_to_renewal: alone reaches an AUC of 1.000 on churn (the gate is 0.95)" in (
        printed
    )
    assert "the end date is probably overwritten at each renewal" in printed
    assert "map renews_at as it was on each date, or a row for each term" in printed
    assert "It is not used for scoring" in printed and "--force --reason" in printed
    assert "now the champion" not in printed and "Traceback" not in printed
    assert not (config.parent / "models" / "champion").exists()


@pytest.mark.slow
def test_score_gives_the_reason_and_a_forced_promotion_is_recorded(
    leaking: tuple[Path, Finished],
) -> None:
    config, _ = leaking
    scored = call_health("score", config)
    assert scored.code == 2
    printed = words(scored)
    assert "was not promoted" in printed and "overwritten at each renewal" in printed
    assert "promote one" not in printed
    (version,) = [p.name for p in (config.parent / "models").iterdir() if p.name.startswith(UNTIL)]
    refused = call_health("models", config, "promote", version)
    assert refused.code == 3 and "days_to_renewal" in words(refused)
    forced = call_health("models", config, "promote", version, "--force", "--reason", "a test")
    assert forced.code == 0
    assert "forced despite days_to_renewal" in words(call_health("models", config))


@pytest.mark.slow
def test_0_without_the_leak_the_version_is_promoted(tmp_path: Path) -> None:
    done = call_health("train", company(tmp_path, overwritten=False))
    assert done.code == 0
    assert "This version is now the champion." in words(done) and "stop " not in words(done)


def test_2_bad_input_is_one_error_with_its_place(tmp_path: Path) -> None:
    config = company(tmp_path, overwritten=False)
    file = tmp_path / "subscriptions.csv"
    file.write_text(file.read_text().replace(",core,", ",core,soon", 3))
    done = call_health("train", config)
    assert done.code == 2
    printed = words(done)
    assert "subscriptions.started_at (subscriptions.csv)" in printed and "3 of 70 rows" in printed
    assert "Traceback" not in printed and not (tmp_path / "models").exists()


def test_1_a_fault_of_ours_asks_for_a_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = company(tmp_path, overwritten=False)

    def broken(*arguments: object, **options: object) -> None:
        raise ZeroDivisionError("postgresql://me:s3cret@host/db")

    monkeypatch.setattr(pd.DataFrame, "merge", broken)
    done = call_health("train", config)
    assert done.code == 1
    assert done.err.startswith("internal error: please report the lines below")
    assert "ZeroDivisionError" in done.err and "s3cret" not in done.err
