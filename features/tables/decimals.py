"""Numbers of any length as Arrow types that the engine has; no digit of an identifier is lost."""

from __future__ import annotations

from contextlib import suppress

import pyarrow as pa
import pyarrow.compute as pc

#: The most digits of a number that the engine can hold.
_MOST_DIGITS = 38
_WHOLE = r"^[+-]?[0-9]+([.]0*)?$"
#: Arrow writes a decimal of 0 with many places in this way.
_ZERO = r"^0E[+-]?[0-9]+$"


def plain_numbers(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return decimals, or numbers written as text, in the plainest type that keeps their digits.

    Parameters
    ----------
    column : pa.ChunkedArray
        Decimals of any precision, or their texts; NaN and infinity may be among the latter.

    Returns
    -------
    pa.ChunkedArray
        Whole numbers (int64, else decimal128, else text) where all are whole, else float64.

    Examples
    --------
    >>> plain_numbers(pa.chunked_array([["12345678901234567890", "7.00"]])).to_pylist()
    [Decimal('12345678901234567890'), Decimal('7')]
    >>> plain_numbers(pa.chunked_array([["1.25", None]])).to_pylist()
    [1.25, None]
    """
    texts = column.cast(pa.string())
    texts = pc.replace_substring_regex(texts, _ZERO, "0")
    are_whole = pc.all(pc.match_substring_regex(texts, _WHOLE)).as_py()
    if not are_whole or texts.null_count == len(texts):
        return texts.cast(pa.float64())
    whole = pc.replace_substring_regex(texts, "[.]0*$", "")
    with suppress(pa.ArrowInvalid):
        return whole.cast(pa.int64())
    # A longer text is cast without an error, to another number.
    fits = pc.max(pc.utf8_length(whole)).as_py() <= _MOST_DIGITS
    return whole.cast(pa.decimal128(_MOST_DIGITS, 0)) if fits else whole
