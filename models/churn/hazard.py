"""A discrete-time hazard over weeks, with a hazard of its own where a term ends."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import pandas as pd
from scipy.optimize import minimize
from sklearn.utils.validation import check_is_fitted

from models.base.calibration import BASELINE, Calibration
from models.base.inputs import (
    BoolArray,
    FloatArray,
    IntArray,
    ModelInputError,
    as_floats,
    group_codes,
    model_frame,
)
from models.base.log_odds import LogOddsClassifier
from models.churn.spline_logistic import (
    Basis,
    some_accounts,
    spline_bases,
    spline_columns,
    spline_terms,
)
from models.glass_box.classifier import account_folds

#: The end of the term of a row, by the first column that there is, and the length of the term.
TERM_COLUMNS, MONTHS_COLUMN = ("days_to_term_end", "days_to_renewal"), "contract_months"
_WEEK = 7.0
_MONTH = 365.25 / 12
#: A term of at most this many days is month to month.
_MONTH_TO_MONTH = 35.0
#: Weeks from a row's date at which the baseline may change: an account that leaves soon has often
#: given notice, and is then in no row.
_STEPS = (2, 4, 8)
_N = len(_STEPS) + 1
#: Kinds of weeks: without an end of a term by lead, with one by lead, with a monthly one.
_KINDS = 2 * _N + 1
#: Inverse penalties of the log rates of kinds of weeks: of a term's end against other weeks, and
#: of a lead (or of monthly terms) against the mean of its kind.
_KIND_STRENGTH, _LEAD_STRENGTH = 10.0, 1.0
#: Bounds of what is exponentiated, and the largest log cumulative hazard: one chance in a million
#: to stay. More than that no number of accounts can show.
_MOST, _CERTAIN = 30.0, float(np.log(np.log(1e6)))
#: Steps on the log scale over which a slope is that of the point.
_NEAR = 1e-6
_SURE_ENOUGH = {"ftol": 1e-6, "gtol": 1e-4, "maxiter": 100}


class HazardClassifier(LogOddsClassifier):
    """Discrete-time proportional hazards over weeks (Prentice & Gloeckler 1978).

    The hazard of a week is 1 − exp(−exp(b + Σ f(x))): b differs between weeks with and without the
    end of a term, and by their distance from the row's date; f are bent lines, as in
    `SplineLogisticClassifier`. The cumulative hazard of any horizon is exp(Σ f(x)) times the sum of
    exp(b) over its weeks, so its log is a sum of terms, of which the weeks are one. A row counts as
    long as it was observed, so that outcomes need not be known up to the horizon.

    Parameters
    ----------
    horizon_days : float
        The horizon of the probability; rows are followed up to it.
    features : sequence of str, optional
        The features used; those that `X` lacks are passed over. By default all. The end of the
        term counts in any case.
    n_knots : int
        Bends of each line.
    strengths : sequence of float
        Inverse ridge penalties of the lines to choose from, rising; the first is nearly none of
        them. The one with the highest likelihood on folds of held-out accounts is used.
    n_folds : int
        Folds of accounts.
    seed : int
        Seed of the folds.

    Attributes
    ----------
    strength_ : float
        The chosen one.
    weekly_ : array, shape = (9,)
        Log cumulative hazard of a week of an average account: without an end of a term by lead
        (up to 2, 4, 8 weeks, later), with one by lead, with a monthly one.
    calibration_ : Calibration
        Applied to the log-odds.
    classes_, n_features_in_, feature_names_in_
        As scikit-learn has them.

    References
    ----------
    .. [1] Prentice, R. L., & Gloeckler, L. A. (1978). Regression analysis of grouped survival data
       with application to breast cancer data. Biometrics 34.
    .. [2] van Houwelingen, H. C. (2007). Dynamic prediction by landmarking in event history
       analysis. Scandinavian Journal of Statistics 34.
    """

    def __init__(
        self,
        horizon_days: float = 90.0,
        *,
        features: Sequence[str] | None = None,
        n_knots: int = 1,
        strengths: Sequence[float] = (1e-5, 3e-4, 3e-3, 3e-2),
        n_folds: int = 3,
        seed: int = 0,
    ) -> None:
        self.horizon_days = horizon_days
        self.features = features
        self.n_knots = n_knots
        self.strengths = strengths
        self.n_folds = n_folds
        self.seed = seed

    def fit(self, X: Any, y: Any, groups: Any = None, durations: Any = None) -> Self:
        """Fit on rows with the days they were observed.

        Parameters
        ----------
        X : pandas.DataFrame or array-like, shape = (n_samples, n_features)
            Features as of a date.
        y : array-like, shape = (n_samples,)
            Two classes; the event where it came within the days observed.
        groups : array-like, shape = (n_samples,), optional
            The account of every row.
        durations : array-like, shape = (n_samples,), optional
            Days from the row's date to the event or to the last day observed; what follows the
            horizon is ignored. Without it, every row was observed up to the horizon, and when the
            event came is not known.
        """
        frame, target = self._learned_from(X, y)
        codes = group_codes(groups, len(frame))
        lasted, left = self._observed(durations, target)
        wanted = list(frame.columns) if self.features is None else self.features
        lines = [n for n in wanted if n in frame.columns and n not in TERM_COLUMNS]
        self.bases_: list[Basis] = spline_bases(frame[lines], self.n_knots)
        if not self.bases_ and frame.get(_term_column(frame), pd.Series([0])).nunique() < 2:
            raise ModelInputError(
                "no feature that varies", where="features", fix="name features that were measured"
            )
        design = self._columns(frame)
        self.center_, spread = design.mean(axis=0), design.std(axis=0)
        self.scale_ = np.where(spread > 1e-9, spread, np.inf)
        scaled = ((design - self.center_) / self.scale_).astype("float32")
        survived, final = self._weeks_observed(
            frame, lasted, left, known_when=durations is not None
        )
        rows = (scaled, survived, final, left)
        self.strength_ = self._strength(rows, codes)
        weights = _path(*rows, [s for s in self.strengths if s <= self.strength_])[-1]
        self.coefficients_, self.weekly_ = weights[:-_KINDS], weights[-_KINDS:]
        # What the weeks of a usual row come to: the rest is due to when the term ends.
        self.usual_ = float(self._log_weeks(frame, self.horizon_days).mean())
        self.calibration_ = Calibration()
        return self

    def _observed(self, durations: Any, target: IntArray) -> tuple[FloatArray, BoolArray]:
        horizon = float(self.horizon_days)
        if durations is None:
            return np.full(len(target), horizon), target == 1
        days = as_floats(durations, "durations", len(target))
        if not (days >= 0).all():
            raise ModelInputError(
                f"{int((~(days >= 0)).sum())} rows have a negative or missing duration",
                where="durations",
                fix="give the days from the row's date to the event or to the last day observed",
            )
        return np.minimum(days, horizon), (target == 1) & (days < horizon)

    def _columns(self, frame: pd.DataFrame) -> FloatArray:
        """Return the columns of the lines and, the last one, of a missing end of the term."""
        unknown = np.isnan(_term_end(frame)).astype("float64")[:, None]
        lines = [spline_columns(self.bases_, frame)] if self.bases_ else []
        return np.hstack([*lines, unknown])

    def _weeks_observed(
        self, frame: pd.DataFrame, lasted: FloatArray, left: BoolArray, *, known_when: bool
    ) -> tuple[FloatArray, FloatArray]:
        """Return the weeks survived and those in which the event came, each by kind of week."""
        if not known_when:
            weeks = week_kinds(frame, lasted)
            return np.where(left[:, None], 0.0, weeks), np.where(left[:, None], weeks, 0.0)
        start = np.floor(lasted / _WEEK) * _WEEK
        survived = week_kinds(frame, np.where(left, start, lasted))
        whole = week_kinds(frame, np.minimum(start + _WEEK, float(self.horizon_days)))
        return survived, np.where(left[:, None], whole - survived, 0.0)

    def _strength(self, rows: tuple[Any, ...], codes: IntArray) -> float:
        """Return the strength with the highest likelihood on held-out accounts."""
        if len(self.strengths) == 1 or not self.bases_ or len(np.unique(codes)) < self.n_folds:
            return float(self.strengths[0])
        folds = account_folds(rows[3].astype(np.int64), codes, n_folds=self.n_folds, seed=self.seed)
        kept = some_accounts(codes, self.seed)
        rows, folds = tuple(part[kept] for part in rows), folds[kept]
        losses = np.zeros(len(self.strengths))
        for fold in range(self.n_folds):
            inside = folds == fold
            known = rows[3][~inside]
            if not inside.any() or not 0 < known.sum() < len(known):
                continue
            asked = tuple(part[inside] for part in rows)
            design, survived, final, left = (part[~inside] for part in rows)
            path = _path(design, survived, final, left, self.strengths)
            for at, weights in enumerate(path):
                losses[at] += _loss(weights, *asked)[0]
        return float(self.strengths[int(np.argmin(losses))])

    def _log_weeks(self, frame: pd.DataFrame, days: float) -> FloatArray:
        weeks = week_kinds(frame, np.full(len(frame), float(days)))
        return np.asarray(np.log(np.maximum(weeks @ np.exp(self.weekly_), 1e-300)))

    def _terms(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return the terms of the log cumulative hazard up to the horizon, less `usual_`."""
        weights, term = self.coefficients_ / self.scale_, _term_column(frame)
        sums = spline_terms(self.bases_, frame, center=self.center_, weights=weights)
        columns = dict(zip((basis.name for basis in self.bases_), sums, strict=True))
        # Without any such column all weeks are alike.
        if term in frame.columns:
            unknown = np.isnan(_term_end(frame)).astype("float64")
            own = (unknown - self.center_[-1]) * weights[-1]
            columns[term] = own + self._log_weeks(frame, self.horizon_days) - self.usual_
        return pd.DataFrame(columns, index=frame.index, copy=False)

    def _frame(self, X: Any) -> pd.DataFrame:
        check_is_fitted(self)
        return model_frame(self, X, reset=False)

    def decision_function(self, X: Any) -> FloatArray:
        """Return the calibrated log-odds of the event within the horizon, shape = (n_samples,)."""
        total = self._terms(self._frame(X)).sum(axis=1).to_numpy() + self.usual_
        return self.calibration_.logit(_as_log_odds(total))

    def contributions(self, X: Any) -> pd.DataFrame:
        """Return what each feature adds to a row's log-odds, and ``baseline``.

        The log cumulative hazard is a sum of terms; the log-odds are a rising function of that sum.
        All terms of a row are multiplied by the same positive number, the mean slope of that
        function between the baseline and the row (the Aumann-Shapley values), so that the row sums
        are `decision_function` and no order or sign changes. The end of the term has the weeks.
        """
        result = self._terms(self._frame(X))
        total = result.sum(axis=1).to_numpy()
        start = float(_as_log_odds(np.array([self.usual_]))[0])
        # At the baseline itself the mean slope is the slope.
        step = np.where(np.abs(total) < _NEAR, _NEAR, total)
        slope = (_as_log_odds(self.usual_ + step) - start) / step
        columns = {name: result[name].to_numpy() * slope for name in result.columns}
        columns[BASELINE] = np.full(len(result), start)
        found = pd.DataFrame(columns, index=result.index, copy=False)
        return self.calibration_.contributions(found)

    def survival(self, X: Any, days: Any) -> FloatArray:
        """Return S(t), shape = (n_samples, n_times), with S(horizon) = 1 − p exactly.

        S(t) = exp(−θ Λ(t)) with the cumulative hazard Λ of the weeks up to t; θ is 1 but for the
        calibration. Ends of later terms count as often as they recur (``contract_months``).

        Parameters
        ----------
        X : pandas.DataFrame, shape = (n_samples, n_features)
            Features.
        days : array-like, shape = (n_times,)
            Days from the row's date, 0 or more; beyond the horizon the features are taken to stay
            what they are.
        """
        frame = self._frame(X)
        stays = -np.logaddexp(0.0, self.decision_function(X))
        log_horizon = self._log_weeks(frame, self.horizon_days)
        times = as_floats(days, "days")
        share = [np.exp(self._log_weeks(frame, t) - log_horizon) if t > 0 else 0.0 for t in times]
        columns = [np.exp(stays * part) for part in share]
        return np.column_stack([np.broadcast_to(c, len(frame)) for c in columns])


