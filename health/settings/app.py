"""Settings of the web app: the section `[app]`."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator, model_validator

from health.settings.section import PositiveInt, Section

#: The app's database by default, in the folder of the runs.
APP_DATABASE = "app.sqlite"

SignIn = Literal["none", "local", "proxy"]


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
        ``none`` (one user, on this machine only), ``local`` (users with passwords) or
        ``proxy``.
    session_hours : int
        A session ends after this many hours without a request.
    csm_sees_team : bool
        CSMs see and work on the accounts of their team in addition to their own.
    capacity : int, optional
        Maximum number of accounts in one CSM's week; by default `capacity_per_csm` of `[flags]`.
    overdue_days : int
        A flag without an action for this many days is overdue.
    proxy : Section
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

    @model_validator(mode="after")
    def _complete(self) -> AppConfig:
        if self.sign_in == "proxy" and not self.proxy.addresses:
            raise ValueError('sign_in = "proxy" needs proxy.addresses')
        if self.sign_in == "none" and not is_loopback(self.host):
            raise ValueError(
                f'host {self.host} can be reached from elsewhere, and sign_in is "none"; set '
                'sign_in to "local" or "proxy", or host to 127.0.0.1'
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


def app_database_file(config: AppConfig, runs_dir: Path) -> Path | None:
    """Return the file of the app's default database; None if another one is configured."""
    return None if config.database else runs_dir / APP_DATABASE
