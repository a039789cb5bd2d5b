"""Shares of few answers are drawn towards the peer group's."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from features import build_features
from features.surveys.shrinkage import DEFAULT_STRENGTH, prior_strength, shrink
from tests.features.company import DAY, Row, ago, open_tables


def _counts(*rows: tuple[float, ...]) -> npt.NDArray[np.float64]:
    return np.array(rows, dtype=float).T


def test_a_posterior_mean_by_hand() -> None:
    counts = _counts((1, 0), (3, 1), (0, 4), (0, 0))
    found = shrink(counts, np.array([0, 0, 1, 1]))
    assert found.strength == DEFAULT_STRENGTH == 5
    everybody = 4 / 9
    peers_a, peers_b = (4 + 5 * everybody) / (5 + 5), (0 + 5 * everybody) / (4 + 5)
    expected = [(1 + 5 * peers_a) / 6, (3 + 5 * peers_a) / 9, (0 + 5 * peers_b) / 9]
    assert found.shares[0, :3].tolist() == pytest.approx(expected)
    assert np.isnan(found.shares[:, 3]).all()
    assert found.weight.tolist() == [6, 9, 9, 5]


def test_shares_sum_to_one_for_three_categories() -> None:
    found = shrink(_counts((1, 2, 0), (0, 0, 5), (7, 0, 1)), np.array([0, -1, 0]))
    np.testing.assert_allclose(found.shares.sum(axis=0), 1.0)


def test_more_answers_are_drawn_less() -> None:
    found = shrink(_counts((1, 0), (20, 0), (50, 50)), np.zeros(3, dtype=np.int64))
    assert found.shares[0, 0] < found.shares[0, 1] < 1


@pytest.mark.parametrize("strength", [2.0, 8.0, 30.0])
def test_the_strength_of_simulated_accounts_is_found_again(strength: float) -> None:
    rng = np.random.default_rng(3)
    own = rng.beta(0.6 * strength, 0.4 * strength, 4000)
    answers = rng.integers(1, 12, 4000)
    good = rng.binomial(answers, own)
    counts = np.stack([good, answers - good]).astype(float)
    assert prior_strength(counts) == pytest.approx(strength, rel=0.2)


def test_accounts_that_differ_only_by_chance_are_drawn_hard() -> None:
    rng = np.random.default_rng(4)
    good = rng.binomial(5, 0.5, 500)
    counts = np.stack([good, 5 - good]).astype(float)
    assert prior_strength(counts) > 30


def test_shrinking_lowers_the_error_of_few_answers() -> None:
    rng = np.random.default_rng(5)
    own = rng.beta(6, 4, 2000)
    good = rng.binomial(3, own)
    counts = np.stack([good, 3 - good]).astype(float)
    shrunk = shrink(counts, np.zeros(2000, dtype=np.int64)).shares[0]
    raw_error, error = np.mean((good / 3 - own) ** 2), np.mean((shrunk - own) ** 2)
    assert error < 0.4 * raw_error


def test_accounts_all_of_one_mind_are_their_own_peers() -> None:
    found = shrink(_counts(*[(3, 0)] * 40), np.zeros(40, dtype=np.int64))
    assert found.strength == 100
    assert (found.shares[0] == 1).all()


def test_few_people_of_one_mind_do_not_prove_that_everybody_is() -> None:
    answers: list[Row] = [
        {"account_id": a, "kind": "nps", "answered_at": ago(9), "score": 10.0, "respondent_id": n}
        for a in ("a", "b")
        for n in ("p", "q")
    ]
    paid: list[Row] = [
        {"account_id": a, "product": "core", "started_at": ago(400), "mrr": 10.0} for a in "ab"
    ]
    accounts: list[Row] = [{"account_id": a, "created_at": ago(400)} for a in "ab"]
    tables = open_tables({"accounts": accounts, "subscriptions": paid, "surveys": answers})
    values = build_features(tables, [DAY])
    assert (values["surveys_nps_180d"] == 100).all()
    assert (values["surveys_nps_high_180d"] == 100).all()
    assert (values["surveys_nps_low_180d"] < 50).all()