def _term_column(frame: pd.DataFrame) -> str:
    return next((name for name in TERM_COLUMNS if name in frame.columns), TERM_COLUMNS[0])


def _term_end(frame: pd.DataFrame) -> FloatArray:
    """Return the days to the end of the term; NaN where there is none, or none is recorded."""
    return _numbers(frame, _term_column(frame))


def _numbers(frame: pd.DataFrame, name: str) -> FloatArray:
    if name not in frame.columns or frame[name].dtype.kind != "f":
        return np.full(len(frame), np.nan)
    return frame[name].to_numpy(dtype="float64")


def term_ends(frame: pd.DataFrame) -> tuple[FloatArray, FloatArray]:
    """Return the days to the end of each row's term, and those from one end to the next.

    Both are NaN where they are not known, shape = (n_samples,). A term is a week at least.
    """
    first, months = _term_end(frame), _numbers(frame, MONTHS_COLUMN)
    return np.where(first >= 0, first, np.nan), np.maximum(months * _MONTH, _WEEK)


def week_kinds(frame: pd.DataFrame, days: FloatArray) -> FloatArray:
    """Return how many weeks of each kind lie in the first days after a row's date.

    Week w covers the days from 7 (w − 1) up to 7 w. A week in which a term ends counts as one
    renewal, and only from that day on; before it, and in all other weeks, its share counts.

    Parameters
    ----------
    frame : pd.DataFrame, shape = (n_samples, n_features)
        With `TERM_COLUMNS` and `MONTHS_COLUMN`, where known.
    days : array, shape = (n_samples,)
        Days that count, 0 or more.

    Returns
    -------
    array, shape = (n_samples, 9)
        As ``weekly_`` has them.
    """
    first, length = term_ends(frame)
    monthly = length <= _MONTH_TO_MONTH
    found = np.zeros((len(frame), _KINDS))
    every = np.arange(len(frame))
    for week in range(int(np.ceil(days.max(initial=0.0) / _WEEK))):
        start = week * _WEEK
        lead = int(np.searchsorted(_STEPS, week, side="right"))
        # The next end at or after the start of the week.
        skipped = np.where(start > first, np.ceil((start - first) / length), 0.0)
        end = first + np.where(skipped > 0, skipped * length, 0.0)
        ends = (end < start + _WEEK) & (end < days)
        kind = np.where(ends, np.where(monthly, _KINDS - 1, _N + lead), lead)
        part = np.clip((days - start) / _WEEK, 0.0, 1.0)
        found[every, kind] += np.where(ends, 1.0, part)
    return found


