"""Sign-in by an OpenID Connect provider: authorization code with PKCE."""

from __future__ import annotations

import hashlib
import hmac
import logging
import secrets
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import requests
import sqlalchemy as sa
from authlib.common.errors import AuthlibBaseError
from authlib.integrations.requests_client import OAuth2Session
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import (
    ExpiredTokenError,
    InvalidClaimError,
    InvalidKeyIdError,
    JoseError,
    MissingClaimError,
)
from joserfc.jwk import KeySet
from joserfc.jws import JWSRegistry

from features.errors import HealthError
from features.redaction import redact
from health.app.database.engine import Database
from health.app.database.models import SignIn
from health.settings.app import OidcConfig
from health.settings.secrets import secret

log = logging.getLogger("health.app")

#: Path that the provider sends people back to.
CALLBACK = "/sign-in/callback"
#: A sign-in that takes longer at the provider has to start again.
LASTS = timedelta(minutes=10)
#: Signatures that only the provider can make; never one by a shared secret, never none.
_SIGNATURES = frozenset(
    {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}
    | {"ES256", "ES384", "ES512", "EdDSA", "Ed25519"}
)
#: Clocks may differ by this many seconds.
_LEEWAY = 60
#: Metadata and keys of the provider are read again after so long; keys at most so often where a
#: token names an unknown one.
_KEPT, _KEYS_AGAIN = timedelta(hours=1), timedelta(minutes=1)
#: Starts a sign-in again; most causes are gone by then.
_AGAIN = "Sign in again. If it happens again, an admin can find the cause in the server's log."


class SignInError(HealthError):
    """A person cannot sign in; the message is for them, the cause is in the log."""


@dataclass(frozen=True)
class Started:
    """A sign-in that has started.

    Attributes
    ----------
    address : str
        Where the browser goes.
    cookie : str
        Ties the answer of the provider to this browser.
    """

    address: str
    cookie: str


@dataclass(frozen=True)
class _Known:
    metadata: dict[str, Any]
    keys: KeySet
    at: datetime


