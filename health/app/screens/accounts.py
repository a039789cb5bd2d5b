"""Accounts: every paying account, searched and filtered, with saved views and CSV."""

from __future__ import annotations

import json
import uuid
from dataclasses import replace

import pandas as pd
import sqlalchemy as sa
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse, Response

from health.app.database.models import SavedView
from health.app.reading.accounts import (
    LISTED,
    MOST_ROWS,
    AccountQuery,
    choices,
    find_accounts,
)
from health.app.records.write import EntryError
from health.app.web import Asked
from health.report.files import inert_text


def accounts(asked: Asked) -> Response:
    """Show accounts; a search comes by POST, so that no name is part of an address."""
    view = asked.query.get("view", "")
    query = (
        _saved(asked, view) if view else AccountQuery.of({**asked.query, **asked.form, **_q(asked)})
    )
    return _list(asked, query, view=view)


def save_view(asked: Asked) -> Response:
    """Save the filters under a name; the same name again replaces them."""
    name = asked.form.get("name", "").strip()
    if not name or len(name) > 100:
        raise EntryError("a view needs a name of at most 100 characters", where="saved views")
    query = AccountQuery.of(asked.form)
    with asked.app.database.write() as session:
        old = session.scalar(
            sa.select(SavedView).where(SavedView.user_id == asked.user.id, SavedView.name == name)
        )
        view = old or SavedView(id=str(uuid.uuid4()), user_id=asked.user.id, name=name)
        view.filters, view.created_at = query.filters, asked.now
        session.add(view)
        session.flush()
        target = f"/accounts?view={view.id}"
    return RedirectResponse(target, status_code=303)


def delete_view(asked: Asked) -> Response:
    """Delete one of the user's saved views."""
    with asked.app.database.write() as session:
        session.execute(
            sa.delete(SavedView).where(
                SavedView.user_id == asked.user.id, SavedView.id == asked.parts["view_id"]
            )
        )
    return RedirectResponse("/accounts", status_code=303)


def accounts_csv(asked: Asked) -> Response:
    """Give the accounts that match as CSV, every page of them."""
    query = replace(AccountQuery.of(asked.form), page=1)
    found = find_accounts(asked.run, asked.scope, query, per_page=MOST_ROWS)
    columns = [c for c in LISTED if c in asked.run.columns("scores")]
    frame = pd.DataFrame(found.rows, columns=columns)
    text = inert_text(frame).to_csv(index=False)
    file = f"accounts_{asked.run.as_of}.csv"
    return Response(
        text,
        media_type="text/csv; charset=utf-8",
        headers={"content-disposition": f'attachment; filename="{file}"'},
    )


def _list(asked: Asked, query: AccountQuery, *, view: str) -> Response:
    run = asked.run
    found = find_accounts(run, asked.scope, query)
    with asked.app.database.read() as session:
        views = session.scalars(
            sa.select(SavedView).where(SavedView.user_id == asked.user.id).order_by(SavedView.name)
        ).all()
    return asked.page(
        "accounts.html.j2",
        run=run,
        found=found,
        query=query,
        choices=choices(run, asked.scope),
        views=views,
        view=view,
    )


def _saved(asked: Asked, view_id: str) -> AccountQuery:
    with asked.app.database.read() as session:
        view = session.get(SavedView, view_id)
    if view is None or view.user_id != asked.user.id:
        raise HTTPException(404)
    page = asked.query.get("page", "1")
    return AccountQuery.of({**json.loads(view.filters), "page": page})


def _q(asked: Asked) -> dict[str, str]:
    """Return the search text of a form; one in an address is not used."""
    return {"q": asked.form.get("q", "")}
