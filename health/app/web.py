"""The web server's frame: who asks, whether they may, and what every answer has in common."""

from __future__ import annotations

import hmac
import ipaddress
import logging
import os
import secrets
from collections.abc import Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from features.errors import HealthError
from health.app.access.oidc import Provider, SignInError
from health.app.access.roles import AccountFilter, accounts_of
from health.app.access.sessions import (
    TOKEN_PREFIX,
    SignedIn,
    find_session,
    find_token,
    start_session,
)
from health.app.access.users import find_user, local_user
from health.app.database.engine import Database
from health.app.page import CONTRACT_PAGES, MENU, templates
from health.app.reading.runs import Run, Runs
from health.app.records.write import EntryError
from health.presentation import wording
from health.settings.app import is_loopback

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from health.app.database.models import User
    from health.settings.config import Config

log = logging.getLogger("health.app")

#: Largest form or JSON body that is read.
_MOST_BYTES = 256 * 1024
_SAFE = frozenset({"GET", "HEAD"})
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "cross-origin-opener-policy": "same-origin",
}


@dataclass(frozen=True)
class App:
    """What the handlers share.

    Attributes
    ----------
    config : Config
    database : Database
    runs : Runs
    clock : callable
        Returns the time, UTC without a zone.
    """

    config: Config
    database: Database
    runs: Runs
    clock: Callable[[], datetime]

    @cached_property
    def provider(self) -> Provider | None:
        """The OpenID Connect provider; None where people sign in otherwise."""
        settings = self.config.app
        if settings.sign_in != "oidc":
            return None
        return Provider(settings.oidc, url=settings.url, base=self.config.base)

    @property
    def lasts(self) -> timedelta:
        """How long a session lasts without a request."""
        return timedelta(hours=self.config.app.session_hours)

    @property
    def cookie(self) -> str:
        """Name of the session's cookie; the prefix ties it to the host where TLS is used."""
        return "__Host-health" if self.secure else "health"

    @property
    def secure(self) -> bool:
        """Whether people reach the app by TLS."""
        return self.config.app.url.startswith("https://")


@dataclass
class Asked:
    """An authorised request.

    Attributes
    ----------
    app : App
    signed_in : SignedIn or None
        None on public pages.
    method, path : str
    parts : mapping of str to str
        Parts of the address, such as ``account_id``.
    query, form : mapping of str to str
        The last value of each name.
    body : bytes
    address : str
        Where the request comes from.
    headers : mapping of str to str
    cookies : mapping of str to str
    now : datetime
    """

    app: App
    signed_in: SignedIn | None
    method: str
    path: str
    parts: Mapping[str, str]
    query: Mapping[str, str]
    form: Mapping[str, str]
    body: bytes
    address: str
    headers: Mapping[str, str]
    cookies: Mapping[str, str]
    now: datetime
    new_cookie: str = field(default="", repr=False)

    @property
    def user(self) -> User:
        """The signed-in user."""
        if self.signed_in is None:
            raise HTTPException(401)
        return self.signed_in.user

    @property
    def htmx(self) -> bool:
        """Whether htmx asks, which wants the changed part of the page only."""
        return self.headers.get("hx-request") == "true"

    @cached_property
    def scope(self) -> AccountFilter:
        """Which accounts the user sees."""
        sees_team = self.app.config.app.csm_sees_team
        with self.app.database.read() as session:
            return accounts_of(session, self.user, csm_sees_team=sees_team)

    @cached_property
    def run(self) -> Run:
        """The run that is shown: of the date in the address, or the newest."""
        text = self.query.get("as_of") or self.form.get("as_of", "")
        try:
            as_of = datetime.strptime(text, "%Y-%m-%d").date() if text else None
        except ValueError:
            raise HTTPException(404) from None
        return self.app.runs.run(as_of)

    @property
    def menu(self) -> tuple[tuple[str, str, frozenset[str]], ...]:
        """The pages of the menu that this business has."""
        by_orders = "subscriptions" not in self.app.config.tables
        return tuple(page for page in MENU if not (by_orders and page[0] in CONTRACT_PAGES))

    @cached_property
    def titles(self) -> dict[str, str]:
        """The title of each kind of flag."""
        return {kind.flag: kind.title for kind in self.run.business.lists}

    def in_days(self, days: int) -> str:
        """Return the date in this many days, as a date field takes it."""
        return str((self.now + timedelta(days=days)).date())

    def titled(self, names: list[str]) -> list[tuple[str, str]]:
        """Pair each name of the data with its heading."""
        return [(name, wording.title_of(name)) for name in names]

    def sorts(self, run: Run) -> list[tuple[str, str]]:
        """Return what accounts can be sorted by."""
        titles = {
            "loss": "Expected loss",
            "mrr": run.business.money,
            "risk": run.business.risk[0].upper() + run.business.risk[1:],
            "score": "Lowest score",
            "change": "Largest fall",
            "renewal": "Next renewal",
            "name": "Name",
        }
        if not run.business.has_terms:
            del titles["renewal"]
        return list(titles.items())

    def page(self, template: str, *, status: int = 200, **context: Any) -> HTMLResponse:
        """Render a template with what every page needs."""
        text = (
            templates()
            .get_template(template)
            .render(
                asked=self,
                config=self.app.config,
                user=self.signed_in.user if self.signed_in else None,
                csrf=self.signed_in.csrf if self.signed_in else "",
                request_id=lambda: secrets.token_hex(16),
                **context,
            )
        )
        return HTMLResponse(text, status_code=status)


