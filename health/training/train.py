"""Training a version: from the tables to a folder that says what is in it."""

from __future__ import annotations

from datetime import datetime

import pandas as pd

from health.company import open_company
from health.config import Config
from health.training import registry
from health.training.fit import build_training_set, fit_models, target_rows
from health.training.held_out import FILE, held_out_predictions, to_parquet
from health.training.manifest import build_manifest


def train_version(
    config: Config,
    *,
    until: datetime | None = None,
    promoted: bool = True,
    truth: pd.DataFrame | None = None,
) -> registry.Version:
    """Train on past dates and leave a version in `models_dir`; promote it where asked.

    Parameters
    ----------
    config : Config
        The configuration.
    until : datetime, optional
        Learn only from what was known before this date.
    promoted : bool
        Make the new version the champion.
    truth : pd.DataFrame, optional
        The true probabilities of a simulated company, as `evaluation_of` takes them.
    """
    company = open_company(config)
    known_until = min(until or company.data_end, company.data_end)
    training = build_training_set(company.opened.tables, config, until=until)
    models = fit_models(training, config)
    rows = target_rows(training, config)
    embargo = config.labels.horizon_days + config.labels.grace_days
    held_out = held_out_predictions(models, rows, embargo)
    manifest = build_manifest(company, training, rows, models, known_until=known_until, truth=truth)
    version = registry.save_version(
        config.models_dir,
        models,
        manifest,
        until=str(known_until.date()),
        tables={FILE: to_parquet(held_out)},
    )
    if promoted:
        registry.promote(config.models_dir, version.name)
    return version
