"""Thousands separators and decimal commas: read by column, asked about, or refused."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from features.errors import InputError
from features.reading.table_source import TableSource
from tests.features.small_company import codes, opened, refused, rows, warned, write

#: Thousands and decimal sign of each locale, as str.translate takes them.
_LOCALES: dict[str, dict[int, str]] = {
    "en": {},
    "de": {ord(","): ".", ord("."): ","},
    "fr": {ord(","): "\u202f", ord("."): ","},
    "ch": {ord(","): "'"},
}


def _subscriptions(amounts: list[str]) -> str:
    contracts = "".join(
        f'00{n % 3 + 1},p{n},2025-03-01,,"{amount}"\n' for n, amount in enumerate(amounts)
    )
    return "account_id,product,started_at,ended_at,mrr\n" + contracts


def _usage(quantities: list[str]) -> str:
    events = "".join(f'001,login,2025-05-01,"{n}"\n' for n in quantities)
    return "account_id,event,occurred_at,quantity\n" + events


def _read(folder: Path, amounts: list[str]) -> list[float]:
    sources = write(folder, subscriptions=_subscriptions(amounts))
    contracts = rows(opened(folder, sources), "subscriptions").set_index("product")["mrr"]
    return [float(contracts[f"p{n}"]) for n in range(len(amounts))]


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (["1,234.50", "500", "2,000"], [1234.5, 500, 2000]),
        (["1.234,50", "500", "2.000"], [1234.5, 500, 2000]),
        (["1 234,50", "500", "2 000"], [1234.5, 500, 2000]),
        (["1\xa0234.5", "500", "2\u202f000"], [1234.5, 500, 2000]),
        (["1'234.50", "500", "2’000"], [1234.5, 500, 2000]),
        (["1.234.567", "12.500"], [1234567, 12500]),
        (["12,5", "1.234"], [12.5, 1234]),
        (["0,125", "3,500"], [0.125, 3.5]),
        (["1234,5678", " 1,250 "], [1234.5678, 1.25]),
    ],
)
@pytest.mark.quick_cases(1)
def test_one_value_decides_the_format_of_its_column(
    tmp_path: Path, written: list[str], read: list[float]
) -> None:
    assert _read(tmp_path, written) == read


def test_a_format_is_reported_with_its_count_and_an_example(tmp_path: Path) -> None:
    written = _subscriptions(["1.234,50", "500", "2.000"])
    found = warned(tmp_path, subscriptions=written)["number_format"]
    assert (found.table, found.column, found.rows, found.total) == ("subscriptions", "mrr", 2, 3)
    assert found.what.endswith("1.234,50 is read as 1234.50")


@pytest.mark.quick_cases(2)
@pytest.mark.parametrize(
    "written", [["1.234", "2.500", "500"], ["1,234"], ["1,234", "500"], ["-1,234", "1.234"]]
)
def test_an_ambiguous_amount_is_asked_about(tmp_path: Path, written: list[str]) -> None:
    sources = write(tmp_path, subscriptions=_subscriptions(written))
    found = [f for f in refused(tmp_path, sources) if f.code != "negative_value"]
    (asked,) = found
    assert (asked.code, asked.table, asked.column) == ("number_format", "subscriptions", "mrr")
    assert asked.source == "subscriptions.csv"
    assert asked.rows == sum(not value.isdigit() for value in written)
    assert asked.example in written
    assert "1234 or" in asked.what


@pytest.mark.slow
def test_the_remedy_of_an_ambiguous_amount_works(tmp_path: Path) -> None:
    sources = write(tmp_path, subscriptions=_subscriptions(["1.234", "2.500", "500"]))
    remedy = "cast(replace(replace(mrr, '.', ''), ',', '.') as double)"
    (asked,) = refused(tmp_path, sources)
    assert remedy in asked.fix
    query = (
        f"SELECT * REPLACE ({remedy} AS mrr) FROM read_csv('subscriptions.csv', all_varchar = true)"
    )
    found = opened(tmp_path, sources | {"subscriptions": TableSource(sql=query)})
    assert [*rows(found, "subscriptions")["mrr"]] == [1234, 2500, 500]


@pytest.mark.quick_cases(2)
@pytest.mark.parametrize(
    "written",
    [
        ["1.234", "2.5", "500"],
        ["0.125", "0.250", "0.500"],
        ["1.234", "2.500", "12000"],
        ["1234.500", "1.250", "2.250"],
        ["1e3", ".5", "5."],
    ],
)
def test_plain_amounts_stay_as_they_are(tmp_path: Path, written: list[str]) -> None:
    assert _read(tmp_path, written) == [float(value) for value in written]


def test_quantities_with_three_decimals_are_plain(tmp_path: Path) -> None:
    found = opened(tmp_path, write(tmp_path, usage=_usage(["1.125", "2.250", "3.500"])))
    assert sorted(rows(found, "usage")["quantity"]) == [1.125, 2.25, 3.5]
    assert "number_format" not in codes(found.findings)


def test_a_count_in_thousandths_is_asked_about(tmp_path: Path) -> None:
    contracts = "account_id,product,started_at,ended_at,mrr,seats\n" + "".join(
        f"00{n},core,2025-03-01,,10,{seats}\n" for n, seats in enumerate(("1.200", "10", "20"), 1)
    )
    (asked,) = refused(tmp_path, write(tmp_path, subscriptions=contracts))
    assert (asked.code, asked.column, asked.rows) == ("number_format", "seats", 1)
    assert "1.200 is 1200 or 1.200" in asked.what


def test_quantities_have_formats_too(tmp_path: Path) -> None:
    found = opened(tmp_path, write(tmp_path, usage=_usage(["1.125", "2,5", "3"])))
    assert sorted(rows(found, "usage")["quantity"]) == [2.5, 3, 1125]


def test_numbers_of_a_parquet_file_are_no_text(tmp_path: Path) -> None:
    sources = write(tmp_path) | {"subscriptions": TableSource(path="subscriptions.parquet")}
    subscriptions = pd.read_csv(tmp_path / "subscriptions.csv", dtype={"account_id": str})
    subscriptions["mrr"] = [1.234, 2.345, 3.456]
    subscriptions.to_parquet(tmp_path / "subscriptions.parquet")
    found = opened(tmp_path, sources)
    assert [*rows(found, "subscriptions")["mrr"]] == [1.234, 2.345, 3.456]


@pytest.mark.quick_cases(1)
@pytest.mark.parametrize("lazy_from", [0, 2**30])
def test_texts_of_a_parquet_file_have_a_format(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lazy_from: int
) -> None:
    monkeypatch.setattr("features.tables.relations.LAZY_FROM_BYTES", lazy_from)
    sources = write(tmp_path) | {"usage": TableSource(path="usage.parquet")}
    usage = pd.read_csv(tmp_path / "usage.csv", dtype=str)
    usage.assign(quantity=["1.000,5", "2.000", "3"]).to_parquet(tmp_path / "usage.parquet")
    found = opened(tmp_path, sources, rollups=Path("rollups"))
    assert sorted(rows(found, "usage")["quantity"]) == [3, 1000.5, 2000]
    assert "number_format" in codes(found.findings)


@pytest.mark.quick_cases(2)
@pytest.mark.parametrize(
    "written",
    [["1,234.50", "1.234,50"], ["1.5", "2,5"], ["1 234", "1,234", "1.234"], ["1'234", "1,234.5"]],
)
def test_contradictory_formats_are_refused_with_an_example_of_each(
    tmp_path: Path, written: list[str]
) -> None:
    sources = write(tmp_path, subscriptions=_subscriptions(written))
    (finding,) = refused(tmp_path, sources)
    assert (finding.code, finding.column, finding.rows) == ("number_format", "mrr", len(written))
    assert all(value in finding.what for value in written)


def test_what_is_no_number_is_reported_as_such(tmp_path: Path) -> None:
    sources = write(tmp_path, subscriptions=_subscriptions(["1.234,50", "a lot", "12.34.56"]))
    (finding,) = refused(tmp_path, sources)
    assert (finding.code, finding.rows) == ("wrong_type", 2)


_AMOUNTS = st.lists(
    st.decimals(min_value=0, max_value=10**7, places=3), min_size=3, max_size=5
).map(lambda found: [format(value.normalize(), ",f") for value in found])


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(amounts=_AMOUNTS, locale=st.sampled_from([*_LOCALES]))
@example(["1,234", "2,500", "500"], "de")
@example(["1.234", "2.5", "500"], "de")
@example(["12.345", "1,000", "0"], "fr")
def test_the_locale_of_a_column_changes_no_amount(amounts: list[str], locale: str) -> None:
    plain = [float(value.replace(",", "")) for value in amounts]
    written = [value.translate(_LOCALES[locale]) for value in amounts]
    with TemporaryDirectory() as folder:
        try:
            read = _read(Path(folder), written)
        except InputError as refusal:
            assert codes(refusal.findings) == ["number_format"]
        else:
            assert read == plain
