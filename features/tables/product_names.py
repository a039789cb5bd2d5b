"""One spelling for each product: names that differ only in case or blanks are one product."""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

import narwhals as nw

Frame = nw.LazyFrame[Any]


def product_key(name: str) -> str:
    """Return what the spellings of one product have in common.

    Examples
    --------
    >>> product_key("Data  hub") == product_key("DATAHUB")
    True
    """
    # A letter with an accent is one character or two, depending on who wrote it.
    return "".join(unicodedata.normalize("NFC", name).casefold().split())


def alike(rows: Mapping[str, int]) -> list[list[str]]:
    """Return the spellings of each name, the usual one first, from the rows that each is in.

    Examples
    --------
    >>> alike({"crm": 1, "CRM": 5, "hub": 2})
    [['CRM', 'crm'], ['hub']]
    """
    spelt: dict[str, list[str]] = defaultdict(list)
    for name in sorted(rows, key=lambda name: (-rows[name], name)):
        spelt[product_key(name)].append(name)
    return [*spelt.values()]


def other_spellings(frames: Iterable[Frame]) -> dict[str, str]:
    """Return each spelling of a product that is not its usual one, and the usual one.

    Parameters
    ----------
    frames : iterable of narwhals.LazyFrame
        Tables; those without a column ``product`` are passed over.

    Returns
    -------
    dict of str to str
        The usual spelling is the one in most rows of all tables; of equally many, the first in
        order.
    """
    rows: dict[str, int] = defaultdict(int)
    for frame in frames:
        if "product" not in frame.collect_schema().names():
            continue
        counted = frame.group_by("product").agg(nw.len().alias("n")).collect("pyarrow")
        for name, n in zip(counted["product"].to_list(), counted["n"].to_list(), strict=True):
            if name is not None:
                rows[name] += n
    return {other: usual for usual, *others in alike(rows) for other in others}


def with_usual_spelling(frame: Frame, spellings: Mapping[str, str]) -> Frame:
    """Return a table with products spelt the usual way; itself where it has none."""
    if not spellings or "product" not in frame.collect_schema().names():
        return frame
    product = nw.col("product")
    usual = product
    for other, name in spellings.items():
        usual = nw.when(product == other).then(nw.lit(name)).otherwise(usual)
    return frame.with_columns(usual.alias("product"))
