"""Trained versions on disk: joblib artefacts under a manifest that vouches for each byte."""

from __future__ import annotations

import hashlib
import importlib.metadata
import io
import json
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import joblib

from features.errors import HealthError

MANIFEST = "manifest.json"
_CHAMPION = "champion.json"
#: Libraries whose objects are inside the artefacts; another major version cannot read them.
_LIBRARIES = ("scikit-learn", "interpret-core", "lifelines", "pandas", "numpy", "joblib")


@dataclass(frozen=True)
class Version:
    """A trained version.

    Attributes
    ----------
    name : str
        Its folder's name: the last date it knew and the hash of what it was made from.
    manifest : dict
        Checksums, library versions, features, data range, counts and evaluation.
    artefacts : dict of str to object
        The fitted objects by name; empty where only the manifest was read.
    """

    name: str
    manifest: Mapping[str, Any]
    artefacts: Mapping[str, Any]


def save_version(
    models_dir: Path, artefacts: Mapping[str, Any], manifest: Mapping[str, Any], *, until: str
) -> Version:
    """Write a version: all of it or nothing.

    Parameters
    ----------
    models_dir : Path
        Folder of the versions; made where it is not there.
    artefacts : mapping of str to object
        Fitted objects by name.
    manifest : mapping
        What is to be told of the version; checksums and library versions are added.
    until : str
        The last date the version knew, as text; the name begins with it.
    """
    files = {f"{name}.joblib": _dump(value) for name, value in sorted(artefacts.items())}
    checksums = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    libraries = {name: importlib.metadata.version(name) for name in _LIBRARIES}
    seal = hashlib.sha256(json.dumps(checksums, sort_keys=True).encode()).hexdigest()[:8]
    version = f"{until}-{seal}"
    full = {"version": version, **manifest, "libraries": libraries, "checksums": checksums}
    models_dir.mkdir(parents=True, exist_ok=True)
    target = models_dir / version
    temporary = Path(tempfile.mkdtemp(prefix=".tmp-", dir=models_dir))
    try:
        for name, content in files.items():
            (temporary / name).write_bytes(content)
        (temporary / MANIFEST).write_text(json.dumps(full, indent=2, allow_nan=False) + "\n")
        temporary.chmod(0o755)
        if target.exists():
            shutil.rmtree(target)
        temporary.rename(target)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    return Version(version, full, artefacts)


def list_versions(models_dir: Path) -> list[Version]:
    """Return the versions in a folder, oldest first, without opening their artefacts."""
    if not models_dir.is_dir():
        return []
    folders = sorted(p for p in models_dir.iterdir() if (p / MANIFEST).is_file())
    return [Version(p.name, _read_manifest(p), {}) for p in folders if p.name[0] != "."]


def promote(models_dir: Path, version: str) -> None:
    """Make `version` the champion, the one that scores; HealthError where there is none."""
    known = [v.name for v in list_versions(models_dir)]
    if version not in known:
        raise HealthError(
            f"there is no model version {version!r}",
            where=str(models_dir),
            fix=f"choose one of: {', '.join(known) or 'none; run `health train` first'}",
        )
    temporary = models_dir / f".{_CHAMPION}"
    temporary.write_text(json.dumps({"version": version}) + "\n")
    temporary.replace(models_dir / _CHAMPION)


def champion(models_dir: Path) -> str | None:
    """Return the name of the champion, or None where no version was ever promoted."""
    pointer = models_dir / _CHAMPION
    if not pointer.is_file():
        return None
    try:
        return str(json.loads(pointer.read_text())["version"])
    except (ValueError, KeyError, TypeError):
        raise HealthError(
            "does not name a version",
            where=str(pointer),
            fix="run `health models CONFIG promote VERSION` to write it anew",
        ) from None


def load_version(models_dir: Path, version: str) -> Version:
    """Open a version, each artefact only after its checksum held.

    Raises
    ------
    HealthError
        The version or a file is missing, a checksum does not match, or a library has another
        major version than the one the version was trained with.
    """
    folder = models_dir / version
    if not (folder / MANIFEST).is_file():
        raise HealthError(
            f"there is no model version {version!r}",
            where=str(models_dir),
            fix="run `health train CONFIG`, or promote another version",
        )
    manifest = _read_manifest(folder)
    _check_libraries(folder, manifest["libraries"])
    artefacts = {
        name.removesuffix(".joblib"): joblib.load(io.BytesIO(_checked(folder / name, checksum)))
        for name, checksum in manifest["checksums"].items()
    }
    return Version(version, manifest, artefacts)


def _dump(value: Any) -> bytes:
    buffer = io.BytesIO()
    joblib.dump(value, buffer, compress=3)
    return buffer.getvalue()


def _checked(path: Path, checksum: str) -> bytes:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise HealthError(
            f"the artefact cannot be read: {error.strerror}",
            where=str(path),
            fix="restore the file from a backup, or train again",
        ) from None
    if hashlib.sha256(content).hexdigest() != checksum:
        raise HealthError(
            "the artefact's checksum is not the manifest's; it was changed after training",
            where=str(path),
            fix="do not use this version: restore the file from a backup, or train again",
        )
    return content


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
    try:
        manifest: dict[str, Any] = json.loads((folder / MANIFEST).read_text())
        if not {"libraries", "checksums"} <= manifest.keys():
            raise ValueError
    except (OSError, ValueError):
        raise HealthError(
            "not a readable manifest",
            where=str(folder / MANIFEST),
            fix="remove the folder, or restore it from a backup",
        ) from None
    return manifest