class Provider:
    """The OpenID Connect provider of a company.

    Parameters
    ----------
    config : OidcConfig
    url : str
        Public address of the app.
    base : Path
        Folder of the configuration.

    Raises
    ------
    HealthError
        The secret that the configuration names cannot be read.
    """

    def __init__(self, config: OidcConfig, *, url: str, base: Path) -> None:
        self._config = config
        self._redirect_uri = url.rstrip("/") + CALLBACK
        self._secret = secret(config.client_secret, where="app.oidc.client_secret", base=base)
        self._known: _Known | None = None
        self._lock = threading.Lock()

    def start(self, database: Database, *, now: datetime) -> Started:
        """Start a sign-in: state, nonce and verifier are kept for `LASTS`."""
        endpoint = self._endpoint(self._discovered(now).metadata, "authorization_endpoint")
        cookie, state, nonce, verifier = (secrets.token_urlsafe(48) for _ in range(4))
        with database.write() as session:
            session.execute(sa.delete(SignIn).where(SignIn.created_at < now - LASTS))
            session.add(
                SignIn(
                    digest=_digest(cookie),
                    state=state,
                    nonce=nonce,
                    verifier=verifier,
                    created_at=now,
                )
            )
        with self._client({}) as client:
            address, _ = client.create_authorization_url(
                endpoint, state=state, code_verifier=verifier, nonce=nonce
            )
        return Started(str(address), cookie)

    def finish(
        self, database: Database, query: Mapping[str, str], cookie: str, *, now: datetime
    ) -> dict[str, Any]:
        """Return the claims of the person whom the provider has sent back.

        Parameters
        ----------
        database : Database
        query : mapping of str to str
            What the provider added to the address: code and state, or an error.
        cookie : str
            Of the browser that started.
        now : datetime

        Raises
        ------
        SignInError
            The sign-in was not started by this browser or took too long, the provider refused,
            or its token is not valid.
        """
        started = self._take(database, cookie, now)
        if started is None or not hmac.compare_digest(
            started.state.encode(), query.get("state", "").encode()
        ):
            raise refused(
                "this sign-in was not started in this browser, or it took too long",
                "state or cookie do not match",
            )
        if "error" in query:
            raise refused(
                "the provider has refused the sign-in", f"the provider says {query['error']!r:.200}"
            )
        known = self._discovered(now)
        if query.get("iss", known.metadata["issuer"]) != known.metadata["issuer"]:
            raise refused("the answer comes from another provider", "iss in the address differs")
        token = self._token(known.metadata, query.get("code", ""), started.verifier)
        claims = self._claims(known, token, started.nonce, now)
        return self._completed(known.metadata, token, claims)

    def _take(self, database: Database, cookie: str, now: datetime) -> SignIn | None:
        """Return the sign-in of a cookie, which works once."""
        with database.write() as session:
            found = session.get(SignIn, _digest(cookie))
            if found is None:
                return None
            session.delete(found)
        return found if now - found.created_at <= LASTS else None

    def _token(self, metadata: Mapping[str, Any], code: str, verifier: str) -> dict[str, Any]:
        try:
            with self._client(metadata) as client:
                token = client.fetch_token(
                    self._endpoint(metadata, "token_endpoint"),
                    grant_type="authorization_code",
                    code=code,
                    code_verifier=verifier,
                    timeout=self._config.timeout_s,
                    allow_redirects=False,
                )
        except (requests.RequestException, AuthlibBaseError, ValueError) as error:
            raise refused("the provider has not confirmed the sign-in", repr(error)) from None
        return dict(token)

    def _claims(
        self, known: _Known, token: Mapping[str, Any], nonce: str, now: datetime
    ) -> dict[str, Any]:
        """Return the claims of the ID token: signature, issuer, audience, times and nonce fit."""
        text = token.get("id_token")
        if not isinstance(text, str):
            raise refused("the provider's answer has no ID token", "is openid in oidc.scopes?")
        try:
            decoded = self._decoded(known, text, now)
            claims = CodeIDToken(
                decoded.claims,
                decoded.header,
                {
                    "iss": {"essential": True, "value": known.metadata["issuer"]},
                    "aud": {"essential": True, "value": self._config.client_id},
                },
                {
                    "nonce": nonce,
                    "client_id": self._config.client_id,
                    "access_token": token.get("access_token"),
                },
            )
            claims.validate(now=int(now.replace(tzinfo=UTC).timestamp()), leeway=_LEEWAY)
        except ExpiredTokenError as error:
            raise refused("the provider's ID token has expired", repr(error)) from None
        except (InvalidClaimError, MissingClaimError) as error:
            raise refused("the provider's ID token is not for this sign-in", repr(error)) from None
        except (JoseError, ValueError) as error:
            raise refused(
                "the provider's ID token cannot be verified", f"{type(error).__name__}: {error}"
            ) from None
        return dict(claims)

    def _decoded(self, known: _Known, text: str, now: datetime) -> jwt.Token:
        offered = known.metadata.get("id_token_signing_alg_values_supported") or ["RS256"]
        accepted = sorted(_SIGNATURES & set(offered)) or ["RS256"]
        registry = JWSRegistry(algorithms=accepted, strict_check_header=False)
        try:
            return jwt.decode(text, known.keys, registry=registry)
        except InvalidKeyIdError:
            # The provider may have changed its keys.
            fresh = self._discovered(now, at_most=_KEYS_AGAIN)
            return jwt.decode(text, fresh.keys, registry=registry)

    def _completed(
        self, metadata: Mapping[str, Any], token: Mapping[str, Any], claims: dict[str, Any]
    ) -> dict[str, Any]:
        """Add the claims that some providers only give at their userinfo endpoint."""
        config = self._config
        wanted = [config.login_claim, config.csm_claim, config.team_claim]
        wanted += [config.role_claim] if config.roles else []
        missing = [name for name in wanted if name and name not in claims]
        if not missing or "userinfo_endpoint" not in metadata or "access_token" not in token:
            return claims
        try:
            found = self._json(
                self._endpoint(metadata, "userinfo_endpoint"),
                headers={"Authorization": f"Bearer {token['access_token']}"},
            )
        except (requests.RequestException, ValueError) as error:
            raise refused("the provider has not confirmed the sign-in", repr(error)) from None
        if found.get("sub") != claims["sub"]:
            raise refused(
                "the provider's responses are about two different people", "sub differs in userinfo"
            )
        return {**found, **claims}

    def _discovered(self, now: datetime, *, at_most: timedelta = _KEPT) -> _Known:
        """Return metadata and keys of the provider, not older than `at_most`.

        Raises
        ------
        HealthError
            The provider cannot be reached, or is not the configured one.
        """
        with self._lock:
            if self._known is None or not timedelta(0) <= now - self._known.at < at_most:
                self._known = self._discover(now)
            return self._known

    def _discover(self, now: datetime) -> _Known:
        issuer = self._config.issuer
        address = issuer.rstrip("/") + "/.well-known/openid-configuration"
        try:
            metadata = self._json(address)
            if str(metadata.get("issuer", "")).rstrip("/") != issuer.rstrip("/"):
                raise HealthError(
                    f"the provider reports another issuer: {metadata.get('issuer')!r:.200}",
                    where="app.oidc.issuer",
                    fix="use the issuer as the provider reports it; if it has tenants, that of the "
                    "tenant",
                )
            keys = KeySet.import_key_set(
                self._json(self._endpoint(metadata, "jwks_uri"))  # type: ignore[arg-type]
            )
        except (requests.RequestException, JoseError, ValueError) as error:
            log.error("the OpenID Connect provider cannot be used: %s", redact(repr(error)))
            raise HealthError(
                "the provider that people sign in with cannot be reached",
                where=address,
                fix="check app.oidc.issuer and the network of the server, then sign in again",
            ) from None
        return _Known(metadata, keys, now)

    def _json(self, address: str, **options: Any) -> dict[str, Any]:
        answer = requests.get(
            address, timeout=self._config.timeout_s, allow_redirects=False, **options
        )
        answer.raise_for_status()
        found = answer.json()
        if not isinstance(found, dict) or answer.status_code != 200:
            raise ValueError(f"{address} does not give a JSON object")
        return found

    def _endpoint(self, metadata: Mapping[str, Any], name: str) -> str:
        """Return an address of the provider, which is as safe as the issuer's."""
        found = metadata.get(name)
        scheme = self._config.issuer.split("://", 1)[0] + "://"
        if not isinstance(found, str) or not found.startswith(("https://", scheme)):
            raise HealthError(
                f"the provider has no {name} with https://",
                where="app.oidc.issuer",
                fix="check the issuer: it must be an OpenID Connect provider",
            )
        return found

    def _client(self, metadata: Mapping[str, Any]) -> OAuth2Session:
        """Return a client that authenticates as the provider's metadata ask for."""
        offered = metadata.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
        method = "client_secret_basic"
        if method not in offered and "client_secret_post" in offered:
            method = "client_secret_post"
        return OAuth2Session(
            self._config.client_id,
            self._secret or None,
            token_endpoint_auth_method=method if self._secret else "none",
            scope=self._config.scopes,
            redirect_uri=self._redirect_uri,
            code_challenge_method="S256",
        )


def refused(what: str, cause: str, *, fix: str = _AGAIN) -> SignInError:
    """Log why a sign-in is refused; return the error with what the person may know of it."""
    log.warning("a sign-in by OpenID Connect was refused: %s (%s)", what, redact(cause))
    return SignInError(what, where="sign-in", fix=fix)


def _digest(cookie: str) -> str:
    return hashlib.sha256(cookie.encode()).hexdigest()
