"""Checks of the tables against each other, and of surveys, subscriptions and overrides."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime
from functools import partial
from queue import SimpleQueue

import narwhals as nw

from features.checks.accounts import check_accounts, check_parents
from features.checks.contracts import check_contracts
from features.checks.findings import (
    Connection,
    OpenTable,
    Rule,
    check_dates,
    evaluate,
    finding,
    one_row,
)
from features.checks.histories import check_histories
from features.checks.orders import check_orders
from features.checks.spellings import check_spellings
from features.checks.times import check_use
from features.errors import Finding, quantity
from features.tables.casting import literal, quoted
from features.tables.connection import with_own_connection
from features.tables.copies import VERSION_KEYS
from features.tables.currencies import Currencies
from features.tables.folders import listed
from features.tables.interaction_words import CONVERSATIONS, EMAIL, INBOUND, OUTBOUND
from features.tables.survey_scales import SCALES, default_scale, understood_scales
from features.tables.ticket_statuses import UNSOLVED
from features.windows.parallel import run_parallel, workers

Check = Callable[[Connection], Iterable[Finding]]
_ANY_CURRENCY = Currencies()
#: Other scales that answers of a kind may be on, by their highest answer, the smallest first.
_LIKELY: dict[str, dict[float, str]] = {
    "nps": {1: "good/bad", 3: "1-3", 5: "1-5", 7: "1-7"},
    "csat": {1: "good/bad", 3: "1-3"},
    "ces": {1: "good/bad", 3: "1-3", 5: "1-5"},
}
#: The lowest answer of the scale with a highest answer.
_STARTS: dict[float, int] = {1: 0, 3: 1, 5: 1, 7: 1}
#: Priorities of a company that means urgent by "urgent", whether or not a ticket is urgent.
_USUAL_PRIORITIES = frozenset({"urgent", "high", "normal", "medium", "low"})
#: Priorities above "high" of a company that has another word for urgent.
_TOP_PRIORITY = re.compile(
    r"critical|blocker|highest|emergency|immediate|[ps][- ]?[01]|sev(erity)?[- ]?[01]"
    "|dringend|kritisch|urgente?|critique|critico|crítico",
)
#: This many answers make another scale likely, and this many make it next to certain.
_LEAST_ANSWERS, _SURE_ANSWERS = 10, 20
#: Codes of findings that compare a table with another one.
OF_SEVERAL_TABLES = frozenset(
    {"unknown_account", "usage_before_signup", "usage_outside_subscription"}
)


def check_content(
    connection: Connection,
    tables: Mapping[str, OpenTable],
    end: datetime | None,
    currencies: Currencies = _ANY_CURRENCY,
) -> list[Finding]:
    """Check the tables against each other and against the end of the data.

    Parameters
    ----------
    connection, tables : duckdb.DuckDBPyConnection, mapping of str to OpenTable
        The tables that could be opened, by name, and where. A rule whose tables are absent is left
        out.
    end : datetime or None
        `observed_until`; without it no date is compared with it.
    currencies : Currencies
        The company's currency, and the rates of those that were converted to it.
    """
    rules: list[Check] = []
    for table in tables.values():
        if end is not None:
            rules.append(partial(check_dates, table=table, end=end))
        rules.append(partial(check_accounts, table=table, tables=tables))
    of_all = (
        _tickets,
        _ratings,
        _doubtful_scales,
        check_contracts,
        _overrides,
        check_parents,
        _repeated_rows,
        _interaction_words,
        check_spellings,
        check_use,
        check_orders,
        partial(check_histories, end=end),
    )
    rules.append(partial(check_currencies, tables=tables, currencies=currencies))
    rules += [partial(rule, tables=tables) for rule in of_all]
    # One connection for each thread: to open one takes longer than most rules do on a small table.
    idle: SimpleQueue[Connection] = SimpleQueue()
    with ExitStack() as opened:
        for _ in range(workers()):
            idle.put(opened.enter_context(with_own_connection(connection)))
        # The last rule takes longest, and starts first.
        tasks = [partial(_found, idle, rule) for rule in reversed(rules)]
        return [finding for found in reversed(run_parallel(tasks)) for finding in found]


def _found(idle: SimpleQueue[Connection], rule: Check) -> list[Finding]:
    own = idle.get()
    try:
        return list(rule(own))
    finally:
        idle.put(own)


def _tickets(connection: Connection, tables: Mapping[str, OpenTable]) -> list[Finding]:
    """Report ratings, ends and priorities of tickets that no measure understands."""
    tickets = tables.get("tickets")
    if tickets is None:
        return []
    found: list[Finding] = []
    if tickets.has("csat"):
        found += evaluate(connection, tickets, _rating_rules(tickets))
    found += evaluate(connection, tickets, [*_endless_rules(tickets)])
    if tickets.has("priority"):
        found += _unknown_priorities(connection, tickets)
    return found


def _ratings(connection: Connection, tables: Mapping[str, OpenTable]) -> list[Finding]:
    """Report kinds of surveys, scales and scores that no measure understands."""
    surveys = tables.get("surveys")
    if surveys is None or not surveys.has("kind"):
        return []
    # Many answers are alike, and are looked at once.
    result = [name for name in ("kind", "scale", "score", "expected") if surveys.has(name)]
    answered = ", answered_at IS NOT NULL AS is_answered" if surveys.has("answered_at") else ""
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE answers AS SELECT {', '.join(result)}{answered}, "
        f"count(*) AS n FROM {surveys.view} GROUP BY ALL"
    )
    fix = "map the kinds to nps, csat and ces with sql"
    unknown = "lower(kind) NOT IN ('nps', 'csat', 'ces')"
    rules = [Rule("unknown_kind", "kind", unknown, "kind", "is no kind of survey", fix)]
    if surveys.has("scale"):
        rules.append(_scale_rule())
    if surveys.has("score", "answered_at"):
        rules.append(_unanswered_rule())
    rules += [
        _score_rule(column, surveys.has("scale"))
        for column in ("score", "expected")
        if surveys.has(column)
    ]
    answers = replace(surveys, view="temp.answers", whole=surveys.view)
    found = evaluate(connection, answers, rules, count="sum(n)")
    connection.execute("DROP TABLE temp.answers")
    return found


def _unknown_priorities(connection: Connection, tickets: OpenTable) -> Iterator[Finding]:
    """Ask about priorities none of which is the word for urgent tickets, as another may be."""
    words = connection.execute(
        f"SELECT lower(priority), count(*) FROM {tickets.view} WHERE priority IS NOT NULL "
        "GROUP BY 1 ORDER BY 2 DESC, 1"
    ).fetchall()
    known = {word for word, _ in words}
    words.sort(key=lambda found: _TOP_PRIORITY.fullmatch(found[0]) is None)
    has_other_top = words and _TOP_PRIORITY.fullmatch(words[0][0])
    if "urgent" in known or (known & _USUAL_PRIORITIES and not has_other_top) or not words:
        return
    what = (
        "is never urgent, so no ticket counts as urgent; the priorities are "
        f"{listed([word for word, _ in words])}"
    )
    fix = "name the highest priority urgent with sql, e.g. case priority when 'P1' then 'urgent' …"
    (total,) = one_row(connection, f"SELECT count(*) FROM {tickets.view}")
    counted = (sum(n for _, n in words), total, words[0][0])
    yield finding("unknown_priority", tickets, "priority", what, counted, fix, level="warning")


def _endless_rules(tickets: OpenTable) -> Iterator[Rule]:
    """Yield the rules on tickets that were merged or closed unsolved at no known time."""
    ends = [name for name in ("first_solved_at", "solved_at", "closed_at") if tickets.has(name)]
    if not ends:
        return
    no_end = " AND ".join(f"{name} IS NULL" for name in ends)
    words = ", ".join(map(literal, UNSOLVED))
    is_over = {"merged_into": "merged_into IS NOT NULL", "status": f"lower(status) IN ({words})"}
    reported = ""
    for column, condition in is_over.items():
        if tickets.has(column):
            what = (
                "says that the ticket was merged or closed unsolved, but not when: it counts as "
                "open on every date"
            )
            fix = "map closed_at to the time at which it was merged or closed, for such tickets too"
            where, shown = f"{condition} AND {no_end}{reported}", "'ticket_id ' || ticket_id"
            yield Rule("no_end", column, where, shown, what, fix, "warning")
            # A ticket that both columns mark is reported once, under the first.
            reported = f" AND ({condition}) IS NOT TRUE"


def _rating_rules(tickets: OpenTable) -> list[Rule]:
    shown = "'ticket_id ' || ticket_id" if tickets.has("ticket_id") else "csat"
    scales, rules = SCALES["csat"], []
    usual = scales[default_scale("csat")]
    outside = f"csat NOT BETWEEN {usual.low} AND {usual.high}"
    if tickets.has("csat_scale"):
        known = ", ".join(map(literal, scales))
        what = f"is no scale that is understood ({', '.join(scales)})"
        fix = "convert the ratings to one of these scales with sql"
        where = f"csat_scale IS NOT NULL AND csat_scale NOT IN ({known})"
        rules.append(Rule("unknown_scale", "csat_scale", where, "csat_scale", what, fix))
        outside = f"(csat_scale IS NULL AND {outside})" + "".join(
            f" OR (csat_scale = {literal(name)} AND csat NOT BETWEEN {ends.low} AND {ends.high})"
            for name, ends in scales.items()
        )
    what = "is outside its scale (1-5 where csat_scale is empty)"
    fix = "name the scale in a column csat_scale, or convert the ratings to 1-5 with sql"
    rules.append(Rule("score_outside_scale", "csat", f"({outside})", "csat", what, fix))
    where, what = "csat IS NOT NULL AND csat_at IS NULL", "has no csat_at and is never counted"
    if not tickets.has("csat_at"):
        where = "csat IS NOT NULL"
        what = "has no csat_at and counts from when its ticket was solved, which may be too early"
    fix = "map csat_at to the time at which the rating was given"
    return [*rules, Rule("rating_without_time", "csat", where, shown, what, fix, "warning")]


def _doubtful_scales(connection: Connection, tables: Mapping[str, OpenTable]) -> Iterator[Finding]:
    """Ask about answers without a scale of which none reaches the upper part of the default one."""
    surveys, tickets = tables.get("surveys"), tables.get("tickets")
    if surveys is not None and surveys.has("kind"):
        undeclared = "scale IS NULL" if surveys.has("scale") else "true"
        for kind in SCALES:
            where = f"lower(kind) = {literal(kind)} AND {undeclared}"
            for column in (name for name in ("score", "expected") if surveys.has(name)):
                yield from _doubtful(connection, surveys, (column, "scale"), kind, where)
    if tickets is not None and tickets.has("csat"):
        where = "csat_scale IS NULL" if tickets.has("csat_scale") else "true"
        yield from _doubtful(connection, tickets, ("csat", "csat_scale"), "csat", where)


def _doubtful(
    connection: Connection, table: OpenTable, columns: tuple[str, str], kind: str, where: str
) -> Iterator[Finding]:
    column, scale = columns
    rows, low, high, halves = one_row(
        connection,
        f"SELECT count(*), min({column}), max({column}), "
        f"count(*) FILTER ({column} <> round({column})) FROM {table.view} "
        f"WHERE {where} AND {column} IS NOT NULL AND NOT isnan({column})",
    )
    usual, likely = default_scale(kind), _LIKELY[kind]
    tops = [top for top in likely if rows and high <= top and low >= _STARTS[top]]
    if rows < _LEAST_ANSWERS or not tops or halves:
        return
    what = (
        f"{kind} answers have no scale, so {usual} is assumed, but every one is between {low:g} "
        f"and {high:g} and none is above {tops[0]:g}: they look like answers on {likely[tops[0]]}"
    )
    name = likely[tops[0]]
    fix = f"name the scale in a column {scale}, e.g. {literal(name)} as {scale} in sql"
    if name not in SCALES[kind]:
        fix = f"convert the answers to {usual} with sql, or give them the kind csat and their scale"
    fix += f"; if they are on {usual}, set {literal(usual)} as {scale}"
    total = one_row(connection, f"SELECT count(*) FROM {table.view}")[0]
    level = "error" if rows >= _SURE_ANSWERS and column != "expected" else "warning"
    counted = (int(rows), int(total), f"{kind} {high:g}")
    yield finding("doubtful_scale", table, column, what, counted, fix, level=level)


def _scale_rule() -> Rule:
    fitting = " OR ".join(
        f"(lower(kind) = {literal(kind)} AND scale IN ({', '.join(map(literal, scales))}))"
        for kind, scales in SCALES.items()
    )
    where = f"(scale IS NOT NULL AND lower(kind) IN ('nps', 'csat', 'ces') AND NOT ({fitting}))"
    what = f"is no scale that is understood ({understood_scales()})"
    fix = "convert the answers to one of these scales with sql"
    return Rule("unknown_scale", "scale", where, "kind || ' ' || scale", what, fix)


def _unanswered_rule() -> Rule:
    where = "score IS NOT NULL AND NOT is_answered"
    what = "has no answered_at, so the answer is never counted"
    fix = "map answered_at to the time at which the answer was given"
    shown = "kind || ' ' || score"
    return Rule("answer_without_time", "score", where, shown, what, fix, "warning")


def _score_rule(column: str, has_scale: bool) -> Rule:
    outside = []
    for kind, scales in SCALES.items():
        for index, (scale, ends) in enumerate(scales.items()):
            on_it = f"lower(kind) = {literal(kind)}"
            if has_scale:
                default = " OR scale IS NULL" if index == 0 else ""
                on_it += f" AND (scale = {literal(scale)}{default})"
            elif index:
                continue
            outside.append(f"({on_it} AND {column} NOT BETWEEN {ends.low} AND {ends.high})")
    what = "is outside its scale (nps 0-10, csat 1-5 and ces 1-7 where no scale is given)"
    fix = "name the scale in a column, or convert the answers to these scales with sql"
    example = f"kind || ' ' || {column}"
    return Rule("score_outside_scale", column, f"({' OR '.join(outside)})", example, what, fix)


def _repeated_rows(connection: Connection, tables: Mapping[str, OpenTable]) -> Iterator[Finding]:
    """Report people and goals with several rows: which of them is the present one is not known."""
    for name, (key,) in VERSION_KEYS.items():
        table = tables.get(name)
        if table is None or not table.has("account_id", key):
            continue
        at = quoted(table.schema.dated_by)
        own = f"account_id, {quoted(key)}"
        if table.has("known_at"):
            yield from _versions(connection, table, key, f"{own}, {at}")
            rows = f"(SELECT DISTINCT {own}, {at} FROM {table.view})"
        else:
            rows = table.view
        if name == "goals":
            own += f", {at}"
        several = _several(connection, rows, own, key)
        if several:
            what, fix, nouns = _REPEATED[name]
            named = quantity(several[1], *nouns)
            counted = (several[0], several[3], several[2])
            yield finding("duplicate_id", table, key, what.format(named), counted, fix,
                          level="warning")  # fmt: skip


_REPEATED = {
    "contacts": (
        "is in several rows of one account, for {}: each is one person, present until "
        "left_at of every row has passed",
        "keep the latest row of each person, unless the person was at the company several times",
        ("person", "people"),
    ),
    "goals": (
        "is in several rows of one account with the same set_at, for {}: each is one goal, "
        "due at the latest target_at and reached at the first reached_at",
        "keep the latest row of each goal, or map known_at to when a row was written",
        ("goal", "goals"),
    ),
}


def _versions(connection: Connection, table: OpenTable, key: str, own: str) -> Iterator[Finding]:
    """Report rows that are earlier versions of others."""
    rows = f"(SELECT DISTINCT {own}, known_at FROM {table.view})"
    several = _several(connection, rows, own, key)
    if several:
        what = (
            f"is in several rows with the same {table.schema.dated_by}, for {several[1]:,} of its "
            "values: the one with the latest known_at counts"
        )
        fix = "nothing, if the rows are versions; different ids otherwise"
        counted = (several[0], several[3], several[2])
        yield finding("duplicate_id", table, key, what, counted, fix, level="warning")


def _several(
    connection: Connection, rows: str, own: str, key: str
) -> tuple[int, int, str, int] | None:
    """Return how many rows share their key with others, how many keys, one of them, all rows."""
    counted = f"SELECT {quoted(key)} AS key, count(*) AS n FROM {rows} GROUP BY {own}"
    shared, keys, example, total = one_row(
        connection,
        "SELECT sum(n) FILTER (n > 1), count(*) FILTER (n > 1), min(key) FILTER (n > 1), sum(n) "
        f"FROM ({counted})",
    )
    return (int(shared), int(keys), str(example), int(total)) if shared else None


def _interaction_words(
    connection: Connection, tables: Mapping[str, OpenTable]
) -> Iterator[Finding]:
    """Report kinds and directions of interactions that no feature uses."""
    table = tables.get("interactions")
    if table is None:
        return
    rules = []
    kinds, directions = (*CONVERSATIONS, EMAIL), (*INBOUND, *OUTBOUND)
    if table.has("kind"):
        what = (
            f"is none of {', '.join(kinds)}: such rows count as contact with the customer, and "
            "only if their direction is in"
        )
        fix = "map the kinds with sql, such as case when kind = 'zoom' then 'meeting' else kind end"
        rules.append(Rule("other_kind", "kind", _is_none_of("kind", kinds), "kind", what, fix,
                          "warning"))  # fmt: skip
    if table.has("direction"):
        what = "is neither in (from the customer) nor out, and counts as unknown"
        fix = "map the directions to in and out with sql"
        rules.append(Rule("other_direction", "direction", _is_none_of("direction", directions),
                          "direction", what, fix, "warning"))  # fmt: skip
    yield from evaluate(connection, table, rules)


def _is_none_of(column: str, words: Iterable[str]) -> str:
    return f"lower({column}) NOT IN ({', '.join(map(literal, words))})"


def _overrides(connection: Connection, tables: Mapping[str, OpenTable]) -> list[Finding]:
    """Report overrides outside the scale, and those that end before they start."""
    table = tables.get("overrides")
    if table is None or not table.has("account_id", "value", "created_at", "expires_at"):
        return []
    rules = (
        Rule(
            "score_outside_scale",
            "value",
            "value NOT BETWEEN 0 AND 100",
            "account_id || ' ' || value",
            "is outside 0-100 points",
            "give points from 0 to 100; higher is better",
        ),
        Rule(
            "ended_before_started",
            "expires_at",
            "expires_at <= created_at",
            "account_id || ' ' || expires_at",
            "is before the override was made, so it never counts",
            "correct the dates, or leave the end empty where the override is permanent",
        ),
    )
    return evaluate(connection, table, rules)


def check_currencies(
    connection: Connection, tables: Mapping[str, OpenTable], currencies: Currencies
) -> Iterator[Finding]:
    """Report amounts in a currency that is neither the company's nor converted to it."""
    for table in tables.values():
        if table.has("currency") and table.schema.amounts:
            yield from _other_currencies(connection, table, currencies)
            if currencies.rates:
                yield from _no_currency(connection, table, currencies.own)


