"""Whether the churn curves are constrained to the directions of the catalogue.

A curve that can only fall as usage rises gives plausible reasons. The constraint is used unless the
log loss on later dates is worse with it.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import expit

from health.settings.config import Config
from health.training.custom_estimators import custom_estimator
from health.training.fit import churn_directions
from health.training.rows import TargetRows
from models import GlassBoxClassifier
from models.base.calibration import fit_calibration
from models.base.inputs import group_codes
from models.churn.few_events import model_kind
from models.churn.later_dates import LabelledRows, try_in_time
from models.churn.score_model import measures_given, score_columns
from models.evaluation.paired import evaluate_paired


@dataclass(frozen=True)
class Directions:
    """Whether directions are used, and their effect on the log loss.

    Attributes
    ----------
    used : bool
        Whether the curves are constrained.
    why : str
        In a sentence.
    log_loss, log_loss_free : float or None
        On later dates, with and without directions; None if not compared.
    difference, low, high : float or None
        `log_loss` − `log_loss_free` with its 95 % interval; above 0, directions are worse.
    """

    used: bool
    why: str
    log_loss: float | None = None
    log_loss_free: float | None = None
    difference: float | None = None
    low: float | None = None
    high: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for the manifest."""
        return asdict(self)


def choose_directions(rows: TargetRows, config: Config) -> Directions:
    """Compare the churn model with and without directions on the latest dates.

    Parameters
    ----------
    rows : TargetRows
        The training rows of the churn model.
    config : Config
        `training.monotone`, labels and seed.
    """
    wanted = config.training.monotone
    if wanted != "auto":
        return Directions(bool(wanted), "set by training.monotone")
    frame = rows.frame[rows.frame[rows.label].notna()]
    target = frame[rows.label].to_numpy(dtype=np.int64)
    left = frame.loc[target == 1, "account_id"].nunique()
    if custom_estimator(config, "churn") is not None or model_kind(left) != "model":
        return Directions(False, "the churn model has no curves to constrain")
    inputs = [c for c in rows.inputs if c not in score_columns(measures_given(frame.columns))]
    labelled = LabelledRows(
        frame[inputs],
        target,
        group_codes(frame["account_id"], len(frame)),
        frame["as_of"].to_numpy(),
    )
    tested = {
        constrained: _held_out(labelled, churn_directions(inputs) if constrained else None, config)
        for constrained in (False, True)
    }
    places = tested[True].index
    if places.empty or len(set(target[places])) < 2:
        return Directions(True, "too little history to compare; directions are the default")
    compared = evaluate_paired(
        target[places],
        tested[False].to_numpy(),
        tested[True].to_numpy(),
        groups=labelled.codes[places],
        seed=config.training.seed,
    ).log_loss
    worse = compared.difference.low > 0
    why = (
        "the log loss on later dates is worse with directions"
        if worse
        else "the log loss on later dates is no worse with directions"
    )
    return Directions(
        not worse,
        why,
        compared.second,
        compared.first,
        compared.difference.value,
        compared.difference.low,
        compared.difference.high,
    )


def _held_out(
    rows: LabelledRows, monotone: dict[str, int] | None, config: Config
) -> pd.Series[float]:
    """Return calibrated probabilities of the latest block of dates, by position."""
    seed = config.training.seed
    test = try_in_time(
        GlassBoxClassifier(monotone=monotone, seed=seed),
        rows,
        n_splits=1,
        embargo_days=config.labels.horizon_days + config.labels.grace_days,
        seed=seed,
    )
    found = test.held_out
    if found.empty:
        return pd.Series(dtype=float)
    places = found.index.to_numpy().astype(np.int64)
    fitted = fit_calibration(
        found["logit"].to_numpy(dtype=float),
        rows.target[places],
        groups=rows.codes[places],
        seed=seed,
    )
    return pd.Series(expit(fitted.held_out_logit), index=places)


def with_directions(config: Config, directions: Directions) -> Config:
    """Return the configuration with the chosen directions."""
    training = config.training.model_copy(update={"monotone": directions.used})
    return config.model_copy(update={"training": training})
