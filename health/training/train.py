"""Training a version: from the tables to a folder with artefacts and manifest."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import pandas as pd

from health.business.company import open_company
from health.business.kinds import business_of_tables
from health.settings.config import Config
from health.training import registry
from health.training.held_out import FILE, to_parquet
from health.training.learning import LEARNING
from health.training.promotion import Decision, promote_version, weigh


@dataclass(frozen=True)
class Trained:
    """A trained version, and whether it is now the champion.

    Attributes
    ----------
    version : Version
    decision : Decision
        Reasons against promotion.
    promoted : bool
        Whether it is the champion.
    held_back : str
        Why it is not the champion although there is no reason against promotion.
    is_blocked : bool
        Whether promotion was requested and a reason against it blocked it.
    """

    version: registry.Version
    decision: Decision
    promoted: bool
    held_back: str = ""
    is_blocked: bool = False


def train_version(
    config: Config,
    *,
    until: datetime | None = None,
    promoted: bool = True,
    truth: pd.DataFrame | None = None,
    at: str = "",
    by: str = "",
    say: Callable[[str], None] = lambda _: None,
) -> Trained:
    """Train on past dates, write a version to `models_dir`, and promote it if it passes the gate.

    Parameters
    ----------
    config : Config
        The configuration.
    until : datetime, optional
        Learn only from what was known before this date.
    promoted : bool
        Make the version the champion, unless a feature leaks, it is worse than the champion, or
        the champion was trained on later data.
    truth : pd.DataFrame, optional
        The true probabilities of a simulated company, as in `evaluation_of`.
    at, by : str
        Time and person, for the records.
    say : callable
        Called with progress messages.

    Raises
    ------
    HealthError
        Bad input, or too little history to learn from.
    """
    registry.recover(config.models_dir)
    _ = config.model_key  # Its secret is missed now, not after hours of training.
    say("Reading and checking the tables")
    company = open_company(config)
    tables = company.opened.tables
    known_until = min(until or company.data_end, company.data_end)
    if until is not None and until < tables.observed_until:
        tables = tables.until(until)
    learning = LEARNING[business_of_tables(tables).key]
    learned = learning.learn(company, tables, known_until, truth=truth, say=say)
    # From here on one process at a time, so that every version is compared with the champion.
    with registry.changing(config.models_dir):
        version = registry.save_version(
            config.models_dir,
            learned.models,
            learned.manifest,
            until=str(known_until.date()),
            tables={FILE: to_parquet(learned.held_out)},
            notes={
                "trained.json": json.dumps({"at": at, "by": by}) + "\n",
                "evaluation.html": learned.page,
            },
            key=config.model_key,
        )
        say("Comparing it with the champion")
        decision = weigh(config, version.name, learned.training)
        held_back = _knows_less(config, version, decision) if promoted else ""
        is_blocked = promoted and not decision.passes and decision.champion != version.name
        promoted = promoted and decision.passes and not held_back
        if promoted and decision.champion != version.name:
            promote_version(config, decision, at=at, by=by, reason="trained")
    return Trained(version, decision, promoted, held_back, is_blocked)


def _knows_less(config: Config, version: registry.Version, decision: Decision) -> str:
    """Return a message if the champion was trained on later data; it is not replaced then."""
    if decision.champion is None or not decision.compared:
        return ""
    champion = registry.require_version(config.models_dir, decision.champion)
    ours, theirs = (str(v.manifest["trained_until"]) for v in (version, champion))
    return f"it was trained until {ours}, the champion until {theirs}" if ours < theirs else ""
