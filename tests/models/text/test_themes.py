"""Themes are stable or absent; their impact is a difference of means with its interval."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.text.themes import Themes, theme_impact
from tests.models.text.written import written

_TOPICS = {
    "delivery": ("delivery was late", "parcel never arrived", "late delivery again"),
    "invoice": ("invoice is wrong", "wrong amount charged", "invoice charged twice"),
    "support": ("nobody answers phone", "support phone unanswered", "phone support nobody"),
}


def _about(n: int) -> tuple[list[str], list[str]]:
    chance = Random(0)
    topics = [chance.choice(list(_TOPICS)) for _ in range(n)]
    return [" ".join(chance.choices(_TOPICS[topic], k=2)) for topic in topics], topics


def test_it_finds_the_topics_that_were_written_about() -> None:
    texts, topics = _about(240)
    found = Themes(most_themes=3).fit(texts)
    assert found.n_themes_ == 3 and max(found.agreement_.values()) > 0.9
    main = found.transform(texts).argmax(axis=1)
    for topic, written_about in _TOPICS.items():
        own = main[np.array(topics) == topic]
        assert np.bincount(own).max() / len(own) > 0.95
        words = set(" ".join(written_about).split())
        name = found.names_[np.bincount(own).argmax()]
        assert words.issuperset(name.replace(" · ", " ").split())
    assert found.mentions(texts).any(axis=1).all()


def test_a_comment_has_the_same_themes_whatever_else_is_read() -> None:
    texts, _ = _about(240)
    model = Themes(most_themes=3, n_resamples=2).fit(texts)
    alone = np.concatenate([model.transform([text]) for text in texts[:40]])
    np.testing.assert_array_equal(model.transform(texts)[:40], alone)


def test_comments_that_share_nothing_have_no_theme() -> None:
    chance = Random(1)
    letters = "abcdefghijklmnopqrstuvwxyz"
    texts = ["".join(chance.choices(letters, k=9)) for _ in range(200)]
    found = Themes().fit(texts)
    assert found.n_themes_ == 0 and found.names_ == [] and found.transform(texts).shape == (200, 0)


def test_unstable_numbers_of_themes_are_not_used() -> None:
    chance = Random(2)
    words = [f"word{letter}" for letter in "abcdefghijklmnopqrst"]
    texts = [" ".join(chance.choices(words, k=4)) for _ in range(300)]
    found = Themes(most_themes=8).fit(texts)
    assert all(value < 0.6 for (_, n), value in found.agreement_.items() if n > found.n_themes_)


#: What people write about, by language: function words, then subjects.
_LANGUAGES = {
    "en": ("and the is with we have", ("invoice wrong charged", "export slow reports", "password")),
    "de": ("und die ist mit wir haben", ("rechnung falsch betrag", "export langsam", "passwort")),
    "fr": (
        "avec cette notre toujours nous",
        ("facture fausse montant", "export lent", "connexion"),
    ),
}


def _in_languages(counts: dict[str, int]) -> tuple[list[str], list[str]]:
    """Return texts of three subjects in some languages, and their languages."""
    chance = Random(3)
    texts, codes = [], []
    for code, count in counts.items():
        common, subjects = _LANGUAGES[code]
        for number in range(count):
            words = [*chance.sample(common.split(), 3), *subjects[number % 3].split()]
            # A third has no common word at all.
            texts.append(" ".join(words[3:] if number % 9 < 3 else words))
            codes.append(code)
    return texts, codes


def test_themes_are_subjects_in_a_language_and_neither_mix_nor_are_languages() -> None:
    texts, codes = _in_languages({"en": 300, "de": 180, "fr": 120})
    found = Themes(most_themes=4).fit(texts)
    assert set(found.languages_) == {"en", "de", "fr"}
    mentioned = found.mentions(texts)
    for place, code in enumerate(found.languages_):
        own = np.array(codes)[mentioned[:, place]]
        assert (own == code).mean() > 0.9
        assert len(own) < 0.6 * codes.count(code), found.names_[place]
        assert not set(found.names_[place].split()) & set(_LANGUAGES[code][0].split())


def test_a_language_with_few_comments_has_no_theme_and_changes_none() -> None:
    texts, codes = _in_languages({"en": 240, "fr": 60})
    found = Themes(most_themes=4).fit(texts)
    alone = Themes(most_themes=4).fit([t for t, c in zip(texts, codes, strict=True) if c == "en"])
    assert set(found.languages_) == {"en"} and found.names_ == alone.names_
    assert not found.mentions(texts)[np.array(codes) == "fr"].any()


def test_a_factorisation_that_does_not_converge_warns_nobody() -> None:
    # Warnings are errors in tests.
    rng = np.random.default_rng(0)
    many = rng.random((400, 100)) * (rng.random((400, 100)) < 0.3)
    assert Themes()._components(many, 20).shape == (20, 100)


def test_few_comments_have_no_theme() -> None:
    assert Themes().fit(written(99)[0]).n_themes_ == 0
    assert Themes().fit([]).n_themes_ == 0


def test_an_impact_is_the_mean_of_all_minus_the_mean_of_those_who_mention_it() -> None:
    score = np.array([10.0, 8.0, 9.0, 2.0, 3.0, np.nan])
    found = theme_impact(score, [False, False, False, True, True, True])
    assert found.value == pytest.approx(6.4 - 2.5)
    assert found.mentions == 2 and found.share == pytest.approx(0.4)
    assert found.low < found.value < found.high


def test_the_interval_of_an_impact_counts_authors_and_not_comments() -> None:
    rng = np.random.default_rng(0)
    inside = np.arange(60) < 20
    score = np.where(inside, 3.0, 8.0) + rng.normal(0, 1, 60)
    alone = theme_impact(score, inside)
    copied = theme_impact(
        np.repeat(score, 4), np.repeat(inside, 4), authors=np.repeat(np.arange(60), 4)
    )
    assert copied.value == pytest.approx(alone.value)
    assert copied.high - copied.low == pytest.approx(alone.high - alone.low, rel=1e-9)


def test_intervals_cover_the_true_impact() -> None:
    covered = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        inside = rng.random(80) < 0.3
        score = np.where(inside, 4.0, 7.0) + rng.normal(0, 2, 80)
        found = theme_impact(score, inside)
        covered += found.low <= 3.0 * (1 - inside.mean()) <= found.high
    assert 0.91 <= covered / 200 <= 0.99


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 10), st.booleans()), max_size=30))
def test_an_impact_is_within_the_scale_or_unknown(rows: list[tuple[int, bool]]) -> None:
    score = np.array([score for score, _ in rows], dtype="float64")
    found = theme_impact(score, [mentioned for _, mentioned in rows])
    assert np.isnan(found.value) == (found.mentions == 0)
    assert np.isnan(found.value) or abs(found.value) <= 10
