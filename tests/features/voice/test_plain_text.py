"""Comments are cleaned, whatever they contain."""

from __future__ import annotations

import numpy as np
import pytest

from features.voice.plain_text import LONGEST, blank_contacts, clean_comments


@pytest.mark.parametrize(
    ("comment", "expected"),
    [
        ("  too   slow\r\n\tagain ", "too slow again"),
        ("<p>Good &amp; fast</p><script>alert(1)</script>", "Good & fast"),
        ("ﬁne, ｔｈａｎｋｓ", "fine, thanks"),
        ("3 < 4 and 5 > 2", "3 < 4 and 5 > 2"),
        ("a\x00b\x1bc", "a b c"),
        # UTF-8 that was read as Windows-1252, once and twice, or as Latin-1.
        ("schÃ¶n, donâ€™t stop", "schön, don’t stop"),
        ("trÃ¨s bien", "très bien"),
        ("Ã\x83Â¼ber", "über"),
        ("ð\x9f\x91\x8d gut", "👍 gut"),
        # What only looks like it stays.
        ("SÃO PAULO, CAFÉ…", "SÃO PAULO, CAFÉ..."),
        ("Â£5 für „schön“", "Â£5 für „schön“"),
        (None, ""),
        (float("nan"), ""),
        (7, "7"),
        ("", ""),
    ],
)
def test_a_comment_is_plain_text(comment: object, expected: str) -> None:
    assert clean_comments([comment]).tolist() == [expected]


def test_a_comment_of_a_hundred_thousand_characters_is_cut() -> None:
    assert len(clean_comments(["<" * 100_000])[0]) == LONGEST
    assert len(clean_comments(["wort " * 20_000])[0]) == LONGEST


def test_no_comments_are_an_empty_array() -> None:
    assert clean_comments([]).shape == (0,) and clean_comments([]).dtype == np.dtype(object)


def test_contact_details_are_blanked() -> None:
    text = (
        "Call +44 (0)20 7946 0958 or mail jo.doe+x@mail.example.org, see https://a.example/b?c=1."
    )
    found = blank_contacts(text)
    assert found == "Call […] or mail […], see […]"
    assert blank_contacts("We waited 12 days for 3 parts") == "We waited 12 days for 3 parts"
