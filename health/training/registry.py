"""Trained versions on disk: joblib artefacts and a manifest with their checksums."""

from __future__ import annotations

import hashlib
import hmac
import importlib.metadata
import inspect
import io
import json
import os
import shutil
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import joblib
from sklearn.base import BaseEstimator
from sklearn.exceptions import InconsistentVersionWarning

from features.errors import HealthError
from features.tables.regular_files import read_regular
from health.runs.durable import named, new_folder, put_in_place, sync_folder, write_whole
from health.runs.lock import locked
from health.runs.stored_shapes import ChangedManifestShape, ManifestShape, require_shape

MANIFEST = "manifest.json"
_LONGEST_SIGNATURE = 1_024
_UNREADABLE = "not a readable manifest"
#: HMAC of the manifest by the company's own key.
SIGNATURE = "signature.txt"
PROMOTIONS = "promotions.jsonl"
_CHAMPION = "champion.json"
#: Prefix of a version that is being written.
_UNFINISHED = ".tmp-"
#: Prefix of a version that is about to be replaced by the same one.
_REPLACED = ".old-"
#: Libraries whose objects are inside the artefacts; another major version cannot read them.
_LIBRARIES = ("scikit-learn", "lifelines", "pandas", "numpy", "joblib")


@dataclass(frozen=True)
class Version:
    """A trained version.

    Attributes
    ----------
    name : str
        Name of its folder: the last date it knew and a hash of its manifest.
    manifest : dict
        Checksums, library versions, features, data range, counts and evaluation.
    artefacts : dict of str to object
        The fitted objects by name; empty if only the manifest was read.
    """

    name: str
    manifest: Mapping[str, Any]
    artefacts: Mapping[str, Any]


def save_version(
    models_dir: Path,
    artefacts: Mapping[str, Any],
    manifest: Mapping[str, Any],
    *,
    until: str,
    tables: Mapping[str, bytes] | None = None,
    notes: Mapping[str, str] | None = None,
    key: bytes | None = None,
) -> Version:
    """Write a version atomically.

    Parameters
    ----------
    models_dir : Path
        Folder of the versions; created if missing.
    artefacts : mapping of str to object
        Fitted objects by name.
    manifest : mapping
        Metadata of the version; checksums and library versions are added.
    until : str
        The last date the version knew, as text; the name starts with it.
    tables : mapping of str to bytes, optional
        Additional files by name, with checksums in the manifest.
    notes : mapping of str to str, optional
        Files for people, which are never read back and may contain the time.
    key : bytes, optional
        Signs the manifest, which contains the checksums of all other files.
    """
    files = {f"{name}.joblib": _dump(value) for name, value in sorted(artefacts.items())}
    files |= tables or {}
    checksums = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    libraries = {name: importlib.metadata.version(name) for name in _LIBRARIES}
    full = {**manifest, "libraries": libraries, "checksums": checksums}
    version = f"{until}-{seal(full)}"
    full = {"version": version, **full}
    models_dir.mkdir(parents=True, exist_ok=True)
    temporary = new_folder(models_dir, _UNFINISHED)
    try:
        with named(models_dir):
            for name, content in files.items():
                (temporary / name).write_bytes(content)
            text = json.dumps(full, indent=2, allow_nan=False) + "\n"
            (temporary / MANIFEST).write_text(text, encoding="utf-8")
            if key is not None:
                (temporary / SIGNATURE).write_text(_signature(full, key) + "\n")
            for name, text in (notes or {}).items():
                (temporary / name).write_text(text, encoding="utf-8")
        # A version of the same name is identical or damaged.
        put_in_place(temporary, models_dir / version, models_dir / f"{_REPLACED}{version}")
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    return Version(version, full, artefacts)


