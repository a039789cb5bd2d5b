"""Settings of the files that a company's own monitoring reads."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, field_validator

from health.settings.section import Section


class ObservabilityConfig(Section):
    """Files about each `health score` for a company's own monitoring; none by default.

    Attributes
    ----------
    prometheus_file : Path, optional
        Metrics of the newest run, for the textfile collector of Prometheus's node exporter: a name
        that ends in ``.prom`` in an existing folder. Everyone can read it (mode 0644); it contains
        no personal data.
    openlineage_file : Path, optional
        OpenLineage events (START, then COMPLETE, FAIL or ABORT) are appended to it, one line of
        JSON each: a name that ends in ``.jsonl``.
    openlineage_namespace : str
        Namespace of the job in these events.
    """

    prometheus_file: Path | None = None
    openlineage_file: Path | None = None
    openlineage_namespace: str = Field(default="customer-health", min_length=1)

    @field_validator("prometheus_file")
    @classmethod
    def _is_collected(cls, path: Path | None) -> Path | None:
        return _ending_in(path, ".prom")

    @field_validator("openlineage_file")
    @classmethod
    def _is_lines(cls, path: Path | None) -> Path | None:
        return _ending_in(path, ".jsonl")


def _ending_in(path: Path | None, ending: str) -> Path | None:
    if path is not None and path.suffix != ending:
        raise ValueError(f"the name must end in {ending}")
    return path
