from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from models.evaluation.classification import evaluate, evaluate_auc
from models.evaluation.ranking import RankingMeasures, resampled_weights


def by_hand(
    y: np.ndarray, score: np.ndarray, lists: np.ndarray, capacity: int, weights: np.ndarray
) -> tuple[float, float, float]:
    """Return lift, precision and recall of lists, tie by tie."""

    def hits_of(rows: np.ndarray, room: float) -> tuple[float, float]:
        hits, listed = 0.0, 0.0
        for value in sorted(set(score[rows]), reverse=True):
            tie = rows & (score == value)
            size = weights[tie].sum()
            taken = min(max(room - listed, 0.0), size)
            hits += taken * (weights * y)[tie].sum() / size if size else 0.0
            listed += taken
        return hits, listed

    share = 0.1 * weights.sum()
    own = [hits_of(lists == number, capacity) for number in sorted(set(lists))]
    hits, listed = np.sum(own, axis=0)
    events = (weights * y).sum()
    tenth = hits_of(np.ones(len(y), dtype=bool), share)[0]
    return tenth / (0.1 * events), hits / listed, hits / events


@settings(deadline=None, max_examples=60)
@given(
    st.lists(
        st.tuples(st.integers(0, 1), st.integers(0, 6), st.integers(0, 2), st.integers(0, 3)),
        min_size=2,
        max_size=40,
    ),
    st.integers(1, 5),
)
def test_weighted_figures_are_those_of_ties_one_by_one(
    cells: list[tuple[int, int, int, int]], capacity: int
) -> None:
    y, score, lists, counts = (np.array(column) for column in zip(*cells, strict=True))
    weights, ranked = counts.astype(float), score.astype(float)
    measures = RankingMeasures(y.astype(float), ranked, lists.astype(np.int64), capacity)
    found = {name: float(values[0]) for name, values in measures(weights[None, :]).items()}
    np.testing.assert_equal(measures.auc(weights[None, :])[0], found["auc"])
    if not 0 < (weights * y).sum() < weights.sum():
        assert np.isnan(found["auc"])
        return
    assert found["auc"] == pytest.approx(metrics.roc_auc_score(y, score, sample_weight=weights))
    assert found["average_precision"] == pytest.approx(
        metrics.average_precision_score(y, score, sample_weight=weights)
    )
    lift, precision, recall = by_hand(y, ranked, lists, capacity, weights)
    assert found["lift_top_decile"] == pytest.approx(lift)
    assert found["precision_at_capacity"] == pytest.approx(precision)
    assert found["recall_at_capacity"] == pytest.approx(recall)


def test_draws_do_not_depend_on_the_chunk() -> None:
    codes = np.arange(600_000, dtype=np.int64) % 50
    single = list(resampled_weights(codes, 3, seed=1))
    together = list(resampled_weights(codes[:50], 3, seed=1))
    assert [len(chunk) for chunk in single] == [1, 1, 1]
    assert [len(chunk) for chunk in together] == [3]
    assert (np.concatenate(single)[:, :50] == together[0]).all()


def test_the_auc_alone_is_that_of_all_figures() -> None:
    rng = np.random.default_rng(0)
    p = np.round(rng.beta(1, 4, 500), 2)
    y, groups = (rng.random(500) < p).astype(int), rng.integers(0, 90, 500)
    assert evaluate_auc(y, p, groups=groups, seed=2) == evaluate(y, p, groups=groups, seed=2).auc
