"""Rules that the rows of unchanged files passed in an earlier run, and that need no second look.

A rule is known by a hash of its SQL, of the SQL of the rows and of the content of all files of the
table. Where any of these changes, the rule is evaluated again. Only the fact that a rule concerns
no row is kept, and no value of a customer.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import duckdb

from features.rollups.kept_files import UNUSED_DAYS, content_hashes, digest, write_at_once
from features.tables.relations import Relation

#: Raise it when a rule whose SQL stays the same means something else.
_FORMAT = 1
_ENDING = ".passed"


@dataclass(frozen=True)
class PassedRules:
    """The rules that concern no row of a table's files.

    Attributes
    ----------
    file : Path
        Where they are kept; named after a hash of the files' content and the columns read.
    views : dict of str to str
        By SQL name of rows that are read from these files alone, the SQL that makes them. Nothing
        is known of other rows.
    known : set of str
        Hashes of the rules.
    before : frozenset of str
        Those known from earlier runs.
    """

    file: Path
    views: dict[str, str] = field(default_factory=dict)
    known: set[str] = field(default_factory=set)
    before: frozenset[str] = frozenset()

    @classmethod
    def of(cls, relation: Relation, names: Mapping[str, str], folder: Path) -> PassedRules:
        """Return what is known of Parquet files that are read where they are stored.

        Parameters
        ----------
        relation : Relation
            The files.
        names : mapping of str to str
            The source's name of each canonical column.
        folder : Path
            Where roll-ups are kept.
        """
        hashes = content_hashes(relation.parquet, folder)
        contents = [[str(file), hashes[file]] for file in relation.parquet]
        key = [_FORMAT, duckdb.__version__, contents, relation.sql, sorted(names.items())]
        file = folder / f"{digest(key)}{_ENDING}"
        known: set[str] = set()
        # Without it, or where it is broken, every rule is evaluated.
        with suppress(OSError, ValueError, TypeError):
            known = {str(rule) for rule in json.loads(file.read_text(encoding="utf-8"))}
            os.utime(file)
        return cls(file, {}, known, frozenset(known))

    def has(self, rows: str, rule: str) -> bool:
        """Return whether a rule is known to concern none of some rows."""
        return rows in self.views and self._key(rows, rule) in self.known

    def note(self, rows: str, rule: str) -> None:
        """Note that a rule concerns none of some rows, unless it looks at rows of its own, too."""
        if rows in self.views and "select" not in rule.lower():
            self.known.add(self._key(rows, rule))

    def write(self) -> None:
        """Keep what was noted for later runs; remove what was kept of files that are gone."""
        if self.known == self.before:
            return
        # Without it, rules are only evaluated again.
        with suppress(OSError):
            self.file.parent.mkdir(parents=True, exist_ok=True)
            write_at_once(self.file, json.dumps(sorted(self.known)).encode())
            limit = time.time() - UNUSED_DAYS * 86_400
            for kept in self.file.parent.glob(f"*{_ENDING}"):
                if kept.stat().st_mtime < limit:
                    kept.unlink()

    def _key(self, rows: str, rule: str) -> str:
        return digest([rows, self.views[rows], rule])
