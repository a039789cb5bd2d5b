"""Purchases without a contract: how many more will come, and is the customer still there."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import pandas as pd
from scipy.optimize import minimize
from scipy.special import betaln, gammaln, hyp2f1
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from models.inputs import FloatArray, ModelInputError
from models.survival import DAYS_PER_MONTH

#: Customers who came back below which no heterogeneity can be read off.
FEWEST_REPEATERS = 10
DAYS_PER_WEEK = 7.0
# Log-parameters outside this range mean that the likelihood has no inner maximum.
_WIDEST = 7.0


def purchase_history(orders: pd.DataFrame, *, until: Any) -> pd.DataFrame:
    """Summarise each customer's purchases before a date.

    Purchases of one day count as one, and the first is the start, not a repeat (Fader, Hardie
    & Lee 2005).

    Parameters
    ----------
    orders : pd.DataFrame, shape = (n_orders, n_columns)
        account_id, ordered_at, amount.
    until : datetime
        What happened at this moment or later is not seen.

    Returns
    -------
    pd.DataFrame, shape = (n_customers, 5)
        Indexed by account_id: repeats (days with a purchase after the first), recency_weeks
        (first to last purchase), age_weeks (first purchase to the last day seen), mean_spend
        (of a repeat day; NaN without one) and spent (in all).
    """
    seen = orders[orders["ordered_at"] < pd.Timestamp(until)]
    if seen.empty:
        raise ModelInputError(
            f"no order before {pd.Timestamp(until).date()}", where="orders", fix="give a later date"
        )
    day = seen["ordered_at"].dt.normalize().rename("day")
    days = seen.groupby(["account_id", day])["amount"].sum().reset_index()
    repeat = days[days.duplicated("account_id")]
    by_account = days.groupby("account_id")
    first, last = by_account["day"].min(), by_account["day"].max()
    return pd.DataFrame(
        {
            "repeats": by_account.size() - 1,
            "recency_weeks": (last - first).dt.days / DAYS_PER_WEEK,
            "age_weeks": (_last_day_before(until) - first).dt.days / DAYS_PER_WEEK,
            "mean_spend": repeat.groupby("account_id")["amount"].mean(),
            "spent": by_account["amount"].sum(),
        }
    )


def _last_day_before(moment: Any) -> pd.Timestamp:
    """Return the last whole or begun day before a moment: time is counted in days, not hours."""
    return (pd.Timestamp(moment) - pd.Timedelta(microseconds=1)).normalize()


class PurchaseModel(BaseEstimator):  # type: ignore[misc]
    """BG/NBD: each customer buys at a rate of its own and may leave after any purchase.

    Rates are Gamma(r, α) among customers, chances of leaving Beta(a, b) (Fader, Hardie & Lee
    2005, "Counting Your Customers" the Easy Way, Marketing Science 24). Where the likelihood has
    no inner maximum every customer is taken to buy on at its own rate, shrunk to that of all,
    and ``message_`` says so.

    Attributes
    ----------
    basis_ : str
        ``"bg/nbd"`` or ``"mean rate"``.
    message_ : str
        Why the mean rate stands in; empty otherwise.
    r_, alpha_, a_, b_ : float
        Parameters, α in weeks; NaN without a fit.
    log_likelihood_ : float
        At the fit.
    rate_ : float
        Repeat purchases of all customers a week.
    """

    def fit(self, history: pd.DataFrame, y: Any = None) -> Self:
        """Fit on repeats, recency_weeks and age_weeks, one row a customer."""
        x, recency, age = _columns(history)
        self.rate_ = float((x.sum() + 0.5) / max(age.sum(), 1.0))
        self.r_ = self.alpha_ = self.a_ = self.b_ = self.log_likelihood_ = float("nan")
        self.message_ = self._maximise(x, recency, age)
        self.basis_ = "mean rate" if self.message_ else "bg/nbd"
        return self

    def _maximise(self, x: FloatArray, recency: FloatArray, age: FloatArray) -> str:
        """Set the parameters; return why they could not be found, or an empty string."""
        repeaters = int((x > 0).sum())
        if repeaters < FEWEST_REPEATERS:
            return (
                f"{repeaters} customers bought again, {FEWEST_REPEATERS} are needed for BG/NBD: "
                "the mean purchase rate stands in"
            )
        # Weeks in units of the mean age: the search then starts at the right order of size.
        scale = float(age.mean())

        def loss(log_parameters: FloatArray) -> float:
            rows = _log_likelihood(np.exp(log_parameters), x, recency / scale, age / scale)
            return -float(rows.mean())

        with warnings.catch_warnings():
            # Far from the maximum the search may leave the range of floats and comes back.
            warnings.simplefilter("ignore", RuntimeWarning)
            found = minimize(loss, np.zeros(4), method="L-BFGS-B", bounds=[(-9.0, 9.0)] * 4)
        if not np.isfinite(found.fun) or np.abs(found.x).max() > _WIDEST or not found.success:
            return (
                "the BG/NBD likelihood did not converge to an inner maximum: "
                "the mean purchase rate stands in"
            )
        self.r_, alpha, self.a_, self.b_ = (float(v) for v in np.exp(found.x))
        self.alpha_ = alpha * scale
        parameters = np.array([self.r_, self.alpha_, self.a_, self.b_])
        self.log_likelihood_ = float(_log_likelihood(parameters, x, recency, age).sum())
        return ""

    def alive(self, history: pd.DataFrame) -> FloatArray:
        """Return the probability that each customer still buys; NaN where no model tells."""
        check_is_fitted(self)
        x, recency, age = _columns(history)
        if self.basis_ == "mean rate":
            return np.full(len(x), np.nan)
        return np.asarray(1.0 / (1.0 + self._gone(x, recency, age)))

    def _gone(self, x: FloatArray, recency: FloatArray, age: FloatArray) -> FloatArray:
        """Return the odds of having left after the last purchase; 0 without a repeat."""
        log_odds = np.log(self.a_ / np.maximum(self.b_ + x - 1.0, 1e-12)) + (self.r_ + x) * np.log(
            (self.alpha_ + age) / (self.alpha_ + recency)
        )
        return np.where(x > 0, np.exp(np.minimum(log_odds, 700.0)), 0.0)

    def expected(self, history: pd.DataFrame, weeks: Any) -> FloatArray:
        """Return the purchases each customer is expected to make within `weeks` from now.

        Parameters
        ----------
        history : pd.DataFrame, shape = (n_customers, n_columns)
            As in ``fit``.
        weeks : array-like, shape = (n_times,)
            Weeks ahead.

        Returns
        -------
        array, shape = (n_customers, n_times)
            Rising along each row; Fader, Hardie & Lee's equation 10.
        """
        check_is_fitted(self)
        x, recency, age = (column[:, None] for column in _columns(history))
        t = np.atleast_1d(np.asarray(weeks, dtype="float64"))[None, :]
        if self.basis_ == "mean rate":
            return np.asarray((x + 1.0) / (age + 1.0 / self.rate_) * t)
        a = self.a_ if abs(self.a_ - 1.0) > 1e-9 else 1.0 + 1e-9
        start = self.alpha_ + age
        power = (start / (start + t)) ** (self.r_ + x)
        left = 1.0 - power * hyp2f1(self.r_ + x, self.b_ + x, a + self.b_ + x - 1, t / (start + t))
        scale = (a + self.b_ + x - 1) / (a - 1)
        return np.asarray(scale * left / (1.0 + self._gone(x, recency, age)))


class SpendModel(BaseEstimator):  # type: ignore[misc]
    """Gamma-Gamma: what a customer's purchase is worth, shrunk to all (Fader & Hardie 2013).

    Attributes
    ----------
    basis_ : str
        ``"gamma-gamma"`` or ``"mean spend"``.
    message_ : str
        Why the mean stands in; empty otherwise.
    p_, q_, v_ : float
        Parameters, v in currency; NaN without a fit.
    mean_ : float
        Mean spend of a repeat purchase over customers.
    """

    def fit(self, history: pd.DataFrame, y: Any = None) -> Self:
        """Fit on repeats and mean_spend of the customers who came back."""
        back = history[(history["repeats"] > 0) & (history["mean_spend"] > 0)]
        x = back["repeats"].to_numpy(dtype="float64")
        spend = back["mean_spend"].to_numpy(dtype="float64")
        every = history["spent"].sum() / max((history["repeats"] + 1).sum(), 1)
        self.mean_ = float(spend.mean()) if len(back) else float(every)
        self.p_ = self.q_ = self.v_ = float("nan")
        self.message_ = self._maximise(x, spend)
        self.basis_ = "mean spend" if self.message_ else "gamma-gamma"
        return self

    def _maximise(self, x: FloatArray, spend: FloatArray) -> str:
        if len(x) < FEWEST_REPEATERS:
            return (
                f"{len(x)} customers bought again, {FEWEST_REPEATERS} are needed for Gamma-Gamma: "
                "the mean spend stands in"
            )
        scale = float(spend.mean())

        def loss(log_parameters: FloatArray) -> float:
            p, q, v = np.exp(log_parameters)
            return -float(_spend_log_likelihood(p, q, v, x, spend / scale).mean())

        found = minimize(
            loss, np.array([1.0, 1.0, 0.5]), method="L-BFGS-B", bounds=[(-9.0, 9.0)] * 3
        )
        if not found.success or np.abs(found.x).max() > _WIDEST or np.exp(found.x[1]) <= 1.0:
            return (
                "the Gamma-Gamma likelihood did not converge to a finite mean: "
                "the mean spend stands in"
            )
        self.p_, self.q_, v = (float(value) for value in np.exp(found.x))
        self.v_ = v * scale
        return ""

    def expected(self, history: pd.DataFrame) -> FloatArray:
        """Return the expected spend of each customer's next purchase, in currency."""
        check_is_fitted(self)
        x = history["repeats"].to_numpy(dtype="float64")
        spend = np.nan_to_num(history["mean_spend"].to_numpy(dtype="float64"))
        if self.basis_ == "mean spend":
            return np.asarray((x * spend + self.mean_) / (x + 1.0))
        return np.asarray(self.p_ * (self.v_ + x * spend) / (self.p_ * x + self.q_ - 1.0))


