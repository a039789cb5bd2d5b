"""What the benchmarks call all features is all of them, with something to tell."""

from __future__ import annotations

from pathlib import Path

import pytest

from features import CATALOGUE, build_features
from features.reading.source import open_tables
from features.reading.table_source import TableSource
from tests.benchmarks.features_data import END, Size, company_folder


@pytest.mark.slow
def test_every_feature_of_the_benchmark_company_has_values_that_differ(tmp_path: Path) -> None:
    folder = company_folder(Size.of(300_000), tmp_path)
    sources = {file.stem: TableSource(path=file.name) for file in folder.glob("*.parquet")}
    sources["usage"] = TableSource(path="usage")
    tables = open_tables(sources, base=folder, observed_until=END).tables
    # The company has no contacts, invoices, interactions or goals, and nobody writes a comment.
    names = [
        name
        for name, feature in CATALOGUE.items()
        if feature.table in tables.frames and feature.family != "voice"
    ]
    different = build_features(tables, [END])[names].nunique()
    assert different[different < 2].empty
