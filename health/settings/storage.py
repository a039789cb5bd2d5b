"""Settings of what is stored: for how long, and who can read it."""

from __future__ import annotations

from pydantic import Field

from health.settings.section import Section


class RetentionConfig(Section):
    """How long results are kept; forever by default.

    Attributes
    ----------
    runs : str
        Runs that are older than this before the newest one are removed after each run, together
        with replaced and refused ones: a number of days, weeks, months or years, such as
        ``2 years``.
    """

    runs: str = Field(default="", pattern=r"^$|^[1-9]\d{0,3} (day|week|month|year)s?$")


class StorageConfig(Section):
    """Who can read what the commands write.

    Attributes
    ----------
    group_readable : bool
        Whether the group of a new file or folder can read it (modes 0640 and 0750). By default
        only its owner can (0600 and 0700).
    """

    group_readable: bool = False
