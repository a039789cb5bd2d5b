"""Purchases without a contract: expected purchases, and whether the customer has left."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import pandas as pd
from scipy.optimize import minimize
from scipy.special import betainc, betaln, expit, gammaln, hyp2f1, logsumexp
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from models.base.inputs import FloatArray, IntArray, ModelInputError

#: Minimum number of repeat customers to estimate heterogeneity.
FEWEST_REPEATERS = 10
DAYS_PER_WEEK = 7.0
# Log-parameters outside this range mean that the likelihood has no inner maximum.
WIDEST = 7.0
# Minimum observation, on average and in total without a repeat purchase, to estimate a rate.
_SHORTEST_WEEKS, _LEAST_WEEKS = 1.0, 52.0
# If customers hardly differ in their rate or their chance of leaving, the likelihood rises forever
# along one parameter; a normal prior on the logarithms (standard deviation 2) prevents this.
_PRIOR = 1.0 / (2.0 * 2.0**2)
_HELD = (
    "the BG/NBD likelihood did not converge to an inner maximum, because customers are alike or "
    "hardly any leaves; a weak prior is used"
)
# Log-odds at which the chance of having left is clipped.
_SUREST = 15.0
#: Regularities to try in this order, as long as the likelihood increases.
_REGULARITIES = (2, 3, 4, 6, 8)
#: Number of purchases counted individually, and the chance below which further ones are ignored.
_MOST_COUNTED, _NEGLIGIBLE = 2_000, 1e-7


def purchase_history(orders: pd.DataFrame, *, until: Any) -> pd.DataFrame:
    """Summarise each customer's purchases before a date.

    Purchases of one day count as one, and the first is the start, not a repeat (Fader, Hardie
    & Lee 2005). A refund (an amount below zero) is not a purchase: it lowers the amount of the last
    purchase before it.

    Parameters
    ----------
    orders : pd.DataFrame, shape = (n_orders, n_columns)
        account_id, ordered_at, amount.
    until : datetime
        Exclusive end of the observation.

    Returns
    -------
    pd.DataFrame, shape = (n_customers, 6)
        Indexed by account_id: repeats (days with a purchase after the first), recency_weeks
        (first to last purchase), age_weeks (first purchase to the last observed day),
        log_intervals (sum of the logarithms of the weeks between purchases), mean_spend (of a
        repeat day; NaN without one) and spent (in total).
    """
    earlier = (orders["ordered_at"] < pd.Timestamp(until)) & orders["account_id"].notna()
    seen = orders[earlier]
    # Grouping by numbers is much faster than by names.
    codes, accounts = pd.factorize(seen["account_id"], sort=True)
    seen = seen[["ordered_at", "amount"]].assign(account_id=codes)
    days = _purchase_days(seen)
    if days.empty:
        raise ModelInputError(
            f"no purchase (an amount of 0 or more) before {pd.Timestamp(until).date()}",
            where="orders",
            fix="give a later date, or check the amounts",
        )
    again = days.duplicated("account_id").to_numpy()
    repeat = days[again]
    by_account = days.groupby("account_id")
    first, last = by_account["day"].min(), by_account["day"].max()
    number = days["day"].to_numpy().astype("datetime64[D]").astype(np.int64)
    weeks = np.diff(number, prepend=0)[again] / DAYS_PER_WEEK
    intervals = pd.DataFrame({"account_id": repeat["account_id"], "log_weeks": np.log(weeks)})
    history = pd.DataFrame(
        {
            "repeats": by_account.size() - 1,
            "recency_weeks": (last - first).dt.days / DAYS_PER_WEEK,
            "age_weeks": (_last_day_before(until) - first).dt.days / DAYS_PER_WEEK,
            "log_intervals": intervals.groupby("account_id")["log_weeks"]
            .sum()
            .reindex(first.index, fill_value=0.0),
            "mean_spend": repeat.groupby("account_id")["amount"].mean(),
            "spent": seen.groupby("account_id")["amount"].sum().reindex(first.index),
        }
    )
    history.index = pd.Index(accounts[history.index], name="account_id")
    return history


def _purchase_days(orders: pd.DataFrame) -> pd.DataFrame:
    """Return account_id, day and amount of each day with a purchase, by account and day.

    A refund (an amount below zero) is not a purchase: it lowers the amount of the day before it.
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
    """Return the last day before a moment, even if incomplete: time is counted in days."""
    return (pd.Timestamp(moment) - pd.Timedelta(microseconds=1)).normalize()