Handler = Callable[[Asked], Response]


@dataclass(frozen=True)
class Page:
    """One route: what it is, who may use it and what answers it.

    Attributes
    ----------
    path, method : str
    roles : frozenset of str or None
        Who may ask; None for everybody, signed in or not.
    handler : callable
    api : bool
        Answered in JSON, to tokens.
    """

    path: str
    method: str
    roles: frozenset[str] | None
    handler: Handler
    api: bool = False


def create_app(app: App, pages: tuple[Page, ...], static: str) -> ASGIApp:
    """Build the ASGI application of some routes.

    Parameters
    ----------
    app : App
    pages : tuple of Page
        Every route.
    static : str
        Folder with files for everybody.
    """
    routes: list[Route | Mount] = [
        Route(page.path, _endpoint(app, page), methods=[page.method]) for page in pages
    ]
    routes.append(Mount("/static", StaticFiles(directory=static)))

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        app.runs.close()
        app.database.close()

    async def failed(request: Request, error: Exception) -> Response:
        return await run_in_threadpool(_error_page, app, request, error)

    handlers: dict[Any, Any] = {
        HTTPException: failed,
        HealthError: failed,
        Exception: failed,
    }
    site = Starlette(routes=routes, lifespan=lifespan, exception_handlers=handlers)
    return _Guard(app, site)


class _Guard:
    """Refuse who may not connect, and set the headers of every answer."""

    def __init__(self, app: App, site: ASGIApp) -> None:
        self._app, self._site = app, site

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._site(scope, receive, send)
            return
        refusal = _refusal(self._app, scope)

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = {name for name, _ in message["headers"]}
                extra = dict(HEADERS)
                if not scope["path"].startswith("/static/"):
                    extra["cache-control"] = "no-store"
                if self._app.secure:
                    extra["strict-transport-security"] = "max-age=31536000"
                message["headers"] = list(message["headers"]) + [
                    (name.encode(), value.encode())
                    for name, value in extra.items()
                    if name.encode() not in own
                ]
            await send(message)

        site = self._site if refusal is None else HTMLResponse(refusal, status_code=403)
        await site(scope, receive, with_headers)


def _refusal(app: App, scope: Scope) -> str | None:
    """Return why a connection is refused; None where it is not."""
    address = _address(scope)
    if app.config.app.sign_in == "none":
        host = _host(scope).rsplit(":", 1)[0].strip("[]")
        # A page from elsewhere may point its own name at this machine: the name is checked too.
        if not is_loopback(address) or not is_loopback(host):
            return "This app has no sign-in, so it is available only on its own machine."
    if app.config.app.sign_in == "proxy" and not _from_proxy(app, scope, address):
        return "This app is available only through its proxy."
    return None


