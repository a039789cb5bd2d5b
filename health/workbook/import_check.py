"""Whether the table of actions passes `health check` with the rows of a workbook in it."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import Path

from features.errors import HealthError, InputError
from health.business.company import open_company
from health.flags.actions import read_actions
from health.settings.config import Config
from health.settings.sources import TableConfig

#: After every action: all of them are read.
_LATER = datetime(2200, 1, 1)


def require_valid_actions(config: Config, file: Path) -> None:
    """Refuse a file that is to become the table `actions` if the next check or run would.

    Parameters
    ----------
    config : Config
        The configuration.
    file : Path
        A CSV file.

    Raises
    ------
    HealthError
        With every problem of the file; problems of other tables are left to `health check`.
    """
    tables = {**config.tables, "actions": TableConfig(path=str(file.resolve()))}
    try:
        opened = open_company(config.model_copy(update={"tables": tables})).opened.tables
    except InputError as error:
        found = [f for f in error.findings if f.table == "actions"]
        if found:
            raise HealthError(
                "`health check` would refuse the table actions, so nothing was imported\n"
                + "\n".join(f"  {replace(finding, source='with the import')}" for finding in found),
                where="actions",
                fix="correct the workbook, or the rows of the table that were wrong before",
            ) from None
        return
    read_actions(opened, _LATER)