class PurchaseModel(BaseEstimator):  # type: ignore[misc]
    """BG/CNBD-k: each customer buys at an individual rate and may leave after any purchase.

    Rates are Gamma(r, α) among customers, chances of leaving Beta(a, b). With k = 1, purchases
    come at random: this is BG/NBD (Fader, Hardie & Lee 2005, "Counting Your Customers" the Easy
    Way, Marketing Science 24). With k > 1, they come regularly: the time between two is
    Gamma-distributed with shape k, as if a purchase took k steps that come at random (Platzer &
    Reutterer 2016, Ticking Away the Moments, Marketing Science 35). k is the number with the
    highest likelihood; all have as many parameters. If the likelihood has
    no inner maximum, a weak prior is used. If too few customers came back, or the fit fails,
    every customer is assumed to continue at its own rate, shrunk to the mean. If the customers
    were observed for less than a week on average, or for less than 52 weeks in total without a
    repeat purchase, no rate is estimated. ``message_`` explains which of these applies.

    Attributes
    ----------
    basis_ : str
        ``"bg/nbd"``, ``"mean rate"`` or ``"none"``.
    message_ : str
        Why another basis, or a prior, is used; empty otherwise.
    regularity_ : int
        k; 1 where the history has no ``log_intervals``.
    r_, alpha_, a_, b_ : float
        Parameters, α in weeks (per step, where k > 1); NaN without a fit.
    log_likelihood_ : float
        Log-likelihood of the fit.
    rate_ : float
        Repeat purchases per week over all customers.
    level_, level_weeks_ : float
        Factor on the purchases of all customers (1: as fitted), by season and trend, and the number
        of weeks from now that it applies to; `models.clv.order_level.with_level` learns them.
    """

    # Also those of versions that were fitted without them.
    regularity_ = 1
    level_, level_weeks_ = 1.0, 0.0

    def fit(self, history: pd.DataFrame, y: Any = None) -> Self:
        """Fit on repeats, recency_weeks, age_weeks and log_intervals, one row per customer."""
        x, recency, age = _columns(history)
        self.regularity_, self.level_, self.level_weeks_ = 1, 1.0, 0.0
        self.rate_ = float((x.sum() + 0.5) / max(age.sum(), 1.0))
        self.r_ = self.alpha_ = self.a_ = self.b_ = self.log_likelihood_ = float("nan")
        if age.mean() < _SHORTEST_WEEKS or (not x.any() and age.sum() < _LEAST_WEEKS):
            self.basis_, self.rate_ = "none", float("nan")
            self.message_ = (
                f"{len(x)} customers were observed for {age.mean():.1f} weeks on average after "
                f"their first purchase, and {int((x > 0).sum())} bought again: how often they buy "
                "is not known yet"
            )
            return self
        self.message_ = self._maximise(x, recency, age)
        self.basis_ = "bg/nbd" if np.isfinite(self.r_) else "mean rate"
        if self.basis_ == "bg/nbd" and not self.message_ and "log_intervals" in history:
            self._regularise(x, recency, age, history["log_intervals"].to_numpy(dtype="float64"))
        return self

    def _regularise(
        self, x: FloatArray, recency: FloatArray, age: FloatArray, log_intervals: FloatArray
    ) -> None:
        """Increase the regularity as long as the likelihood increases."""
        scale = float(age.mean())
        for k in _REGULARITIES:
            # The density of Gamma-distributed intervals, besides what the parameters change.
            fixed = float(((k - 1) * log_intervals - x * gammaln(k)).sum())

            def loss(log_parameters: FloatArray, prior: float, k: int = k) -> float:
                rows = _log_likelihood(np.exp(log_parameters), x, recency / scale, age / scale, k)
                return prior * float(np.square(log_parameters).sum()) / len(x) - float(rows.mean())

            found = _inner_maximum(loss, 0.0)
            if found is None:
                return
            parameters = np.exp(found) * np.array([1.0, scale, 1.0, 1.0])
            likelihood = float(_log_likelihood(parameters, x, recency, age, k).sum()) + fixed
            if not likelihood > self.log_likelihood_:
                return
            self.regularity_, self.log_likelihood_ = k, likelihood
            self.r_, self.alpha_, self.a_, self.b_ = (float(v) for v in parameters)

    def _maximise(self, x: FloatArray, recency: FloatArray, age: FloatArray) -> str:
        """Set the parameters; return a note on them, or why they could not be fitted."""
        repeaters = int((x > 0).sum())
        if repeaters < FEWEST_REPEATERS:
            return (
                f"{repeaters} customers bought again, {FEWEST_REPEATERS} are needed for BG/NBD: "
                "the mean purchase rate is used instead"
            )
        # With weeks in units of the mean age, the search starts at the right order of magnitude.
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
        """Return the probability that each customer has not left; NaN without a model."""
        check_is_fitted(self)
        x, recency, age = _columns(history)
        if self.basis_ != "bg/nbd":
            return np.full(len(x), np.nan)
        return self._present(x, recency, age)

    def left_contributions(self, history: pd.DataFrame) -> pd.DataFrame:
        """Split the log-odds of having left: repeat purchases lower them, silence raises them.

        Parameters
        ----------
        history : pd.DataFrame, shape = (n_customers, n_columns)
            As in ``fit``.

        Returns
        -------
        pd.DataFrame, shape = (n_customers, 3)
            baseline (a customer right after its first return), returns (≤ 0) and silence (≥ 0);
            a row sums to the log-odds of 1 − `alive`, clipped to ±15. NaN without a fit, and for
            customers that never came back: in BG/NBD, customers leave only after a repeat
            purchase, so all of these would have the same value.
        """
        check_is_fitted(self)
        x, recency, age = _columns(history)
        parts = np.full((len(x), 3), np.nan)
        back = x > 0
        if self.basis_ == "bg/nbd" and back.any():
            x, recency, age = x[back], recency[back], age[back]
            baseline = np.full(len(x), np.log(self.a_ / self.b_))
            returns = -np.log((self.b_ + x - 1.0) / self.b_)
            silence = self._silence(x, recency, age)
            total = np.clip(baseline + returns + silence, -_SUREST, _SUREST)
            held = np.maximum(total - baseline - returns, 0.0)
            parts[back] = np.column_stack([baseline, total - baseline - held, held])
        return pd.DataFrame(parts, columns=["baseline", "returns", "silence"], index=history.index)

    def order_probability(self, history: pd.DataFrame, weeks: float) -> FloatArray:
        """Return the chance that each customer buys within `weeks` from now; NaN if unknown.

        A customer that has not left buys nothing with probability ((α + T) ⁄ (α + T + t))^(r + x),
        the mean of exp(−λt) over the posterior of its rate λ; with regularity as `at_least`.
        """
        check_is_fitted(self)
        x, recency, age = _columns(history)
        present = self._present(x, recency, age)
        if self.regularity_ > 1:
            return present * self.at_least(x, age, weeks, 1.0, silence_weeks=age - recency)
        shape, seen = self._rate(x, age)
        return present * (1.0 - (seen / (seen + self._usual_weeks(weeks))) ** shape)

    def _usual_weeks(self, weeks: Any) -> FloatArray:
        """Return the weeks at the fitted level with the same purchases as these weeks."""
        t = np.asarray(weeks, dtype="float64")
        return np.asarray(t + (self.level_ - 1.0) * np.minimum(t, self.level_weeks_))

    def _rate(self, x: FloatArray, age: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return shape and rate (in weeks) of the Gamma posterior of each customer's rate."""
        if self.basis_ == "bg/nbd":
            return self.r_ + self.regularity_ * x, self.alpha_ + age
        return x + 1.0, age + 1.0 / self.rate_

    def _log_steps(self, x: FloatArray, age: FloatArray, silence: FloatArray) -> FloatArray:
        """Return log-chances of the steps done since the last purchase, up to a common factor.

        Shape (k, …): ln of (T − t_x)^j ⁄ j! · Γ(r + kx + j) ⁄ Γ(r + kx) ⁄ (α + T)^(r + kx + j).
        """
        return _log_steps(self.r_, self.alpha_, self.regularity_, x, age, silence)

    def _silence(self, x: FloatArray, recency: FloatArray, age: FloatArray) -> FloatArray:
        """Return by how much the silence since the last purchase raises the odds of having left."""
        if self.regularity_ == 1:
            odds = (self.r_ + x) * np.log((self.alpha_ + age) / (self.alpha_ + recency))
            return np.asarray(odds)
        none = -(self.r_ + self.regularity_ * x) * np.log(self.alpha_ + recency)
        return np.asarray(none - logsumexp(self._log_steps(x, age, age - recency), axis=0))

    def at_least(
        self, repeats: Any, age_weeks: Any, weeks: Any, counts: Any, *, silence_weeks: Any = 0.0
    ) -> FloatArray:
        """Return the chance that a customer that has not left buys at least `counts` times.

        It would buy at least n times with probability I(n, r + x; t ⁄ (α + T + t)), the tail of a
        negative binomial, and stays for n purchases with probability
        B(a, b + x + n − 1) ⁄ B(a, b + x); both are independent given its history. With a
        regularity k, a customer that has done j of k steps since its last purchase would buy n
        times with probability I(nk − j, r + kx + j; t ⁄ (α + T + t)).

        Parameters
        ----------
        repeats, age_weeks : array-like, shapes that broadcast with `counts`
            x and T.
        weeks : array-like, a shape that broadcasts with `counts`
            t, from now.
        counts : array-like
            n, 1 or more.
        silence_weeks : array-like, a shape that broadcasts with `counts`
            T − t_x, since the last purchase; it matters only with a regularity above 1.
        """
        check_is_fitted(self)
        x, n = np.asarray(repeats, dtype="float64"), np.asarray(counts, dtype="float64")
        shape, seen = self._rate(x, np.asarray(age_weeks, dtype="float64"))
        t = self._usual_weeks(weeks)
        share = t / (seen + t)
        if self.regularity_ == 1:
            would = betainc(n, shape, share)
        else:
            silence = np.asarray(silence_weeks, dtype="float64")
            logs = self._log_steps(x, np.asarray(age_weeks, dtype="float64"), silence)
            chances = np.exp(logs - logsumexp(logs, axis=0))
            would = sum(
                chances[j] * betainc(n * self.regularity_ - j, shape + j, share)
                for j in range(self.regularity_)
            )
            # Rounding may raise the chance of a certain purchase slightly above 1.
            would = np.minimum(would, 1.0)
        if self.basis_ != "bg/nbd":
            return np.asarray(would)
        stays = np.exp(betaln(self.a_, self.b_ + x + n - 1.0) - betaln(self.a_, self.b_ + x))
        return np.asarray(would * stays)

    def _present(self, x: FloatArray, recency: FloatArray, age: FloatArray) -> FloatArray:
        """Return the chance of not having left after the last purchase; 1 without a repeat."""
        if self.basis_ != "bg/nbd":
            return np.ones(len(x))
        odds = np.log(self.a_ / np.maximum(self.b_ + x - 1.0, 1e-12))
        return np.where(x > 0, expit(-odds - self._silence(x, recency, age)), 1.0)

    def expected(self, history: pd.DataFrame, weeks: Any) -> FloatArray:
        """Return the purchases each customer is expected to make within `weeks` from now.

        Parameters
        ----------
        history : pd.DataFrame, shape = (n_customers, n_columns)
            As in ``fit``.
        weeks : array-like, shape = (n_times,)
            Future weeks.

        Returns
        -------
        array, shape = (n_customers, n_times)
            Increasing along each row; Fader, Hardie & Lee's equation 10. NaN if no rate is known.
        """
        check_is_fitted(self)
        x, recency, age = _columns(history)
        states = self.states(history)
        of_states = self.expected_remaining(
            x[states.first], age[states.first], weeks, (age - recency)[states.first]
        )
        return np.asarray(self._present(x, recency, age)[:, None] * of_states[states.state])

    def states(self, history: pd.DataFrame) -> States:
        """Group customers with the same expected future, given that they have not left."""
        x, recency, age = _columns(history)
        if self.regularity_ == 1:
            return distinct_states(x, age)
        return distinct_states(x, age, age - recency)

    def expected_remaining(
        self, repeats: Any, age_weeks: Any, weeks: Any, silence_weeks: Any = 0.0
    ) -> FloatArray:
        """Return expected purchases like `expected`, for customers that certainly have not left.

        Parameters
        ----------
        repeats, age_weeks : array-like, shape = (n_customers,)
            x and T.
        weeks : array-like, shape = (n_times,)
        silence_weeks : array-like, shape = (n_customers,)
            T − t_x; it matters only with a regularity above 1.
        """
        check_is_fitted(self)
        x, age = (np.asarray(v, dtype="float64")[:, None] for v in (repeats, age_weeks))
        t = np.atleast_1d(np.asarray(weeks, dtype="float64"))[None, :]
        if self.regularity_ > 1:
            silence = np.broadcast_to(np.asarray(silence_weeks, dtype="float64"), len(x))
            return self._counted(x, age, t, silence[:, None])
        t, (shape, seen) = self._usual_weeks(t), self._rate(x, age)
        if self.basis_ != "bg/nbd":
            return np.asarray(shape / seen * t)
        a = self.a_ if abs(self.a_ - 1.0) > 1e-9 else 1.0 + 1e-9
        power = (seen / (seen + t)) ** shape
        left = 1.0 - power * hyp2f1(shape, self.b_ + x, a + self.b_ + x - 1, t / (seen + t))
        return np.asarray((a + self.b_ + x - 1) / (a - 1) * left)

    def _counted(
        self, x: FloatArray, age: FloatArray, t: FloatArray, silence: FloatArray
    ) -> FloatArray:
        """Return the sum of the chances of at least 1, 2, 3, … purchases."""
        total = np.zeros((len(x), t.shape[1]))
        rows = np.arange(len(x))
        for count in range(1, _MOST_COUNTED + 1):
            more = self.at_least(x[rows], age[rows], t, count, silence_weeks=silence[rows])
            total[rows] += more
            rows = rows[more.max(axis=1) > _NEGLIGIBLE]
            if not len(rows):
                break
        return total


@dataclass(frozen=True)
class States:
    """Groups of customers with the same expected future, given that they have not left.

    Attributes
    ----------
    first : array, shape = (n_states,)
        Position of one customer of each state, by repeats and age.
    state : array, shape = (n_customers,)
        The state of each customer.
    """

    first: IntArray
    state: IntArray


def distinct_states(*values: FloatArray) -> States:
    """Group customers of equal values (repeats first), so each state is computed once."""
    order = np.lexsort(values[::-1])
    new = np.any([np.diff(v[order], prepend=np.nan) != 0 for v in values], axis=0)
    state = np.empty(len(order), dtype=np.int64)
    state[order] = np.cumsum(new) - 1
    return States(order[new], state)


def _inner_maximum(loss: Callable[[FloatArray, float], float], prior: float) -> FloatArray | None:
    """Return the log-parameters that minimise the loss; None at the edge of the search."""
    with warnings.catch_warnings():
        # Far from the maximum, the search may leave the range of floats and return.
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
            fix="create it with purchase_history",
        )
    return x, recency, age


