"""Settings of the web app: the section `[app]`."""

from __future__ import annotations

import ipaddress
from typing import Literal

from pydantic import Field, field_validator, model_validator

from health.settings.section import PositiveInt, Section

SignIn = Literal["none", "local", "proxy", "oidc"]


class OidcConfig(Section):
    """Sign-in with an OpenID Connect provider (authorization code with PKCE).

    Attributes
    ----------
    issuer : str
        Address of the provider; its ``/.well-known/openid-configuration`` is read.
    client_id : str
        The app's ID at the provider.
    client_secret_env : str
        Environment variable with the client secret; empty for a public client.
    claim : str
        Claim of the ID token that holds a user's login.
    """

    issuer: str = ""
    client_id: str = ""
    client_secret_env: str = ""
    claim: str = "email"


class ProxyConfig(Section):
    """Sign-in by headers from a reverse proxy.

    Attributes
    ----------
    user_header, secret_header : str
        Headers with the login and with the shared secret.
    secret_env : str
        Environment variable with the shared secret.
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


class MailConfig(Section):
    """How `health notify` reaches people; off unless a server or a webhook is given.

    Attributes
    ----------
    smtp_host : str
        Mail server; empty sends no mail.
    smtp_port : int
        Its port; the connection is upgraded with STARTTLS, or uses TLS on port 465.
    smtp_user, smtp_password_env : str
        User, and the environment variable with the password; empty without sign-in.
    sender : str
        Address in From.
    starttls : bool
        Upgrade the connection; only turn it off for a server on this machine.
    webhook_env : str
        Environment variable with the address of a chat webhook (``{"text": …}``); empty: none.
    """

    smtp_host: str = ""
    smtp_port: PositiveInt = 587
    smtp_user: str = ""
    smtp_password_env: str = ""
    sender: str = ""
    starttls: bool = True
    webhook_env: str = ""


class AppConfig(Section):
    """Where the app is served, where it keeps its data and how people sign in.

    Attributes
    ----------
    host, port : str, int
        Address that is listened on.
    url : str
        Public address, as people type it; with ``https`` cookies are marked Secure.
    database : str
        SQLAlchemy URL; empty for ``app.sqlite`` in runs_dir. ``$NAME`` takes the URL from an
        environment variable, so that no password is written in the file.
    sign_in : str
        ``none`` (one user, on this machine only), ``local`` (users with passwords), ``proxy`` or
        ``oidc``.
    session_hours : int
        A session ends after so many hours without a request.
    csm_sees_team : bool
        CSMs see and work the accounts of their team in addition to their own.
    capacity : int, optional
        Most accounts in one CSM's week; by default `capacity_per_csm` of `[flags]`.
    overdue_days : int
        A flag without an action for so many days is overdue.
    oidc, proxy, notify : Section
        Keys of their own.
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
    oidc: OidcConfig = OidcConfig()
    proxy: ProxyConfig = ProxyConfig()
    notify: MailConfig = MailConfig()

    @model_validator(mode="after")
    def _complete(self) -> AppConfig:
        if self.sign_in == "oidc" and not (self.oidc.issuer and self.oidc.client_id and self.url):
            raise ValueError('sign_in = "oidc" needs url, oidc.issuer and oidc.client_id')
        if self.sign_in == "proxy" and not self.proxy.addresses:
            raise ValueError('sign_in = "proxy" needs proxy.addresses')
        if self.sign_in == "none" and not is_loopback(self.host):
            raise ValueError(
                f'host {self.host} can be reached from elsewhere, and sign_in is "none"; set '
                'sign_in to "local", "proxy" or "oidc", or host to 127.0.0.1'
            )
        return self


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