def _as_log_odds(log_hazard: FloatArray) -> FloatArray:
    """Return the log-odds of 1 − exp(−exp(x)): log(exp(exp(x)) − 1)."""
    hazard = np.exp(np.clip(log_hazard, -_MOST, _CERTAIN))
    # Of a tiny hazard it is the log-odds itself.
    return np.where(log_hazard < -_MOST, log_hazard, hazard + np.log(-np.expm1(-hazard)))


def _loss(
    weights: FloatArray, design: Any, survived: FloatArray, final: FloatArray, left: Any
) -> tuple[float, FloatArray]:
    """Return −log likelihood of weeks, and its gradient."""
    weekly = np.exp(np.minimum(weights[-_KINDS:], _MOST))
    line = (design @ weights[:-_KINDS].astype(design.dtype)).astype("float64")
    risk = np.exp(np.clip(line, -_MOST, _MOST))
    lived = survived @ weekly * risk
    value, slope = lived.sum(), lived.copy()
    by_week = risk @ survived * weekly
    came = np.maximum(final[left] @ weekly * risk[left], 1e-300)
    value -= np.log(-np.expm1(-came)).sum()
    # d log(1 − exp(−h)) ⁄ d log h
    pull = came / np.expm1(np.minimum(came, 500.0))
    slope[left] -= pull
    shares = final[left] * weekly
    by_week -= pull @ (shares / np.maximum(shares.sum(axis=1, keepdims=True), 1e-300))
    return float(value), np.concatenate([slope.astype(design.dtype) @ design, by_week])


