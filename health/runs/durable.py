"""What a crash cannot undo: files that are on the disk, names that change in one step."""

from __future__ import annotations

import ctypes
import errno
import os
import tempfile
from pathlib import Path

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2
#: What a kernel or file system answers that cannot swap two names.
_CANNOT_SWAP = {errno.ENOSYS, errno.EINVAL, errno.ENOTSUP}


def sync_folder(folder: Path) -> None:
    """Make the names in a folder last; what is below it is not looked at."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_tree(folder: Path) -> None:
    """Make every file and every name below a folder last, then the folder itself."""
    for path in sorted(folder.iterdir()):
        if path.is_dir() and not path.is_symlink():
            sync_tree(path)
        elif path.is_file():
            with path.open("rb") as stream:
                os.fsync(stream.fileno())
    sync_folder(folder)


def swap(one: Path, other: Path) -> bool:
    """Swap two names in one step: nobody ever sees either of them missing.

    Returns
    -------
    bool
        False, with nothing done, where the kernel or the file system cannot.

    Raises
    ------
    OSError
        It can, and failed.
    """
    rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if rename is None:
        return False
    names = (os.fsencode(one), os.fsencode(other))
    if rename(_AT_FDCWD, names[0], _AT_FDCWD, names[1], _RENAME_EXCHANGE) == 0:
        return True
    code = ctypes.get_errno()
    if code in _CANNOT_SWAP:
        return False
    raise OSError(code, os.strerror(code), str(one))


def point_at(link: Path, name: str) -> None:
    """Let a symbolic link point at a neighbour, moving it in one step where it was there."""
    with tempfile.TemporaryDirectory(prefix=".unfinished-link-", dir=link.parent) as folder:
        made = Path(folder) / link.name
        # Relative to where it will stand, so that the whole folder may be moved.
        made.symlink_to(name)
        made.replace(link)
    sync_folder(link.parent)
