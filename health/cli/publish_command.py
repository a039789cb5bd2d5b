"""`health publish`: the newest run, written to the company's database."""

from __future__ import annotations

from datetime import datetime

from rich.console import Console

from health.cli import console as show
from health.publishing.newest import Publication, publish_newest
from health.settings.config import Config


def run_publish(config: Config, *, console: Console, at: datetime) -> None:
    """Publish the newest run and print what changed; HealthError if the database refuses."""
    published(console, publish_newest(config, at=at))


def published(console: Console, publication: Publication) -> None:
    """Print what publishing a run changed."""
    written = publication.written
    if written.rows:
        tables = ", ".join(written.tables)
        show.say(console, f"Written: {written.rows:,} rows of {written.as_of} to {tables}")
    else:
        show.say(console, f"Already written: {written.as_of}; 0 rows changed")
    if not written.is_latest:
        show.say(console, "A newer run is already published: the view still shows it.")
    show.say(console, f"Changed accounts: {publication.changed:,} in {publication.delta}")
