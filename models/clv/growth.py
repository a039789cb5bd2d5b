"""Growth of the revenue of surviving accounts: expansion and contraction by peer group."""

from __future__ import annotations

from copy import copy
from typing import Any, Self

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from models.base.inputs import FloatArray, ModelInputError, as_floats, group_codes
from models.survival.peer_survival import DAYS_PER_MONTH

# A larger change of one account is no evidence about its peers.
_LARGEST_RATIO = 3.0
#: Months ahead in which MRR grows; after them it stays. A company that grows by 9 % a month would
#: otherwise have every account pay 25 times as much in three years.
GROWTH_MONTHS = 12


class PeerGrowth(BaseEstimator):  # type: ignore[misc]
    """Monthly expansion and contraction of a peer group's surviving MRR, shrunk to all accounts.

    Parameters
    ----------
    prior_months : float
        Weight of the rates of all accounts, in account-months of average MRR.
    n_resamples : int
        Bootstrap resamples of accounts for the standard errors.
    seed : int
        Their seed.

    Attributes
    ----------
    rates_ : pandas.DataFrame
        One row per peer group, and ``""`` for all: expansion and contraction (shares of MRR
        per month), net (their difference, times `share_`), net_sd (its standard error), account_sd
        (standard deviation of one account's log MRR after a month) and account_months.
    share_ : float
        Share of the measured growth that is used, 0-1.
    """

    def __init__(
        self, *, prior_months: float = 600.0, n_resamples: int = 200, seed: int = 0
    ) -> None:
        self.prior_months = prior_months
        self.n_resamples = n_resamples
        self.seed = seed

    def fit(
        self,
        mrr_before: Any,
        mrr_after: Any,
        days_between: Any,
        *,
        groups: Any = None,
        accounts: Any = None,
    ) -> Self:
        """Fit on pairs of dates between which an account stayed.

        Parameters
        ----------
        mrr_before, mrr_after : array-like, shape = (n_pairs,)
            Monthly recurring revenue on both dates, above 0.
        days_between : array-like, shape = (n_pairs,)
            Days between the two dates, above 0.
        groups : array-like, shape = (n_pairs,), optional
            Peer group.
        accounts : array-like, shape = (n_pairs,), optional
            The account; by default, each pair is a separate account. Accounts are resampled.
        """
        before = as_floats(mrr_before, "mrr_before")
        after = as_floats(mrr_after, "mrr_after", len(before))
        days = as_floats(days_between, "days_between", len(before))
        _refuse_bad(before, after, days)
        after = np.minimum(after, before * _LARGEST_RATIO)
        sums = pd.DataFrame(
            {
                "up": np.maximum(after - before, 0.0),
                "down": np.maximum(before - after, 0.0),
                "base": before * days / DAYS_PER_MONTH,
                "months": days / DAYS_PER_MONTH,
                "squared": np.log(after / before) ** 2,
                "account": group_codes(accounts, len(before)),
                "group": "" if groups is None else pd.Series(np.asarray(groups)).astype(str),
            }
        )
        everyone = sums[["up", "down", "base", "months"]].sum()
        self.rates_ = pd.DataFrame(
            [
                self._of_group(part, everyone, str(name))
                for name, part in [("", sums), *sums.groupby("group")]
                if name != "" or part is sums
            ]
        ).set_index("group")
        self.share_ = 1.0
        return self

    def shrunk(self, share: float) -> PeerGrowth:
        """Return the model with a share of its growth, 0-1.

        Raises
        ------
        ModelInputError
            The share is outside 0-1.
        """
        check_is_fitted(self)
        if not 0 <= share <= 1:
            raise ModelInputError(f"is {share}, not in 0-1", where="share")
        model = copy(self)
        model.share_ = share
        scaled = {name: self.rates_[name] * share for name in ("net", "net_sd")}
        model.rates_ = self.rates_.assign(**scaled)
        return model

    def _of_group(
        self, part: pd.DataFrame, everyone: pd.Series[float], name: str
    ) -> dict[str, Any]:
        by_account = part.groupby("account")[["up", "down", "base"]].sum().to_numpy()
        # The pooled rates are shrunk to 0, those of a group to the pooled ones.
        weight = self.prior_months * float(everyone["base"] / max(everyone["months"], 1e-12))
        prior = np.array([everyone["up"], everyone["down"]]) / max(float(everyone["base"]), 1e-12)
        prior = prior * (name != "")

        def rates(totals: FloatArray) -> FloatArray:
            return np.asarray(
                (totals[..., :2] + weight * prior) / (totals[..., 2:] + weight), dtype="float64"
            )

        rng = np.random.default_rng(self.seed)
        n = len(by_account)
        drawn = rng.multinomial(n, np.full(n, 1.0 / n), size=self.n_resamples) if n else None
        resampled = rates(drawn @ by_account) if drawn is not None else np.zeros((1, 2))
        expansion, contraction = rates(by_account.sum(axis=0))
        return {
            "group": name,
            "expansion": expansion,
            "contraction": contraction,
            "net": expansion - contraction,
            "net_sd": float((resampled[:, 0] - resampled[:, 1]).std()),
            "account_sd": float(np.sqrt(part["squared"].sum() / max(part["months"].sum(), 1e-12))),
            "account_months": float(part["months"].sum()),
        }

    def index(self, groups: Any, months: Any) -> FloatArray:
        """Return g(m) = (1 + expansion − contraction)^min(m, 12) of each account's peer group.

        Parameters
        ----------
        groups : array-like, shape = (n_accounts,)
            Peer group; a group not seen in ``fit`` gets the rates of all.
        months : array-like, shape = (n_months,)
            Months from today.

        Returns
        -------
        array, shape = (n_accounts, n_months)
            Expected MRR of a surviving account ÷ that of today.
        """
        rates, place = np.unique(self._column("net", groups), return_inverse=True)
        grown = np.minimum(as_floats(months, "months"), GROWTH_MONTHS)
        paths = np.exp(np.log1p(rates)[:, None] * grown[None, :])
        return np.asarray(paths[place])

    def net_sd(self, groups: Any) -> FloatArray:
        """Return the standard error of each account's monthly net rate, shape = (n_accounts,)."""
        return self._column("net_sd", groups)

    def net(self, groups: Any) -> FloatArray:
        """Return each account's monthly net growth, shape = (n_accounts,)."""
        return self._column("net", groups)

    def account_sd(self, groups: Any) -> FloatArray:
        """Return the standard deviation of one account's log MRR after a month.

        0 for a model of an earlier release, which did not measure it.
        """
        check_is_fitted(self)
        if "account_sd" not in self.rates_:
            return np.zeros(len(np.asarray(groups)))
        return self._column("account_sd", groups)

    def _column(self, name: str, groups: Any) -> FloatArray:
        check_is_fitted(self)
        column = self.rates_[name]
        values = pd.Series(np.asarray(groups)).astype(str).map(column).fillna(column[""])
        return np.asarray(values.to_numpy(dtype="float64"))


