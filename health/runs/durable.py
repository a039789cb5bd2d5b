"""Crash safety: whole files and folders, flushed to disk, names changed atomically."""

from __future__ import annotations

import ctypes
import errno
import os
import re
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2
#: Error codes of a kernel or file system that cannot swap two names.
_CANNOT_SWAP = {errno.ENOSYS, errno.EINVAL, errno.ENOTSUP}

#: Name, process and ending of a file that is being written.
_UNFINISHED = re.compile(r"\.(.+)\.(\d+)-[0-9a-f]{8}\.tmp(?:[.-]\w+)?")


def new_folder(parent: Path, prefix: str) -> Path:
    """Create a folder with a new name and the permissions that the process gives to folders."""
    while True:
        folder = parent / f"{prefix}{secrets.token_hex(4)}"
        with suppress(FileExistsError):
            folder.mkdir()
            return folder


@contextmanager
def named(path: Path) -> Iterator[None]:
    """Let an OSError name a file where it has no name, or that of an unfinished file."""
    try:
        yield
    except OSError as error:
        if error.filename is None or is_unfinished(Path(os.fsdecode(error.filename))):
            error.filename = str(path)
        raise


@contextmanager
def whole_file(path: Path, *, keep_ending: bool = True) -> Iterator[Path]:
    """Replace a file as a whole, or not at all.

    Parameters
    ----------
    path : Path
        The file; its folder is created if missing.
    keep_ending : bool
        Whether the file that is being written has the same suffix. Some writers choose the format
        by the suffix; programs that collect files by suffix must not see an unfinished file.

    Yields
    ------
    Path
        A temporary file in the same folder, to be written. It is flushed to disk and renamed at the
        end; if the block fails, it is removed. Files left by a killed process are removed later.
    """
    with _flushed(
        path, lambda made: made.replace(path), path.suffix if keep_ending else ""
    ) as made:
        yield made


@contextmanager
def new_file(path: Path) -> Iterator[Path]:
    """Create a file as a whole, or not at all; one that another process made meanwhile stays.

    Parameters
    ----------
    path : Path
        The file; its folder is created if missing.

    Yields
    ------
    Path
        A temporary file in the same folder, to be written, by a database too.
    """
    with _flushed(path, lambda made: _link(made, path)) as made:
        yield made


@contextmanager
def _flushed(path: Path, place: Callable[[Path], object], ending: str = "") -> Iterator[Path]:
    """Yield a temporary file next to a path; put it in place once it is on the disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    for left in _abandoned(path.parent, path.name):
        left.unlink(missing_ok=True)
    made = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}.tmp{ending}")
    try:
        with named(path):
            yield made
        with made.open("rb+") as stream:
            os.fsync(stream.fileno())
        place(made)
        sync_folder(path.parent)
    finally:
        # A database has further files next to its own. A read-only disk refuses to remove any; the
        # first error is the one to report.
        with suppress(OSError):
            for left in [p for p in path.parent.iterdir() if p.name.startswith(made.name)]:
                left.unlink(missing_ok=True)


def _link(made: Path, path: Path) -> None:
    """Give a file a further name, unless a file has it."""
    try:
        os.link(made, path)
    except FileExistsError:
        return
    except OSError:
        # A file system without hard links.
        if not path.exists():
            made.rename(path)


def write_whole(path: Path, content: str | bytes, *, mode: int | None = None) -> None:
    """Atomically replace a file with UTF-8 text or bytes; its mode is that of new files."""
    with whole_file(path, keep_ending=False) as made:
        made.write_bytes(content.encode() if isinstance(content, str) else content)
        if mode is not None:
            made.chmod(mode)


def is_unfinished(path: Path) -> bool:
    """Whether a file is one that `whole_file` is still writing, or that a kill left."""
    return _UNFINISHED.fullmatch(path.name) is not None


def remove_abandoned(folder: Path) -> None:
    """Remove the unfinished files below a folder whose process has ended."""
    for path in [path for path in folder.rglob(".*") if is_unfinished(path)]:
        for left in _abandoned(path.parent, path.name):
            left.unlink(missing_ok=True)


def _abandoned(folder: Path, name: str) -> list[Path]:
    if os.name != "posix":
        return []
    return [
        entry
        for entry in folder.iterdir()
        if (found := _UNFINISHED.fullmatch(entry.name))
        and name in (found[1], entry.name)
        and not _is_running(int(found[2]))
    ]


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True


def put_in_place(made: Path, target: Path, aside: Path) -> None:
    """Rename a complete folder to its final name; an existing folder is replaced.

    Parameters
    ----------
    made : Path
        The complete folder, on the same disk.
    target : Path
        The final name.
    aside : Path
        Temporary name of the old folder if the system cannot swap two names. If the process is
        killed in between, the next start restores the folder.
    """
    sync_tree(made)
    if not target.exists():
        made.rename(target)
    elif swap(made, target):
        shutil.rmtree(made)
    else:
        shutil.rmtree(aside, ignore_errors=True)
        target.rename(aside)
        made.rename(target)
        shutil.rmtree(aside)
    sync_folder(target.parent)


def sync_folder(folder: Path) -> None:
    """Flush the names in a folder to disk, without its subfolders."""
    if os.name != "posix":
        return
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
    if os.name != "posix":
        return False
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
