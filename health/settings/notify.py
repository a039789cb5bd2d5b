"""Settings of `health notify`: the section `[notify]`."""

from __future__ import annotations

import re
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from health.settings.app import is_loopback
from health.settings.secrets import by_name
from health.settings.section import PositiveNumber, Section
from health.settings.sources import without_password
from health.settings.web_address import is_by_name, require_web_address

_EMAIL = r"^[^@\s<>,;\"]+@[^@\s<>,;\"]+$"


class SmtpConfig(Section):
    """The mail server.

    Attributes
    ----------
    host, port : str, int
        Address and port of the server.
    security : str
        ``starttls``, ``tls`` (encrypted from the start, usually port 465) or ``none``, which is
        only accepted without a password.
    user : str
        Login; empty if the server needs none.
    password : str
        ``$NAME`` for an environment variable that contains the password, ``file:PATH`` for a file
        that contains it.
    sender : str
        Address that the messages come from.
    timeout_s : float
        Seconds to wait for the server.
    """

    host: str = ""
    port: int = Field(default=587, ge=1, le=65535)
    security: Literal["starttls", "tls", "none"] = "starttls"
    user: str = ""
    password: str = ""
    sender: str = Field(default="", pattern=rf"{_EMAIL}|^$")
    timeout_s: PositiveNumber = 30.0

    @field_validator("password")
    @classmethod
    def _named(cls, value: str) -> str:
        return by_name(value, example="$SMTP_PASSWORD")

    @model_validator(mode="after")
    def _consistent(self) -> SmtpConfig:
        if bool(self.user) != bool(self.password):
            raise ValueError("user and password must be given together")
        if self.password and self.security == "none":
            raise ValueError('a password needs security = "starttls" or "tls"')
        return self


class WebhookConfig(Section):
    """A web address that takes one POST request for each CSM.

    Attributes
    ----------
    url : str
        ``$NAME`` for an environment variable that contains the address, ``file:PATH`` for a file
        that contains it; an address without a secret can be given directly.
    shape : str
        ``json`` or ``slack``.
    timeout_s : float
        Seconds to wait for a response.
    """

    url: str = ""
    shape: Literal["json", "slack"] = "json"
    timeout_s: PositiveNumber = 10.0

    @field_validator("url")
    @classmethod
    def _safe(cls, url: str) -> str:
        if url and not is_by_name(url):
            check_webhook(url)
        return without_password(url)


class NotifyConfig(Section):
    """How `health notify` sends each CSM their week; by default it sends nothing.

    Attributes
    ----------
    via : str
        ``none``, ``smtp`` or ``webhook``.
    addresses : dict of str to str
        Email address by CSM, as in accounts.csm. For others it is the login of the app's user with
        that CSM, where it is an email address.
    smtp, webhook : Section
        Its own section.
    """

    via: Literal["none", "smtp", "webhook"] = "none"
    addresses: dict[str, str] = Field(default_factory=dict)
    smtp: SmtpConfig = SmtpConfig()
    webhook: WebhookConfig = WebhookConfig()

    @field_validator("addresses")
    @classmethod
    def _are_addresses(cls, addresses: dict[str, str]) -> dict[str, str]:
        wrong = [f"{csm} ({text!r})" for csm, text in addresses.items() if not is_email(text)]
        if wrong:
            raise ValueError(f"not an email address: {', '.join(wrong)}")
        return addresses

    @model_validator(mode="after")
    def _complete(self) -> NotifyConfig:
        missing = []
        if self.via == "smtp":
            missing = [f"smtp.{n}" for n in ("host", "sender") if not getattr(self.smtp, n)]
        if self.via == "webhook" and not self.webhook.url:
            missing = ["webhook.url"]
        if missing:
            raise ValueError(f'via = "{self.via}" needs {" and ".join(missing)}')
        return self


def is_email(text: str) -> bool:
    """Whether a text is one email address.

    Examples
    --------
    >>> is_email("chloe@example.com"), is_email("chloe"), is_email("a@b.c, d@e.f")
    (True, False, False)
    """
    return re.match(_EMAIL, text) is not None


def check_webhook(url: str) -> None:
    """Raise ValueError for what is no address, or would receive messages unencrypted."""
    require_web_address(url)
    parts = urlsplit(url)
    if parts.scheme != "https" and not is_loopback(parts.hostname or ""):
        raise ValueError("a webhook's address starts with https://")
