"""The files of a run directory."""

from __future__ import annotations

from health.presentation.wording import LISTS

#: The files of a complete run.
FILES = (
    "scores.parquet",
    "reasons.parquet",
    "changes.parquet",
    "flags.parquet",
    "my_week.parquet",
    "episodes.parquet",
    "drift.parquet",
    "monitor.parquet",
    "portfolio.parquet",
    "whitespace.parquet",
    "features.parquet",
    "overrides.parquet",
    "points.parquet",
    "contacts.parquet",
    "contracts.parquet",
    "events.parquet",
    "voice_themes.parquet",
    "voice_comments.parquet",
    "renewals.parquet",
    "ledger.parquet",
    "calls.parquet",
    "flags.xlsx",
    "report.html",
    "forecast.html",
    "voice.html",
    "background.json",
    "run.json",
    "lists/my_week.csv",
    *(f"lists/{kind.flag}.csv" for kind in LISTS),
)
