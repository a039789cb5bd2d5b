"""Settings of the report."""

from __future__ import annotations

from health.settings.section import Section


class ReportConfig(Section):
    """What a run writes for its readers in addition to the report and the workbook.

    Attributes
    ----------
    file_per_csm : bool
        Also write a report and a workbook for each CSM, with only their accounts, to ``csm/``.
    """

    file_per_csm: bool = False
