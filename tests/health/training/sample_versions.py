"""Versions of small fitted models on simulated rows: what a gate can be tried on in no time."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd

from features.catalogue import CATALOGUE
from features.feature_hashes import definition_hashes
from health.training.cohort import Candidate
from health.training.held_out import FILE, held_out_predictions, to_parquet
from health.training.registry import Version, save_version
from health.training.rows import TargetRows
from models import ChurnModel
from tests.models.conftest import simulated

INPUTS = ["logins", "tickets", "noise", "seats"]
EMBARGO = 120


def labelled_rows(n_accounts: int = 160, n_dates: int = 24) -> TargetRows:
    """Return accounts × dates every 28 days with few enough events for a small model."""
    rows = simulated(n_accounts, n_dates, intercept=-7.0, slope=2.0)
    frame = rows.X.reset_index(drop=True).assign(
        account_id=[f"a{g}" for g in rows.groups],
        as_of=pd.DatetimeIndex(rows.times).as_unit("us"),
        churned=rows.y.astype(float),
    )
    return TargetRows(frame, "churned", INPUTS)


def candidate(
    rows: TargetRows, until: str = "2025-12-31", *, inputs: list[str] | None = None, **manifest: Any
) -> Candidate:
    """Fit a version on the rows whose outcome was known before a date."""
    end = pd.Timestamp(until)
    known = rows.frame[rows.frame["as_of"] + pd.Timedelta(days=EMBARGO) <= end]
    own = TargetRows(known.reset_index(drop=True), "churned", inputs or rows.inputs)
    model = ChurnModel(n_splits=2).fit(
        own.frame[own.inputs],
        own.frame["churned"],
        groups=own.frame["account_id"],
        times=own.frame["as_of"],
    )
    result = {
        "trained_until": until,
        "horizon_days": 90,
        "grace_days": 30,
        "seed": 0,
        "evaluation": {"churn": {"basis": model.basis_}},
        **manifest,
    }
    version = Version(f"{until}-test", result, {"churn": model})
    return Candidate(version, held_out_predictions(version.artefacts, {"churn": own}, EMBARGO))


@cache
def good(until: str = "2025-12-31") -> Candidate:
    return candidate(labelled_rows(), until)


@cache
def poor() -> Candidate:
    """A version that must make do with features that tell nothing."""
    return candidate(labelled_rows(), inputs=["noise", "seats"])


def saved(folder: Path, made: Candidate, **manifest: Any) -> str:
    """Save a candidate as a whole version; return its name."""
    name = next(iter(CATALOGUE))
    content = {
        **made.version.manifest,
        "feature_definitions": {name: definition_hashes({name: CATALOGUE[name]})[name]},
        "rows": {},
        **manifest,
    }
    content["evaluation"] = {
        "upsell": {"basis": "none"},
        "cross_sell": {"basis": "none"},
        **content["evaluation"],
    }
    until = str(content["trained_until"])
    tables = {FILE: to_parquet(made.held_out)}
    artefacts = {**made.version.artefacts, "upsell": None, "cross_sell": None}
    return save_version(folder, artefacts, content, until=until, tables=tables).name
