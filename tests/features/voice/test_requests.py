"""Requests are found by phrases, in the languages that are covered and in no other."""

from __future__ import annotations

import numpy as np
import pytest

from features.definitions.requests import DEFAULT_REQUESTS, REQUESTS, RequestPhrases
from features.voice.requests import find_requests

FRENCH = {"fr": RequestPhrases(price=("trop cher*",))}


def asked(
    text: str,
    label: str = "",
    phrases: dict[str, RequestPhrases] = DEFAULT_REQUESTS,
    labels: RequestPhrases = RequestPhrases(),  # noqa: B008 (frozen)
) -> set[str] | None:
    """Return the requests of one comment; None where it cannot be read."""
    found = find_requests([text], [label], phrases, labels)[0]
    if np.isnan(found).all():
        return None
    return {kind for kind, value in zip(REQUESTS, found, strict=True) if value == 1}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("We need MORE  seats for the new team", {"seats"}),
        ("Können wir weitere Nutzerinnen freischalten?", {"seats"}),
        ("Please add dark mode", {"function"}),
        ("Die Preiserhöhung ist nicht nachvollziehbar", {"price"}),
        ("We will not renew and are switching to a competitor", {"leaving", "competitor"}),
        ("Wir haben gekündigt", {"leaving"}),
        ("Great product, thank you", set()),
        # A phrase is whole words: no licence is asked for here.
        ("Nevermore seatsing", set()),
        ("ok", set()),
        ("C'est trop cher pour nous", None),
        ("Es demasiado caro para la empresa y hay problemas con los informes", None),
        ("値段が高すぎます。もっと安くしてください。お願いします", None),
    ],
)
def test_phrases(text: str, expected: set[str] | None) -> None:
    assert asked(text) == expected


def test_a_language_of_the_company_is_added() -> None:
    assert asked("C'est trop cher pour nous", phrases=DEFAULT_REQUESTS | FRENCH) == {"price"}


def test_a_language_without_phrases_is_not_covered() -> None:
    assert asked("We need more seats", phrases=DEFAULT_REQUESTS | {"en": RequestPhrases()}) is None


def test_a_language_that_is_not_recognised_takes_what_no_other_does() -> None:
    japanese = DEFAULT_REQUESTS | {"ja": RequestPhrases(price=("高すぎます",))}
    assert asked("値段が 高すぎます", phrases=japanese) == {"price"}


@pytest.mark.parametrize("text", ["We love it", "C'est trop cher pour nous"])
def test_own_labels_count_in_every_language(text: str) -> None:
    found = asked(text, "downgrade", labels=RequestPhrases(price=(" Downgrade",)))
    assert found == {"price"}


def test_two_languages_in_one_comment_are_read_with_both_lists() -> None:
    text = "We need more seats. Wir haben den Vertrag gekündigt, das ist nicht gut."
    assert asked(text) == {"seats", "leaving"}


@pytest.mark.parametrize(
    "text",
    [
        "We do not need more seats",
        "We don’t need any more seats, thanks",
        "More seats are not needed at the moment",
        "No additional users please",
        "I don't think it is too expensive",
        "We have no plans to cancel our contract",
        "We would never stop using it and are not switching to a competitor",
        "We do not have to add users",
        "Wir brauchen keine weiteren Lizenzen",
        "Weitere Lizenzen brauchen wir nicht.",
        "Wir kündigen nicht!",
        "Wir wollen auf keinen Fall kündigen",
        "Das ist nicht zu teuer",
        "Es gibt keinen Grund für eine Kündigung",
    ],
)
def test_what_is_denied_is_not_asked_for(text: str) -> None:
    assert asked(text) == set()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("We have no more seats for the new team", {"seats"}),
        ("We do not have additional licences left", {"seats"}),
        ("There is no way to add users", {"function", "seats"}),
        ("We can't add users any more", {"seats"}),
        ("I do not like it, it is too expensive", {"price"}),
        ("It is not easy and too expensive", {"price"}),
        ("It is not only too expensive but slow", {"price"}),
        ("The cancellation was not confirmed", {"leaving"}),
        ("We don't need more seats. But the pricing is unclear", {"price"}),
        ("We do not need more seats now; next month we need more seats", {"seats"}),
        ("Wir haben keine weiteren Lizenzen mehr", {"seats"}),
        ("Die Kündigung wurde nicht bestätigt", {"leaving"}),
        ("Nicht nur zu teuer", {"price"}),
        ("Wir werden nicht verlängern", {"leaving"}),
    ],
)
def test_a_negation_elsewhere_denies_nothing(text: str, expected: set[str]) -> None:
    assert asked(text) == expected


def test_a_language_of_the_company_has_its_negations() -> None:
    french = {"fr": RequestPhrases(seats=("plus de licences",), price=("trop cher*",))}
    assert asked("Nous ne voulons pas plus de licences", phrases=french) == set()
    assert asked("Ce n'est pas trop cher pour nous", phrases=french) == set()
    assert asked("Il nous faut plus de licences", phrases=french) == {"seats"}
