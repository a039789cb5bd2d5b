"""Publishing the newest run of a configuration, and the file of what changed with it."""

from __future__ import annotations

import io
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pandas as pd

from features.errors import HealthError
from features.tables.regular_files import read_regular
from health.publishing.delta import changed_accounts, write_delta
from health.publishing.publish import Written, publish_run
from health.runs.directory import PublishedRun, find_run, runs_before
from health.runs.lock import locked
from health.settings.config import Config
from health.settings.secrets import secret
from health.settings.sources import PublishConfig

#: A run may be scored while another one is written to the database.
_LOCK = ".publish.lock"


@dataclass(frozen=True)
class Publication:
    """A run that was written to the warehouse, and its file of changed accounts."""

    written: Written
    delta: Path
    changed: int


def publish_newest(config: Config, *, at: datetime) -> Publication:
    """Write the newest run to the configured database, and the accounts that changed to a file.

    Parameters
    ----------
    config : Config
        With a section [publish].
    at : datetime
        The time, for the record.

    Raises
    ------
    HealthError
        Nothing is configured or scored, or the database refuses. The run itself stays complete.
    """
    settings = config.publish
    if settings is None:
        raise HealthError(
            "no database to publish to is configured",
            where=str(config.file),
            fix='add [publish] with url = "$WAREHOUSE_URL"',
        )
    with locked(config.runs_dir, work="publication", name=_LOCK):
        return _publish(config, settings, find_run(config.runs_dir, None, config.file), at)


def _publish(
    config: Config, settings: PublishConfig, run: PublishedRun, at: datetime
) -> Publication:
    try:
        written = publish_run(
            run.folder,
            secret(settings.url, where="publish.url", base=config.base),
            schema=settings.schema_name,
            prefix=settings.prefix,
            base=config.base,
            at=at,
        )
        delta = config.base / settings.delta_dir / f"as_of={run.as_of}.csv"
        rows = _changed(config, settings, run)
        write_delta(rows, delta)
    except OSError as error:
        raise HealthError(
            f"the run is complete, but its changes cannot be written: {error.strerror}",
            where=str(error.filename or settings.delta_dir),
            fix=f"correct it, then run `health publish {config.file}`",
        ) from None
    except HealthError as error:
        raise HealthError(
            f"the run of {run.as_of} is complete, but not in the database: {error.what}",
            where=error.where,
            fix=f"{error.fix}; then run `health publish {config.file}`",
        ) from None
    return Publication(written, delta, len(rows))


def _changed(config: Config, settings: PublishConfig, run: PublishedRun) -> pd.DataFrame:
    earlier = runs_before(config.runs_dir, run.as_of)
    before = earlier[-1].table("scores") if earlier else None
    return changed_accounts(run.table("scores"), before, _external_ids(config, settings))


def _external_ids(config: Config, settings: PublishConfig) -> pd.Series | None:
    if not settings.external_ids:
        return None
    file = config.base / settings.external_ids
    try:
        ids = pd.read_csv(io.BytesIO(read_regular(file)), dtype=str)
        ids = ids[["account_id", "external_id"]].drop_duplicates("account_id")
        return ids.set_index("account_id")["external_id"]
    except (OSError, ValueError, KeyError) as error:
        raise HealthError(
            f"cannot be read as CSV with account_id and external_id: {error}",
            where=f"publish.external_ids, {file}",
            fix="write both columns, or remove the key",
        ) from None
