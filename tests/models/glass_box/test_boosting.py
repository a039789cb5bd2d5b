from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier

from models.base.inputs import feature_frame
from models.glass_box.binning import binned, fit_bins
from models.glass_box.boosting import BoostingOptions, boost_bags

ROUNDS = 200


@pytest.mark.parametrize("text", [False, True])
def test_bags_that_are_binned_once_are_those_of_scikit_learn(text: bool) -> None:
    rng = np.random.default_rng(3)
    n = 1_200
    X = pd.DataFrame(
        {
            "number": rng.standard_normal(n),
            "gaps": np.where(rng.random(n) < 0.3, np.nan, rng.standard_normal(n)),
            "count": rng.poisson(0.4, n).astype(float),
            "rare": np.where(np.arange(n) < 4, 1.0, 0.0),
        }
    )
    if text:
        X["plan"] = rng.choice(["a", "b", "c"], n)
    chance = 1 / (1 + np.exp(2 - X["number"] - X["count"]))
    target = (rng.random(n) < chance.to_numpy()).astype(np.int64)
    frame = feature_frame(X)
    bins = fit_bins(frame, 32)
    codes = binned(frame, bins)
    folds = np.arange(n) % 2
    options = BoostingOptions(0.02, ROUNDS, 4, 20, 2.0, 0.5, 1, 2)
    boosted = boost_bags(codes, target, folds, bins, pairs=[(0, 2)], options=options)
    numbers = np.where(codes == [b.size for b in bins], np.nan, codes)[:, boosted.columns]
    for bag, model in enumerate(boosted.models):
        rows = folds != bag
        again = HistGradientBoostingClassifier(**model.get_params())
        # In one go: the booster was continued several times.
        again.fit(numbers[rows], target[rows])
        assert again.n_iter_ == model.n_iter_ > 80
        np.testing.assert_array_equal(
            again.decision_function(numbers), model.decision_function(numbers)
        )
