"""A Cox model with covariates, as a challenger to the peer curves."""

from __future__ import annotations

import warnings
from typing import Any, Self

import numpy as np
import pandas as pd
from lifelines import CoxPHFitter
from lifelines.exceptions import ConvergenceError
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from models.base.inputs import FloatArray, ModelInputError, as_floats, feature_frame

# A rarer category has too few accounts to estimate a separate hazard.
_RAREST = 0.01


class CoxSurvival(BaseEstimator):  # type: ignore[misc]
    """Proportional hazards for durations with left entry and right censoring (Cox 1972).

    Numbers are standardised, and missing ones are replaced with the mean. Categories become flags;
    the most common category is the reference.

    Parameters
    ----------
    penalizer : float
        Ridge penalty on the log hazard ratios; 0 for the unpenalised partial likelihood.

    Attributes
    ----------
    coefficients_ : pandas.Series
        Log hazard ratio per standard deviation (for a flag: compared with the reference).
    event_times_, baseline_hazard_ : array, shape = (n_event_times,)
        Event times and the cumulative hazard of the average account.
    log_likelihood_ : float
        Partial log-likelihood of the fit.
    """

    def __init__(self, *, penalizer: float = 0.01) -> None:
        self.penalizer = penalizer

    def fit(self, X: Any, durations: Any, events: Any, *, entry_days: Any = None) -> Self:
        """Fit by penalised partial likelihood.

        Parameters
        ----------
        X : pandas.DataFrame, shape = (n_samples, n_features)
            Covariates as of the start of observation.
        durations, events, entry_days
            As in `PeerSurvival.fit`.
        """
        frame = feature_frame(X)
        self._learn_columns(frame)
        table = self._design(frame)
        table["duration"] = as_floats(durations, "durations", len(frame))
        table["event"] = as_floats(events, "events", len(frame))
        entry = None
        if entry_days is not None:
            table["entry"], entry = as_floats(entry_days, "entry_days", len(frame)), "entry"
        fitter = CoxPHFitter(penalizer=self.penalizer)
        try:
            with warnings.catch_warnings():
                # lifelines warns about rare flags; the penalty keeps their ratios finite.
                warnings.simplefilter("ignore")
                fitter.fit(table, "duration", "event", entry_col=entry)
        except (ConvergenceError, np.linalg.LinAlgError) as error:
            raise ModelInputError(
                f"the Cox model did not converge: {error}",
                where="X",
                fix="use a larger penalizer, or leave out redundant features",
            ) from None
        self.fitter_ = fitter
        self._set_baseline(table, fitter)
        self.coefficients_ = fitter.params_
        self.log_likelihood_ = float(fitter.log_likelihood_)
        return self

    def _set_baseline(self, table: pd.DataFrame, fitter: CoxPHFitter) -> None:
        """Set the cumulative hazard of the average account (Breslow 1974).

        It is computed here because lifelines 0.30 counts accounts as at risk before their entry.
        """
        ratio = np.exp(fitter.predict_log_partial_hazard(table).to_numpy(dtype="float64"))
        time, churned = table["duration"].to_numpy(), table["event"].to_numpy() == 1
        self.event_times_ = np.unique(time[churned])
        at_risk = _sum_from(time, ratio, self.event_times_)
        if "entry" in table:
            at_risk = at_risk - _sum_from(table["entry"].to_numpy(), ratio, self.event_times_)
        events = np.bincount(
            np.searchsorted(self.event_times_, time[churned]), minlength=len(self.event_times_)
        )
        self.baseline_hazard_ = np.cumsum(events / at_risk)

    def _learn_columns(self, frame: pd.DataFrame) -> None:
        self.scales_: dict[str, tuple[float, float]] = {}
        self.flags_: dict[str, list[str]] = {}
        for name in frame.columns:
            column = frame[name]
            if column.dtype.kind == "f":
                spread = float(column.std(ddof=0))
                if np.isfinite(spread) and spread > 0:
                    self.scales_[str(name)] = (float(column.mean()), spread)
                continue
            shares = column.value_counts(normalize=True)
            self.flags_[str(name)] = sorted(str(v) for v in shares.index[1:][shares[1:] >= _RAREST])

    def _design(self, frame: pd.DataFrame) -> pd.DataFrame:
        columns = {
            name: ((frame[name] - mean) / spread).fillna(0.0)
            for name, (mean, spread) in self.scales_.items()
        }
        for name, values in self.flags_.items():
            columns |= {f"{name} = {v}": (frame[name] == v).astype("float64") for v in values}
        return pd.DataFrame(columns, index=frame.index)

    def log_hazard_ratio(self, X: Any) -> FloatArray:
        """Return each account's log hazard ratio to the average account, shape = (n_samples,)."""
        check_is_fitted(self)
        design = self._design(feature_frame(X))
        return np.asarray(self.fitter_.predict_log_partial_hazard(design), dtype="float64")

    def survival(self, X: Any, times: Any) -> FloatArray:
        """Return S(t) from the start, shape = (n_samples, n_times)."""
        at = as_floats(times, "times")
        ratio = np.exp(self.log_hazard_ratio(X))
        place = np.searchsorted(self.event_times_, at, side="right")
        baseline = np.concatenate([[0.0], self.baseline_hazard_])[place]
        return np.asarray(np.exp(-ratio[:, None] * baseline[None, :]))


def _sum_from(values: FloatArray, weights: FloatArray, points: FloatArray) -> FloatArray:
    """Return, for each point, the sum of the weights whose value is at least that point."""
    order = np.argsort(values)
    above = np.concatenate([np.cumsum(weights[order][::-1])[::-1], [0.0]])
    return np.asarray(above[np.searchsorted(values[order], points, side="left")])
