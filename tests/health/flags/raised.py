"""Flags with their sentences, as a run raises them."""

from __future__ import annotations

from datetime import date

import pandas as pd

from health.flags.rules import Raised, list_flags, word_flags
from health.flags.scored import Scored
from health.settings.config import Config


def raise_flags(
    scored: Scored,
    config: Config,
    *,
    as_of: date,
    previous: pd.DataFrame | None = None,
    actions: pd.DataFrame | None = None,
) -> Raised:
    """List flags and word them, both from the same reasons."""
    raised = list_flags(scored, config, as_of=as_of, previous=previous, actions=actions)
    return word_flags(raised, scored, config, as_of=as_of)
