"""Serving the app: the database, the published runs and the web server, put together."""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable
from datetime import datetime

import uvicorn

from features.errors import HealthError
from health.app.access.users import list_users
from health.app.database.engine import Database, open_database
from health.app.reading.runs import Runs
from health.app.routes import site
from health.app.web import App
from health.business.app_database import database_url
from health.settings.app import is_loopback
from health.settings.config import Config


def serve(
    config: Config,
    *,
    clock: Callable[[], datetime],
    say: Callable[[str], None],
    port: int | None = None,
) -> None:
    """Serve the app until it is interrupted.

    Parameters
    ----------
    config : Config
        The configuration.
    clock : callable
        Returns the time, UTC without a zone.
    say : callable
        Tells people where the app is.
    port : int, optional
        Instead of the configured one; 0 takes a free one.

    Raises
    ------
    HealthError
        The port is in use, or the database cannot be opened.
    """
    database = open_app_database(config, now=clock())
    try:
        if config.app.sign_in != "none" and not (
            config.app.oidc.roles if config.app.sign_in == "oidc" else list_users(database)
        ):
            say(f"nobody can sign in yet: add a user with `health users add {config.file} LOGIN`")
        listener = _listen(config.app.host, config.app.port if port is None else port)
        app = App(config, database, Runs(config.runs_dir, config.file), clock)
        # A secret that cannot be read stops the start, not the first person who signs in.
        _ = app.provider
        say(f"serving {config.app.url or _address(listener, config.app.host)}; Ctrl+C ends it")
        server = uvicorn.Server(
            uvicorn.Config(
                site(app),
                # Addresses are given to nobody: a log of requests would be one of who looked
                # at what. A proxy's headers are read by the app itself.
                access_log=False,
                proxy_headers=False,
                server_header=False,
                log_level="warning",
            )
        )
        server.run(sockets=[listener])
    finally:
        database.close()


def open_app_database(config: Config, *, now: datetime) -> Database:
    """Open the database of `[app]`, migrated to this release."""
    return open_database(database_url(config.app.database, runs_dir=config.runs_dir), now=now)


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        # Whoever reads the address may connect at once; and of two starts, one is refused here.
        listener.listen()
    except OSError as error:
        listener.close()
        in_use = error.errno == errno.EADDRINUSE
        raise HealthError(
            f"port {port} is in use" if in_use else f"cannot listen on {host}:{port}: {error}",
            where="app.port",
            fix="end the other program, or give another port with --port"
            if in_use
            else "check app.host and app.port",
        ) from None
    return listener


def _address(listener: socket.socket, host: str) -> str:
    name = "127.0.0.1" if is_loopback(host) else host
    return f"http://{name}:{listener.getsockname()[1]}/"
