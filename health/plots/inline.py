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
        # Dollar signs in customers' texts do not mark formulas.
        text.set_parse_math(False)
    with rc_context({"svg.hashsalt": _SALT, "svg.fonttype": "path"}):
        whole.savefig(buffer, format="svg", metadata=_NO_DATES)
    return buffer.getvalue()


def image_tag(figure: Figure | SubFigure, alternative: str, *, css_class: str = "plot") -> Markup:
    """Return a figure as an ``<img>`` that contains its SVG.

    An image can have its own style even if the page's Content-Security-Policy forbids inline
    styles; the policy only needs ``img-src data:``.

    Parameters
    ----------
    figure : Figure
        The figure to show.
    alternative : str
        Alternative text for readers who cannot see it; it is escaped.
    css_class : str
        CSS class of the tag.
    """
    width, height = _whole(figure).get_size_inches()
    encoded = base64.b64encode(svg_of(figure).encode("utf-8")).decode("ascii")
    return Markup(
        '<img class="{}" alt="{}" width="{:.0f}" height="{:.0f}" '
        'src="data:image/svg+xml;base64,{}">'
    ).format(css_class, alternative, 96 * width, 96 * height, encoded)


def _whole(figure: Figure | SubFigure) -> Figure:
    return figure if isinstance(figure, Figure) else _whole(figure.figure)
