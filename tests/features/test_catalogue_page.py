"""The page of the catalogue says what the catalogue says."""

from __future__ import annotations

from pathlib import Path

import features
from features.catalogue import CATALOGUE
from features.catalogue_page import catalogue_page, families

PAGE = Path(features.__file__).with_name("CATALOGUE.md")


def test_the_page_is_in_step() -> None:
    assert PAGE.read_text(encoding="utf-8") == catalogue_page(CATALOGUE), (
        "run: python -m features > features/CATALOGUE.md"
    )


def test_every_feature_has_a_row_of_eight_cells() -> None:
    rows = [line for line in catalogue_page(CATALOGUE).splitlines() if line.startswith("| `")]
    assert [row.split("`")[1] for row in rows] == list(CATALOGUE)
    assert {row.replace("\\|", "").count("|") for row in rows} == {9}
    assert all(cell.strip() for row in rows for cell in row.strip("| ").split(" | "))


def test_every_family_is_there() -> None:
    assert set(families(CATALOGUE)) == {
        "usage",
        "tickets",
        "surveys",
        "commercial",
        "journey",
        "orders",
        "contacts",
        "invoices",
        "interactions",
        "goals",
        "voice",
    }