def order_value(
    purchases: FloatArray, spend: FloatArray, *, margin: float, annual_discount_rate: float
) -> FloatArray:
    """Return Σ (N(m) − N(m − 1)) · spend · margin ⁄ (1 + d)^(m/12) over the months m = 1 … M.

    Parameters
    ----------
    purchases : array, shape = (n_customers, n_months)
        N(m), purchases expected within m months, from `PurchaseModel.expected`.
    spend : array, shape = (n_customers,)
        Of one purchase, in currency.
    margin : float
        Gross margin, 0-1.
    annual_discount_rate : float
        d, per year.
    """
    monthly = np.diff(purchases, axis=1, prepend=0.0)
    months = np.arange(1, purchases.shape[1] + 1, dtype="float64")
    weights = margin * (1.0 + annual_discount_rate) ** (-months / 12.0)
    return np.asarray(spend * (monthly @ weights))


def _columns(history: pd.DataFrame) -> tuple[FloatArray, FloatArray, FloatArray]:
    x, recency, age = (
        history[name].to_numpy(dtype="float64")
        for name in ("repeats", "recency_weeks", "age_weeks")
    )
    bad = ~((x >= 0) & (recency >= 0) & (age >= recency))
    if bad.any():
        raise ModelInputError(
            f"{int(bad.sum())} customers lack a figure, have one below 0, or bought later",
            where="history",
            fix="make it by purchase_history",
        )
    return x, recency, age


