"""SQL of a configuration is one SELECT that reads: it writes nothing and changes no setting."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import duckdb

from features.errors import HealthError

#: Functions after FROM that read files or make rows, and do nothing else.
_READING = re.compile(
    r"read_(csv|csv_auto|parquet|text|blob|json\w*|ndjson\w*)|parquet_(scan|schema|metadata)"
    r"|glob|sniff_csv|range|generate_series|unnest|repeat|json_(each|tree)"
)
_FIRST_WORDS = {"select", "with", "from", "values", "("}
#: Statements that change something, wherever a dialect allows them within a query.
_CHANGING = {
    *("insert", "update", "delete", "merge", "copy", "attach", "detach", "create", "drop"),
    *("alter", "truncate", "install", "load", "call", "execute", "export", "import", "pragma"),
    *("grant", "revoke", "into", "exec", "vacuum"),
}
_FIX = "write one SELECT, with its WITH clause if it needs one"


def require_one_select(sql: str, *, where: str = "", of_engine: bool = True) -> None:
    """Refuse SQL that is not exactly one SELECT.

    Parameters
    ----------
    sql : str
        As the configuration has it; a semicolon at its end is fine.
    where : str
        Where it is, for the message.
    of_engine : bool
        Whether DuckDB runs it. The SQL of another database may have words that DuckDB's parser
        does not know; it is then checked word by word.

    Raises
    ------
    HealthError
        It is empty, has several statements, or does anything else than select.

    Examples
    --------
    >>> require_one_select("WITH a AS (SELECT 1) SELECT * FROM a")
    >>> require_one_select("COPY (SELECT 1) TO 'file.csv'", where="tables.usage")
    Traceback (most recent call last):
    ...
    features.errors.HealthError: tables.usage: the sql is COPY, not a SELECT
      remedy: write one SELECT, with its WITH clause if it needs one
    """
    words = _words(sql)
    if not words:
        raise HealthError("the sql is empty", where=where, fix=_FIX)
    if ";" in words:
        raise HealthError("the sql has several statements", where=where, fix=_FIX)
    first = next((word for word in words if word != "("), "(")
    if first not in _FIRST_WORDS:
        raise HealthError(f"the sql is {first.upper()[:40]}, not a SELECT", where=where, fix=_FIX)
    try:
        statements = duckdb.extract_statements(sql)
    except duckdb.Error:
        if of_engine:
            # The engine reports the place of the fault when it runs the query.
            _refuse_changes(words, where)
            return
        statements = []
    if len(statements) > 1 or any(s.type != duckdb.StatementType.SELECT for s in statements):
        raise HealthError("the sql is not one SELECT", where=where, fix=_FIX)
    _refuse_changes(words, where)
    if of_engine:
        for name in _table_functions(sql):
            if not _READING.fullmatch(name):
                raise HealthError(
                    f"the sql calls {name}, which is not a function that reads files",
                    where=where,
                    fix="use read_csv, read_parquet, read_json or a table",
                )


def _words(sql: str) -> list[str]:
    """Return the words and signs of a query in lower case, without comments and the last `;`."""
    raw = sql.encode()
    found = duckdb.tokenize(sql)
    words: list[str] = []
    for (start, kind), (stop, _) in pairwise([*found, (len(raw), None)]):
        if kind == duckdb.token_type.comment:
            continue
        text = raw[start:stop].decode("utf-8", "replace").strip()
        words.append(text if text[:1] in {"'", '"'} else text.lower())
    while words and words[-1] == ";":
        words.pop()
    return words


def _refuse_changes(words: list[str], where: str) -> None:
    """Refuse a changing statement at the start of a part of the query, and unbalanced brackets."""
    depth = 0
    before = ""
    for place, word in enumerate(words):
        depth += (word == "(") - (word == ")")
        follows = words[place + 1] if place + 1 < len(words) else ""
        # A column may have such a name: it is followed by a sign, or has its table before it.
        is_name = before in {".", "as"} or not re.match(r"[\w\"'`(]", follows)
        is_part = before in {"(", ")", ""} or word == "into"
        if depth < 0 or (word in _CHANGING and is_part and not is_name):
            what = f"has {word.upper()}" if depth >= 0 else "closes a bracket that it did not open"
            raise HealthError(f"the sql {what}, which no SELECT has", where=where, fix=_FIX)
        before = word
    if depth:
        raise HealthError("the sql leaves a bracket open", where=where, fix=_FIX)


def _table_functions(sql: str) -> list[str]:
    """Return the names of the functions that a query calls after FROM or JOIN."""
    with duckdb.connect() as connection:
        row = connection.execute("SELECT json_serialize_sql(?)", [sql]).fetchone()
    tree = json.loads(row[0]) if row else {}
    if tree.get("error"):
        # No SELECT by itself, such as PIVOT.
        raise HealthError(
            f"the sql cannot be checked: {tree.get('error_message', '')}", where="sql", fix=_FIX
        )
    return [
        str(node["function"]["function_name"]).lower()
        for node in _nodes(tree)
        if node.get("type") == "TABLE_FUNCTION"
    ]


def _nodes(tree: Any) -> Iterator[dict[str, Any]]:
    pending = [tree]
    while pending:
        node = pending.pop()
        if isinstance(node, dict):
            yield node
            pending += node.values()
        elif isinstance(node, list):
            pending += node
