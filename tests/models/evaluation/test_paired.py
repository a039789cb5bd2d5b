"""Two models on the same rows: figures as scikit-learn has them, differences paired by account."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit
from sklearn.metrics import log_loss, roc_auc_score

from models import ModelInputError
from models.evaluation.paired import evaluate_paired

RNG = np.random.default_rng(0)
GROUPS = np.repeat(np.arange(100), 5)
TRUTH = RNG.normal(size=500)
Y = (RNG.random(500) < expit(TRUTH - 1)).astype(int)
GOOD, BAD = expit(TRUTH - 1), expit(RNG.normal(size=500) - 1)


def test_figures_are_those_of_scikit_learn() -> None:
    found = evaluate_paired(Y, GOOD, BAD, groups=GROUPS, n_resamples=50)
    assert found.auc.first == pytest.approx(roc_auc_score(Y, GOOD))
    assert found.auc.second == pytest.approx(roc_auc_score(Y, BAD))
    assert found.log_loss.first == pytest.approx(log_loss(Y, GOOD))
    assert found.auc.difference.value == pytest.approx(found.auc.second - found.auc.first)
    assert (found.rows, found.accounts, found.events) == (500, 100, int(Y.sum()))


def test_a_model_does_not_differ_from_itself_and_a_random_one_is_surely_worse() -> None:
    same = evaluate_paired(Y, GOOD, GOOD, groups=GROUPS, n_resamples=50)
    assert (same.auc.difference.low, same.auc.difference.high) == (0.0, 0.0)
    worse = evaluate_paired(Y, GOOD, BAD, groups=GROUPS)
    assert worse.auc.difference.high < 0
    assert worse.log_loss.difference.low > 0


def test_resampling_both_at_once_is_narrower_than_each_by_itself() -> None:
    near = expit(TRUTH - 1 + RNG.normal(scale=0.1, size=500))
    paired = evaluate_paired(Y, GOOD, near, groups=GROUPS).auc.difference
    difference = evaluate_paired(Y, BAD, near, groups=GROUPS).auc.difference
    assert paired.high - paired.low < (difference.high - difference.low) / 4


def test_one_class_is_refused() -> None:
    with pytest.raises(ModelInputError, match="both 0 and 1"):
        evaluate_paired(np.zeros(5), np.full(5, 0.1), np.full(5, 0.2))
