"""`health backtest`: from a configuration to backtest.html and backtest.json."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from features.errors import HealthError
from health.backtest.contenders import CONTENDERS
from health.backtest.judge import Backtest, judge
from health.backtest.page import render_page, to_json
from health.backtest.past import score_past
from health.backtest.verdict import Verdict, verdict
from health.business.company import Company, open_company
from health.runs.durable import write_whole
from health.settings.config import Config
from health.settings.limits import read_configuration, refuse_absurd
from health.settings.score import ScoreSettings
from health.settings.scorecard import Scorecard

#: Folder next to the runs.
FOLDER = "backtest"


@dataclass(frozen=True)
class Finished:
    """A backtest and where it was written."""

    backtest: Backtest
    verdict: Verdict
    page: Path
    metrics: Path


def run_backtest(
    config: Config,
    *,
    first: datetime | None = None,
    scorecard: Path | None = None,
    output: Path | None = None,
) -> Finished:
    """Score past dates, compare them with what happened, and write backtest.html and backtest.json.

    Parameters
    ----------
    config : Config
        The configuration.
    first : datetime, optional
        First date to score.
    scorecard : Path, optional
        A TOML file whose ``[scorecard]`` is compared with the configured one.
    output : Path, optional
        Folder to write to; by default ``backtest`` in the folder of runs.
    """
    proposed = None if scorecard is None else load_scorecard(scorecard, config)
    company = open_company(config)
    past = score_past(company, first=first, proposed=proposed)
    if past.rows.empty:
        raise HealthError(
            f"no past date can be scored from {first.date() if first else 'the first'} on",
            where="--from",
            fix="give an earlier date, or a longer history",
        )
    found = judge(past, config)
    return write(found, company, output or config.runs_dir / FOLDER)


def write(found: Backtest, company: Company, folder: Path, name: str = FOLDER) -> Finished:
    """Write both files; the previous ones stay until each new one is complete."""
    config = company.config
    result = verdict(found, config.labels.horizon_days, config.backtest.least_churned)
    about = about_backtest(company)
    metrics = json.dumps(
        to_json(found, result, about), indent=2, allow_nan=False, ensure_ascii=False
    )
    written = {
        folder / f"{name}.html": render_page(found, result, about),
        folder / f"{name}.json": metrics + "\n",
    }
    for path, text in written.items():
        write_whole(path, text)
    return Finished(found, result, *written)


def about_backtest(company: Company) -> Mapping[str, Any]:
    """Return what the results were computed from; no clock time, so they can be reproduced."""
    config = company.config
    labels, settings = config.labels, config.backtest
    return {
        "company": config.company,
        "data_end": str(company.data_end.date()),
        "config_hash": config.hash,
        "scorecard_hash": config.score_settings.hash,
        "horizon_days": labels.horizon_days,
        "grace_days": labels.grace_days,
        "embargo_days": labels.horizon_days + labels.grace_days,
        "every_days": config.training.every_days,
        "refit_days": settings.refit_days,
        "lead_days": settings.lead_days,
        "resamples": settings.resamples,
        "seed": config.training.seed,
        "capacity": config.flags.capacity_per_csm,
        "peer_group": config.peer_group,
        "titles": {contender.key: contender.title for contender in CONTENDERS},
    }


def load_scorecard(path: Path, config: Config) -> ScoreSettings:
    """Read the ``[scorecard]`` of a TOML file; stages and peer group stay.

    Raises
    ------
    HealthError
        The file is missing, is not TOML, or contains no valid scorecard.
    """
    try:
        content = tomllib.loads(read_configuration(path))
        refuse_absurd(content, str(path))
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise HealthError(
            f"cannot be read as TOML: {error}",
            where=str(path),
            fix="give a file that `health tune` wrote, or any health.toml",
        ) from None
    if "scorecard" not in content:
        raise HealthError(
            "contains no [scorecard]",
            where=str(path),
            fix="give a file that `health tune` wrote, or any health.toml",
        )
    try:
        scorecard = Scorecard.model_validate(content["scorecard"])
    except ValidationError as error:
        lines = [f"  {'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()]
        raise HealthError(
            "its scorecard is not valid\n" + "\n".join(lines),
            where=str(path),
            fix="correct the keys and values named above",
        ) from None
    return config.score_settings.model_copy(update={"scorecard": scorecard})
