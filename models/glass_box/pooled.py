"""Several products in one glass box, each with its own intercept, shrunk to the common one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Self

import numpy as np
import pandas as pd
from scipy.special import logit
from sklearn.base import clone
from sklearn.utils.validation import check_is_fitted

from models.base.calibration import Calibration
from models.base.explanations import Explained
from models.base.inputs import (
    FloatArray,
    IntArray,
    ModelInputError,
    SharedRows,
    check_names,
    model_frame,
)
from models.base.log_odds import LogOddsClassifier
from models.glass_box.classifier import GlassBoxClassifier


class PooledGlassBox(LogOddsClassifier):
    """`GlassBoxClassifier` over accounts × products: curves in common, an intercept a product.

    A product's rate of purchase is shrunk to the rate of all by an empirical-Bayes prior (the
    method of moments of the beta-binomial), so a product bought twice borrows from the
    others and one bought often keeps its own rate. The log-odds of that rate replace the
    product's name; an unseen product gets the overall rate.

    Parameters
    ----------
    product : str
        The column that names the product.
    estimator : GlassBoxClassifier, optional
        The model of all products; the default one where it is not given.
    seed : int
        Seed of the default one.

    Attributes
    ----------
    model_ : GlassBoxClassifier
        Fitted with numbers in place of names.
    product_rates_ : dict of str to float
        The shrunk rate of each product, 0-1.
    rate_ : float
        The rate of all rows.
    prior_rows_ : float
        How many rows the rate of all weighs against those of a product.
    classes_, n_features_in_, feature_names_in_
        As scikit-learn has them.
    """

    def __init__(
        self,
        *,
        product: str = "product",
        estimator: GlassBoxClassifier | None = None,
        seed: int = 0,
    ) -> None:
        self.product = product
        self.estimator = estimator
        self.seed = seed

    def fit(self, X: Any, y: Any, groups: Any = None) -> Self:
        """Fit rates and curves.

        Parameters
        ----------
        X : pandas.DataFrame, shape = (n_samples, n_features)
            Holds the product's column; the others as for `GlassBoxClassifier`.
        y, groups
            As for `GlassBoxClassifier`.

        Raises
        ------
        ModelInputError
            There is no column of that name.
        """
        frame, target = self._learned_from(X, y)
        if self.product not in frame.columns:
            raise ModelInputError(
                f"no column {self.product!r} to pool over",
                where="product",
                fix="the columns are " + ", ".join(map(str, frame.columns)),
            )
        self._learn_rates(frame[self.product].astype(str), target)
        own = self.estimator
        model = GlassBoxClassifier(seed=self.seed) if own is None else clone(own)
        self.model_ = model.fit(self._with_rates(frame), y, groups)
        return self

    def _learn_rates(self, products: pd.Series[str], target: IntArray) -> None:
        counts = pd.Series(target, index=products.index).groupby(products).agg(["sum", "count"])
        self.rate_ = float((target.sum() + 0.5) / (len(target) + 1.0))
        self.prior_rows_ = prior_rows(counts["sum"].to_numpy(), counts["count"].to_numpy())
        shrunk = (counts["sum"] + self.prior_rows_ * self.rate_) / (
            counts["count"] + self.prior_rows_
        )
        self.product_rates_ = {str(name): float(rate) for name, rate in shrunk.items()}

    def _with_rates(self, frame: pd.DataFrame) -> pd.DataFrame:
        code, products = pd.factorize(frame[self.product], use_na_sentinel=False)
        rates = [self.product_rates_.get(str(product), self.rate_) for product in products]
        columns = {name: frame[name] for name in frame.columns}
        columns[self.product] = pd.Series(logit(rates)[code], index=frame.index)
        return type(frame)(columns, index=frame.index, copy=False)

    def _numbered(self, X: Any) -> pd.DataFrame | SharedRows:
        check_is_fitted(self)
        if isinstance(X, SharedRows) and self.product in X.own.columns:
            check_names(self, X)
            return replace(X, own=self._with_rates(X.own))
        return self._with_rates(model_frame(self, X, reset=False))

    @property
    def calibration_(self) -> Calibration:
        """Applied to the log-odds, contributions included."""
        return self.model_.calibration_

    @calibration_.setter
    def calibration_(self, calibration: Calibration) -> None:
        self.model_.calibration_ = calibration

    def decision_function(self, X: Any) -> FloatArray:
        """Return the calibrated log-odds of the event, shape = (n_samples,)."""
        return self.model_.decision_function(self._numbered(X))

    def contributions(self, X: Any) -> pd.DataFrame:
        """Return what each term adds to a row's log-odds, as `GlassBoxClassifier` does."""
        return self.model_.contributions(self._numbered(X))

    def explained(self, X: Any) -> Explained:
        """Return what `GlassBoxClassifier.explained` does."""
        return self.model_.explained(self._numbered(X))


def prior_rows(events: Any, rows: Any, *, least: float = 20.0, most: float = 1e5) -> float:
    """Return how many rows the common rate should weigh: α + β of a beta prior, by moments.

    The variance of the products' rates beyond that of chance measures how far they differ; where
    they differ no more than by chance, the common rate takes over.

    Parameters
    ----------
    events, rows : array-like, shape = (n_products,)
        Purchases and rows of each product.
    least, most : float
        Bounds of the result.

    Examples
    --------
    >>> prior_rows([10, 10, 10], [100, 100, 100]) == 1e5
    True
    >>> prior_rows([5, 50, 95], [100, 100, 100]) < 30
    True
    """
    k, n = np.asarray(events, dtype=float), np.asarray(rows, dtype=float)
    if len(n) < 2 or k.sum() == 0 or k.sum() == n.sum():
        return most
    mean = k.sum() / n.sum()
    chance = mean * (1.0 - mean) * float((1.0 / n).mean())
    between = float(np.var(k / n, ddof=1)) - chance
    if between <= 0:
        return most
    return float(np.clip(mean * (1.0 - mean) / between - 1.0, least, most))
