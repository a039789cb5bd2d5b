"""The language of a text: by its common words, else by the words of texts in known languages."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from features.voice.languages import Languages

_KNOWN = [
    "the invoice is wrong",
    "die rechnung ist falsch",
    "cette facture est fausse et les autres",
]


def test_words_of_known_texts_decide_the_others_step_by_step() -> None:
    texts = [*_KNOWN, "rechnung falsch betrag", "betrag unklar", "invoice", "fatura", ""]
    assert Languages(texts).of(texts).tolist() == ["en", "de", "fr", "de", "de", "en", "", ""]


def test_a_text_that_mixes_languages_has_the_one_with_more_common_words() -> None:
    mixed = ["the app is slow and wir haben it", "die app ist langsam und we warten"]
    assert Languages(mixed).of(mixed).tolist() == ["en", "de"]


@given(st.lists(st.text(max_size=40), max_size=12))
def test_every_text_has_one_answer_in_any_order(texts: list[str]) -> None:
    both = [*_KNOWN, *texts]
    found = Languages(both).of(both).tolist()
    assert found[:3] == ["en", "de", "fr"]
    assert Languages(both[::-1]).of(both[::-1]).tolist() == found[::-1]