def _log_likelihood(
    parameters: FloatArray, x: FloatArray, recency: FloatArray, age: FloatArray
) -> FloatArray:
    """Return ln L of each customer; Fader, Hardie & Lee (2005), equation 6, in logs."""
    r, alpha, a, b = parameters
    common = gammaln(r + x) - gammaln(r) + r * np.log(alpha)
    common = common + betaln(a, b + x) - betaln(a, b)
    there = -(r + x) * np.log(alpha + age)
    # B(a + 1, b + x − 1) ⁄ B(a, b + x) = a ⁄ (b + x − 1).
    gone = np.log(a) - np.log(np.maximum(b + x - 1, 1e-300)) - (r + x) * np.log(alpha + recency)
    return np.asarray(common + np.where(x > 0, np.logaddexp(there, gone), there))


def _spend_log_likelihood(
    p: float, q: float, v: float, x: FloatArray, spend: FloatArray
) -> FloatArray:
    """Return ln f(mean spend) of each customer; Fader & Hardie (2013), equation 1a."""
    total = p * x
    return np.asarray(
        gammaln(total + q)
        - gammaln(total)
        - gammaln(q)
        + q * np.log(v)
        + (total - 1) * np.log(spend)
        + total * np.log(x)
        - (total + q) * np.log(x * spend + v)
    )


@dataclass(frozen=True)
class OrderLifetime:
    """Value of customers who buy without a contract.

    Attributes
    ----------
    table : pandas.DataFrame, shape = (n_customers, 7)
        Indexed by account_id: repeats, alive_probability (NaN where no model tells),
        expected_purchases and expected_spend within the horizon, clv (still to come,
        discounted), past_value (margin earned so far) and total_value; in currency.
    messages : tuple of str
        Where a mean stands in for a model, and why.
    """

    table: pd.DataFrame
    messages: tuple[str, ...]


def order_lifetime(
    orders: pd.DataFrame,
    *,
    until: Any,
    horizon_months: int,
    margin: float,
    annual_discount_rate: float,
) -> OrderLifetime:
    """Fit both models on the orders before a date, and value every customer as of it.

    Parameters
    ----------
    orders : pd.DataFrame, shape = (n_orders, n_columns)
        account_id, ordered_at, amount.
    until : datetime
        What happened at this moment or later is not seen.
    horizon_months : int
        Months ahead that count.
    margin : float
        Gross margin, 0-1.
    annual_discount_rate : float
        d, per year.
    """
    history = purchase_history(orders, until=until)
    purchases, spend = PurchaseModel().fit(history), SpendModel().fit(history)
    weeks = np.arange(1, horizon_months + 1) * DAYS_PER_MONTH / DAYS_PER_WEEK
    expected, each = purchases.expected(history, weeks), spend.expected(history)
    clv = order_value(expected, each, margin=margin, annual_discount_rate=annual_discount_rate)
    past = history["spent"].to_numpy(dtype="float64") * margin
    table = pd.DataFrame(
        {
            "repeats": history["repeats"],
            "alive_probability": purchases.alive(history),
            "expected_purchases": expected[:, -1],
            "expected_spend": each,
            "clv": clv,
            "past_value": past,
            "total_value": past + clv,
        },
        index=history.index,
    )
    return OrderLifetime(table, tuple(m for m in (purchases.message_, spend.message_) if m))
