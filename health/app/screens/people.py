"""Sign-in and sign-out, one's own sessions and tokens, and the users (admins)."""

from __future__ import annotations

import sqlalchemy as sa
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse, Response

from health.app.access.oidc import LASTS
from health.app.access.oidc_users import user_of_claims
from health.app.access.roles import ROLES
from health.app.access.sessions import (
    end_session,
    new_token,
    revoke_token,
    sessions_of,
    start_session,
    tokens_of,
)
from health.app.access.users import add_user, check_password, disable_user, list_users
from health.app.database.models import Session as WebSession
from health.app.records.audit import check_chain
from health.app.records.write import EntryError
from health.app.web import Asked, set_cookie


def sign_in_page(asked: Asked, *, failed: bool = False) -> Response:
    """Show the form, or the link to the provider."""
    if asked.signed_in is not None:
        return RedirectResponse("/", status_code=303)
    return asked.page(
        "sign_in.html.j2",
        status=401 if failed else 200,
        failed=failed,
        expired=bool(asked.query.get("expired")),
        mode=asked.app.config.app.sign_in,
    )


def sign_in(asked: Asked) -> Response:
    """Check a password and start a session."""
    if asked.app.config.app.sign_in != "local":
        raise HTTPException(404)
    login, password = asked.form.get("login", ""), asked.form.get("password", "")
    user = check_password(asked.app.database, login, password, address=asked.address, now=asked.now)
    if user is None:
        return sign_in_page(asked, failed=True)
    response = RedirectResponse("/", status_code=303)
    set_cookie(asked, response, start_session(asked.app.database, user, now=asked.now))
    return response


def start_oidc(asked: Asked) -> Response:
    """Send the browser to the provider."""
    provider = asked.app.provider
    if provider is None:
        raise HTTPException(404)
    started = provider.start(asked.app.database, now=asked.now)
    response = RedirectResponse(started.address, status_code=303)
    response.set_cookie(
        _started_cookie(asked),
        started.cookie,
        httponly=True,
        # The provider's answer is a link from another site.
        samesite="lax",
        secure=asked.app.secure,
        path="/",
        max_age=int(LASTS.total_seconds()),
    )
    return response


def finish_oidc(asked: Asked) -> Response:
    """Start the session of the person whom the provider has confirmed."""
    app = asked.app
    if app.provider is None:
        raise HTTPException(404)
    cookie = asked.cookies.get(_started_cookie(asked), "")
    claims = app.provider.finish(app.database, asked.query, cookie, now=asked.now)
    user = user_of_claims(app.database, app.config.app.oidc, claims, now=asked.now)
    response = RedirectResponse("/", status_code=303)
    response.delete_cookie(
        _started_cookie(asked), path="/", secure=app.secure, httponly=True, samesite="lax"
    )
    set_cookie(asked, response, start_session(app.database, user, now=asked.now))
    return response


def _started_cookie(asked: Asked) -> str:
    return f"{asked.app.cookie}-sign-in"


def sign_out(asked: Asked) -> Response:
    """End the session."""
    if asked.signed_in is not None:
        end_session(asked.app.database, asked.signed_in.session, now=asked.now)
    response = RedirectResponse("/sign-in", status_code=303)
    response.delete_cookie(asked.app.cookie, path="/", secure=asked.app.secure, httponly=True)
    return response


def profile(asked: Asked, *, token: str = "") -> Response:
    """Show the user's sessions and tokens; a new token is shown this once."""
    with asked.app.database.read() as session:
        sessions = sessions_of(session, asked.user.id)
        tokens = tokens_of(session, asked.user.id)
    current = asked.signed_in.session if asked.signed_in else ""
    return asked.page(
        "profile.html.j2", sessions=sessions, tokens=tokens, token=token, current=current
    )


def make_token(asked: Asked) -> Response:
    """Make a token."""
    name = asked.form.get("name", "").strip()
    if not name or len(name) > 100:
        raise EntryError("a token needs a name of at most 100 characters")
    secret = new_token(asked.app.database, asked.user, name, now=asked.now)
    return profile(asked, token=secret)


def end_token(asked: Asked) -> Response:
    """Revoke a token."""
    revoke_token(asked.app.database, asked.parts["token_id"], user_id=asked.user.id, now=asked.now)
    return RedirectResponse("/profile", status_code=303)


def end_own_session(asked: Asked) -> Response:
    """End one of the user's sessions."""
    digest = asked.parts["digest"]
    with asked.app.database.read() as session:
        row = session.scalar(
            sa.select(WebSession).where(
                WebSession.digest == digest, WebSession.user_id == asked.user.id
            )
        )
    if row is None:
        raise HTTPException(404)
    end_session(asked.app.database, digest, now=asked.now)
    return RedirectResponse("/profile", status_code=303)


def users(asked: Asked) -> Response:
    """Show every user, and whether the audit is intact."""
    with asked.app.database.read() as session:
        check = check_chain(session)
    return asked.page(
        "users.html.j2", users=list_users(asked.app.database), roles=ROLES, check=check
    )


def save_user(asked: Asked) -> Response:
    """Add or change a user."""
    form = asked.form
    if not form.get("login", "").strip():
        raise EntryError("a user needs a login")
    add_user(
        asked.app.database,
        form["login"],
        role=form.get("role", ""),
        name=form.get("name", "").strip(),
        csm=form.get("csm", "").strip(),
        team=form.get("team", "").strip(),
        password=form.get("password", ""),
        now=asked.now,
    )
    return RedirectResponse("/users", status_code=303)


def stop_user(asked: Asked) -> Response:
    """Disable a user; nobody locks themselves out."""
    if asked.form.get("login", "") == asked.user.login:
        raise EntryError("you cannot disable yourself")
    disable_user(asked.app.database, asked.form.get("login", ""), now=asked.now)
    return RedirectResponse("/users", status_code=303)
