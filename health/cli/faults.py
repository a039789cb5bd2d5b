"""Faults of the machine in words: a full disk, missing permissions, too little memory."""

from __future__ import annotations

import errno

from features.errors import HealthError
from features.tables.connection import reading_fault
from features.tables.spark import spark_fault

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_FORBIDDEN = {errno.EACCES, errno.EPERM, errno.EROFS}
_ABSENT = {errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.ENAMETOOLONG}
_FIXES = (
    (_FULL, "free some space, then run the command again; nothing that was complete has changed"),
    (_FORBIDDEN, "grant access to the user that runs the command, or choose another folder"),
    (_ABSENT, "check the path"),
)
#: Errors of a process pool in which a process was killed.
_KILLED = {"TerminatedWorkerError", "BrokenProcessPool"}


def fault_of_the_machine(error: BaseException) -> HealthError | None:
    """Return what the machine refused and where; None if the error is a bug.

    Parameters
    ----------
    error : BaseException
        What ended a command.
    """
    if isinstance(error, HealthError):
        return error
    if isinstance(error, MemoryError) or type(error).__name__ in _KILLED:
        return HealthError(
            "out of memory, or a process of the command was killed",
            fix="lower data.memory_limit, end other programs, or use a machine with more memory",
        )
    if isinstance(error, RuntimeError) and "Symlink loop" in str(error):
        # What Python before 3.13 raises for a link that leads back to itself.
        link = str(error).rpartition(" from ")[2].strip("'\"")
        return HealthError("the link leads to itself", where=link, fix="correct the link")
    # Some libraries wrap the system's error.
    cause = next((e for e in (error, *error.args) if isinstance(e, OSError)), None)
    if cause is None:
        of_spark = spark_fault(error, where="data.url")
        return of_spark or (reading_fault(error) if isinstance(error, Exception) else None)
    if type(error).__module__.startswith(("sqlite3", "sqlalchemy")):
        return None
    fix = next((fix for codes, fix in _FIXES if cause.errno in codes), "check the disk")
    where = [str(name) for name in (cause.filename, cause.filename2) if name is not None]
    what = "the disk is full" if cause.errno in _FULL else str(cause.strerror or cause)
    return HealthError(what.splitlines()[0], where=" to ".join(where), fix=fix)
