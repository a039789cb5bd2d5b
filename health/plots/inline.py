"""Figures for self-contained HTML: the same figure gives the same bytes."""

from __future__ import annotations

import base64
import io

from markupsafe import Markup
from matplotlib import rc_context
from matplotlib.figure import Figure, SubFigure
from matplotlib.text import Text

#: Salt of the identifiers inside an SVG, which would otherwise be random.
_SALT = "customer-health"
_NO_DATES = {"Date": None, "Creator": None, "Format": None, "Type": None}


def svg_of(figure: Figure | SubFigure) -> str:
    """Return a figure as SVG text; letters are drawn as paths, so no font is needed.

    Parameters
    ----------
    figure : Figure
        For example ``calibration(bins).figure``.
    """
    buffer = io.StringIO()
    whole = _whole(figure)
    for text in whole.findobj(Text):
        # Customers' texts may contain dollar signs: they are not formulas.
        text.set_parse_math(False)
    with rc_context({"svg.hashsalt": _SALT, "svg.fonttype": "path"}):
        whole.savefig(buffer, format="svg", metadata=_NO_DATES)
    return buffer.getvalue()


def image_tag(figure: Figure | SubFigure, alternative: str, *, css_class: str = "plot") -> Markup:
    """Return a figure as an ``<img>`` that contains its SVG.

    An image may carry its own style where the page's Content-Security-Policy forbids inline
    style; the policy needs ``img-src data:`` and nothing else.

    Parameters
    ----------
    figure : Figure
        What to show.
    alternative : str
        Alternative text for readers who do not see it; escaped here.
    css_class : str
        Class of the tag.
    """
    width, height = _whole(figure).get_size_inches()
    encoded = base64.b64encode(svg_of(figure).encode("utf-8")).decode("ascii")
    return Markup(
        '<img class="{}" alt="{}" width="{:.0f}" height="{:.0f}" '
        'src="data:image/svg+xml;base64,{}">'
    ).format(css_class, alternative, 96 * width, 96 * height, encoded)


def _whole(figure: Figure | SubFigure) -> Figure:
    return figure if isinstance(figure, Figure) else _whole(figure.figure)
