"""The reconciliation adds up, agrees with a count by hand, and catches the classic mistakes."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path
from random import Random

import pandas as pd
import pytest

from features.errors import HealthError
from features.rollups.kept_files import KeptRollups
from health.business.company import open_company
from health.business.mrr import ratio_hint
from health.business.reconciliation import Reconciliation, reconcile
from health.settings.config import load_config
from health.settings.weekly import GatesConfig
from health.weekly.table_gates import mrr_gate, unmatched_gates
from tests.health.conftest import call_health

END = datetime(2026, 6, 7)


def _rows(seed: int, accounts: int = 40) -> list[tuple[str, str, str, str | None, float]]:
    """Return contracts of many lengths, some followed by others at another price."""
    chance, rows = Random(seed), []
    for number in range(accounts):
        day = datetime(2025, 1, 1) + timedelta(days=chance.randrange(300))
        for _ in range(chance.randint(1, 3)):
            end = day + timedelta(days=chance.randint(60, 400))
            open_ended = end >= END
            rows.append(
                (f"A{number}", "core", str(day.date()), None if open_ended else str(end.date()),
                 float(chance.randint(1, 9) * 100))
            )  # fmt: skip
            if open_ended:
                break
            day = end + timedelta(days=chance.choice((0, 0, 90)))
    return rows


def _company(
    folder: Path, rows: list[tuple[str, str, str, str | None, float]], extra: str = ""
) -> Path:
    columns = ["account_id", "product", "started_at", "ended_at", "mrr"]
    table = pd.DataFrame(rows, columns=columns)
    table.to_csv(folder / "subscriptions.csv", index=False)
    ids = table["account_id"].unique()
    pd.DataFrame({"account_id": ids, "created_at": "2025-01-01"}).to_csv(
        folder / "accounts.csv", index=False
    )
    half = ids[: len(ids) // 2]
    usage = pd.DataFrame({"account_id": [*half, "nobody"], "event": "login"})
    usage.assign(occurred_at="2026-06-06 12:00").to_csv(folder / "usage.csv", index=False)
    tables = "\n".join(
        f'[tables.{name}]\npath = "{name}.csv"' for name in ("accounts", "subscriptions", "usage")
    )
    config = folder / "health.toml"
    config.write_text(
        f'company = "Case"\ncurrency = "EUR"\nobserved_until = {END:%Y-%m-%d}\n{tables}\n{extra}\n'
    )
    return config


def _reconciled(config: Path) -> Reconciliation:
    return reconcile(open_company(load_config(config)))


def _by_hand(rows: pd.DataFrame, day: pd.Timestamp) -> pd.Series:
    # Ends are long before the next start or on the same day, so no lag is learned from them.
    runs = (rows["started_at"] < day) & (rows["ended_at"].isna() | (rows["ended_at"] >= day))
    return rows[runs].groupby("account_id")["mrr"].sum()


@pytest.mark.parametrize("seed", [1, 2])
def test_every_month_adds_up_and_its_end_agrees_with_a_count_by_hand(
    tmp_path: Path, seed: int
) -> None:
    rows = [row for row in _rows(seed) if row[2] < "2026-06-01"]
    found = _reconciled(_company(tmp_path, rows))
    months = found.months
    assert len(months) == 13
    assert str(months["until"].iloc[-1]) == "2026-06-06"
    moved = months["gained"] - months["lost"] + months["expanded"] - months["contracted"]
    before = months["mrr"].shift()
    assert (before + moved - months["mrr"])[1:].abs().max() < 1e-6
    table = pd.DataFrame(
        rows, columns=["account_id", "product", "started_at", "ended_at", "mrr"]
    ).assign(
        started_at=lambda t: pd.to_datetime(t["started_at"]),
        ended_at=lambda t: pd.to_datetime(t["ended_at"]),
    )
    last = _by_hand(table, pd.Timestamp(END))
    assert months["mrr"].iloc[-1] == pytest.approx(last.sum())
    assert months["accounts"].iloc[-1] == len(last)
    assert (found.median, found.largest) == (last.median(), last.max())
    assert last[found.largest_account] == last.max()


def test_a_gap_at_the_end_of_a_month_is_no_loss_in_hindsight(tmp_path: Path) -> None:
    # Too few continuations to learn a usual lag from; A3 left for good.
    ends = [("A0", "2026-03-31"), ("A1", "2026-03-31 23:59:59"), ("A2", "2026-03-29")]
    rows = [(name, "core", "2025-01-01", end, 100.0) for name, end in [*ends, ("A3", "2026-03-29")]]
    rows += [(name, "core", "2026-04-01", None, 150.0) for name, _ in ends]
    expected = "[[expected]]\ndate = 2026-04-01\nmrr = 300\naccounts = 3\n"
    config = _company(tmp_path, rows, expected)
    months = _reconciled(config).months.set_index("until").loc[datetime(2026, 3, 31).date() :]
    assert months["mrr"].iloc[:2].tolist() == [300.0, 450.0]
    assert months["lost"].iloc[:2].tolist() == [100.0, 0.0]
    assert months["expanded"].iloc[:2].tolist() == [0.0, 150.0]
    assert months["gained"].sum() == 0.0
    assert call_health("check", config).code == 0


def test_what_the_tables_cover_and_rows_without_an_account(tmp_path: Path) -> None:
    rows = [(f"A{i}", "core", "2025-01-01", None, 100.0) for i in range(4)]
    found = _reconciled(_company(tmp_path, rows))
    assert found.covered == {"usage": 0.5}
    assert found.unmatched["usage"] == {"rows": 1, "share": round(1 / 3, 4)}
    json.dumps(found.to_dict(), allow_nan=False)


def test_kept_roll_ups_state_who_has_usage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("features.tables.relations.LAZY_FROM_BYTES", 0)
    rows = [(f"A{i}", "core", "2025-01-01", None, 100.0) for i in range(4)]
    config = _company(tmp_path, rows)
    usage = pd.read_csv(tmp_path / "usage.csv", parse_dates=["occurred_at"])
    usage["occurred_at"] = usage["occurred_at"].astype("datetime64[us]")
    (tmp_path / "usage").mkdir()
    for place, part in enumerate((usage[:1], usage[1:])):
        part.to_parquet(tmp_path / "usage" / f"{place}.parquet", index=False)
    config.write_text(config.read_text().replace('"usage.csv"', '"usage"'))
    company = open_company(load_config(config))
    assert isinstance(company.opened.tables.rollups, KeptRollups)
    assert reconcile(company).covered == {"usage": 0.5}


def test_customers_who_order_have_a_reconciliation_too(tmp_path: Path) -> None:
    config = _company(tmp_path, _rows(1))
    pd.DataFrame(
        {"account_id": "A1", "ordered_at": ["2025-07-01", "2026-05-10"], "amount": [600.0, 120.0]}
    ).to_csv(tmp_path / "orders.csv", index=False)
    config.write_text(config.read_text().replace("subscriptions", "orders"))
    found = _reconciled(config)
    assert found.months["mrr"].iloc[-1] == pytest.approx(60.0)
    assert found.months["mrr"].iloc[-3] == pytest.approx(50.0)
    assert found.months["expanded"].iloc[-2] == pytest.approx(10.0)


_BASE = [(f"A{i}", "core", "2025-01-01", None, 100.0 * (1 + i % 3)) for i in range(30)]
_MRR = sum(row[4] for row in _BASE)
_EXPECTED = f"[[expected]]\ndate = 2026-06-01\nmrr = {_MRR}\naccounts = 30\n"


def _scaled(factor: float) -> list[tuple[str, str, str, str | None, float]]:
    return [(*row[:4], row[4] * factor) for row in _BASE]


@pytest.mark.quick_cases(2)
@pytest.mark.parametrize(
    ("rows", "says"),
    [
        (_scaled(100), "about 100 times as much: amounts in cents"),
        (_scaled(12), "about 12 times as much: yearly prices taken as monthly"),
        ([*_BASE, *[(r[0], "other", *r[2:]) for r in _BASE]], "a join or an export that doubles"),
        (_scaled(1.1), "MRR is EUR 6,600, expected EUR 6,000"),
        (_BASE[:20], "20 accounts pay, expected 30"),
    ],
)
def test_expected_values_catch_the_classic_mistakes(
    tmp_path: Path, rows: list[tuple[str, str, str, str | None, float]], says: str
) -> None:
    config = _company(tmp_path, rows, _EXPECTED)
    done = call_health("check", config)
    assert done.code == 2
    assert says in done.err
    assert "2026-06-01" in done.err


_HEAD = "account_id,product,started_at,ended_at,mrr"
_CONTRACTS = [f"A{n},core,2025-01-0{1 + n % 9} 10:30,," for n in range(30)]


@pytest.mark.quick_cases(2)
@pytest.mark.parametrize(
    ("mistake", "head", "lines", "code", "messages"),
    [
        # Without expected values nothing is wrong with a row: the next run's gate stops it, too.
        (
            "cents for dollars", _HEAD, [f"{line}10000" for line in _CONTRACTS], 2,
            ["MRR is EUR 300,000, expected EUR 3,000, about 100 times as much: amounts in cents"],
        ),
        (
            "a yearly price as monthly", _HEAD, [f"{line}1200" for line in _CONTRACTS], 2,
            ["MRR is EUR 36,000, expected EUR 3,000, about 12 times as much: yearly prices"],
        ),
        (
            "a join that doubles rows", _HEAD,
            [f"{line}100" for line in _CONTRACTS for _ in range(2)], 0,
            ["copies of other rows", "mrr 3,000.00 in all", "one of each counts", "30 of 60 rows"],
        ),
        (
            "a join that doubles rows and numbers them", f"{_HEAD},subscription_id",
            [f"{line}100,{n}-{place}" for n, line in enumerate(_CONTRACTS) for place in "ab"], 2,
            ["MRR is EUR 6,000, expected EUR 3,000, about 2 times as much: a join or an export"],
        ),
        (
            "currencies added together", f"{_HEAD},currency",
            [f"{line}100,{('EUR', 'USD')[n % 2]}" for n, line in enumerate(_CONTRACTS)], 2,
            ["the company's currency is EUR, and mrr of these rows are in USD", "15 of 30 rows"],
        ),
        (
            "a change of plan whose earlier row never ends", f"{_HEAD},plan",
            [f"{line}70,basic" for line in _CONTRACTS]
            + [f"A{n},core,2026-05-01 12:00,,30,pro" for n in range(30)], 0,
            ["overlap", "60 rows of 30 accounts, and both count", "900.00 a month"],
        ),
    ],
)  # fmt: skip
def test_each_classic_mistake_has_a_message_of_its_own(
    tmp_path: Path, mistake: str, head: str, lines: list[str], code: int, messages: list[str]
) -> None:
    config = _company(tmp_path, _BASE, "[[expected]]\ndate = 2026-06-01\nmrr = 3000\n")
    (tmp_path / "subscriptions.csv").write_text("\n".join([head, *lines, ""]))
    done = call_health("check", config)
    text = " ".join((done.out + done.err).split())
    assert done.code == code, f"{mistake}: {text}"
    for message in messages:
        assert message in text, f"{mistake}: {text}"


def test_what_is_within_the_tolerance_passes(tmp_path: Path) -> None:
    config = _company(tmp_path, _scaled(1.015), _EXPECTED)
    done = call_health("check", config)
    assert done.code == 0, done.err
    assert "MRR by month (EUR)" in done.out
    assert "6,090" in done.out
    assert "50 % have usage" in done.out
    with pytest.raises(HealthError, match="give mrr, accounts or both"):
        load_config(_company(tmp_path, _BASE, "[[expected]]\ndate = 2026-06-01\n"))


@pytest.mark.parametrize(
    ("ratio", "days", "passes", "hint"),
    [
        (1.2, 7, True, ""),
        (0.8, 7, True, ""),
        (0.7, 7, False, ""),
        (2.0, 7, False, "doubles rows"),
        (12.0, 7, False, "yearly prices"),
        (100.0, 7, False, "cents"),
        (0.01, 7, False, "cents"),
        # A year later more may have changed, but not twelvefold.
        (2.0, 365, True, ""),
        (12.0, 365, False, "yearly prices"),
    ],
)
def test_the_gate_on_money(ratio: float, days: int, passes: bool, hint: str) -> None:
    gate = mrr_gate(1000 * ratio, 1000, name="MRR", currency="EUR", days=days, config=GatesConfig())
    assert gate.code == "mrr"
    assert gate.passed is passes
    assert hint in gate.what


def test_the_gate_on_rows_without_an_account() -> None:
    gates = unmatched_gates({"usage": 0.25, "tickets": 0.3}, {"usage": 0.2, "tickets": 0.19},
                            GatesConfig())  # fmt: skip
    assert {g.name: g.passed for g in gates} == {
        "accounts of usage": True,
        "accounts of tickets": False,
    }


def test_a_ratio_without_an_explanation_has_none() -> None:
    assert ratio_hint(1.3) == ""
    assert "a 12th" in ratio_hint(1 / 12)
