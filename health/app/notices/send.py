"""Sending each CSM their week: once per run, whatever interrupts it."""

from __future__ import annotations

import uuid
from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from features.errors import HealthError
from health.app.access.roles import AccountFilter
from health.app.database.engine import Database
from health.app.database.models import Notice, User
from health.app.notices.channels import Channel, NotSentError, channel_of
from health.app.notices.content import WeekNotice
from health.app.reading.accounts import choices
from health.app.reading.runs import Run, Runs
from health.app.reading.week import read_week, summarise
from health.app.records.read import assigned
from health.settings.config import Config
from health.settings.notify import is_email


@dataclass(frozen=True)
class Delivery:
    """What happened to the notice of one CSM.

    Attributes
    ----------
    csm : str
    address : str
        Empty where none is known.
    accounts : int
        Accounts in the week.
    status : str
        ``sent``, ``to send`` (in a dry run), ``sent before``, ``nothing to do``, ``no address``,
        ``not sent`` or ``unknown`` (it may have arrived).
    detail : str
        The cause, where there is one.
    notice : WeekNotice
    """

    csm: str
    address: str
    accounts: int
    status: str
    detail: str
    notice: WeekNotice


def notify(
    config: Config,
    database: Database,
    runs: Runs,
    *,
    now: datetime,
    as_of: date | None = None,
    csms: Collection[str] = (),
    again: bool = False,
    dry_run: bool = False,
) -> list[Delivery]:
    """Send each CSM the week of a run; return what happened, one row per CSM.

    A notice is recorded before it is sent and again afterwards, so that it is not sent twice, also
    after an interruption: of one that may have arrived, the status is ``unknown``.

    Parameters
    ----------
    config : Config
    database : Database
        Of the app: users, actions since the run, and what was sent.
    runs : Runs
    now : datetime
        UTC.
    as_of : date, optional
        The run; by default the newest.
    csms : collection of str
        Only these CSMs; by default all.
    again : bool
        Also send what was sent before.
    dry_run : bool
        Send nothing and record nothing.

    Raises
    ------
    HealthError
        There is no run, no way to send is configured, a secret cannot be read, or there is no
        such CSM.
    """
    run = runs.run(as_of)
    notices = _notices(config, database, runs, run, csms)
    addresses = _addresses(config, database)
    if dry_run:
        return [
            _delivery(n, addresses, _unsent(n, addresses, needed=config.notify.via == "smtp"))
            for n in notices
        ]
    channel = channel_of(config.notify, base=config.base)
    with channel:
        return [
            _send(channel, database, notice, addresses, again=again, now=now) for notice in notices
        ]


def _notices(
    config: Config, database: Database, runs: Runs, run: Run, csms: Collection[str]
) -> list[WeekNotice]:
    before = runs.before(run)
    with database.read() as session:
        everybody = AccountFilter(everything=True, assigned=assigned(session))
        known = choices(run, everybody).csms
        unknown = sorted(set(csms) - set(known))
        if unknown:
            raise HealthError(
                f"no CSM of the run of {run.as_of} is called {unknown[0]!r}",
                where="--csm",
                fix=f"use one of {', '.join(known[:10])}",
            )
        found = []
        for csm in [name for name in known if not csms or name in csms]:
            scope = everybody.for_csm(csm)
            week = read_week(
                session,
                run,
                scope,
                capacity=config.app.capacity or config.flags.capacity_per_csm,
                overdue_days=config.app.overdue_days,
            )
            found.append(
                WeekNotice(
                    csm=csm,
                    company=config.company,
                    as_of=run.as_of,
                    currency=run.currency,
                    rows=week.open,
                    summary=summarise(run, before, scope),
                    titles={kind.flag: kind.title for kind in run.business.lists},
                    url=config.app.url,
                )
            )
    return found


def _addresses(config: Config, database: Database) -> dict[str, str]:
    """Return the address of each CSM: as configured, else the login of the user."""
    with database.read() as session:
        users = session.scalars(sa.select(User).where(User.disabled_at.is_(None)))
        own = {user.csm: user.login for user in users if user.csm and is_email(user.login)}
    return {**own, **config.notify.addresses}


def _unsent(notice: WeekNotice, addresses: dict[str, str], *, needed: bool) -> str:
    """Return why there is nothing to send, or that there is."""
    if not notice.rows:
        return "nothing to do"
    return "no address" if needed and notice.csm not in addresses else "to send"


def _send(
    channel: Channel,
    database: Database,
    notice: WeekNotice,
    addresses: dict[str, str],
    *,
    again: bool,
    now: datetime,
) -> Delivery:
    status = _unsent(notice, addresses, needed=channel.needs_address)
    if status != "to send":
        return _delivery(notice, addresses, status)
    claimed = _claim(database, notice, channel.name, again=again, now=now)
    if isinstance(claimed, Notice):
        if claimed.sent_at is None:
            return _delivery(notice, addresses, "unknown", _INTERRUPTED)
        when = f"on {claimed.sent_at:%Y-%m-%d %H:%M} UTC"
        return _delivery(notice, addresses, "sent before", when)
    try:
        channel.send(notice, addresses.get(notice.csm, ""), now=now)
    except NotSentError as error:
        if error.uncertain:
            return _delivery(notice, addresses, "unknown", f"{error.what}; {_INTERRUPTED}")
        with database.write() as session:
            session.execute(sa.delete(Notice).where(Notice.id == claimed))
        return _delivery(notice, addresses, "not sent", error.what)
    with database.write() as session:
        session.execute(sa.update(Notice).where(Notice.id == claimed).values(sent_at=now))
    return _delivery(notice, addresses, "sent")


_INTERRUPTED = "it was interrupted and may have arrived: ask the CSM, or send it with --again"


def _claim(
    database: Database, notice: WeekNotice, channel: str, *, again: bool, now: datetime
) -> Notice | str:
    """Record that a notice is being sent; return its ID, or the row of an earlier one."""
    own = (Notice.as_of == notice.as_of, Notice.csm == notice.csm, Notice.channel == channel)
    try:
        with database.write() as session:
            found = session.scalar(sa.select(Notice).where(*own))
            if found is not None and not again:
                return found
            if found is not None:
                session.delete(found)
                session.flush()
            row = Notice(
                id=str(uuid.uuid4()),
                as_of=notice.as_of,
                csm=notice.csm,
                channel=channel,
                started_at=now,
                sent_at=None,
            )
            session.add(row)
            return row.id
    except IntegrityError:
        # Another process was faster.
        with database.read() as session:
            return session.scalars(sa.select(Notice).where(*own)).one()


def _delivery(
    notice: WeekNotice, addresses: dict[str, str], status: str, detail: str = ""
) -> Delivery:
    return Delivery(
        notice.csm, addresses.get(notice.csm, ""), len(notice.rows), status, detail, notice
    )