def _no_currency(connection: Connection, table: OpenTable, own: str) -> Iterator[Finding]:
    """Report amounts without a currency, where those of other rows may have been converted."""
    empty, total = one_row(
        connection, f"SELECT count(*) FILTER (currency IS NULL), count(*) FROM {table.view}"
    )
    if 0 < empty < total:
        what = f"is empty, so the amounts of these rows count as {own}"
        fix = f"fill the column, in the source or with sql, e.g. coalesce(currency, {literal(own)})"
        yield finding("no_currency", table, "currency", what, (empty, total, None), fix,
                      level="warning")  # fmt: skip


def _other_currencies(
    connection: Connection, table: OpenTable, currencies: Currencies
) -> Iterator[Finding]:
    others = currencies.others(nw.from_native(connection.table(table.view)))
    if not others.rows:
        return
    (total,) = one_row(connection, f"SELECT count(*) FROM {table.view}")
    amounts = " and ".join(c.name for c in table.schema.amounts if table.has(c.name))
    what = others.what(amounts, is_own_known=bool(currencies.own))
    first = next(iter(others.rows))
    fix = (
        f"add {first} = … to [exchange_rates] ({others.own} for one {first}), convert the amounts "
        "with sql, or set currency to the one that every row has"
    )
    shown = ", ".join(f"{code} {n:,}" for code, n in list(others.rows.items())[:5])
    counted = (sum(others.rows.values()), total, shown)
    yield finding("other_currency", table, "currency", what, counted, fix)
