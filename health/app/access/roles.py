"""Roles, and the one function that turns a user into a filter on accounts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import sqlalchemy as sa
from sqlalchemy.orm import Session

from health.app.database.models import User
from health.app.records.read import assigned

Role = Literal["reader", "csm", "lead", "admin"]
#: From the fewest rights to the most.
ROLES: tuple[Role, ...] = ("reader", "csm", "lead", "admin")
#: What every signed-in person may do; who may write; who leads a team; who manages users.
READERS = frozenset(ROLES)
WRITERS = frozenset({"csm", "lead", "admin"})
LEADS = frozenset({"lead", "admin"})
ADMINS = frozenset({"admin"})


@dataclass(frozen=True)
class AccountFilter:
    """Which accounts a user sees; every query on accounts uses one.

    Attributes
    ----------
    everything : bool
        No account is hidden.
    csms : tuple of str
        Names in the column `csm` of the run whose accounts are seen.
    moved_in, moved_out : tuple of str
        Accounts that were reassigned to one of `csms`, or away from all of them.
    assigned : mapping of str to str
        The CSM of every reassigned account.
    """

    everything: bool
    csms: tuple[str, ...] = ()
    moved_in: tuple[str, ...] = ()
    moved_out: tuple[str, ...] = ()
    assigned: Mapping[str, str] = field(default_factory=dict)

    def sql(self) -> tuple[str, list[str]]:
        """Return a condition on the columns account_id and csm, and its parameters."""
        if self.everything:
            return "TRUE", []
        # Lists that are empty are left out: what remains is decided while the file is read.
        own = f"csm IN {_marks(self.csms)}" if self.csms else "FALSE"
        if self.csms and self.moved_out:
            own += f" AND account_id NOT IN {_marks(self.moved_out)}"
        if self.moved_in:
            own = f"{own} OR account_id IN {_marks(self.moved_in)}"
        moved_out = self.moved_out if self.csms else ()
        return f"({own})", [*self.csms, *moved_out, *self.moved_in]

    @property
    def key(self) -> tuple[object, ...]:
        """What distinguishes it from other filters."""
        moved = tuple(sorted(self.assigned.items()))
        return self.everything, self.csms, moved

    def csm_of(self, account_id: str, csm: str | None) -> str:
        """Return who looks after an account: as reassigned, else as in the run."""
        return self.assigned.get(account_id, csm or "")

    def for_csm(self, name: str) -> AccountFilter:
        """Return the filter of one CSM's accounts, within this one."""
        if not self.everything and name not in self.csms:
            return AccountFilter(everything=False)
        return _of_csms((name,), self.assigned)


def accounts_of(session: Session, user: User, *, csm_sees_team: bool) -> AccountFilter:
    """Turn a user into a filter on accounts.

    Readers, leads and admins see every account, or those of their team where they have one
    (admins see all). CSMs see their own, and their team's where the configuration allows it.
    """
    moved = assigned(session)
    if user.role == "admin" or (user.role != "csm" and not user.team):
        return AccountFilter(everything=True, assigned=moved)
    names = {user.csm} if user.csm else set()
    if user.team and (user.role != "csm" or csm_sees_team):
        names |= set(
            session.scalars(
                sa.select(User.csm).where(User.team == user.team, User.csm.is_not(None))
            )
        )
    return _of_csms(tuple(sorted(name for name in names if name)), moved)


def _of_csms(names: Sequence[str], moved: Mapping[str, str]) -> AccountFilter:
    return AccountFilter(
        everything=False,
        csms=tuple(names),
        moved_in=tuple(account for account, csm in moved.items() if csm in names),
        moved_out=tuple(account for account, csm in moved.items() if csm not in names),
        assigned=moved,
    )


def _marks(values: Sequence[str]) -> str:
    return f"({', '.join('?' * len(values))})"