def _from_proxy(app: App, scope: Scope, address: str) -> bool:
    proxy = app.config.app.proxy
    try:
        source = ipaddress.ip_address(address)
    except ValueError:
        return False
    listed = any(source in ipaddress.ip_network(a, strict=False) for a in proxy.addresses)
    secret, given = os.environ.get(proxy.secret_env, ""), _header(scope, proxy.secret_header)
    return listed and bool(secret) and hmac.compare_digest(secret.encode(), given.encode())


def _endpoint(app: App, page: Page) -> Callable[[Request], Any]:
    async def endpoint(request: Request) -> Response:
        body = await _body(request)
        return await run_in_threadpool(_answer, app, page, request, body)

    return endpoint


async def _body(request: Request) -> bytes:
    if request.method in _SAFE:
        return b""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MOST_BYTES:
            raise HTTPException(413)
    return body


def _answer(app: App, page: Page, request: Request, body: bytes) -> Response:
    asked = _asked(app, request, body)
    asked.signed_in = _signed_in(asked, page)
    if page.roles is not None:
        if asked.signed_in is None:
            return _sign_in_first(asked, page)
        if asked.user.role not in page.roles:
            # What is not for a role does not exist for it.
            raise HTTPException(404)
    if page.method not in _SAFE:
        _refuse_forged(asked)
    return _with_cookie(asked, page.handler(asked))


def _asked(app: App, request: Request, body: bytes) -> Asked:
    is_form = request.headers.get("content-type", "").startswith(
        "application/x-www-form-urlencoded"
    )
    try:
        form = parse_qsl(body.decode("utf-8"), keep_blank_values=True) if is_form else []
    except UnicodeDecodeError:
        raise HTTPException(400) from None
    return Asked(
        app=app,
        signed_in=None,
        method=request.method,
        path=request.url.path,
        parts={name: str(value) for name, value in request.path_params.items()},
        query=dict(request.query_params),
        form=dict(form),
        body=body,
        address=_address(request.scope),
        headers=request.headers,
        cookies=request.cookies,
        now=app.clock(),
    )


def _signed_in(asked: Asked, page: Page) -> SignedIn | None:
    app, database = asked.app, asked.app.database
    bearer = asked.headers.get("authorization", "")
    if page.api and bearer.startswith(f"Bearer {TOKEN_PREFIX}"):
        return find_token(database, bearer.removeprefix("Bearer "))
    secret = asked.cookies.get(app.cookie, "")
    found = find_session(database, secret, now=asked.now, lasts=app.lasts) if secret else None
    mode = app.config.app.sign_in
    if mode not in {"none", "proxy"}:
        return found
    if mode == "none":
        user: User | None = local_user(database, now=asked.now)
    else:
        user = find_user(database, asked.headers.get(app.config.app.proxy.user_header, ""))
    if user is None or (found is not None and found.user.id == user.id):
        return None if user is None else found
    if page.roles is None:
        return None
    # Nobody signs in here: a session is started for its token against forged requests.
    asked.new_cookie = start_session(database, user, now=asked.now)
    return find_session(database, asked.new_cookie, now=asked.now, lasts=app.lasts)


def _refuse_forged(asked: Asked) -> None:
    """Refuse a request that another site made a browser send.

    Raises
    ------
    HTTPException
        403: the origin is another one, or the token is not the session's.
    """
    if asked.signed_in is not None and not asked.signed_in.session:
        return  # An API token: browsers do not send it by themselves.
    origin = asked.headers.get("origin", "")
    own = urlsplit(asked.app.config.app.url).netloc or asked.headers.get("host", "")
    if origin and urlsplit(origin).netloc != own:
        raise HTTPException(403, "the request comes from another site")
    if not origin and asked.headers.get("sec-fetch-site", "same-origin") != "same-origin":
        raise HTTPException(403, "the request comes from another site")
    if asked.signed_in is None:
        return  # Signing in: there is no session yet that could be abused.
    given = asked.form.get("csrf") or asked.headers.get("x-csrf-token", "")
    if not hmac.compare_digest(given.encode(), asked.signed_in.csrf.encode()):
        raise HTTPException(403, "the form is out of date; load the page again")


