"""Purchases without a contract: how many more will come, and is the customer still there."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import pandas as pd
from scipy.optimize import minimize
from scipy.special import betainc, betaln, expit, gammaln, hyp2f1
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from models.base.inputs import FloatArray, IntArray, ModelInputError

#: Customers who came back below which no heterogeneity can be read off.
FEWEST_REPEATERS = 10
DAYS_PER_WEEK = 7.0
# Log-parameters outside this range mean that the likelihood has no inner maximum.
WIDEST = 7.0
# Customers seen for less, on average or in all without a return, do not show how often they
# come back.
_SHORTEST_WEEKS, _LEAST_WEEKS = 1.0, 52.0
# Where customers are alike in a rate, or in their chance of leaving, the likelihood rises without
# end along one parameter: a normal prior on the logarithms, of standard deviation 2, ends it.
_PRIOR = 1.0 / (2.0 * 2.0**2)
_HELD = (
    "the BG/NBD likelihood did not converge to an inner maximum, for customers are alike or hardly "
    "any leaves: a weak prior holds its parameters"
)
# Log-odds beyond which a chance of having left counts as certain.
_SUREST = 15.0


def purchase_history(orders: pd.DataFrame, *, until: Any) -> pd.DataFrame:
    """Summarise each customer's purchases before a date.

    Purchases of one day count as one, and the first is the start, not a repeat (Fader, Hardie
    & Lee 2005). A refund (an amount below zero) is no purchase: it lowers what the last purchase
    before it was worth.

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
    earlier = (orders["ordered_at"] < pd.Timestamp(until)) & orders["account_id"].notna()
    seen = orders[earlier]
    # Numbers group in a fraction of the time of names.
    codes, accounts = pd.factorize(seen["account_id"], sort=True)
    seen = seen[["ordered_at", "amount"]].assign(account_id=codes)
    days = _purchase_days(seen)
    if days.empty:
        raise ModelInputError(
            f"no purchase (an amount of 0 or more) before {pd.Timestamp(until).date()}",
            where="orders",
            fix="give a later date, or check the amounts",
        )
    repeat = days[days.duplicated("account_id")]
    by_account = days.groupby("account_id")
    first, last = by_account["day"].min(), by_account["day"].max()
    history = pd.DataFrame(
        {
            "repeats": by_account.size() - 1,
            "recency_weeks": (last - first).dt.days / DAYS_PER_WEEK,
            "age_weeks": (_last_day_before(until) - first).dt.days / DAYS_PER_WEEK,
            "mean_spend": repeat.groupby("account_id")["amount"].mean(),
            "spent": seen.groupby("account_id")["amount"].sum().reindex(first.index),
        }
    )
    history.index = pd.Index(accounts[history.index], name="account_id")
    return history


def _purchase_days(orders: pd.DataFrame) -> pd.DataFrame:
    """Return account_id, day and amount of each day with a purchase, by account and day.

    A refund (an amount below zero) is no purchase: it lowers that of the day it follows.
    """
    day = orders["ordered_at"].dt.normalize().astype("datetime64[us]").rename("day")
    amounts = orders[["account_id", "amount"]].assign(day=day)
    bought = amounts[amounts["amount"] >= 0].groupby(["account_id", "day"])["amount"].sum()
    days = bought.reset_index()
    refunds = amounts[amounts["amount"] < 0]
    if refunds.empty:
        return days
    days = days.assign(of_day=days["day"])
    back = pd.merge_asof(
        refunds.sort_values(["day", "account_id"]),
        days.sort_values(["day", "account_id"])[["account_id", "day", "of_day"]],
        on="day",
        by="account_id",
    )
    taken = back.groupby(["account_id", "of_day"])["amount"].sum()
    net = bought.add(taken.rename_axis(["account_id", "day"]), fill_value=0.0)
    return net.rename("amount").reset_index()


def _last_day_before(moment: Any) -> pd.Timestamp:
    """Return the last whole or started day before a moment: time is counted in days, not hours."""
    return (pd.Timestamp(moment) - pd.Timedelta(microseconds=1)).normalize()


