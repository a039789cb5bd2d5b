"""CSMs' calls: read, matched to renewals, and compared with the model after the date."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from features.errors import HealthError
from health.renewals.calls import read_calls
from health.renewals.ledger import LEAST_CALLS, build_ledger, judge, match_calls
from health.renewals.outlook import build_outlook
from health.runs.directory import PublishedRun, list_runs
from tests.health.renewals.book import DAY, scores_of, yearly_book

RUN_DAY = datetime(2026, 6, 7)


def _calls(rows: list[dict[str, Any]]) -> pd.DataFrame:
    frame = pd.DataFrame(rows)
    for column in ("created_at", "renews_at", "undone_at"):
        if column in frame:
            frame[column] = pd.to_datetime(frame[column])
    return frame


def _run(tmp_path: Path, scores: pd.DataFrame, day: datetime) -> PublishedRun:
    folder = tmp_path / f"as_of={day:%Y-%m-%d}"
    folder.mkdir(parents=True)
    scores.to_parquet(folder / "scores.parquet", index=False)
    (folder / "run.json").write_text('{"horizon_days": 90, "business": "contracts"}')
    return PublishedRun(date(day.year, day.month, day.day), folder)


def _company(tmp_path: Path, call: str = "commit", seed: int = 0) -> tuple[Any, list[PublishedRun]]:
    """A book, a run in June that gives everybody the true chance, and calls made in June."""
    tables = yearly_book(600, seed=seed)
    scores = scores_of(tables, RUN_DAY)
    run = _run(tmp_path, scores, RUN_DAY)
    due = scores[scores["days_to_renewal"].between(30, 85)]
    forecasts = _calls(
        [
            {
                "account_id": account,
                "call": call,
                "author": "Ada" if number % 3 else "Bo",
                "created_at": "2026-06-09 10:00",
            }
            for number, account in enumerate(due["account_id"])
        ]
    )
    return yearly_book(600, seed=seed, forecasts=forecasts), [run]


@pytest.mark.slow
def test_the_ledger_compares_call_and_chance_with_what_came(tmp_path: Path) -> None:
    tables, runs = _company(tmp_path)
    matched = match_calls(tables, read_calls(tables, DAY), DAY)
    assert matched.unmatched.empty
    ledger = build_ledger(matched, runs, DAY)
    assert len(ledger) == len(matched.rows) > 50
    assert ledger["chance_of_leaving"].eq(0.2).all()
    assert ledger["called"].to_numpy() == pytest.approx(0.95 * ledger["arr"].to_numpy())
    stayed = ledger[ledger["kept"] > 0]
    assert 0.6 < len(stayed) / len(ledger) < 0.95
    assert (ledger["kept"] <= ledger["arr"]).all()
    assert ledger["csm_error"].to_numpy() == pytest.approx(
        (ledger["called"] - ledger["kept"]).abs().to_numpy()
    )
    everyone, *alone = judge(ledger)
    assert everyone.who == "" and [own.who for own in alone] == ["Ada", "Bo"]
    assert everyone.renewals == len(ledger)
    assert everyone.low <= everyone.difference <= everyone.high
    assert everyone.difference == pytest.approx(everyone.csm_error - everyone.model_error)


@pytest.mark.slow
def test_who_is_wrong_is_found(tmp_path: Path) -> None:
    tables, runs = _company(tmp_path, call="lost")
    ledger = build_ledger(match_calls(tables, read_calls(tables, DAY), DAY), runs, DAY)
    assert judge(ledger)[0].closer == "model"
    perfect = ledger.assign(called=ledger["kept"], csm_error=0.0)
    assert judge(perfect)[0].closer == "csm"


@pytest.mark.slow
def test_one_csm_is_judged_with_enough_calls_only(tmp_path: Path) -> None:
    tables, runs = _company(tmp_path)
    ledger = build_ledger(match_calls(tables, read_calls(tables, DAY), DAY), runs, DAY)
    few = ledger.head(LEAST_CALLS - 1)
    (only,) = judge(few)
    assert np.isnan(only.difference) and only.closer == "" and only.renewals == LEAST_CALLS - 1
    assert judge(ledger.head(0)) == []


@pytest.mark.slow
def test_a_call_of_the_last_days_or_before_any_run_is_not_compared(tmp_path: Path) -> None:
    tables, runs = _company(tmp_path)
    calls = read_calls(tables, DAY)
    matched = match_calls(tables, calls, DAY)
    late = calls.assign(created_at=matched.rows["due"] - pd.Timedelta(days=3))
    assert build_ledger(match_calls(tables, late, DAY), runs, DAY).empty
    # Nothing published before the call: it is kept, and judged against nobody.
    alone = build_ledger(matched, [], DAY)
    assert len(alone) == len(calls) and alone["model_error"].isna().all()
    assert judge(alone)[0].renewals == 0
    # On the date of the run nobody knows how it ends.
    assert build_ledger(matched, runs, datetime(2026, 6, 20)).empty


@pytest.mark.slow
def test_calls_about_accounts_without_a_renewal_are_reported(tmp_path: Path) -> None:
    terms = scores_of(yearly_book(10, monthly=5, left=0.0001))
    due = terms.loc[terms["days_to_renewal"].between(20, 300), "account_id"].iloc[0]
    calls = _calls(
        [
            {"account_id": "M000", "call": "commit", "author": "Ada", "created_at": "2026-10-05"},
            {"account_id": due, "call": "Commit", "author": "Ada", "created_at": "2026-10-05"},
        ]
    )
    tables = yearly_book(10, monthly=5, left=0.0001, forecasts=calls)
    outlook = build_outlook(tables, scores_of(tables), [], DAY)
    (warning,) = outlook.warnings
    assert "1 of 2 calls are about accounts without a renewal" in warning
    assert "M000" in warning and "2026-10-05" in warning
    assert outlook.due.set_index("account_id").loc[due, "call"] == "commit"
    assert outlook.months["calls"].sum() == 1


def test_a_call_on_a_renewal_that_has_passed_is_not_one_on_the_next() -> None:
    tables = yearly_book(40, left=0.0001)
    scores = scores_of(tables)
    renewed = scores[scores["days_to_renewal"].between(300, 350)]
    past = DAY - pd.to_timedelta(390 - renewed["days_to_renewal"], unit="D")
    rows = [
        {"account_id": account, "call": "lost", "author": "Ada", "created_at": day}
        for account, day in zip(renewed["account_id"], past, strict=True)
    ]
    assert rows
    outlook = build_outlook(yearly_book(40, left=0.0001, forecasts=_calls(rows)), scores, [], DAY)
    assert outlook.warnings == []
    assert outlook.months["calls"].sum() == 0
    assert outlook.calls.empty


def test_an_unknown_call_is_refused_and_an_undone_one_does_not_count() -> None:
    good = {"account_id": "A001", "author": "Ada", "created_at": "2026-10-05"}
    tables = yearly_book(5, forecasts=_calls([{**good, "call": "perhaps"}]))
    with pytest.raises(HealthError, match="unknown call"):
        read_calls(tables, DAY)
    undone = _calls(
        [
            {**good, "call": "lost", "undone_at": "2026-10-06"},
            {**good, "call": "likely", "undone_at": None},
            {**good, "call": "commit", "created_at": "2026-11-02", "undone_at": None},
        ]
    )
    read = read_calls(yearly_book(5, forecasts=undone), DAY)
    assert read["call"].tolist() == ["likely"]
    assert read_calls(yearly_book(5), DAY).empty


def test_no_runs_folder_is_no_run(tmp_path: Path) -> None:
    assert list_runs(tmp_path / "none") == []
