"""The page of the settings is in step with the configuration, and says what each key means."""

from __future__ import annotations

from pathlib import Path

from health.settings.page import settings_page

PAGE = Path(__file__).parents[3] / "health" / "SETTINGS.md"


def test_the_page_is_in_step() -> None:
    assert PAGE.read_text(encoding="utf-8") == settings_page() + "\n", (
        "run `python -m health.settings.page > health/SETTINGS.md`"
    )


def test_every_key_has_a_meaning() -> None:
    rows = [line for line in settings_page().splitlines() if line.startswith("| ")]
    assert len(rows) > 100
    assert [row for row in rows if row.endswith("|  |")] == []


def test_types_bounds_and_defaults_are_told() -> None:
    page = settings_page()
    assert '| currency | text | `"USD"` |' in page
    assert "| horizon_days | whole number, > 0 | `90` |" in page
    assert "| hold_out | number, ≥ 0, ≤ 0.5 | `0` |" in page
    assert "| when | list of [stages.rules.when] | required |" in page
    assert "| prices | table of number or [expansion.prices] |" in page
