"""Every route of the app, with who may use it."""

from __future__ import annotations

from importlib import resources

from starlette.responses import Response
from starlette.types import ASGIApp

from health.app.access.oidc import CALLBACK
from health.app.access.roles import ADMINS, LEADS, READERS, WRITERS
from health.app.api import API_PAGES
from health.app.page import templates
from health.app.screens import account, accounts, book, my_week, people, scorecard, voice, writing
from health.app.web import App, Asked, Page, create_app
from health.presentation.html_page import source_of


def report_style(_: Asked) -> Response:
    """Give the report's style sheet, so that both have the same colours."""
    return Response(source_of(templates(), "report.css"), media_type="text/css")


PAGES: tuple[Page, ...] = (
    Page("/report.css", "GET", None, report_style),
    Page("/sign-in", "GET", None, people.sign_in_page),
    Page("/sign-in", "POST", None, people.sign_in),
    Page("/sign-in/start", "GET", None, people.start_oidc),
    Page(CALLBACK, "GET", None, people.finish_oidc),
    Page("/sign-out", "POST", READERS, people.sign_out),
    Page("/profile", "GET", READERS, people.profile),
    Page("/profile/tokens", "POST", READERS, people.make_token),
    Page("/profile/tokens/{token_id}/revoke", "POST", READERS, people.end_token),
    Page("/profile/sessions/{digest}/revoke", "POST", READERS, people.end_own_session),
    Page("/", "GET", READERS, my_week.my_week),
    Page("/accounts", "GET", READERS, accounts.accounts),
    Page("/accounts", "POST", READERS, accounts.accounts),
    Page("/accounts.csv", "POST", READERS, accounts.accounts_csv),
    Page("/views", "POST", READERS, accounts.save_view),
    Page("/views/{view_id}/delete", "POST", READERS, accounts.delete_view),
    Page("/accounts/{account_id:path}/brief", "GET", READERS, account.brief),
    Page("/accounts/{account_id:path}", "GET", READERS, account.account),
    Page("/accounts/{account_id:path}/actions", "POST", WRITERS, writing.action),
    Page("/accounts/{account_id:path}/notes", "POST", WRITERS, writing.note),
    Page("/accounts/{account_id:path}/overrides", "POST", WRITERS, writing.override),
    Page("/accounts/{account_id:path}/forecasts", "POST", WRITERS, writing.forecast),
    Page("/accounts/{account_id:path}/raised", "POST", WRITERS, writing.raised),
    Page("/accounts/{account_id:path}/closures", "POST", WRITERS, writing.closure),
    Page("/accounts/{account_id:path}/assignments", "POST", LEADS, writing.assignment),
    Page("/records/{kind}/{record_id}/undo", "POST", WRITERS, writing.undo_record),
    Page("/renewals", "GET", READERS, book.renewals),
    Page("/team", "GET", LEADS, book.team),
    Page("/team/assignments", "POST", LEADS, writing.assignments),
    Page("/expansion", "GET", READERS, book.expansion),
    Page("/voice", "GET", READERS, voice.voice),
    Page("/voice/raised", "POST", WRITERS, writing.raised_theme),
    Page("/voice/closures", "POST", WRITERS, writing.closures),
    Page("/trust", "GET", READERS, book.trust),
    Page("/scorecard", "GET", LEADS, scorecard.scorecard),
    Page("/scorecard", "POST", LEADS, scorecard.try_out),
    Page("/scorecard/proposal", "POST", LEADS, scorecard.propose),
    Page("/users", "GET", ADMINS, people.users),
    Page("/users", "POST", ADMINS, people.save_user),
    Page("/users/disable", "POST", ADMINS, people.stop_user),
    *API_PAGES,
)


def site(app: App) -> ASGIApp:
    """Return the app as an ASGI application."""
    return create_app(app, PAGES, str(resources.files("health.app") / "static"))
