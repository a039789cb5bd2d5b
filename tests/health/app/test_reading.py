"""Pages read the rows and columns they show: everything else may be unreadable."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

from health.renewals.forecast import FAR, Pool, no_basis
from tests.health.app.company import OWN, TEAM, AppUnderTest, csrf_of

Build = Callable[..., AppUnderTest]
#: Accounts in one group of rows; a run has 200 here.
GROUP = 20


@pytest.fixture(scope="module")
def in_groups(runs_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the runs with many groups of rows in each large file, as large runs have them."""
    copy = tmp_path_factory.mktemp("grouped") / "runs"
    shutil.copytree(runs_dir, copy)
    for file in copy.glob("as_of=*/*.parquet"):
        if file.stem in {"scores", "reasons", "changes", "whitespace", "events", "features"}:
            rows = pd.read_parquet(file).sort_values("account_id", kind="stable")
            size = GROUP * max(len(rows) // 200, 1)
            rows.to_parquet(file, index=False, row_group_size=size)
    return copy


@pytest.fixture
def grouped(in_groups: Path, tmp_path: Path) -> Path:
    """The same, for a test to spoil."""
    return Path(shutil.copytree(in_groups, tmp_path / "runs"))


def spoil(file: Path, *, keep_account: str = "", columns: frozenset[str] = frozenset()) -> int:
    """Overwrite the values of some columns, or of all groups without an account; return how many.

    A reader that touches them fails.
    """
    spoilt = 0
    metadata = pq.read_metadata(file)
    with file.open("r+b") as stream:
        for group in range(metadata.num_row_groups):
            rows = metadata.row_group(group)
            chunks = [rows.column(number) for number in range(rows.num_columns)]
            ids = next(c for c in chunks if c.path_in_schema == "account_id").statistics
            if keep_account and ids.min <= keep_account <= ids.max:
                continue
            for chunk in chunks:
                if columns and chunk.path_in_schema not in columns:
                    continue
                start = chunk.dictionary_page_offset or chunk.data_page_offset
                stream.seek(start)
                stream.write(b"\xff" * chunk.total_compressed_size)
                spoilt += 1
    return spoilt


def test_an_account_is_shown_from_its_own_rows_alone(app: Build, grouped: Path) -> None:
    for file in grouped.glob("as_of=*/*.parquet"):
        if file.stem in {"scores", "reasons", "whitespace", "events", "features"}:
            assert spoil(file, keep_account=OWN) > 0
    client = app(runs=grouped).signed_in("csm")
    for path in (f"/accounts/{OWN}", f"/accounts/{OWN}/brief", f"/api/v1/accounts/{OWN}"):
        assert client.get(path).status_code == 200
    assert client.get("/accounts/ACC-00151").status_code == 503


@pytest.mark.slow
def test_lists_read_the_columns_that_they_show(app: Build, grouped: Path) -> None:
    hidden = frozenset({"clv", "clv_low", "clv_high", "industry", "region", "cross_sell_value"})
    for file in grouped.glob("as_of=*/*.parquet"):
        if file.stem == "scores":
            assert spoil(file, columns=hidden) > 0
        if file.stem == "reasons":
            file.write_bytes(b"unreadable")
    client = app(runs=grouped).signed_in("admin")
    for path in ("/", "/accounts", "/renewals", "/team", "/expansion", "/trust", "/scorecard"):
        assert client.get(path).status_code == 200, path
    token = csrf_of(client)
    assert client.post("/accounts", data={"csrf": token, "q": "north"}).status_code == 200
    assert client.post("/accounts.csv", data={"csrf": token}).status_code == 200


def test_filters_sorts_and_pages_give_every_account_once(app: Build, runs_dir: Path) -> None:
    client = app().signed_in("admin")
    scores = pd.read_parquet(sorted(runs_dir.glob("as_of=*"))[-1] / "scores.parquet")
    token = csrf_of(client)

    def found(**fields: str) -> list[str]:
        answer = client.post("/accounts.csv", data={"csrf": token, **fields})
        return [line.split(",")[0] for line in answer.text.splitlines()[1:]]

    assert sorted(found()) == sorted(scores["account_id"])
    for band in ("red", "yellow", "green"):
        expected = scores.loc[scores["health_band"] == band, "account_id"]
        assert sorted(found(band=band)) == sorted(expected)
    assert sorted(found(band="none")) == sorted(
        scores.loc[scores["health_score"].isna(), "account_id"]
    )
    soon = scores.loc[scores["days_to_renewal"].between(0, 30), "account_id"]
    assert sorted(found(renewal="30")) == sorted(soon)
    enterprise = scores[(scores["segment"] == "Enterprise") & (scores["csm"] == "Chloe Okafor")]
    assert sorted(found(segment="Enterprise", csm="Chloe Okafor")) == sorted(
        enterprise["account_id"]
    )
    by_mrr = scores.sort_values(["mrr", "account_id"], ascending=[False, True])["account_id"]
    assert found(sort="mrr") == list(by_mrr)
    assert found(q="acc-00007") == ["ACC-00007"]
    assert found(q="%") == []


def _change(runs: Path, table: str, account: str, **values: object) -> pd.DataFrame:
    file = sorted(runs.glob("as_of=*"))[-1] / f"{table}.parquet"
    rows = pd.read_parquet(file)
    for name, value in values.items():
        rows.loc[rows["account_id"] == account, name] = value
    rows.to_parquet(file, index=False)
    return rows


@pytest.mark.slow
def test_nobody_renews_later_more_surely_than_stays_until_then(app: Build, grouped: Path) -> None:
    run = sorted(grouped.glob("as_of=*"))[-1]
    info = json.loads((run / "run.json").read_text(encoding="utf-8"))
    basis = no_basis()
    pools = {**basis.pools, FAR: Pool(renewals=100, lost=20, rate=0.2)}
    info["renewals"] = replace(basis, pools=pools).to_dict()
    (run / "run.json").write_text(json.dumps(info), encoding="utf-8")
    later = {"days_to_renewal": 200.0, "known_to_leave": False}
    day = pd.Timestamp(run.name.removeprefix("as_of=")) + pd.Timedelta(days=200)
    _change(grouped, "scores", OWN, churn_probability=0.43, renewal_date=day, **later)
    _change(grouped, "scores", TEAM, churn_probability=0.05, renewal_date=day, **later)
    client = app(runs=grouped).signed_in("lead")
    page = "".join(client.get(f"/renewals?page={number}").text for number in range(1, 5))
    for account, expected in ((OWN, "57 % .*at most"), (TEAM, "80 % .*past rate")):
        (row,) = re.findall(rf"<tr[^>]*>(?:(?!</tr>).)*/accounts/{account}\".*?</tr>", page, re.S)
        assert re.search(expected.replace(" %", "\\s%"), row, re.S), row


def test_flags_of_an_account_are_in_the_order_of_its_week(app: Build, grouped: Path) -> None:
    file = sorted(grouped.glob("as_of=*"))[-1] / "flags.parquet"
    rows = pd.read_parquet(file)
    own = rows.head(3).assign(
        account_id=OWN, flag=["advocate", "renewal", "at_risk"], rank=[1, 2, 3], product=""
    )
    pd.concat([rows[rows["account_id"] != OWN], own]).to_parquet(file, index=False)
    page = app(runs=grouped).signed_in("lead").get(f"/accounts/{OWN}").text
    select = page.partition('<select name="flag">')[2].partition("</select>")[0]
    chosen = re.findall(r'<option value="(\w+)"', select)
    assert chosen == ["at_risk", "renewal", "advocate"]


def test_a_brief_names_the_last_orders(app: Build, grouped: Path) -> None:
    file = sorted(grouped.glob("as_of=*"))[-1] / "events.parquet"
    rows = pd.read_parquet(file)
    titles = [f"Order of EUR {amount}" for amount in (10, 20, 30, 40, 50)]
    own = rows[rows["account_id"] == OWN].head(1)
    days = own["at"].iloc[0] - pd.to_timedelta(range(5), unit="D")
    orders = pd.concat([own] * 5).assign(kind="order", title=titles, text="", at=days)
    pd.concat([rows, orders]).to_parquet(file, index=False)
    page = app(runs=grouped).signed_in("lead").get(f"/accounts/{OWN}/brief").text
    assert [title in page for title in titles] == [True, True, True, True, False]
    assert "And 1 more order" in page


@pytest.mark.parametrize(
    ("auc", "chip", "words"),
    [
        ({"value": 0.74, "low": 0.66, "high": 0.8}, "✓ Useful", "had the lower scores: AUC 0.74"),
        ({"value": 0.53, "low": 0.44, "high": 0.6}, "✕ No signal", "do not show .*: AUC 0.53"),
        (None, None, None),
    ],
)
def test_trust_states_whether_the_score_predicts(
    app: Build, grouped: Path, auc: dict[str, float] | None, chip: str | None, words: str | None
) -> None:
    run = sorted(grouped.glob("as_of=*"))[-1]
    info = json.loads((run / "run.json").read_text(encoding="utf-8"))
    (run / "run.json").write_text(json.dumps({**info, "score_auc": auc}), encoding="utf-8")
    page = app(runs=grouped).signed_in("admin").get("/trust").text
    card = re.search(r"<h2>Health score (.*?)</section>", page, re.S)
    assert (card is None) == (chip is None)
    if card and chip and words:
        assert chip in card[1]
        assert re.search(words, card[1])
