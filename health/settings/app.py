"""Settings of the web app: the section `[app]`."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from health.settings.secrets import by_name
from health.settings.section import PositiveInt, Section

#: The app's database by default, in the folder of the runs.
APP_DATABASE = "app.sqlite"

SignIn = Literal["none", "local", "proxy", "oidc"]
RoleName = Literal["reader", "csm", "lead", "admin"]


class ProxyConfig(Section):
    """Sign-in by headers from a reverse proxy.

    Attributes
    ----------
    user_header, secret_header : str
        Names of the headers that contain the login and the shared secret.
    secret_env : str
        Environment variable that contains the shared secret.
    addresses : tuple of str
        Addresses or networks of the proxy; requests from elsewhere are refused.
    """

    user_header: str = "X-Forwarded-User"
    secret_header: str = "X-Proxy-Secret"
    secret_env: str = "HEALTH_PROXY_SECRET"
    addresses: tuple[str, ...] = ()

    @field_validator("addresses")
    @classmethod
    def _valid_networks(cls, addresses: tuple[str, ...]) -> tuple[str, ...]:
        for address in addresses:
            ipaddress.ip_network(address, strict=False)
        return addresses


class OidcConfig(Section):
    """Sign-in by an OpenID Connect provider: authorization code with PKCE.

    The provider needs the redirect address ``<url>/sign-in/callback``, with the url of ``[app]``.

    Attributes
    ----------
    issuer : str
        The provider, as in its ``iss`` claim, such as ``https://login.example.com/tenant``.
    client_id : str
        ID of the app at the provider.
    client_secret : str
        ``$NAME`` for an environment variable that contains the secret, ``file:PATH`` for a file
        that contains it; empty for a public client.
    scopes : str
        Scopes to request.
    login_claim : str
        Claim that is the login of a user of the app.
    role_claim : str
        Claim with the groups of a person, such as ``groups``; a list or a single text.
    roles : dict of str to str
        Role by group; the one with the most rights counts. With it, users are added when they
        first sign in, and their role follows their groups; without it, only users who were added
        before can sign in.
    csm_claim : str
        Claim with the name in accounts.csm whose accounts are the user's own. Choose one that
        people cannot edit themselves.
    team_claim : str
        Claim with the user's team.
    timeout_s : float
        Seconds to wait for the provider.
    """

    issuer: str = ""
    client_id: str = ""
    client_secret: str = ""
    scopes: str = "openid email profile"
    login_claim: str = "email"
    role_claim: str = "groups"
    roles: dict[str, RoleName] = Field(default_factory=dict)
    csm_claim: str = ""
    team_claim: str = ""
    timeout_s: float = Field(default=10.0, gt=0, allow_inf_nan=False)

    @field_validator("issuer")
    @classmethod
    def _encrypted(cls, issuer: str) -> str:
        parts = urlsplit(issuer)
        on_this_machine = parts.scheme == "http" and is_loopback(parts.hostname or "")
        if issuer and not (parts.scheme == "https" and parts.hostname) and not on_this_machine:
            raise ValueError("the issuer is an address that starts with https://")
        return issuer

    @field_validator("client_secret")
    @classmethod
    def _named(cls, value: str) -> str:
        return by_name(value, example="$OIDC_CLIENT_SECRET")

    @field_validator("scopes")
    @classmethod
    def _with_openid(cls, scopes: str) -> str:
        if "openid" not in scopes.split():
            raise ValueError("the scopes need openid")
        return scopes


class AppConfig(Section):
    """Where the app is served, where it keeps its data and how people sign in.

    Attributes
    ----------
    host, port : str, int
        Address and port that the app listens on.
    url : str
        Public address, as people type it in the browser; with ``https`` cookies are marked Secure.
    database : str
        SQLAlchemy URL; empty for ``app.sqlite`` in runs_dir. ``$NAME`` reads the URL from an
        environment variable, so that the file contains no password.
    sign_in : str
        ``none`` (one user, on this machine only), ``local`` (users with passwords), ``proxy``
        (a header of a reverse proxy) or ``oidc`` (an OpenID Connect provider).
    session_hours : int
        A session ends after this many hours without a request.
    csm_sees_team : bool
        CSMs see and work on the accounts of their team in addition to their own.
    capacity : int, optional
        Maximum number of accounts in one CSM's week; by default `capacity_per_csm` of `[flags]`.
    overdue_days : int
        A flag without an action for this many days is overdue.
    proxy, oidc : Section
        Its own section.
    """

    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65535)
    url: str = Field(default="", pattern=r"^(https?://[^/]+/?)?$")
    database: str = ""
    sign_in: SignIn = "none"
    session_hours: PositiveInt = 12
    csm_sees_team: bool = False
    capacity: PositiveInt | None = None
    overdue_days: PositiveInt = 14
    proxy: ProxyConfig = ProxyConfig()
    oidc: OidcConfig = OidcConfig()

    @model_validator(mode="after")
    def _complete(self) -> AppConfig:
        if self.sign_in == "proxy" and not self.proxy.addresses:
            raise ValueError('sign_in = "proxy" needs proxy.addresses')
        if self.sign_in == "oidc":
            self._check_oidc()
        if self.sign_in == "none" and not is_loopback(self.host):
            raise ValueError(
                f'host {self.host} can be reached from elsewhere, and sign_in is "none"; set '
                'sign_in to "local", "proxy" or "oidc", or host to 127.0.0.1'
            )
        return self

    def _check_oidc(self) -> None:
        missing = [name for name in ("issuer", "client_id") if not getattr(self.oidc, name)]
        if missing:
            raise ValueError(f'sign_in = "oidc" needs oidc.{" and oidc.".join(missing)}')
        parts = urlsplit(self.url)
        if parts.scheme != "https" and not is_loopback(parts.hostname or ""):
            raise ValueError(
                'sign_in = "oidc" needs url = "https://…": the address that the provider sends '
                "people back to"
            )


def is_loopback(host: str) -> bool:
    """Whether an address can only be reached from this machine.

    Examples
    --------
    >>> is_loopback("127.0.0.1"), is_loopback("localhost"), is_loopback("0.0.0.0")
    (True, True, False)
    """
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def app_database_file(config: AppConfig, runs_dir: Path) -> Path | None:
    """Return the file of the app's default database; None if another one is configured."""
    return None if config.database else runs_dir / APP_DATABASE