def _log_likelihood(
    parameters: FloatArray, x: FloatArray, recency: FloatArray, age: FloatArray, k: int = 1
) -> FloatArray:
    """Return ln L of each customer; Fader, Hardie & Lee (2005), equation 6, in logs.

    With a regularity `k` as Platzer & Reutterer (2016), without the intervals' factor that no
    parameter changes.
    """
    r, alpha, a, b = parameters
    common = gammaln(r + k * x) - gammaln(r) + r * np.log(alpha)
    common = common + betaln(a, b + x) - betaln(a, b)
    present = logsumexp(_log_steps(r, alpha, k, x, age, age - recency), axis=0)
    # B(a + 1, b + x − 1) ⁄ B(a, b + x) = a ⁄ (b + x − 1).
    gone = np.log(a) - np.log(np.maximum(b + x - 1, 1e-300))
    gone = gone - (r + k * x) * np.log(alpha + recency)
    return np.asarray(common + np.where(x > 0, np.logaddexp(present, gone), present))


def _log_steps(
    r: float, alpha: float, k: int, x: FloatArray, age: FloatArray, silence: FloatArray
) -> FloatArray:
    """Return what `PurchaseModel._log_steps` describes."""
    shape, seen = r + k * x, np.log(alpha + age)
    with np.errstate(divide="ignore"):
        waited = np.log(silence)
    parts = [-shape * seen]
    for j in range(1, k):
        # The chance of a step j is that of j − 1 times (T − t_x)(r + kx + j − 1) ⁄ j ⁄ (α + T).
        parts.append(parts[-1] + waited + np.log(shape + j - 1) - np.log(j) - seen)
    return np.stack(np.broadcast_arrays(*parts))