def _path(
    design: Any,
    survived: FloatArray,
    final: FloatArray,
    left: Any,
    strengths: Sequence[float],
) -> list[FloatArray]:
    """Return the weights, those of the weeks last, by rising strength, each from the one before."""
    n, p = design.shape
    rate = np.log((left.sum() + 0.5) / (survived.sum() + final.sum() + 1.0))
    start = np.concatenate([np.zeros(p), np.full(_KINDS, rate)])
    found = []
    for strength in strengths:

        def loss(w: FloatArray, ridge: float = 1.0 / strength) -> tuple[float, FloatArray]:
            value, slope = _loss(w, design, survived, final, left)
            lines, weekly = w[:-_KINDS], w[-_KINDS:]
            prior, pull = _prior(weekly)
            slope[:-_KINDS] += ridge * lines
            slope[-_KINDS:] += pull
            return (value + 0.5 * ridge * float(lines @ lines) + prior) / n, slope / n

        start = minimize(loss, start, jac=True, method="L-BFGS-B", options=_SURE_ENOUGH).x
        found.append(np.asarray(start))
    return found


def _prior(weekly: FloatArray) -> tuple[float, FloatArray]:
    """Return the penalty of rates of kinds of weeks that differ, and its gradient."""
    without, ends, monthly = weekly[:_N], weekly[_N : 2 * _N], weekly[2 * _N]
    between = np.array([ends.mean() - without.mean()]) / _KIND_STRENGTH
    inside = [kind - kind.mean() for kind in (without, ends)]
    own = (monthly - ends.mean()) / _LEAD_STRENGTH
    value = 0.5 * (
        between[0] ** 2 * _KIND_STRENGTH
        + sum(float(each @ each) for each in inside) / _LEAD_STRENGTH
        + own**2 * _LEAD_STRENGTH
    )
    slope = np.concatenate(
        [
            inside[0] / _LEAD_STRENGTH - between[0] / _N,
            inside[1] / _LEAD_STRENGTH + between[0] / _N - own / _N,
            [own],
        ]
    )
    return float(value), slope