class PurchaseModel(BaseEstimator):  # type: ignore[misc]
    """BG/NBD: each customer buys at a rate of its own and may leave after any purchase.

    Rates are Gamma(r, α) among customers, chances of leaving Beta(a, b) (Fader, Hardie & Lee
    2005, "Counting Your Customers" the Easy Way, Marketing Science 24). Where the likelihood has
    no inner maximum a weak prior holds the parameters. Where too few came back, or nothing
    helps, every customer is taken to buy on at its own rate, shrunk to that of all;
    where the customers were seen for less than a week on average, or for less than 52 in all
    and nobody bought again, no rate is told either.
    ``message_`` says so.

    Attributes
    ----------
    basis_ : str
        ``"bg/nbd"``, ``"mean rate"`` or ``"none"``.
    message_ : str
        Why another basis, or a prior, stands in; empty otherwise.
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
        if age.mean() < _SHORTEST_WEEKS or (not x.any() and age.sum() < _LEAST_WEEKS):
            self.basis_, self.rate_ = "none", float("nan")
            self.message_ = (
                f"{len(x)} customers were seen for {age.mean():.1f} weeks on average after their "
                f"first purchase, and {int((x > 0).sum())} bought again: how often they buy is "
                "not known yet"
            )
            return self
        self.message_ = self._maximise(x, recency, age)
        self.basis_ = "bg/nbd" if np.isfinite(self.r_) else "mean rate"
        return self

    def _maximise(self, x: FloatArray, recency: FloatArray, age: FloatArray) -> str:
        """Set the parameters; return a note on them, or why there are none."""
        repeaters = int((x > 0).sum())
        if repeaters < FEWEST_REPEATERS:
            return (
                f"{repeaters} customers bought again, {FEWEST_REPEATERS} are needed for BG/NBD: "
                "the mean purchase rate is used instead"
            )
        # Weeks in units of the mean age: the search then starts at the right order of size.
        scale = float(age.mean())

        def loss(log_parameters: FloatArray, prior: float) -> float:
            rows = _log_likelihood(np.exp(log_parameters), x, recency / scale, age / scale)
            held = prior * float(np.square(log_parameters).sum()) / len(x)
            return held - float(rows.mean())

        found, message = _inner_maximum(loss, 0.0), ""
        if found is None:
            found, message = _inner_maximum(loss, _PRIOR), _HELD
        if found is None:
            return (
                "the BG/NBD likelihood did not converge to an inner maximum: "
                "the mean purchase rate is used instead"
            )
        self.r_, alpha, self.a_, self.b_ = (float(v) for v in np.exp(found))
        self.alpha_ = alpha * scale
        parameters = np.array([self.r_, self.alpha_, self.a_, self.b_])
        self.log_likelihood_ = float(_log_likelihood(parameters, x, recency, age).sum())
        return message

    def alive(self, history: pd.DataFrame) -> FloatArray:
        """Return the probability that each customer still buys; NaN without a model."""
        check_is_fitted(self)
        x, recency, age = _columns(history)
        if self.basis_ != "bg/nbd":
            return np.full(len(x), np.nan)
        return self._present(x, recency, age)

    def left_contributions(self, history: pd.DataFrame) -> pd.DataFrame:
        """Split the log-odds of having left: each return speaks for staying, silence against it.

        Parameters
        ----------
        history : pd.DataFrame, shape = (n_customers, n_columns)
            As in ``fit``.

        Returns
        -------
        pd.DataFrame, shape = (n_customers, 3)
            baseline (a customer right after its first return), returns (≤ 0) and silence (≥ 0);
            a row sums to the log-odds of 1 − `alive`, held within ±15. NaN without a fit, and
            for a customer that never came back: BG/NBD lets customers leave after a return
            only, so it takes them to be there and tells them apart by nothing.
        """
        check_is_fitted(self)
        x, recency, age = _columns(history)
        parts = np.full((len(x), 3), np.nan)
        back = x > 0
        if self.basis_ == "bg/nbd" and back.any():
            x, recency, age = x[back], recency[back], age[back]
            baseline = np.full(len(x), np.log(self.a_ / self.b_))
            returns = -np.log((self.b_ + x - 1.0) / self.b_)
            silence = (self.r_ + x) * np.log((self.alpha_ + age) / (self.alpha_ + recency))
            total = np.clip(baseline + returns + silence, -_SUREST, _SUREST)
            held = np.maximum(total - baseline - returns, 0.0)
            parts[back] = np.column_stack([baseline, total - baseline - held, held])
        return pd.DataFrame(parts, columns=["baseline", "returns", "silence"], index=history.index)

    def order_probability(self, history: pd.DataFrame, weeks: float) -> FloatArray:
        """Return the chance that each customer buys within `weeks` from now; NaN if unknown.

        A customer that is there buys nothing with ((α + T) ⁄ (α + T + t))^(r + x), the mean of
        exp(−λt) over what its history leaves open about its rate λ.
        """
        check_is_fitted(self)
        x, recency, age = _columns(history)
        shape, seen = self._rate(x, age)
        return self._present(x, recency, age) * (1.0 - (seen / (seen + weeks)) ** shape)

    def _rate(self, x: FloatArray, age: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the Gamma distribution of each customer's rate: its shape, and its weeks."""
        if self.basis_ == "bg/nbd":
            return self.r_ + x, self.alpha_ + age
        return x + 1.0, age + 1.0 / self.rate_

    def at_least(self, repeats: Any, age_weeks: Any, weeks: float, counts: Any) -> FloatArray:
        """Return the chance that a customer that is there buys so many times or more.

        It would buy n times or more with I(n, r + x; t ⁄ (α + T + t)), the tail of a negative
        binomial, and stays for n purchases with B(a, b + x + n − 1) ⁄ B(a, b + x); both are
        independent given its history.

        Parameters
        ----------
        repeats, age_weeks : array-like, shapes that broadcast with `counts`
            x and T.
        weeks : float
            t, from now.
        counts : array-like
            n, 1 or more.
        """
        check_is_fitted(self)
        x, n = np.asarray(repeats, dtype="float64"), np.asarray(counts, dtype="float64")
        shape, seen = self._rate(x, np.asarray(age_weeks, dtype="float64"))
        would = betainc(n, shape, weeks / (seen + weeks))
        if self.basis_ != "bg/nbd":
            return np.asarray(would)
        stays = np.exp(betaln(self.a_, self.b_ + x + n - 1.0) - betaln(self.a_, self.b_ + x))
        return np.asarray(would * stays)

    def _present(self, x: FloatArray, recency: FloatArray, age: FloatArray) -> FloatArray:
        """Return the chance of not having left after the last purchase; 1 without a repeat."""
        if self.basis_ != "bg/nbd":
            return np.ones(len(x))
        log_odds = np.log(self.a_ / np.maximum(self.b_ + x - 1.0, 1e-12)) + (self.r_ + x) * np.log(
            (self.alpha_ + age) / (self.alpha_ + recency)
        )
        return np.where(x > 0, expit(-log_odds), 1.0)

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
            Rising along each row; Fader, Hardie & Lee's equation 10. NaN where no rate is known.
        """
        check_is_fitted(self)
        x, recency, age = _columns(history)
        states = distinct_states(x, age)
        of_states = self.expected_remaining(x[states.first], age[states.first], weeks)
        return np.asarray(self._present(x, recency, age)[:, None] * of_states[states.state])

    def expected_remaining(self, repeats: Any, age_weeks: Any, weeks: Any) -> FloatArray:
        """Return what `expected` does of customers that are there for sure.

        Parameters
        ----------
        repeats, age_weeks : array-like, shape = (n_customers,)
            x and T.
        weeks : array-like, shape = (n_times,)
        """
        check_is_fitted(self)
        x, age = (np.asarray(v, dtype="float64")[:, None] for v in (repeats, age_weeks))
        t = np.atleast_1d(np.asarray(weeks, dtype="float64"))[None, :]
        shape, seen = self._rate(x, age)
        if self.basis_ != "bg/nbd":
            return np.asarray(shape / seen * t)
        a = self.a_ if abs(self.a_ - 1.0) > 1e-9 else 1.0 + 1e-9
        power = (seen / (seen + t)) ** shape
        left = 1.0 - power * hyp2f1(shape, self.b_ + x, a + self.b_ + x - 1, t / (seen + t))
        return np.asarray((a + self.b_ + x - 1) / (a - 1) * left)


@dataclass(frozen=True)
class States:
    """Customers by what their future depends on, given that they are still customers.

    Attributes
    ----------
    first : array, shape = (n_states,)
        The place of one customer of each state, by repeats and age.
    state : array, shape = (n_customers,)
        Whose state is which.
    """

    first: IntArray
    state: IntArray


def distinct_states(repeats: FloatArray, age_weeks: FloatArray) -> States:
    """Group customers of equal repeats and age: what is worked out for one holds for all."""
    order = np.lexsort((age_weeks, repeats))
    new = (np.diff(repeats[order], prepend=np.nan) != 0) | (
        np.diff(age_weeks[order], prepend=np.nan) != 0
    )
    state = np.empty(len(order), dtype=np.int64)
    state[order] = np.cumsum(new) - 1
    return States(order[new], state)


def _inner_maximum(loss: Callable[[FloatArray, float], float], prior: float) -> FloatArray | None:
    """Return the log-parameters of the least loss; None where it lies at the edge of the search."""
    with warnings.catch_warnings():
        # Far from the maximum the search may leave the range of floats and comes back.
        warnings.simplefilter("ignore", RuntimeWarning)
        found = minimize(loss, np.zeros(4), (prior,), method="L-BFGS-B", bounds=[(-9.0, 9.0)] * 4)
    inner = np.isfinite(found.fun) and np.abs(found.x).max() <= WIDEST and found.success
    return np.asarray(found.x) if inner else None


def _columns(history: pd.DataFrame) -> tuple[FloatArray, FloatArray, FloatArray]:
    x, recency, age = (
        history[name].to_numpy(dtype="float64")
        for name in ("repeats", "recency_weeks", "age_weeks")
    )
    bad = ~((x >= 0) & (recency >= 0) & (age >= recency))
    if bad.any():
        raise ModelInputError(
            f"{int(bad.sum())} customers lack a value, have one below 0, or bought later",
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
    present = -(r + x) * np.log(alpha + age)
    # B(a + 1, b + x − 1) ⁄ B(a, b + x) = a ⁄ (b + x − 1).
    gone = np.log(a) - np.log(np.maximum(b + x - 1, 1e-300)) - (r + x) * np.log(alpha + recency)
    return np.asarray(common + np.where(x > 0, np.logaddexp(present, gone), present))
