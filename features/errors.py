"""The error base class: what is wrong, where, and what to do about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from features.redaction import redact


def quantity(number: int, noun: str, plural: str = "") -> str:
    """Count things in a sentence.

    Examples
    --------
    >>> quantity(1, "row"), quantity(1200, "row"), quantity(2, "company", "companies")
    ('1 row', '1,200 rows', '2 companies')
    """
    return f"{number:,d} {noun if number == 1 else plural or noun + 's'}"


class HealthError(Exception):
    """An error that the user can correct: bad input, bad configuration, a rejected model.

    Parameters
    ----------
    what : str
        What is wrong, in one sentence.
    where : str
        The file, table, column or option it concerns; may be empty.
    fix : str
        What the user can do about it.
    exit_code : int
        The command line's exit code: 2 for bad input, 3 for a gate that failed.

    Notes
    -----
    Messages go to logs, pages and mail, so secrets in them are redacted.
    """

    def __init__(self, what: str, *, where: str = "", fix: str = "", exit_code: int = 2) -> None:
        self.what = redact(what)
        self.where = redact(where)
        self.fix = redact(fix)
        self.exit_code = exit_code
        super().__init__(str(self))

    def __str__(self) -> str:
        head = f"{self.where}: {self.what}" if self.where else self.what
        return f"{head}\n  remedy: {self.fix}" if self.fix else head


@dataclass(frozen=True)
class Finding:
    """A problem that a check found in a table.

    Attributes
    ----------
    level : str
        ``"error"`` (nothing is computed) or ``"warning"`` (reported, and the run continues).
    code : str
        Stable short name of the kind of finding, e.g. ``"duplicate_key"``.
    source : str
        The file, query or database table the rows came from.
    table, column : str
        Canonical table and column; the column is empty if the finding concerns the whole table.
    what : str
        The finding in words.
    rows : int
        Number of affected rows; 0 if the table or column itself is missing.
    total : int
        Number of rows in the table.
    example : str
        One offending value or key, as text.
    fix : str
        The remedy.
    """

    level: str
    code: str
    source: str
    table: str
    column: str
    what: str
    rows: int = 0
    total: int = 0
    example: str = ""
    fix: str = ""

    def __post_init__(self) -> None:
        for name in ("source", "what", "example", "fix"):
            object.__setattr__(self, name, redact(getattr(self, name)))

    def __str__(self) -> str:
        place = f"{self.table}.{self.column}" if self.column else self.table
        text = f"{place} ({self.source}): {self.what}"
        if self.rows:
            text += f"; {self.rows:,} of {self.total:,} rows" if self.total else f"; {self.rows:,}"
        if self.example:
            text += f"; e.g. {self.example}"
        text = f"{text}; remedy: {self.fix}" if self.fix else text
        return f"{text} [{self.code}]"


class InputError(HealthError):
    """All violations of the input tables, reported at once."""

    def __init__(self, findings: Sequence[Finding]) -> None:
        self.findings = tuple(findings)
        lines = "\n".join(f"  {finding}" for finding in self.findings)
        super().__init__(f"{quantity(len(self.findings), 'problem')} in the input tables\n{lines}")