def seal(manifest: Mapping[str, Any]) -> str:
    """Return the end of a version's name: twelve digits of the hash of its manifest."""
    content = {key: value for key, value in manifest.items() if key != "version"}
    text = json.dumps(content, sort_keys=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _signature(manifest: Mapping[str, Any], key: bytes) -> str:
    text = json.dumps(manifest, sort_keys=True, allow_nan=False)
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


def signature_state(folder: Path, manifest: Mapping[str, Any], key: bytes | None) -> str:
    """Return ``"signed"``, ``"not signed"``, ``"wrong"``, or ``"not checked"`` without a key."""
    if key is None:
        return "not checked"
    try:
        found = (
            read_regular(folder / SIGNATURE, most_bytes=_LONGEST_SIGNATURE).decode("ascii").strip()
        )
    except FileNotFoundError:
        return "not signed"
    except (OSError, UnicodeDecodeError):
        return "wrong"
    return "signed" if hmac.compare_digest(found, _signature(manifest, key)) else "wrong"


def is_sealed(version: str, manifest: Mapping[str, Any]) -> bool:
    """Whether a manifest matches the name of its version."""
    try:
        return version.endswith(f"-{seal(manifest)}")
    except (ValueError, RecursionError):
        # No manifest that was written here has an infinity or is nested so deeply.
        return False


@contextmanager
def changing(models_dir: Path) -> Iterator[None]:
    """Own the versions while one is added or promoted, after repairing what a crash left.

    Raises
    ------
    HealthError
        Another process keeps the lock for too long, or the folder is not writable.
    """
    with locked(models_dir, work="training or promotion"):
        _repair(models_dir)
        yield


def recover(models_dir: Path) -> None:
    """Repair what a killed process left, unless another one is at work or nothing can be written.

    A version that was to be replaced gets its name again, unfinished versions are removed, and an
    unrecorded promotion is recorded.
    """
    if models_dir.is_dir() and (_leftovers(models_dir) or _unrecorded(models_dir) is not None):
        with suppress(HealthError, OSError), locked(models_dir, work="training", patience=0):
            _repair(models_dir)


def _leftovers(models_dir: Path) -> list[Path]:
    unfinished = [*models_dir.glob(f"{_UNFINISHED}*"), *models_dir.glob(f".{_CHAMPION}*")]
    return [*models_dir.glob(f"{_REPLACED}*"), *unfinished]


def _repair(models_dir: Path) -> None:
    for path in _leftovers(models_dir):
        target = models_dir / path.name.removeprefix(_REPLACED)
        if path.name.startswith(_REPLACED) and not target.exists():
            path.rename(target)
        elif path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    record = _unrecorded(models_dir)
    if record is not None:
        _append(models_dir, record)


def list_versions(models_dir: Path) -> list[Version]:
    """Return the versions in a folder, oldest first, without opening their artefacts."""
    if not models_dir.is_dir():
        return []
    folders = sorted(p for p in models_dir.iterdir() if (p / MANIFEST).is_file())
    return [Version(p.name, _read_manifest(p), {}) for p in folders if p.name[0] != "."]


def require_version(models_dir: Path, version: str) -> Version:
    """Return a version's manifest; HealthError that lists the versions if it does not exist."""
    folder = models_dir / version
    # A name, never a path to another folder.
    if is_file_name(version) and (folder / MANIFEST).is_file():
        return Version(version, _read_manifest(folder), {})
    known = sorted(p.parent.name for p in models_dir.glob(f"[!.]*/{MANIFEST}"))
    raise HealthError(
        f"no model version {version!r}",
        where=str(models_dir),
        fix=f"choose one of: {', '.join(known) or 'none; run `health train` first'}",
    )


def is_file_name(name: str) -> bool:
    """Whether a text is the name of a visible file or folder, not a path."""
    return bool(name) and name[0] != "." and not set(name) & set("/\\:\0")


def promote(models_dir: Path, version: str, record: Mapping[str, Any] | None = None) -> None:
    """Make `version` the champion, the version used for scoring, without any check.

    Parameters
    ----------
    models_dir : Path
        Folder of the versions.
    version : str
        Its name; HealthError if it does not exist.
    record : mapping, optional
        Who promoted it, when and why: a line of promotions.jsonl, written before the change.
    """
    require_version(models_dir, version)
    with changing(models_dir):
        line = {"version": version, "before": champion(models_dir), **(record or {})}
        # The record is part of the pointer: both change at once, and `recover` completes the log.
        pointer = {"version": version, "record": line}
        write_whole(models_dir / _CHAMPION, json.dumps(pointer, allow_nan=False) + "\n")
        _append(models_dir, line)


def _append(models_dir: Path, line: Mapping[str, Any]) -> None:
    path = models_dir / PROMOTIONS
    with named(path), path.open("ab+") as stream:
        if stream.tell():
            stream.seek(-1, os.SEEK_END)
            # A crash may have left part of a line.
            if stream.read(1) != b"\n":
                stream.write(b"\n")
        stream.write(json.dumps(line, allow_nan=False).encode() + b"\n")
        stream.flush()
        os.fsync(stream.fileno())
    sync_folder(models_dir)


def _unrecorded(models_dir: Path) -> dict[str, Any] | None:
    """Return the record of the last promotion if the log lacks it."""
    try:
        record = json.loads(read_regular(models_dir / _CHAMPION))["record"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    return record if isinstance(record, dict) and record not in promotions(models_dir) else None


def promotions(models_dir: Path) -> list[dict[str, Any]]:
    """Return every promotion, oldest first, as `promote` recorded it; see `damaged_promotions`."""
    return [line for _, line in _log(models_dir) if line is not None]


def damaged_promotions(models_dir: Path) -> list[int]:
    """Return the numbers of the lines of promotions.jsonl that are not a complete record."""
    return [number for number, line in _log(models_dir) if line is None]


def _log(models_dir: Path) -> list[tuple[int, dict[str, Any] | None]]:
    path = models_dir / PROMOTIONS
    if not path.is_file():
        return []
    lines = path.read_bytes().split(b"\n")
    return [(number, _record(line)) for number, line in enumerate(lines, start=1) if line.strip()]


def _record(line: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) and isinstance(found.get("version"), str) else None


def champion(models_dir: Path) -> str | None:
    """Return the name of the champion, or None if no version was ever promoted."""
    pointer = models_dir / _CHAMPION
    if not pointer.is_file():
        return None
    try:
        return str(json.loads(read_regular(pointer))["version"])
    except (ValueError, KeyError, TypeError, RecursionError):
        raise HealthError(
            "does not name a version",
            where=str(pointer),
            fix="run `health models CONFIG promote VERSION` to write it again",
        ) from None


def load_version(models_dir: Path, version: str, *, key: bytes | None = None) -> Version:
    """Open a version after verifying the checksum of each artefact.

    Raises
    ------
    HealthError
        The version or a file is missing, the manifest, a checksum or the signature does not match
        (a key requires a signature), or a library
        has another major version than the one the version was trained with, or the version is of a
        release of this software with different models.
    """
    manifest = require_version(models_dir, version).manifest
    folder = models_dir / version
    if not is_sealed(version, manifest):
        raise HealthError(
            "the manifest does not match the name of the version; it was changed later",
            where=str(folder / MANIFEST),
            fix="do not use this version: restore the folder from a backup, or train again",
        )
    state = signature_state(folder, manifest, key)
    if state in {"not signed", "wrong"}:
        what = "is not signed" if state == "not signed" else "has a signature of another key"
        raise HealthError(
            f"the version {what}, but training.signing_key requires a signature",
            where=str(folder / SIGNATURE),
            fix="train again with the key, or restore the folder from a backup",
        )
    _check_libraries(folder, manifest["libraries"])
    outside = [name for name in manifest["checksums"] if not is_file_name(name)]
    if outside:
        raise HealthError(
            f"the manifest names a file outside of the version: {outside[0]!r}",
            where=str(folder / MANIFEST),
            fix="do not use this version: restore the folder from a backup, or train again",
        )
    # Check every file first: none is opened if one of them was changed.
    files = {name: _checked(folder / name, sha) for name, sha in manifest["checksums"].items()}
    artefacts = {
        name.removesuffix(".joblib"): _opened(folder / name, content, manifest["libraries"])
        for name, content in files.items()
        if name.endswith(".joblib")
    }
    return Version(version, manifest, artefacts)


def read_file(models_dir: Path, version: Version, name: str) -> bytes | None:
    """Return an additional file of a version, verified by checksum; None if it has none."""
    checksum = version.manifest["checksums"].get(name)
    return None if checksum is None else _checked(models_dir / version.name / name, checksum)


def reseal(
    models_dir: Path, version: Version, files: Mapping[str, bytes], *, key: bytes | None = None
) -> str:
    """Replace files of a version, which gets a new name; return it.

    The champion stays the champion. If the process is killed, both may exist: the old one is
    complete, and calling this again ends the work.

    Parameters
    ----------
    models_dir : Path
        Folder of the versions; the caller owns it (`changing`).
    version : Version
        The version.
    files : mapping of str to bytes
        New content by name; each has a checksum in the manifest.
    key : bytes, optional
        Signs the new manifest.
    """
    old = models_dir / version.name
    checksums = dict(version.manifest["checksums"])
    checksums |= {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    manifest = {**version.manifest, "checksums": checksums}
    name = f"{version.name.rpartition('-')[0]}-{seal(manifest)}"
    manifest["version"] = name
    made = new_folder(models_dir, _UNFINISHED)
    shutil.copytree(old, made, dirs_exist_ok=True)
    for file, content in files.items():
        (made / file).write_bytes(content)
    text = json.dumps(manifest, indent=2, allow_nan=False) + "\n"
    (made / MANIFEST).write_text(text, encoding="utf-8")
    (made / SIGNATURE).unlink(missing_ok=True)
    if key is not None:
        (made / SIGNATURE).write_text(_signature(manifest, key) + "\n")
    put_in_place(made, models_dir / name, models_dir / f"{_REPLACED}{name}")
    if champion(models_dir) == version.name:
        promote(models_dir, name, {"reason": "held-out rows were erased"})
    # A version may be a link to a folder elsewhere, which has the rows.
    shutil.rmtree(old.resolve())
    if old.is_symlink():
        old.unlink()
    return name


def _dump(value: Any) -> bytes:
    buffer = io.BytesIO()
    joblib.dump(value, buffer, compress=3)
    return buffer.getvalue()


def _checked(path: Path, checksum: str) -> bytes:
    try:
        content = read_regular(path)
    except OSError as error:
        raise HealthError(
            f"the artefact cannot be read: {error.strerror}",
            where=str(path),
            fix="restore the file from a backup, or train again",
        ) from None
    if hashlib.sha256(content).hexdigest() != checksum:
        raise HealthError(
            "the artefact's checksum does not match the manifest; it was changed after training",
            where=str(path),
            fix="do not use this version: restore the file from a backup, or train again",
        )
    return content


def _opened(path: Path, content: bytes, trained: Mapping[str, str]) -> Any:
    """Open a verified artefact; HealthError if it is of another release with fewer parameters."""
    try:
        with warnings.catch_warnings():
            # Another minor version of a library: what it cannot read raises an error below.
            warnings.simplefilter("ignore", InconsistentVersionWarning)
            value = joblib.load(io.BytesIO(content))
    except (AttributeError, ImportError) as error:
        lacking = str(error)
    except (Exception, SystemExit) as error:
        # Trees of an older scikit-learn have other fields, for example.
        first = (str(error).strip().splitlines() or [type(error).__name__])[0][:200].rstrip(":")
        causes = "; ".join([first, *_other(trained)])
        raise HealthError(
            f"the installed libraries cannot read the model ({causes})",
            where=str(path),
            fix="train again, or install the library versions of the manifest",
        ) from None
    else:
        lacking = ", ".join(_unknown_then(value))
    if lacking:
        raise HealthError(
            f"trained by another release of this software ({lacking})",
            where=str(path),
            fix="train again, or install the release that it was trained with",
        )
    return value


def _unknown_then(value: Any) -> list[str]:
    """Return parameters that our estimator, or one within it, has now but did not have then."""
    if not isinstance(value, BaseEstimator):
        return []
    ours = [
        own
        for own in (value, *vars(value).values())
        if isinstance(own, BaseEstimator) and type(own).__module__.startswith("models.")
    ]
    return [
        f"{type(own).__name__} has no {name}"
        for own in ours
        for name in inspect.signature(type(own)).parameters
        if name not in vars(own)
    ]


def _other(trained: Mapping[str, str]) -> list[str]:
    """Return the libraries that have another version than in training, in words."""
    present = {name: importlib.metadata.version(name) for name in trained}
    return [
        f"trained with {name} {version}, installed is {present[name]}"
        for name, version in trained.items()
        if present[name] != version
    ]


def _check_libraries(folder: Path, trained: Mapping[str, str]) -> None:
    other = [
        f"{name} {importlib.metadata.version(name)} (trained with {version})"
        for name, version in trained.items()
        if importlib.metadata.version(name).split(".")[0] != version.split(".")[0]
    ]
    if other:
        raise HealthError(
            f"trained with another major version of {', '.join(other)}",
            where=str(folder),
            fix="train again, or install the library versions of the manifest",
        )


def _read_manifest(folder: Path) -> dict[str, Any]:
    file, fix = folder / MANIFEST, "remove the folder, or restore it from a backup"
    try:
        content = json.loads(read_regular(file))
    except (OSError, ValueError, RecursionError):
        raise HealthError(_UNREADABLE, where=str(file), fix=fix) from None
    # A change is reported by those who use the version.
    is_whole = isinstance(content, dict) and is_sealed(folder.name, content)
    shape = ManifestShape if is_whole else ChangedManifestShape
    return require_shape(content, shape, what=_UNREADABLE, file=file, fix=fix)
