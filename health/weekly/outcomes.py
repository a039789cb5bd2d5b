"""The outcomes of the accounts of one run, compared with its predictions."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from datetime import date
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from features.definitions.metrics import wilson_interval
from features.orders.family import orders_by_day
from features.tables.opened import Tables
from features.targets.labels import build_labels
from health.business.kinds import CONTRACTS, ORDERS
from health.report.forecast import MONTHS_OF_YEAR, draw_range
from health.runs.directory import PublishedRun
from health.settings.config import Config
from health.training.orders import TARGET as ORDER
from health.training.orders import came_between
from models.evaluation.classification import evaluate
from models.evaluation.ranking import Interval

#: The predicted event, as in the column `outcome`: `CHURN` or `ORDER`.
CHURN = "churn"
#: Resamples for an interval; with many accounts, fewer are enough.
_RESAMPLES, _FEW_RESAMPLES, _MANY = 200, 40, 50_000
_KEYS = ["account_id", "as_of", "health_score"]


class Outcomes(ABC):
    """What followed the runs of one kind of business.

    Parameters
    ----------
    tables : Tables
        The input tables, as far as they are known.
    config : Config
        Grace period and step of labels.
    actions : pd.DataFrame
        What people did about flags.

    Attributes
    ----------
    outcome : str
        The event that the probabilities of a run are of.
    happened, not_retained : str
        Templates of the event as messages state it, and of its effect on a listed account.
    """

    outcome: ClassVar[str]
    happened: ClassVar[str]
    not_retained: ClassVar[str]

    def __init__(self, tables: Tables, config: Config, actions: pd.DataFrame) -> None:
        self._tables, self._config, self._actions = tables, config, actions

    @property
    @abstractmethod
    def delay_days(self) -> int:
        """Days after the horizon before the outcome is known."""

    @abstractmethod
    def measure(self, run: PublishedRun, info: Mapping[str, Any], horizon: int) -> dict[str, Any]:
        """Compare probabilities, score and list of a run with what followed within the horizon.

        Parameters
        ----------
        run : PublishedRun
            A run whose outcome is known.
        info : mapping of str to object
            Its run.json.
        horizon : int
            Days.

        Returns
        -------
        dict of str to object
            Some of the columns of monitor.parquet.
        """


class ChurnOutcomes(Outcomes):
    """Which accounts with contracts left."""

    outcome = CHURN
    happened = "{churned:,.0f} accounts left"
    not_retained = "left"

    @property
    def delay_days(self) -> int:
        """The grace period: an account has churned once it paid nothing for that long."""
        return self._config.labels.grace_days

    def measure(self, run: PublishedRun, info: Mapping[str, Any], horizon: int) -> dict[str, Any]:
        """Compare a run with who left within the horizon."""
        wanted = [*_KEYS, "mrr", "churn_probability"]
        present = [name for name in wanted if name in run.columns("scores")]
        scores = run.table("scores", present).drop_duplicates("account_id").reindex(columns=wanted)
        if run.has("features"):
            # Accounts that had given notice were never ranked by a probability.
            notice = run.table("features", ["account_id", "notice_given"])
            given = notice.loc[notice["notice_given"] > 0, "account_id"]
            scores = scores[~scores["account_id"].isin(given)].reset_index(drop=True)
        labels = build_labels(
            self._tables,
            scores[["account_id", "as_of"]],
            horizon_days=horizon,
            grace_days=self._config.labels.grace_days,
            upsell_step=self._config.labels.upsell_step,
        )
        left = scores["account_id"].map(labels.set_index("account_id")["churned"])
        return {
            **_of_outcome(CHURN, "churned", scores["churn_probability"], left, info),
            **_of_money(scores, left),
            "health_auc": _auc(-scores["health_score"], left),
            **_of_lists(run, left.groupby(scores["account_id"]).first(), horizon, self._actions),
        }


class OrderOutcomes(Outcomes):
    """Which customers ordered, and how often."""

    outcome = ORDER
    happened = "{ordered:,.0f} customers ordered"
    not_retained = "ordered nothing"

    @property
    def delay_days(self) -> int:
        """Zero: an order is known at once."""
        return 0

    @cached_property
    def _orders(self) -> pd.DataFrame:
        return orders_by_day(self._tables, self._tables.observed_until)

    def measure(self, run: PublishedRun, info: Mapping[str, Any], horizon: int) -> dict[str, Any]:
        """Compare a run with what was ordered within the horizon."""
        columns = [*_KEYS, "order_probability", "orders_expected"]
        scores = run.table("scores", columns).drop_duplicates("account_id").set_index("account_id")
        begin = pd.Timestamp(run.as_of)
        end = begin + pd.Timedelta(days=horizon)
        came = came_between(self._orders, begin, end, scores.index)["purchases"]
        ordered = (came > 0).astype("float64")
        return {
            **_of_outcome(ORDER, "ordered", scores["order_probability"], ordered, info),
            **_of_counts(scores["orders_expected"], came),
            "health_auc": _auc(scores["health_score"], ordered),
            # Leaving is not observed: a listed customer should order nothing within the horizon.
            **_of_lists(run, 1.0 - ordered, horizon, self._actions),
        }


#: The outcomes of each kind of business, by its key.
OUTCOMES: Mapping[str, type[Outcomes]] = {CONTRACTS: ChurnOutcomes, ORDERS: OrderOutcomes}


def _of_money(scores: pd.DataFrame, left: pd.Series[float]) -> dict[str, float]:
    """Return the expected loss in ARR with its 80 % range, and the ARR that was lost."""
    arr = scores["mrr"] * MONTHS_OF_YEAR
    chance = scores["churn_probability"].where(left.notna())
    lost = {"lost_arr": float(arr[left == 1].sum())}
    expected = draw_range(chance, arr)
    if expected.empty:
        return lost
    value, low, high = (float(expected.iloc[0][key]) for key in ("value", "low", "high"))
    ends = {"expected_loss_low": low, "expected_loss_high": high}
    return {"expected_loss": value, **ends, **lost}


def _of_outcome(
    outcome: str,
    count: str,
    chance: pd.Series[float],
    happened: pd.Series[float],
    info: Mapping[str, Any],
) -> dict[str, Any]:
    trained = (info.get("evaluation", {}).get(outcome, {}).get("auc") or {}).get("value")
    return {
        "model_version": str(info.get("model_version", "")),
        "outcome": outcome,
        "accounts": int(happened.notna().sum()),
        count: float(happened.sum()),
        "base_rate": float(happened.mean()),
        "auc_trained": float("nan") if trained is None else float(trained),
        **_of_probabilities(chance, happened),
    }


def _of_counts(expected: pd.Series[float], came: pd.Series[float]) -> dict[str, float]:
    """Return the actual and expected numbers of orders; empty if none were expected."""
    known = expected.notna().to_numpy()
    if not known.any():
        return {}
    result, actual = expected.to_numpy()[known], came.to_numpy(dtype="float64")[known]
    # Customers are resampled: their orders vary more than Poisson counts.
    rng = np.random.default_rng(0)
    resamples = _RESAMPLES if len(result) <= _MANY else _FEW_RESAMPLES
    weights = (rng.poisson(1.0, len(result)) for _ in range(resamples))
    ratios = [float(w @ actual) / max(float(w @ result), 1e-9) for w in weights]
    low, high = np.quantile(ratios, [0.025, 0.975])
    return {
        "orders": float(actual.sum()),
        "orders_expected": float(result.sum()),
        "orders_ratio": float(actual.sum()) / max(float(result.sum()), 1e-9),
        "orders_ratio_low": float(low),
        "orders_ratio_high": float(high),
        "orders_error": float(np.abs(actual - result).mean()),
    }


def _of_probabilities(chance: pd.Series[float], happened: pd.Series[float]) -> dict[str, float]:
    """Return metrics of the probabilities; nothing if none were published."""
    known = chance.notna() & happened.notna()
    if not known.any():
        return {}
    p, y = chance[known].to_numpy(), happened[known].to_numpy()
    found = evaluate(y, p, n_resamples=_RESAMPLES if len(y) <= _MANY else _FEW_RESAMPLES)
    expected, spread = float(p.sum()), float(np.sqrt((p * (1 - p)).sum()))
    return {
        "expected": expected,
        "calibration_ratio": float(y.sum()) / max(expected, 1e-9),
        "calibration_z": (float(y.sum()) - expected) / max(spread, 1e-9),
        **_with_ends("calibration_error", found.calibration_error),
        **_with_ends("auc", found.auc),
        **_with_ends("brier", found.brier),
        "brier_of_base_rate": float(y.mean() * (1 - y.mean())),
    }


def _with_ends(name: str, interval: Interval) -> dict[str, float]:
    return {name: interval.value, f"{name}_low": interval.low, f"{name}_high": interval.high}


def _auc(score: pd.Series[float], happened: pd.Series[float]) -> float:
    """Return the AUC: how often an account that left has the higher score (Mann-Whitney)."""
    known = score.notna() & happened.notna()
    ranks, left = score[known].rank(), happened[known] == 1
    n, stayed = int(left.sum()), int((~left).sum())
    if not n or not stayed:
        return float("nan")
    return float((ranks[left].sum() - n * (n + 1) / 2) / (n * stayed))


def _of_lists(
    run: PublishedRun, happened: pd.Series[float], horizon: int, actions: pd.DataFrame
) -> dict[str, float]:
    """Return the outcomes of the accounts that the run listed at risk."""
    flags = run.table("flags", ["account_id", "flag"])
    listed = happened.reindex(flags.loc[flags["flag"] == "at_risk", "account_id"].unique()).dropna()
    done = _done_about(run.as_of, horizon, actions)
    stayed = listed.index[listed == 0]
    saved, alarms = (int(stayed.isin(done[outcome]).sum()) for outcome in ("saved", "false_alarm"))
    count, left = len(listed), float(listed.sum())
    ends = wilson_interval(np.array([left]), np.array([float(count)]))
    return {
        "listed": float(count),
        "listed_churned": left,
        "precision_at_capacity": left / count if count else float("nan"),
        "precision_low": float(ends.low[0]),
        "precision_high": float(ends.high[0]),
        "precision_by_chance": float(happened.mean()),
        "called": float(listed.index.isin(done["called"]).sum()),
        "saved": float(saved),
        "false_alarms": float(alarms),
        "precision_without_saved": left / (count - saved) if count > saved else float("nan"),
    }


def _done_about(as_of: date, horizon: int, actions: pd.DataFrame) -> dict[str, set[str]]:
    """Return the accounts of each outcome recorded within a run's horizon."""
    begin = pd.Timestamp(as_of)
    within = actions["at"].between(begin, begin + pd.Timedelta(days=horizon))
    meant = actions["flag"].isna() | (actions["flag"] == "at_risk")
    own = actions[within & meant]
    by = own.groupby("action")["account_id"].agg(set).to_dict()
    outcomes = {name: by.get(name, set()) for name in ("saved", "false_alarm")}
    # A closed case counts as called.
    return {**outcomes, "called": set().union(by.get("called", set()), *outcomes.values())}
