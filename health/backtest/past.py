"""Past dates scored with what was known then, and what happened afterwards."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pandas as pd

from features.targets.labels import paid_spells
from health.backtest.contenders import (
    CONTENDERS,
    LEARNT,
    MODEL,
    ORACLE,
    PROPOSED,
    RULES,
    Contender,
    oracle_risk,
)
from health.backtest.learned_weights import WeightFit, learnt_on_past
from health.backtest.walk_forward import ModelFit, model_on_past
from health.business.company import Company
from health.flags.capacity import capacities, unassigned
from health.flags.rules import at_risk_list
from health.flags.scored import Scored
from health.reasons.reasons import COLUMNS as REASON_COLUMNS
from health.scorecard.bands import band
from health.scorecard.score import HealthScores, score_with
from health.settings.config import Config
from health.settings.score import ScoreSettings
from health.training.rivals import single_feature_risks
from health.training.rows import build_account_rows, churn_inputs
from health.training.score_terms import score_terms
from models import expected_loss


@dataclass(frozen=True)
class Past:
    """Accounts × past dates, how they were scored then, and what happened.

    Attributes
    ----------
    rows : pd.DataFrame, shape = (n_rows, n_columns)
        account_id, as_of, csm, group (of the peers), churned (1, 0, or NaN where not known),
        score (0-100 or NaN), band, room (number of accounts that fit the list of the row's
        CSM), flagged (on a CSM's at-risk list), and a column of risk for
        each contender: higher where an account is more likely to leave, NaN where it has
        none. Accounts that had given notice are not among them.
    points : pd.DataFrame, shape = (n_rows, n_measures)
        Points of each measure of the scorecard, NaN where its value is missing.
    probability : pd.Series, shape = (n_rows,)
        Of the churn model, NaN where there was none.
    churns : pd.DataFrame, shape = (n_accounts, 2)
        account_id and churned_at of each account that left and whose grace period has passed; the
        last time, if it left twice.
    contenders : tuple of Contender
        Those with a column, in the order in which they are shown.
    fits : tuple of ModelFit
        How the churn model was fitted for each date.
    weight_fits : tuple of WeightFit
        How the weights were learned for each date.
    """

    rows: pd.DataFrame
    points: pd.DataFrame
    probability: pd.Series[float]
    churns: pd.DataFrame
    contenders: tuple[Contender, ...]
    fits: tuple[ModelFit, ...]
    weight_fits: tuple[WeightFit, ...]


def score_past(
    company: Company,
    *,
    accounts: pd.DataFrame | None = None,
    first: datetime | None = None,
    proposed: ScoreSettings | None = None,
    with_models: bool = True,
) -> Past:
    """Score past dates with what was known on each.

    Parameters
    ----------
    company : Company
        Configuration and tables.
    accounts : pd.DataFrame, optional
        Its rows of `build_account_rows`, if already built.
    first : datetime, optional
        First date to score; models may learn from earlier ones.
    proposed : ScoreSettings, optional
        Another scorecard to compare with the configured one.
    with_models : bool
        Also fit the churn model and the learned weights for each date.
    """
    config = company.config
    features = accounts
    if features is None:
        features = build_account_rows(company.opened.tables, config)
    health = score_with(config.score_settings, features)
    rows = _identity(features, health, config)
    risks = {RULES.key: -health.machine_score}
    if proposed is not None:
        risks[PROPOSED.key] = -score_with(proposed, features).machine_score
    start = None if first is None else pd.Timestamp(first)
    result = score_terms(features, config.score_settings, health)
    learnt_from = features.drop(columns=result.columns, errors="ignore").join(result)
    fitted = model_on_past(
        learnt_from if with_models else learnt_from.head(0),
        churn_inputs(learnt_from, config),
        config,
        start,
    )
    model = fitted.predicted.reindex(features.index)
    weight_fits: tuple[WeightFit, ...] = ()
    if with_models:
        weights = learnt_on_past(features, config, start)
        weight_fits = weights.fits
        if any(fit.learned for fit in weight_fits):
            risks[LEARNT.key] = -weights.score
        risks[MODEL.key] = model["logit"]
    baselines = single_feature_risks(features)
    risks |= {str(key): baselines[key] for key in baselines}
    truth = oracle_risk(features, config.base, config.labels.horizon_days)
    if truth is not None:
        risks[ORACLE.key] = truth
    rows = rows.assign(**{key: risk for key, risk in risks.items() if risk.notna().any()})
    rows["room"] = room_for(rows, config)
    rows["flagged"] = on_the_list(features, rows["band"], model, config)
    kept = np.ones(len(rows), bool) if start is None else (rows["as_of"] >= start).to_numpy()
    return Past(
        rows=rows[kept].reset_index(drop=True),
        points=health.points[kept].reset_index(drop=True),
        probability=model.loc[kept, "probability"].reset_index(drop=True),
        churns=_churns(company),
        contenders=tuple(c for c in CONTENDERS if c.key in rows.columns),
        fits=fitted.fits,
        weight_fits=weight_fits,
    )


def _identity(features: pd.DataFrame, health: HealthScores, config: Config) -> pd.DataFrame:
    """Return accounts and dates with the score before overrides: only that one is evaluated."""
    rows = features[["account_id", "as_of", "churned"]].copy()
    for column, source in (("csm", "csm"), ("group", config.peer_group)):
        present = source in features.columns
        rows[column] = features[source].astype(object) if present else None
    rows["score"] = health.machine_score
    rows["band"] = band(health.machine_score, config.scorecard.bands)
    return rows


def _churns(company: Company) -> pd.DataFrame:
    """Return when accounts left; an end within the grace period may still be a late renewal."""
    tables, grace = company.opened.tables, company.config.labels.grace_days
    spells = paid_spells(tables, grace_days=grace)
    ended = spells["ended_at"] + pd.Timedelta(days=grace) <= pd.Timestamp(tables.observed_until)
    churns = spells[ended].rename(columns={"ended_at": "churned_at"})
    last = churns.drop_duplicates("account_id", keep="last")
    return last[["account_id", "churned_at"]].reset_index(drop=True)


def on_the_list(
    features: pd.DataFrame, bands: pd.Series[str], model: pd.DataFrame, config: Config
) -> pd.Series[bool]:
    """Return which rows the rules of the weekly run would have put on a list.

    Parameters
    ----------
    features : pd.DataFrame, shape = (n_rows, n_columns)
        account_id, as_of, mrr, notice_given, [name, csm].
    bands : pd.Series of str, shape = (n_rows,)
        Band of the health score.
    model : pd.DataFrame, shape = (n_rows, 4)
        Predictions of the churn model, as in `ModelPast.predicted`.
    config : Config
        Limits and capacity.
    """
    scores = pd.DataFrame(
        {
            "account_id": features["account_id"],
            "name": None,
            "csm": features["csm"] if "csm" in features.columns else None,
            "mrr": features["mrr"],
            "health_band": bands,
            "churn_probability": model["probability"],
            "churn_base_rate": model["base_rate"],
            "expected_loss": expected_loss(model["probability"], features["mrr"]),
        },
        index=features.index,
    )
    nothing = pd.DataFrame(columns=list(REASON_COLUMNS))
    listed = pd.Series(False, index=features.index)
    for _, rows in features.groupby("as_of"):
        supports = {"churn": bool(model.loc[rows.index, "supported"].any())}
        scored = Scored(scores.loc[rows.index], rows, nothing, supports)
        flagged = set(at_risk_list(scored, config)["account_id"])
        listed.loc[rows.index] = rows["account_id"].isin(flagged)
    return listed.astype(np.bool_)


def room_for(rows: pd.DataFrame, config: Config) -> pd.Series[float]:
    """Return for each row how many accounts fit the list of its CSM on its date.

    Parameters
    ----------
    rows : pd.DataFrame, shape = (n_rows, n_columns)
        as_of, csm.
    config : Config
        Capacities.
    """
    room = pd.Series(0.0, index=rows.index)
    for _, own in rows.groupby("as_of"):
        by_csm = own["csm"].map(capacities(own["csm"], config.flags)).astype(float)
        room.loc[own.index] = by_csm.fillna(float(unassigned(own["csm"], config.flags)))
    return room
