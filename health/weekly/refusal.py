"""The report of failed gates, written next to the published runs."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd

from features.errors import HealthError
from features.tables.regular_files import read_regular
from health.runs.directory import RUN, UNFINISHED
from health.runs.durable import new_folder
from health.weekly.gates import STRICT, Gate

REFUSED = "refused"


def write_refusal(
    runs_dir: Path,
    as_of: date,
    gates: Sequence[Gate],
    info: Mapping[str, Any],
    drift: pd.DataFrame,
) -> Path:
    """Write gates.txt, gates.json and drift.parquet of a run that is not published.

    Returns
    -------
    Path
        The folder, ``refused/as_of=…``; an earlier one of the same date is replaced.
    """
    target = runs_dir / REFUSED / f"{RUN}{as_of}"
    target.parent.mkdir(parents=True, exist_ok=True)
    folder = new_folder(runs_dir, UNFINISHED)
    content = {**info, "gates": [gate.to_dict() for gate in gates]}
    text = json.dumps(content, indent=2, allow_nan=False, ensure_ascii=False)
    (folder / "gates.json").write_text(text + "\n", encoding="utf-8")
    (folder / "gates.txt").write_text(_page(as_of, gates), encoding="utf-8")
    drift.to_parquet(folder / "drift.parquet", index=False)
    shutil.rmtree(target, ignore_errors=True)
    return folder.rename(target)


def newest_refusal(runs_dir: Path) -> list[dict[str, Any]]:
    """Return the gates of the run that was refused last; an empty list if none can be read."""
    files = sorted(
        (runs_dir / REFUSED).glob(f"{RUN}*/gates.json"), key=lambda file: file.stat().st_mtime
    )
    try:
        gates: list[dict[str, Any]] = json.loads(read_regular(files[-1]))["gates"]
    except (OSError, ValueError, KeyError, TypeError, IndexError, RecursionError):
        return []
    return gates


def refusal(gates: Sequence[Gate], folder: Path) -> HealthError:
    """Return the error that names the failed gates, with exit code 3."""
    failed = [gate for gate in gates if not gate.passed]
    codes = sorted({gate.code for gate in failed if gate.code not in STRICT})
    accepting = " ".join(f"--accept {code}" for code in codes)
    faulty = any(gate.code in STRICT for gate in failed)
    return HealthError(
        "nothing was published because a gate failed\n"
        + "\n".join(f"  {gate.name}: {gate.what}" for gate in failed),
        where="gates",
        fix=f"see {folder / 'gates.txt'} and check the tables; earlier runs are unchanged"
        + ("" if faulty else f". If the values are right, score again with {accepting}"),
        exit_code=3,
    )


def _page(as_of: date, gates: Sequence[Gate]) -> str:
    lines = [f"Gates of the run as of {as_of}, which was not published", ""]
    for gate in sorted(gates, key=lambda gate: gate.passed):
        mark = "accepted" if gate.accepted else "passed" if gate.passed else "FAILED"
        lines.append(f"{mark:9} {gate.name} [{gate.code}]: {gate.what}")
    return "\n".join([*lines, ""])
