"""Settings of the report."""

from __future__ import annotations

from health.settings.section import Section


class ReportConfig(Section):
    """What a run writes for its readers beside the report and the workbook.

    Attributes
    ----------
    file_per_csm : bool
        Also write a report for each CSM, with their accounts alone, to ``csm/``.
    """

    file_per_csm: bool = False
