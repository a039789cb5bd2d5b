"""Small and new companies get an answer, never a traceback."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from features.errors import HealthError
from health.business.company import open_company
from health.reasons.reasons import contribution_sums
from health.settings.config import load_config
from health.training.champion import load_champion
from health.training.registry import save_version
from health.training.rows import build_training_set


def test_an_output_without_a_reason_has_no_sum() -> None:
    empty = pd.DataFrame(columns=["account_id", "output", "contribution"])
    rows = pd.DataFrame({"account_id": ["a", "a"], "output": "health", "contribution": [1.0, 2.0]})
    accounts = pd.Series(["a", "b"])
    sums = contribution_sums([empty, rows], accounts)
    assert sums["health"].tolist()[0] == 3.0
    assert sums.columns.tolist() == ["health"]
    assert contribution_sums([empty], accounts).shape == (2, 0)


def test_accounts_known_after_every_training_date_are_named(tmp_path: Path) -> None:
    ids = [f"A{number}" for number in range(5)]
    migrated = {"created_at": "2026-05-01", "known_at": "2026-05-01"}
    pd.DataFrame({"account_id": ids}).assign(**migrated).to_csv(
        tmp_path / "accounts.csv", index=False
    )
    pd.DataFrame(
        {"account_id": ids, "product": "core", "started_at": "2025-01-01", "ended_at": None}
    ).assign(mrr=100.0).to_csv(tmp_path / "subscriptions.csv", index=False)
    config = tmp_path / "health.toml"
    config.write_text(
        "observed_until = 2026-06-07\n"
        '[tables.accounts]\npath = "accounts.csv"\n'
        '[tables.subscriptions]\npath = "subscriptions.csv"\n'
    )
    loaded = load_config(config)
    with pytest.raises(HealthError, match=r"5 accounts were created from 2026-05-01"):
        build_training_set(open_company(loaded).opened.tables, loaded)


def test_scoring_names_what_kept_the_newest_version_from_being_promoted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "health.toml"
    config.write_text('[tables.accounts]\npath = "a.csv"\n[tables.orders]\npath = "o.csv"\n')
    leak = {"feature": "days_to_renewal", "why": "alone reaches an AUC of 0.985 on churn"}
    save_version(tmp_path / "models", {}, {"leaks": [leak]}, until="2026-06-01")
    with pytest.raises(HealthError, match="was not promoted") as caught:
        load_champion(load_config(config))
    assert "days_to_renewal: alone reaches an AUC of 0.985" in caught.value.what
    assert "--force --reason" in caught.value.fix
