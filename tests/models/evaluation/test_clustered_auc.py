"""Lower bounds of several AUCs at once."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from models.evaluation.clustered_auc import clustered_aucs


@pytest.mark.slow
def test_values_and_errors_are_those_of_delong() -> None:
    rng = np.random.default_rng(0)
    y = (rng.random(400) < 0.3).astype(int)
    scores = np.stack([y + rng.normal(size=400), np.round(y + 2 * rng.normal(size=400))])
    found = clustered_aucs(y, scores, np.arange(400))
    for value, score in zip(found.value, scores, strict=True):
        assert value == pytest.approx(roc_auc_score(y, score))
    drawn = []
    for _ in range(400):
        rows = rng.integers(0, 400, 400)
        drawn.append([roc_auc_score(y[rows], score[rows]) for score in scores])
    assert found.standard_error == pytest.approx(np.std(drawn, axis=0), rel=0.15)


def test_repeated_rows_of_an_account_add_no_certainty() -> None:
    rng = np.random.default_rng(1)
    y = (rng.random(200) < 0.3).astype(int)
    score = y + rng.normal(size=200)
    once = clustered_aucs(y, score[None], np.arange(200))
    five = clustered_aucs(np.tile(y, 5), np.tile(score, 5)[None], np.tile(np.arange(200), 5))
    assert five.low[0] == pytest.approx(once.low[0], abs=1e-9)


def test_more_candidates_need_more_evidence_and_copies_do_not() -> None:
    rng = np.random.default_rng(2)
    y = (rng.random(300) < 0.3).astype(int)
    scores = rng.normal(size=(6, 300))
    one = clustered_aucs(y, scores[:1], np.arange(300)).critical
    copies = clustered_aucs(y, np.repeat(scores[:1], 6, axis=0), np.arange(300)).critical
    six = clustered_aucs(y, scores, np.arange(300)).critical
    assert one == pytest.approx(1.98, abs=0.05)
    assert copies == pytest.approx(one, abs=0.15)
    assert six > one + 0.4


@pytest.mark.slow
def test_chance_passes_rarely() -> None:
    rng = np.random.default_rng(3)
    passed = 0
    for _ in range(300):
        y = (rng.permutation(80) < 12).astype(int)
        passed += (clustered_aucs(y, rng.normal(size=(5, 80)), np.arange(80)).low > 0.5).any()
    assert passed <= 0.05 * 300


def test_a_constant_is_never_better_than_chance() -> None:
    y = np.tile([0, 1], 20)
    found = clustered_aucs(y, np.stack([np.zeros(40), y]), np.arange(40))
    assert found.low.tolist() == [0.5, 1.0]


def test_only_rows_of_one_stratum_are_compared() -> None:
    rng = np.random.default_rng(4)
    dates = np.repeat(np.arange(6), 100)
    y = (rng.random(600) < 0.05 + 0.1 * dates).astype(int)
    score = rng.normal(size=600)
    # What all accounts have in common on a date changes nothing, though it ranks the dates.
    scores = np.stack([score, score + dates])
    found = clustered_aucs(y, scores, np.arange(600), strata=dates)
    assert found.value[0] == pytest.approx(found.value[1])
    assert roc_auc_score(y, scores[1]) > 0.6
    pairs, right = 0.0, 0.0
    for day in range(6):
        own, of = y[dates == day], score[dates == day]
        n = own.sum() * (1 - own).sum()
        pairs, right = pairs + n, right + n * roc_auc_score(own, of)
    assert found.value[0] == pytest.approx(right / pairs)


def test_without_any_pair_nothing_is_better_than_chance() -> None:
    y = np.tile([0, 1], 20)
    found = clustered_aucs(y, np.stack([y + 0.0]), np.arange(40), strata=np.arange(40))
    assert found.value.tolist() == found.low.tolist() == [0.5]
