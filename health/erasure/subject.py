"""Who is erased, and how a value, a text or a file is freed of them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

#: Stands where a name or an identifier was.
ERASED = "(erased)"
#: Columns that identify what a row is about.
_OF_ACCOUNT = ("account_id",)
_OF_PERSON = ("contact_id", "respondent_id", "requester_id", "user_id")
#: Shorter names, and identifiers of digits alone, would be found in words and numbers.
_SHORTEST = 3


@dataclass(frozen=True)
class Subject:
    """An account or a person.

    Attributes
    ----------
    kind : str
        ``"account"`` or ``"person"``.
    identifier : str
        As the tables have it.
    names : tuple of str
        Names under which texts mention them.
    others : tuple of str
        Identifiers and names of others that contain one of theirs as whole words, such as
        ``ACC-1-EU`` for ``ACC-1``: they stay as they are.
    """

    kind: str
    identifier: str
    names: tuple[str, ...] = ()
    others: tuple[str, ...] = ()

    def among(self, known: Iterable[str]) -> Subject:
        """Return the subject with those of the known identifiers and names that are `others`."""
        own = {self.identifier, *self.names}
        others = {text for text in known if text not in own and self.is_in(text)}
        # One that is only another form of an own name is no other.
        others = {text for text in others if not self.pattern.fullmatch(text)}
        return replace(self, others=tuple(sorted(others, key=lambda text: (-len(text), text))))

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the identifier: a row that has it there is removed."""
        return _OF_ACCOUNT if self.kind == "account" else _OF_PERSON

    @cached_property
    def words(self) -> tuple[str, ...]:
        """What texts are searched for: names, and the identifier where it is more than digits."""
        words = {name for name in self.names if len(name) >= _SHORTEST}
        if not self.identifier.isdigit() and len(self.identifier) >= _SHORTEST:
            words.add(self.identifier)
        return tuple(sorted(words, key=lambda word: (-len(word), word)))

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """Matches `words` as whole words; names in any case, spacing and Unicode form.

        Another account may have an identifier that differs in its case alone.
        """
        listed = "|".join(
            re.escape(word) if word == self.identifier else _any_form(word) for word in self.words
        )
        if not listed:
            return re.compile(r"(?!)")
        others = "|".join(map(_any_form, self.others)) or "(?!)"
        return re.compile(rf"(?<!\w)(?:(?P<other>{others})|{listed})(?!\w)")

    def is_in(self, text: str) -> bool:
        """Whether a text mentions them."""
        return any(found["other"] is None for found in self.pattern.finditer(text))

    def freed(self, text: str) -> str:
        """Return a text in which their names and identifier are replaced."""
        return self.pattern.sub(lambda found: found["other"] or ERASED, text)

    def freed_table(self, table: pd.DataFrame) -> tuple[pd.DataFrame, int]:
        """Return a table without their rows and mentions, and how many rows changed.

        Returns
        -------
        pd.DataFrame
            The table itself if nothing is about them.
        int
            Rows that were removed or changed.
        """
        own = pd.Series(False, index=table.index)
        for column in self.columns:
            if column in table:
                own |= table[column].astype("string").eq(self.identifier).fillna(False).astype(bool)
        kept = table[~own]
        changed = int(own.sum())
        for column in kept.columns:
            if not _may_be_text(kept[column]):
                continue
            values = list(kept[column].astype(object))
            freed = [self._freed_value(value) for value in values]
            differs = sum(new is not old for new, old in zip(freed, values, strict=True))
            if differs:
                free = pd.Series(freed, index=kept.index, dtype=object)
                kept = kept.assign(**{str(column): free})
                changed += differs
        return (kept, changed) if changed else (table, 0)

    def _freed_value(self, value: Any) -> Any:
        """Return a value, or a list, without mentions; the same object if there are none."""
        if isinstance(value, str):
            if value == self.identifier:
                return ERASED
            return self.freed(value) if self.is_in(value) else value
        if isinstance(value, list | tuple | np.ndarray):
            freed = [self._freed_value(item) for item in value]
            is_same = all(new is old for new, old in zip(freed, value, strict=True))
            return value if is_same or not any(isinstance(v, str) for v in value) else freed
        return value


def _any_form(name: str) -> str:
    """Return a pattern of a name: composed or decomposed letters, any white space, any case.

    One word in lower case may be an ordinary word ("box"): as it is written, and in capitals.
    """
    is_one = len(name.split()) == 1
    cases = (name, name.upper()) if is_one else (name,)
    forms = dict.fromkeys(
        unicodedata.normalize(form, case) for case in cases for form in ("NFC", "NFD")
    )
    pattern = "|".join(r"\s+".join(map(re.escape, form.split())) for form in (name, *forms))
    return pattern if is_one else f"(?i:{pattern})"


def _may_be_text(column: pd.Series[Any]) -> bool:
    return column.dtype == object or isinstance(column.dtype, pd.StringDtype | pd.CategoricalDtype)
