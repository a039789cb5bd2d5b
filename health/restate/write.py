"""Restated history on disk, next to the runs; published runs are never changed."""

from __future__ import annotations

import json
import shutil
from datetime import datetime
from pathlib import Path

from features.errors import HealthError
from health.restate.past import Restatement, restate
from health.runs.directory import list_runs
from health.runs.durable import named, new_folder, put_in_place
from health.runs.lock import locked
from health.settings.config import Config
from health.settings.score import ScoreSettings

#: Folder below `runs_dir`, with one folder per scorecard, named by its hash.
RESTATED = "restated"
_UNFINISHED = ".unfinished-"


def restate_history(
    config: Config, settings: ScoreSettings, since: datetime | None = None
) -> tuple[Restatement, Path]:
    """Restate the published runs and write the result next to the runs; return both.

    Raises
    ------
    HealthError
        No run was published (since the given date).
    """
    runs = list_runs(config.runs_dir)
    if since is not None:
        runs = [run for run in runs if run.as_of >= since.date()]
    if not runs:
        raise HealthError(
            f"no run since {since.date()}" if since else "nothing has been scored yet",
            where=str(config.runs_dir),
            fix=f"run `health score {config.file}` first",
        )
    restated = restate(config, settings, runs)
    return restated, write_restatement(config.runs_dir, restated)


def write_restatement(runs_dir: Path, restated: Restatement) -> Path:
    """Write scores, changes, book and the scorecard; return their folder.

    The result of an earlier call for the same scorecard is replaced.
    """
    parent = runs_dir / RESTATED
    target = parent / restated.settings.hash
    with locked(parent, work="restatement"):
        for left in parent.glob(f"{_UNFINISHED}*"):
            shutil.rmtree(left)
        made = new_folder(parent, _UNFINISHED)
        try:
            content = {
                "scorecard_hash": restated.settings.hash,
                "score_settings": restated.settings.model_dump(mode="json"),
                "dates": [str(day.date()) for day in sorted(restated.scores["as_of"].unique())],
                "rebuilt": restated.rebuilt,
            }
            text = json.dumps(content, indent=2, ensure_ascii=False)
            with named(parent):
                for name, table in restated.tables().items():
                    table.to_parquet(made / f"{name}.parquet", index=False)
                (made / "restated.json").write_text(text + "\n", encoding="utf-8")
            put_in_place(made, target, parent / f"{_UNFINISHED}{target.name}")
        finally:
            shutil.rmtree(made, ignore_errors=True)
    return target
