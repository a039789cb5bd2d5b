"""`health tune`: a proposed scorecard, compared with the configured one on later dates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from features.errors import HealthError
from health.backtest.comparison import METRICS, Comparison
from health.backtest.contenders import PROPOSED, RULES
from health.backtest.judge import judge
from health.backtest.learned_weights import churned_accounts, learn_weights, point_rows
from health.backtest.past import score_past
from health.backtest.proposal import changes, proposal_toml, with_weights
from health.backtest.run import FOLDER, Finished, write
from health.business.company import Company, open_company
from health.runs.durable import write_whole
from health.scorecard.score import score_with
from health.settings.config import Config
from health.settings.scorecard import Scorecard
from health.training.rows import build_account_rows

#: Name of the proposal, in the folder of the backtest.
FILE = "scorecard_proposed.toml"
_NAMES = {
    "auc": "AUC",
    "average_precision": "average precision",
    "lift_top_decile": "lift of the tenth at highest risk",
    "precision_at_capacity": "precision at CSM capacity",
    "recall_at_capacity": "recall at CSM capacity",
}
_EXIT_DECLINED = 3


@dataclass(frozen=True)
class Tuned:
    """A proposed scorecard and its evaluation.

    Attributes
    ----------
    proposal : Path or None
        The file; None if the configured weights stay.
    changes : list of dict
        profile, component, measure, old, new.
    learnt_until, tested_from : str
        Last date of the training rows, and first date of the comparison.
    strength : float
        λ of the penalty; infinite if the configured weights stay.
    backtest : Finished or None
        Old and new weights compared on the later dates.
    """

    proposal: Path | None
    changes: list[dict[str, Any]]
    learnt_until: str
    tested_from: str
    strength: float
    backtest: Finished | None

    @property
    def comparison(self) -> Comparison | None:
        """Old and new weights compared; None without a proposal."""
        return None if self.backtest is None else self.backtest.backtest.together


@dataclass(frozen=True)
class _Periods:
    """The training rows, and the rows on which old and new weights are compared."""

    train: np.ndarray
    test: np.ndarray
    learnt_until: pd.Timestamp
    tested_from: pd.Timestamp


def tune(config: Config, *, output: Path | None = None) -> Tuned:
    """Learn weights on earlier dates, test them on later ones, and write the proposal.

    The configuration is never changed.

    Parameters
    ----------
    config : Config
        The configuration, with the current weights.
    output : Path, optional
        The file to write; by default ``scorecard_proposed.toml`` in the backtest's folder.

    Raises
    ------
    HealthError
        With exit code 3: too few accounts left, in the training or the later period.
    """
    company = open_company(config)
    features = build_account_rows(company.opened.tables, config)
    scored = score_with(config.score_settings, features).machine_score.notna()
    periods = _periods(features, scored.to_numpy(), config)
    sets = point_rows(features, config)
    learned = learn_weights(features, sets, periods.train, config)
    dates = {
        "learnt_until": str(periods.learnt_until.date()),
        "tested_from": str(periods.tested_from.date()),
    }
    card = config.scorecard if learned is None else with_weights(config.scorecard, sets, learned)
    if learned is None or card == config.scorecard:
        return Tuned(None, [], **dates, strength=float("inf"), backtest=None)
    folder = config.runs_dir / FOLDER if output is None else output.parent
    path = folder / FILE if output is None else output
    finished = _old_against_new(company, features, card, periods, folder)
    comments = _comments(config, finished, dates, features[periods.train])
    write_whole(path, proposal_toml(card, comments))
    return Tuned(
        path,
        changes(config.scorecard, card),
        **dates,
        strength=learned.strength,
        backtest=finished,
    )


def _periods(features: pd.DataFrame, scored: np.ndarray, config: Config) -> _Periods:
    known = scored & features["churned"].notna().to_numpy()
    dates = np.sort(features.loc[known, "as_of"].unique())
    embargo = pd.Timedelta(days=config.labels.horizon_days + config.labels.grace_days)
    n_tested = max(1, round(config.tune.held_out_share * len(dates)))
    tested_from = pd.Timestamp(dates[-n_tested]) if len(dates) else pd.Timestamp.max
    test = known & (features["as_of"] >= tested_from).to_numpy()
    train = known & (features["as_of"] <= tested_from - embargo).to_numpy()
    counts = {
        "learn from": (churned_accounts(features[train]), config.tune.least_churned),
        "compare on": (churned_accounts(features[test]), config.tune.least_held_out),
    }
    _decline(counts, features[known], len(dates), config)
    return _Periods(train, test, pd.Timestamp(features.loc[train, "as_of"].max()), tested_from)


def _decline(
    counts: Mapping[str, tuple[int, int]], known: pd.DataFrame, n_dates: int, config: Config
) -> None:
    short = [
        f"{present:,} of the accounts to {what} left, at least {least:,} are needed"
        for what, (present, least) in counts.items()
        if present < least
    ]
    if not short:
        return
    raise HealthError(
        "no weights are learned: too few accounts left\n"
        f"  {churned_accounts(known):,} of {known['account_id'].nunique():,} accounts left after "
        f"one of {n_dates:,} past dates\n" + "\n".join(f"  {line}" for line in short),
        where=str(config.file),
        fix="keep the configured weights, and try again with more history",
        exit_code=_EXIT_DECLINED,
    )


def _old_against_new(
    company: Company, features: pd.DataFrame, card: Scorecard, periods: _Periods, folder: Path
) -> Finished:
    settings = company.config.score_settings.model_copy(update={"scorecard": card})
    past = score_past(
        company,
        accounts=features,
        first=periods.tested_from.to_pydatetime(),
        proposed=settings,
        with_models=False,
    )
    return write(judge(past, company.config), company, folder, "tune")


def _comments(
    config: Config, finished: Finished, dates: Mapping[str, str], learnt_from: pd.DataFrame
) -> list[str]:
    lines = [
        f"A scorecard proposed for {config.company or config.file.name}, with weights learned from "
        "what happened.",
        "To use it, replace [scorecard] in the configuration with it.",
        "",
        f"Learned from dates up to {dates['learnt_until']} ({churned_accounts(learnt_from):,} "
        "accounts left), tested on dates",
        f"from {dates['tested_from']} on, which were not used for learning:",
        "",
    ]
    return lines + compared_lines(finished.backtest.together)


def compared_lines(together: Comparison | None) -> list[str]:
    """Return old and new value of each metric with its 95 % interval, one line each."""
    if together is None:
        return ["Too few accounts left on the later dates to compare."]
    lines = []
    for metric in METRICS:
        old, new = together.figures[RULES.key][metric], together.figures[PROPOSED.key][metric]
        gain = together.difference(PROPOSED.key, RULES.key, metric)
        if gain is not None:
            lines.append(
                f"{_NAMES[metric]}: {old.value:.3f} ({old.low:.3f} to {old.high:.3f}) before, "
                f"{new.value:.3f} ({new.low:.3f} to {new.high:.3f}) after, "
                f"difference {gain.value:+.3f} ({gain.low:+.3f} to {gain.high:+.3f})"
            )
    return lines
