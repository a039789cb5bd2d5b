"""Sentiment is learned from scores, tested on other people's comments, and off without them."""

from __future__ import annotations

from random import Random
from string import ascii_lowercase

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import clone

from models.base.inputs import ModelInputError
from models.text.comments import CommentCounts, sentences
from models.text.sentiment import CommentSentiment, Examples
from tests.models.text.written import written


@pytest.fixture(scope="module")
def fitted() -> CommentSentiment:
    texts, good = written(240)
    return CommentSentiment().fit(texts, good)


def test_it_separates_comments_in_both_languages_and_misspelt_ones(
    fitted: CommentSentiment,
) -> None:
    assert fitted.is_on_ and fitted.auc_ is not None and fitted.auc_.low > 0.9
    happy = fitted.predict_proba(["gret suport, thx", "sehr zufriden", "quick and easy"])[:, 1]
    angry = fitted.predict_proba(["stil wating", "stürzt immer ab", "teribly expensiv"])[:, 1]
    assert (happy > 0.5).all() and (angry < 0.5).all()
    assert fitted.predict(["thanks, great"]).tolist() == [1]


def test_probabilities_assume_that_both_kinds_of_people_are_equally_many() -> None:
    texts, good = written(400, signal=True)
    rare = np.flatnonzero((good == 0) | (np.arange(400) % 6 == 0))
    few = CommentSentiment().fit([texts[n] for n in rare], good[rare])
    assert good[rare].mean() < 0.3
    # A text that shares nothing with what was learned says nothing either way.
    assert few.predict_proba(["12345"])[0, 1] == pytest.approx(0.5, abs=0.3)


def test_an_empty_comment_has_no_sentiment(fitted: CommentSentiment) -> None:
    found = fitted.predict_proba(["", None, "<br>", "great"])[:, 1]
    assert np.isnan(found).tolist() == [True, True, True, False]


def test_without_enough_scored_comments_it_is_off_and_says_so() -> None:
    texts, good = written(199)
    off = CommentSentiment().fit(texts, good)
    assert not off.is_on_ and "199 comments have a score" in off.why_ and "200" in off.why_
    assert np.isnan(off.predict_proba(texts[:3])).all()
    alone = CommentSentiment().fit(["good"] * 300, np.ones(300))
    assert not alone.is_on_ and "20 of each kind" in alone.why_


def test_without_signal_it_is_off() -> None:
    texts, good = written(300, signal=False)
    off = CommentSentiment().fit(texts, good)
    assert not off.is_on_ and "no better than chance" in off.why_


@pytest.mark.slow
def test_an_author_is_never_on_both_sides() -> None:
    texts, _ = written(220, signal=False)
    # Every author signs with a word of their own and has one opinion: known by heart, no use
    # for other people's comments.
    chance = Random(3)
    signed = ["".join(chance.choices(ascii_lowercase, k=8)) for _ in range(40)]
    opinion = np.array([chance.random() < 0.5 for _ in signed])
    authors = np.arange(220) % 40
    named = [f"{text} {signed[author]}" for text, author in zip(texts, authors, strict=True)]
    heart = CommentSentiment().fit(named, opinion[authors])
    honest = CommentSentiment().fit(named, opinion[authors], groups=authors)
    assert heart.auc_ is not None and heart.auc_.value > 0.9
    assert honest.auc_ is not None and honest.auc_.value < 0.7


def test_the_same_comments_give_the_same_model(fitted: CommentSentiment) -> None:
    texts, good = written(240)
    again = clone(fitted).fit(texts, good)
    assert again.decision_function(texts).tolist() == fitted.decision_function(texts).tolist()


def test_one_text_instead_of_a_list_is_refused(fitted: CommentSentiment) -> None:
    with pytest.raises(ModelInputError, match="list of texts"):
        fitted.predict_proba("great")


@given(st.lists(st.text(alphabet="ab .,!。", max_size=40), max_size=8))
def test_sentences_have_the_words_of_their_comment_in_order(texts: list[str]) -> None:
    parts, comment = sentences(texts)
    assert len(parts) == len(comment) and all(part.strip() == part != "" for part in parts)
    for place, text in enumerate(texts):
        own = [part for part, of in zip(parts, comment, strict=True) if of == place]
        assert len(own) != 1
        words = "".join(c if c in "ab" else " " for c in text).split()
        assert not own or " ".join(own).split() == words


@pytest.mark.slow
def test_every_comment_counts_once_whatever_number_of_sentences_it_has() -> None:
    texts, good = written(240)
    halves = [text.replace(" ", ", ", 1) for text in texts]
    for comments in (texts, halves, [f"{text}. Or, well, so it is!" for text in texts]):
        examples = Examples.of(comments, CommentCounts())
        each = examples.weight + np.bincount(
            examples.comment, examples.sentence_weight, minlength=len(comments)
        )
        np.testing.assert_allclose(each, 1.0)
    # Short comments are read like sentences of long ones.
    model = CommentSentiment().fit([f"{text}. Or, well, so it is!" for text in texts], good)
    found = model.predict_proba(texts)[:, 1]
    assert ((found > 0.5) == good).mean() > 0.98
