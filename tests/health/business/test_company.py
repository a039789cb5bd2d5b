"""What opening a company's tables settles between them and the configuration."""

from __future__ import annotations

from pathlib import Path

import pytest

from features.errors import HealthError
from health.business.company import open_company
from health.settings.config import load_config

TABLES = """
[tables.accounts]
path = "accounts.csv"
[tables.subscriptions]
path = "subscriptions.csv"
"""


def _config(folder: Path, expansion: str) -> Path:
    (folder / "accounts.csv").write_text("account_id,created_at\nA,2025-01-01\nB,2025-01-01\n")
    (folder / "subscriptions.csv").write_text(
        "account_id,product,started_at,ended_at,mrr\nA,Data Hub,2025-01-01,,100\n"
        "B,Insights,2025-01-01,,50\n"
    )
    config = folder / "health.toml"
    config.write_text(f"observed_until = 2026-01-01\n{TABLES}\n{expansion}\n")
    return config


def test_products_of_the_configuration_are_spelled_as_in_the_tables(tmp_path: Path) -> None:
    config = _config(
        tmp_path,
        '[expansion]\nnot_offered = ["data  hub", "gone"]\n'
        "[expansion.prices]\nDATAHUB = 10.0\n"
        '[expansion.products."insights "]\nevents = ["chart"]\nrequires = ["datahub"]\n',
    )
    expansion = open_company(load_config(config)).config.expansion
    assert expansion.not_offered == ("Data Hub", "gone")
    assert expansion.prices == {"Data Hub": 10.0}
    assert expansion.products["Insights"].requires == ("Data Hub",)


def test_one_product_configured_twice_is_refused(tmp_path: Path) -> None:
    config = _config(tmp_path, "[expansion.prices]\ninsights = 10.0\nInsights = 12.0\n")
    with pytest.raises(HealthError, match="differ only in case"):
        open_company(load_config(config))
