"""From the claims of a provider to a user of the app: login, role, CSM and team."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from health.app.access.oidc import SignInError, refused
from health.app.access.roles import ROLES, Role
from health.app.access.users import normalise
from health.app.database.engine import Database
from health.app.database.models import User
from health.settings.app import OidcConfig

_LONGEST = 320


def user_of_claims(
    database: Database, config: OidcConfig, claims: Mapping[str, Any], *, now: datetime
) -> User:
    """Return the user of a person whom the provider has confirmed.

    With `config.roles`, a person whose groups have a role becomes a user, and the role follows
    the groups at each sign-in; without it, the login has to be known. A user belongs to the person
    at the provider who first signed in with the login: a login that the provider gives to somebody
    else later is refused until an admin disables the user and adds it again.

    Raises
    ------
    SignInError
        There is no login, no role, no such user, the user is disabled or another person's.
    """
    login = _login(config, claims)
    role = _role(config, claims)
    issuer, subject = str(claims["iss"]), str(claims["sub"])
    with database.write() as session:
        of_login = session.scalar(sa.select(User).where(User.login == login))
        of_person = session.scalar(
            sa.select(User).where(User.issuer == issuer, User.subject == subject)
        )
        user = of_person or of_login
        if user is not None and user.disabled_at is not None:
            raise refused("your user is disabled", f"{login} is disabled", fix=_ASK)
        if user is None:
            if role is None:
                raise refused(
                    f"{login} is not a user of this app",
                    f"no user {login}",
                    fix="Ask an admin to add you: health users add CONFIG LOGIN --role csm "
                    "--csm NAME",
                )
            user = User(id=str(uuid.uuid4()), login=login, name=login, role=role, created_at=now)
            session.add(user)
        if user.issuer == issuer and user.subject != subject:
            raise refused(
                "your login belonged to another person before",
                f"{login} has another sub at the provider",
                fix="Ask an admin to disable the user and to add it again.",
            )
        user.issuer, user.subject = issuer, subject
        # The person has another login at the provider now, such as after a marriage.
        user.login = login if of_login is None else user.login
        user.role = role or user.role
        if user.name == login:
            user.name = _text(claims, "name") or login
        user.csm = _text(claims, config.csm_claim) or user.csm
        user.team = _text(claims, config.team_claim) or user.team
    return user


_ASK = "Ask an admin of the app."


def _login(config: OidcConfig, claims: Mapping[str, Any]) -> str:
    login = normalise(_text(claims, config.login_claim))
    if not login:
        raise refused(
            "the provider does not give your login",
            f"no claim {config.login_claim}",
            fix=f"An admin sets app.oidc.login_claim, or the provider's claim "
            f"{config.login_claim}.",
        )
    if config.login_claim == "email" and claims.get("email_verified", True) not in (True, "true"):
        raise refused(
            "your email address is not confirmed at the provider",
            "email_verified is false",
            fix="Confirm the address there, then sign in again.",
        )
    return login


def _role(config: OidcConfig, claims: Mapping[str, Any]) -> Role | None:
    """Return the role of a person's groups, the one with the most rights; None without a map."""
    if not config.roles:
        return None
    given = claims.get(config.role_claim)
    groups = given if isinstance(given, list) else [given]
    found = {config.roles[group] for group in groups if group in config.roles}
    if not found:
        raise SignInError(
            "none of your groups may use this app",
            where="sign-in",
            fix=f"Ask an admin to put you into one of the groups of the app "
            f"(claim {config.role_claim}).",
        )
    return max(found, key=ROLES.index)


def _text(claims: Mapping[str, Any], name: str) -> str:
    value = claims.get(name) if name else None
    return value.strip()[:_LONGEST] if isinstance(value, str) else ""
