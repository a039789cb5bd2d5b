"""Crash safety: flushing files to disk, changing names atomically."""

from __future__ import annotations

import ctypes
import errno
import os
import tempfile
from pathlib import Path

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2
#: Error codes of a kernel or file system that cannot swap two names.
_CANNOT_SWAP = {errno.ENOSYS, errno.EINVAL, errno.ENOTSUP}


def sync_folder(folder: Path) -> None:
    """Flush the names in a folder to disk, without its subfolders."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_tree(folder: Path) -> None:
    """Flush every file and name below a folder to disk, then the folder itself."""
    for path in sorted(folder.iterdir()):
        if path.is_dir() and not path.is_symlink():
            sync_tree(path)
        elif path.is_file():
            with path.open("rb") as stream:
                os.fsync(stream.fileno())
    sync_folder(folder)


def swap(one: Path, other: Path) -> bool:
    """Swap two names atomically: neither is ever missing.

    Returns
    -------
    bool
        False, with nothing changed, if the kernel or the file system does not support it.

    Raises
    ------
    OSError
        It is supported, and failed.
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
    """Point a symbolic link at a sibling; an existing link is replaced atomically."""
    with tempfile.TemporaryDirectory(prefix=".unfinished-link-", dir=link.parent) as folder:
        made = Path(folder) / link.name
        # Relative to its final location, so that the whole folder can be moved.
        made.symlink_to(name)
        made.replace(link)
    sync_folder(link.parent)