def _sign_in_first(asked: Asked, page: Page) -> Response:
    if page.api:
        return JSONResponse({"error": "give a token: Authorization: Bearer …"}, status_code=401)
    if asked.app.config.app.sign_in == "proxy":
        return asked.page(
            "error.html.j2",
            status=403,
            title="No access yet",
            what="You are signed in, but not a user of this app.",
            fix="Ask an admin to add you: health users add CONFIG LOGIN --role csm --csm NAME",
        )
    expired = asked.app.cookie in asked.cookies
    target = "/sign-in?expired=1" if expired else "/sign-in"
    if asked.htmx:
        return Response(status_code=204, headers={"hx-redirect": target})
    return RedirectResponse(target, status_code=303)


def set_cookie(asked: Asked, response: Response, secret: str) -> None:
    """Give the browser its session's cookie."""
    response.set_cookie(
        asked.app.cookie,
        secret,
        httponly=True,
        samesite="lax",
        secure=asked.app.secure,
        path="/",
        max_age=int(timedelta(days=30).total_seconds()),
    )


def _with_cookie(asked: Asked, response: Response) -> Response:
    if asked.new_cookie:
        set_cookie(asked, response, asked.new_cookie)
    return response


def _error_page(app: App, request: Request, error: Exception) -> Response:
    status, title, what, fix = _worded(error)
    if status == 500:
        log.error("internal error on %s", request.url.path, exc_info=error)
    if request.url.path.startswith("/api/"):
        return JSONResponse({"error": what, "fix": fix}, status_code=status)
    asked = _asked(app, request, b"")
    response = asked.page("error.html.j2", status=status, title=title, what=what, fix=fix)
    if asked.htmx:
        # htmx shows an error in the place kept for it, and leaves the rest of the page alone.
        shown = 200 if isinstance(error, EntryError) else status
        response = asked.page("error_part.html.j2", status=shown, what=what, fix=fix)
        response.headers["hx-retarget"] = "#notice"
        response.headers["hx-reswap"] = "innerHTML"
        response.headers["hx-reselect"] = ".warn"
    return response


def _worded(error: Exception) -> tuple[int, str, str, str]:
    """Return status, title, what is wrong and what to do."""
    if isinstance(error, EntryError):
        return 422, "Not saved", error.what, error.fix or "Go back, correct it and save again."
    if isinstance(error, SignInError):
        return 403, "Not signed in", f"You are not signed in: {error.what}.", error.fix
    if isinstance(error, HealthError):
        where = f"{error.where}: {error.what}" if error.where else error.what
        status = 429 if error.where == "sign-in" else 503
        return status, "This cannot be shown now", where, error.fix
    if isinstance(error, HTTPException):
        found = {
            403: ("Not allowed", error.detail, "Load the page again and repeat what you did."),
            404: (
                "Not found",
                "There is no such page or account, or it is not yours to see.",
                "Check the address, or search for the account by its name.",
            ),
            405: (
                "Not found",
                "This address does not accept this kind of request.",
                "Go to My week.",
            ),
            413: ("Too large", "The form is too large.", "Shorten the text and save again."),
        }
        return error.status_code, *found.get(
            error.status_code, ("Not possible", error.detail, "Go back and try again.")
        )
    return (
        500,
        "Internal error",
        "Something went wrong on the server; nothing was saved.",
        "Try again. If it happens again, send the server's log to its administrator.",
    )


def _address(scope: Scope) -> str:
    client = scope.get("client")
    return str(client[0]) if client else ""


def _host(scope: Scope) -> str:
    return _header(scope, "host")


def _header(scope: Scope, name: str) -> str:
    wanted = name.lower().encode()
    return next((value.decode("latin-1") for key, value in scope["headers"] if key == wanted), "")