def surviving_pairs(history: pd.DataFrame) -> pd.DataFrame:
    """Return each account's MRR on one date and on its next.

    Parameters
    ----------
    history : pd.DataFrame, shape = (n_rows, n_columns)
        account_id, as_of, mrr and group: one row per account and date on which it pays.

    Returns
    -------
    pd.DataFrame, shape = (n_pairs, 5)
        account_id, group, mrr_before, mrr_after, days_between; an account that left has no next
        date, so churn is not counted as contraction.
    """
    ordered = history.sort_values(["account_id", "as_of"])
    following = ordered.groupby("account_id")[["as_of", "mrr"]].shift(-1)
    days = (following["as_of"] - ordered["as_of"]).dt.total_seconds() / 86_400
    pairs = pd.DataFrame(
        {
            "account_id": ordered["account_id"],
            "group": ordered["group"],
            "mrr_before": ordered["mrr"],
            "mrr_after": following["mrr"],
            "days_between": days,
        }
    )
    stayed = (pairs["mrr_before"] > 0) & (pairs["mrr_after"] > 0)
    return pairs[stayed].reset_index(drop=True)


def _refuse_bad(before: FloatArray, after: FloatArray, days: FloatArray) -> None:
    bad = ~((before > 0) & (after > 0) & (days > 0))
    if bad.any():
        raise ModelInputError(
            f"{int(bad.sum())} pairs have no MRR on one of the dates, or no time between them",
            where="mrr_before, mrr_after, days_between",
            fix="leave out accounts that left: churn is part of the survival curve",
        )
