"""Ways to send a notice: a mail server, or a webhook."""

from __future__ import annotations

import hashlib
import smtplib
import ssl
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

import requests

from features.errors import HealthError
from features.redaction import redact, remember
from health.app.notices.content import WeekNotice, as_html, as_json, as_slack, as_text
from health.settings.notify import NotifyConfig, SmtpConfig, WebhookConfig, check_webhook
from health.settings.secrets import secret


class NotSentError(HealthError):
    """A notice was not sent; with `uncertain`, it may have arrived all the same."""

    uncertain = False


class Channel(Protocol):
    """A way to send notices; a connection is opened with the first one."""

    name: str
    needs_address: bool

    def send(self, notice: WeekNotice, address: str, *, now: datetime) -> None:
        """Send a notice; NotSentError where the other side does not take it."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


def channel_of(config: NotifyConfig, *, base: Path) -> Channel:
    """Return the configured way to send.

    Raises
    ------
    HealthError
        None is configured, or a secret that it names cannot be read.
    """
    if config.via == "smtp":
        password = secret(config.smtp.password, where="notify.smtp.password", base=base)
        return Smtp(config.smtp, password)
    if config.via == "webhook":
        url = secret(config.webhook.url, where="notify.webhook.url", base=base)
        remember(url)
        return Webhook(config.webhook, url)
    raise HealthError(
        "nothing is sent: no way to send is configured",
        where="notify.via",
        fix='set [notify] via = "smtp" or "webhook", or see what would be sent with --dry-run',
    )


class Smtp:
    """A mail server; one connection for all notices."""

    name, needs_address = "smtp", True

    def __init__(self, config: SmtpConfig, password: str) -> None:
        self._config, self._password = config, password
        self._server: smtplib.SMTP | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._server is not None:
            self._server.close()

    def send(self, notice: WeekNotice, address: str, *, now: datetime) -> None:
        """Send an email with the week as text and as HTML."""
        server = self._connected()
        message = email_of(notice, address, sender=self._config.sender, now=now)
        try:
            server.send_message(message)
        except smtplib.SMTPServerDisconnected as error:
            self._server = None
            raise self._failed(error, uncertain=True) from None
        except smtplib.SMTPException as error:
            server.rset()
            raise self._failed(error) from None
        except OSError as error:
            server.close()
            self._server = None
            raise self._failed(error, uncertain=True) from None

    def _connected(self) -> smtplib.SMTP:
        if self._server is not None:
            return self._server
        config, context = self._config, ssl.create_default_context()
        try:
            server: smtplib.SMTP
            if config.security == "tls":
                server = smtplib.SMTP_SSL(
                    config.host, config.port, timeout=config.timeout_s, context=context
                )
            else:
                server = smtplib.SMTP(config.host, config.port, timeout=config.timeout_s)
            try:
                if config.security == "starttls":
                    server.starttls(context=context)
                if config.user:
                    server.login(config.user, self._password)
            except BaseException:
                server.close()
                raise
        except (OSError, smtplib.SMTPException) as error:
            raise self._failed(error) from None
        self._server = server
        return server

    def _failed(self, error: Exception, *, uncertain: bool = False) -> NotSentError:
        failed = NotSentError(
            f"the mail server did not accept the message: {redact(str(error) or repr(error))}",
            where=f"notify.smtp, {self._config.host}:{self._config.port}",
            fix="check host, port, security, user and password, and the address",
        )
        failed.uncertain = uncertain
        return failed


class Webhook:
    """A web address that takes a POST request for each notice."""

    name, needs_address = "webhook", False

    def __init__(self, config: WebhookConfig, url: str) -> None:
        self._config, self._url = config, url
        try:
            check_webhook(url)
        except ValueError as error:
            raise HealthError(
                str(error), where="notify.webhook.url", fix="correct the address that it names"
            ) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Nothing is kept open."""

    def send(self, notice: WeekNotice, address: str, *, now: datetime) -> None:
        """Post the week; the same notice has the same Idempotency-Key."""
        slack = self._config.shape == "slack"
        body = as_slack(notice) if slack else as_json(notice, email=address)
        try:
            answer = requests.post(
                self._url,
                json=body,
                headers={"User-Agent": "customer-health", "Idempotency-Key": key_of(notice)},
                timeout=self._config.timeout_s,
                allow_redirects=False,
            )
        except requests.ConnectionError as error:
            raise self._failed(f"{type(error).__name__}", uncertain=False) from None
        except requests.RequestException as error:
            raise self._failed(f"{type(error).__name__}", uncertain=True) from None
        if not answer.ok or answer.is_redirect:
            raise self._failed(f"status {answer.status_code}", uncertain=False)

    def _failed(self, cause: str, *, uncertain: bool) -> NotSentError:
        failed = NotSentError(
            f"the webhook did not accept the message: {cause}",
            where="notify.webhook",
            fix="check the address that notify.webhook.url names, and the network",
        )
        failed.uncertain = uncertain
        return failed


def email_of(notice: WeekNotice, address: str, *, sender: str, now: datetime) -> EmailMessage:
    """Return the email of a notice; what the data contains is in its body only."""
    message = EmailMessage()
    message["Subject"] = notice.subject
    message["From"] = Address("Customer health", addr_spec=sender)
    message["To"] = Address(addr_spec=address)
    message["Date"] = format_datetime(now.replace(tzinfo=UTC))
    message["Message-ID"] = f"<{key_of(notice)}.{int(now.timestamp())}@{sender.split('@')[1]}>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(as_text(notice))
    message.add_alternative(as_html(notice), subtype="html")
    return message


def key_of(notice: WeekNotice) -> str:
    """Return what names a notice: the run and the CSM, as a digest."""
    text = f"{notice.company}\n{notice.as_of}\n{notice.csm}"
    return hashlib.sha256(text.encode()).hexdigest()[:32]
