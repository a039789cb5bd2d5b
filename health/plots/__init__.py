"""Every plot of the project: functions that draw on matplotlib axes and return them.

None of them touches pyplot's global state. Without `ax`, a function creates a new figure, which is
``axes.figure``. In a notebook, ``axes.figure`` as the last line of a cell shows it.
"""

from health.plots.explanation import contributions_waterfall, shape_function
from health.plots.inline import image_tag, svg_of
from health.plots.intervals import metrics_with_intervals, rates
from health.plots.quality import calibration, lift
from health.plots.retention import retention

__all__ = [
    "calibration",
    "contributions_waterfall",
    "image_tag",
    "lift",
    "metrics_with_intervals",
    "rates",
    "retention",
    "shape_function",
    "svg_of",
]
