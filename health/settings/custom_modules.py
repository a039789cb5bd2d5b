"""Modules next to the configuration: loaded only from its folder, run once, hashed."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import sys
from pathlib import Path
from traceback import walk_tb
from types import ModuleType

from features.errors import HealthError

#: Set on a module that was loaded here: the hash of its source text.
_MARK = "__health_own__"


def load_module(folder: Path, name: str) -> ModuleType:
    """Run a module of a folder, or return the loaded one if it has not changed.

    It is registered under its own name in ``sys.modules``, because a fitted estimator is pickled
    with the name of its module.

    Parameters
    ----------
    folder : Path
        The configuration's folder.
    name : str
        The module's name: its file without ``.py``.

    Raises
    ------
    HealthError
        The file does not exist, its name is that of another module, or it fails.
    """
    path = module_file(folder, name)
    mark = hashlib.sha256(f"{path}\n".encode() + path.read_bytes()).hexdigest()
    present = sys.modules.get(name)
    if present is not None and getattr(present, _MARK, "") == mark:
        return present
    if (present is not None and not hasattr(present, _MARK)) or _is_installed(name):
        raise HealthError(
            f"another module is already called {name!r}",
            where=str(path),
            fix="give the file another name, e.g. one that begins with own_",
        )
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:  # pragma: no cover - a .py file has a loader
        raise HealthError("cannot be loaded", where=str(path), fix="check the file")
    module = importlib.util.module_from_spec(spec)
    setattr(module, _MARK, mark)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        # It may raise anything, also what is no Exception.
        del sys.modules[name]
        raise HealthError(
            f"fails when it is loaded: {error!r}", where=str(path), fix="correct the module"
        ) from error
    return module


def module_file(folder: Path, name: str) -> Path:
    """Return the file of a module; HealthError if the folder has none of that name."""
    path = folder / f"{name}.py"
    if not name.isidentifier() or not path.is_file():
        raise HealthError(
            f"no module {name!r} next to the configuration",
            where=str(path),
            fix="add the file, or correct the name in the section own; only modules in that "
            "folder are loaded",
        )
    if path.resolve().parent != folder.resolve():
        raise HealthError(
            f"the module {name!r} is a link to a file in another folder",
            where=str(path),
            fix="copy the file next to the configuration",
        )
    return path


def exited_module(error: SystemExit) -> str | None:
    """Return the name of the custom module that ended the process; None if none did."""
    for frame, _ in walk_tb(error.__traceback__):
        if _MARK in frame.f_globals:
            return str(frame.f_globals.get("__name__", ""))
    # Raised in another process, where only custom code may exit.
    return "of the configuration" if type(error.__cause__).__name__ == "_RemoteTraceback" else None


def module_hash(folder: Path, name: str) -> str:
    """Return a hash of a module's code, ignoring comments and formatting."""
    path = module_file(folder, name)
    try:
        tree = ast.dump(ast.parse(path.read_text(encoding="utf-8")))
    except (SyntaxError, ValueError) as error:
        raise HealthError(f"not valid Python: {error}", where=str(path), fix="correct it") from None
    return hashlib.sha256(tree.encode()).hexdigest()[:12]


def _is_installed(name: str) -> bool:
    """Whether a library or the standard library has a module of that name."""
    if name in sys.stdlib_module_names:
        return True
    present = sys.modules.get(name)
    if present is not None and hasattr(present, _MARK):
        return False
    return importlib.util.find_spec(name) is not None and _elsewhere(name)


def _elsewhere(name: str) -> bool:
    """Whether the module found on the path is an installed one."""
    spec = importlib.util.find_spec(name)
    return spec is not None and spec.origin is not None and "site-packages" in spec.origin
