"""Small files that are read as a whole: never a pipe or a device, which could block forever."""

from __future__ import annotations

import errno
import stat
from pathlib import Path


def read_regular(path: Path, *, most_bytes: int | None = None) -> bytes:
    """Return the content of a regular file.

    Parameters
    ----------
    path : Path
        The file; links are followed.
    most_bytes : int, optional
        The largest plausible size.

    Raises
    ------
    OSError
        It cannot be read, is not a regular file, or is larger.
    """
    found = path.stat()
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EINVAL, "it is not a file", str(path))
    if most_bytes is not None and found.st_size > most_bytes:
        what = f"it has {found.st_size:,} bytes, more than {most_bytes:,}"
        raise OSError(errno.EINVAL, what, str(path))
    return path.read_bytes()
