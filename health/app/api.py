"""The same reads and writes as JSON, with per-user tokens, described by OpenAPI."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, is_dataclass
from typing import Any

import sqlalchemy as sa
from pydantic_core import to_json
from starlette.exceptions import HTTPException
from starlette.responses import Response

from health.app.access.roles import LEADS, READERS, WRITERS
from health.app.database.models import Base
from health.app.reading import history
from health.app.reading.accounts import COLUMNS, AccountQuery, find_accounts
from health.app.reading.book import book_of, grid_of, outcomes_of, team_of
from health.app.reading.voice import effects_of, open_of_account, raised_of, themes_of
from health.app.reading.week import read_week
from health.app.records.entries import (
    ActionEntry,
    AssignmentEntry,
    ClosureEntry,
    Entry,
    ForecastEntry,
    NoteEntry,
    OverrideEntry,
    RaisedEntry,
)
from health.app.records.read import history as written
from health.app.records.write import EntryError, undo
from health.app.screens.account import require_account
from health.app.screens.my_week import capacity, chosen
from health.app.screens.writing import checked, record_to_undo, request_id, save
from health.app.web import Asked, Page

ROOT = "/api/v1"
#: Never given away: what hides a row's content in the audit, and what ties it to a form.
_PRIVATE = frozenset({"salt", "request_id", "user_id"})
_NUMBERS = frozenset(COLUMNS) - {
    *("account_id", "name", "csm", "segment", "industry", "region", "stage", "health_band"),
    *("not_scored_reason", "upsell_product", "cross_sell_product"),
}


@dataclass(frozen=True)
class Operation:
    """One operation of the API, for routing and for its description.

    Attributes
    ----------
    page : Page
    summary : str
    query : mapping of str to str
        Parameters of the address and what they mean.
    body : type of Entry, optional
        What is sent.
    answer : mapping
        JSON schema of the answer.
    """

    page: Page
    summary: str
    query: Mapping[str, str] = field(default_factory=dict)
    body: type[Entry] | None = None
    answer: Mapping[str, Any] = field(default_factory=lambda: {"type": "object"})


def week(asked: Asked) -> Response:
    """Give the week of the user, or of the CSM in the address."""
    csm, scope = chosen(asked)
    with asked.app.database.read() as session:
        found = read_week(
            session,
            asked.run,
            scope,
            capacity=capacity(asked),
            overdue_days=asked.app.config.app.overdue_days,
        )
    return _json({"as_of": asked.run.as_of, "csm": csm, "open": found.open, "done": found.done})


def accounts(asked: Asked) -> Response:
    """Give a page of accounts by the filters of the body."""
    values = {key: str(value) for key, value in _body(asked).items() if value is not None}
    page = find_accounts(asked.run, asked.scope, AccountQuery.of(values))
    return _json({"as_of": asked.run.as_of, **asdict(page)})


def account(asked: Asked) -> Response:
    """Give an account with its reasons, changes, flags, events and what was written."""
    run, found = asked.run, require_account(asked)
    account_id = found["account_id"]
    reasons = history.reasons_of(run, account_id)
    with asked.app.database.read() as session:
        records = written(session, account_id)
        open_raised = open_of_account(session, run, account_id)
    return _json(
        {
            "as_of": run.as_of,
            "account": found,
            "flags": history.flags_of_account(run, account_id),
            "health_reasons": reasons["health"],
            "churn_reasons": reasons["churn"],
            "changes": history.changes_of(run, account_id),
            "products": history.products_of(run, account_id),
            "contracts": history.contracts_of(run, account_id),
            "contacts": history.contacts_of(run, account_id),
            "events": history.events_of(run, account_id),
            "history": history.year_of(asked.app.runs, run, account_id),
            "open_raised": open_raised,
            "records": [{"kind": row.__tablename__, **_record(row)} for row in records],
        }
    )


def renewals(asked: Asked) -> Response:
    """Give the renewals of the next twelve months and the outcomes of the last ones."""
    with asked.app.database.read() as session:
        limit = asked.app.config.flags.call_difference
        book = book_of(session, asked.run, asked.scope, limit=limit)
        since, outcomes = outcomes_of(session, asked.app.runs, asked.run, asked.scope)
    rows = [{**_plain(r), "expected": r.expected, "disagrees": r.disagrees} for r in book.renewals]
    return _json(
        {
            "as_of": asked.run.as_of,
            "renewals": rows,
            "months": book.months,
            "retention": book.retention,
            "ledger": [{**_plain(own), "closer": own.closer} for own in book.judged],
            "since": since,
            "outcomes": outcomes,
        }
    )


def team(asked: Asked) -> Response:
    """Give the load of every CSM."""
    with asked.app.database.read() as session:
        loads = team_of(
            session,
            asked.run,
            asked.scope,
            now=asked.now,
            overdue_days=asked.app.config.app.overdue_days,
        )
    return _json({"as_of": asked.run.as_of, "csms": loads})


def expansion(asked: Asked) -> Response:
    """Give a page of accounts × products."""
    if not asked.run.has("whitespace"):
        raise HTTPException(404)
    number = asked.query.get("page", "1")
    page = min(max(int(number), 1), 100_000) if number.isdecimal() else 1
    grid = grid_of(asked.run, asked.scope, page=page, product=asked.query.get("product", ""))
    rows = [{"account_id": i, "name": n, "products": cells} for i, n, cells in grid.rows]
    return _json({"as_of": asked.run.as_of, "total": grid.total, "page": page, "rows": rows})


def voice(asked: Asked) -> Response:
    """Give the themes, what was raised with other teams, and how scores moved."""
    with asked.app.database.read() as session:
        raised = raised_of(session, asked.run, asked.scope)
    return _json(
        {
            "as_of": asked.run.as_of,
            "themes": themes_of(asked.run, asked.scope),
            "raised": raised,
            "effects": list(effects_of(asked.run).values()),
        }
    )


def trust(asked: Asked) -> Response:
    """Give the evaluation, the gates and the warnings of the run."""
    info = asked.run.info
    names = ("as_of", "model_version", "evaluation", "gates", "warnings", "row_counts")
    return _json({name: info.get(name) for name in names})


def write(kind: type[Entry]) -> Any:
    """Return a handler that writes one kind of entry about an account."""

    def handler(asked: Asked) -> Response:
        body = _body(asked)
        asked.form = {"request_id": str(body.pop("request_id", ""))}
        return _json({"id": save(asked, checked(kind, body))}, status=201)

    return handler


def undo_record(asked: Asked) -> Response:
    """Undo what was written."""
    asked.form = {"request_id": str(_body(asked).get("request_id", ""))}
    kind, row = record_to_undo(asked)
    undo(
        asked.app.database,
        kind,
        row.id,
        user=asked.user,
        request_id=request_id(asked, "undo"),
        now=asked.now,
    )
    return _json({"undone": row.id})


def openapi(asked: Asked) -> Response:
    """Describe the API."""
    paths: dict[str, dict[str, Any]] = {}
    for operation in OPERATIONS:
        address = operation.page.path.replace(":path", "")
        paths.setdefault(address, {})[operation.page.method.lower()] = _described(operation)
    return _json(
        {
            "openapi": "3.1.0",
            "info": {
                "title": f"{asked.app.config.company or 'Customer health'}: customer health",
                "version": "1",
                "description": "Read published runs and record what people do. A token has the "
                "rights of its user; anything the user may not see returns 404.",
            },
            "security": [{"token": []}],
            "components": {
                "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
                "schemas": {"Account": _ACCOUNT, "Error": _ERROR},
            },
            "paths": paths,
        }
    )


_ACCOUNT: dict[str, Any] = {
    "type": "object",
    "properties": {
        name: {"type": ["number" if name in _NUMBERS else "string", "null"]} for name in COLUMNS
    },
}
_ERROR = {
    "type": "object",
    "properties": {"error": {"type": "string"}, "fix": {"type": "string"}},
}
_LIST = {
    "type": "object",
    "properties": {
        "as_of": {"type": "string", "format": "date"},
        "total": {"type": "integer"},
        "page": {"type": "integer"},
        "pages": {"type": "integer"},
        "rows": {"type": "array", "items": {"$ref": "#/components/schemas/Account"}},
    },
}
_ONE = {
    "type": "object",
    "properties": {
        "as_of": {"type": "string", "format": "date"},
        "account": {"$ref": "#/components/schemas/Account"},
    },
}
_WRITTEN = {"type": "object", "properties": {"id": {"type": "string"}}}
_AS_OF = {"as_of": "Date of an earlier run; the newest by default."}
_ONE_ACCOUNT = f"{ROOT}/accounts/{{account_id:path}}"


def _operations() -> tuple[Operation, ...]:
    reads = [
        Operation(
            Page(f"{ROOT}/week", "GET", READERS, week, api=True),
            "The week of the user or of a CSM",
            {**_AS_OF, "csm": "A CSM whose accounts the user sees."},
        ),
        Operation(
            Page(f"{ROOT}/renewals", "GET", READERS, renewals, api=True),
            "Renewals of the next twelve months, with calls and outcomes",
            _AS_OF,
        ),
        Operation(Page(f"{ROOT}/team", "GET", LEADS, team, api=True), "The load by CSM", _AS_OF),
        Operation(
            Page(f"{ROOT}/expansion", "GET", READERS, expansion, api=True),
            "What accounts own and could own",
            {**_AS_OF, "page": "Page, from 1.", "product": "Sort by the value of this product."},
        ),
        Operation(
            Page(f"{ROOT}/voice", "GET", READERS, voice, api=True),
            "Themes of comments, what was raised with other teams, and how scores moved",
            _AS_OF,
        ),
        Operation(
            Page(f"{ROOT}/trust", "GET", READERS, trust, api=True),
            "Evaluation, gates and warnings of the run",
            _AS_OF,
        ),
        Operation(
            Page(f"{ROOT}/accounts", "POST", READERS, accounts, api=True),
            "Accounts that match filters; POST, so that no name is part of a URL",
            answer=_LIST,
        ),
    ]
    kinds: tuple[tuple[str, type[Entry], frozenset[str]], ...] = (
        ("actions", ActionEntry, WRITERS),
        ("notes", NoteEntry, WRITERS),
        ("overrides", OverrideEntry, WRITERS),
        ("forecasts", ForecastEntry, WRITERS),
        ("raised", RaisedEntry, WRITERS),
        ("closures", ClosureEntry, WRITERS),
        ("assignments", AssignmentEntry, LEADS),
    )
    writes = [
        Operation(
            Page(f"{_ONE_ACCOUNT}/{name}", "POST", roles, write(kind), api=True),
            f"Write to {name}; repeating a request_id writes one row",
            body=kind,
            answer=_WRITTEN,
        )
        for name, kind, roles in kinds
    ]
    undoing = Page(
        f"{ROOT}/records/{{kind}}/{{record_id}}/undo", "POST", WRITERS, undo_record, api=True
    )
    one = Page(_ONE_ACCOUNT, "GET", READERS, account, api=True)
    return (
        *reads,
        *writes,
        Operation(undoing, "Undo an entry; its row is kept"),
        Operation(one, "One account with everything behind its values", _AS_OF, answer=_ONE),
    )


OPERATIONS = _operations()
API_PAGES: tuple[Page, ...] = (
    Page("/api/openapi.json", "GET", READERS, openapi, api=True),
    *(operation.page for operation in OPERATIONS),
)


def _described(operation: Operation) -> dict[str, Any]:
    path = operation.page.path
    in_path = [name for name in ("account_id", "kind", "record_id") if f"{{{name}" in path]
    text = {"type": "string"}
    described: dict[str, Any] = {
        "summary": operation.summary,
        "parameters": [
            *({"name": n, "in": "path", "required": True, "schema": text} for n in in_path),
            *(
                {"name": n, "in": "query", "description": about, "schema": text}
                for n, about in operation.query.items()
            ),
        ],
        "responses": {
            "201" if operation.body else "200": _content("Done", dict(operation.answer)),
            **{
                code: _content(about, {"$ref": "#/components/schemas/Error"})
                for code, about in (
                    ("401", "No valid token"),
                    ("404", "Not found, or not visible to this user"),
                    ("422", "Not valid"),
                )
            },
        },
    }
    if operation.page.method == "POST":
        described["requestBody"] = {
            "content": {"application/json": {"schema": _sent(operation)}},
        }
    return described


def _sent(operation: Operation) -> dict[str, Any]:
    if operation.page.handler is accounts:
        names = list(AccountQuery.__dataclass_fields__)
        return {"type": "object", "properties": {name: {"type": "string"} for name in names}}
    schema: dict[str, Any] = {"type": "object"}
    if operation.body is not None:
        schema = operation.body.model_json_schema()
    request = {"type": "string", "minLength": 16, "maxLength": 64}
    schema.setdefault("properties", {})["request_id"] = request
    schema["required"] = [*schema.get("required", []), "request_id"]
    return schema


def _content(about: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": about, "content": {"application/json": {"schema": schema}}}


def _body(asked: Asked) -> dict[str, Any]:
    """Return the JSON object that was sent; EntryError where it is none."""
    try:
        body = json.loads(asked.body or b"{}")
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise EntryError("the body is not a JSON object", fix="Send application/json.")
    return body


def _json(content: Any, *, status: int = 200) -> Response:
    text = to_json(_plain(content), inf_nan_mode="null")
    return Response(text, status_code=status, media_type="application/json")


def _plain(value: Any) -> Any:
    """Turn dataclasses and rows of the database into dicts, without what is private."""
    if isinstance(value, Base):
        return _record(value)
    if is_dataclass(value) and not isinstance(value, type):
        return {name: _plain(getattr(value, name)) for name in value.__dataclass_fields__}
    if isinstance(value, dict):
        return {key: _plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    return value


def _record(row: Any) -> dict[str, Any]:
    columns = sa.inspect(type(row)).columns
    return {c.key: getattr(row, c.key) for c in columns if c.key not in _PRIVATE}
