"""Survey questions, every answer read on its own scale."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import partial

import narwhals as nw
import numpy as np
import numpy.typing as npt
import pandas as pd

from features.errors import HealthError
from features.tables.opened import Tables
from features.tables.point_in_time import collect, known_from
from features.tables.schema import Kind
from features.tables.survey_scales import (
    SCALES,
    Scale,
    by_scale,
    default_scale,
    understood_scales,
)
from features.windows.day_rows import Numbers
from features.windows.table_columns import NEVER, TableColumns, Times, load_columns

#: Days for which it is asked what was sent.
SENT_DAYS = 180
#: What is brought in of a question, empty where it is not there.
_OPTIONAL: dict[str, Kind] = {
    **dict.fromkeys(("sent_at", "asked_from"), "time"),
    **dict.fromkeys(("score", "points", "gap"), "number"),
    **dict.fromkeys(("is_good", "is_bad", "decides"), "flag"),
    "respondent_id": "text",
}


def load_surveys(
    tables: Tables,
    observations: pd.DataFrame,
    accounts: pd.Index[str],
    *,
    deciding: tuple[str, ...],
) -> TableColumns:
    """Return the questions of the spine's accounts, in order of their answers.

    Parameters
    ----------
    tables : Tables
        Needs surveys.
    spine : pd.DataFrame
        Needs as_of.
    accounts : pd.Index
        The spine's accounts.
    deciding : tuple of str
        Roles, in lower case, of those who decide on the contract.

    Returns
    -------
    TableColumns
        kind (lower case), sent_at, asked_from (when the question was known), answered_at,
        known_from (when the answer was known), score, respondent_id and the flag decides; the
        flags is_good and is_bad, points (the score on the kind's default scale) and gap (perceived
        less expected, in points of a scale of ten). Of answers at the same moment the worse one
        comes last; what was not answered comes after all. Left out is what no date asks for: not
        answered, and sent more than `SENT_DAYS` before the first date.

    Raises
    ------
    HealthError
        A scale is not understood.
    """
    _refuse_unknown_scales(tables, observations)
    first, last = (
        day.to_pydatetime() for day in (observations["as_of"].min(), observations["as_of"].max())
    )
    rows = tables["surveys"].with_columns(kind=nw.col("kind").str.to_lowercase())
    made = [
        expression.alias(name)
        for name, (needed, expression) in _made(tables, deciding).items()
        if all(tables.has("surveys", column) for column in needed)
    ]
    matters = nw.col("answered_at") < last
    if tables.has("surveys", "sent_at"):
        asked = nw.col("sent_at") >= first - timedelta(days=SENT_DAYS)
        matters = matters | (asked & (nw.col("sent_at") < last))
        made.append(known_from(rows, "sent_at").alias("asked_from"))
    rows = rows.filter(matters).select(
        "account_id", "kind", "answered_at", known_from(rows, "answered_at"), *made
    )
    loaded = load_columns(rows, accounts, optional=_OPTIONAL)
    return loaded.taken(_in_order(loaded["answered_at"], loaded["points"]))


def _in_order(answered_at: Times, points: Numbers) -> npt.NDArray[np.intp]:
    """Return the order of answers, of those at once the worse one last; then what has none."""
    present = np.flatnonzero(answered_at != NEVER)
    worst_last = -np.nan_to_num(points[present], nan=np.inf)
    present = present[np.lexsort([worst_last, answered_at[present]])]
    return np.append(present, np.flatnonzero(answered_at == NEVER))


def _made(tables: Tables, deciding: tuple[str, ...]) -> dict[str, tuple[Sequence[str], nw.Expr]]:
    """Return what is brought in of a question: which columns it needs, and how it is made."""
    scaled = tables.has("surveys", "scale")
    plain = ("sent_at", "score", "respondent_id")
    return {
        **{name: ((name,), nw.col(name)) for name in plain},
        "is_good": (("score",), _by_scale(_good, scaled=scaled)),
        "is_bad": (("score",), _by_scale(_bad, scaled=scaled)),
        "points": (("score",), _by_scale(_points, scaled=scaled)),
        "gap": (("score", "expected"), _by_scale(_gap, scaled=scaled)),
        "decides": (("role",), nw.col("role").str.to_lowercase().is_in(deciding)),
    }


def _refuse_unknown_scales(tables: Tables, observations: pd.DataFrame) -> None:
    if not tables.has("surveys", "scale") or observations.empty:
        return
    last = observations["as_of"].max().to_pydatetime()
    asked = tables["surveys"].filter(nw.col("answered_at") < last)
    used = collect(asked.select(nw.col("kind").str.to_lowercase(), "scale").unique()).dropna()
    unknown = [
        f"{kind} {scale}"
        for kind, scale in zip(used["kind"], used["scale"], strict=True)
        if kind in SCALES and scale not in SCALES[kind]
    ]
    if unknown:
        raise HealthError(
            f"no scale that is understood: {', '.join(sorted(unknown))}",
            where="surveys.scale",
            fix=f"bring the answers to one of these scales: {understood_scales()}",
        )


def _by_scale(value: Callable[[str, Scale], nw.Expr], *, scaled: bool) -> nw.Expr:
    """Return a value by the kind and the scale of each row; null where neither is known."""
    found: nw.Expr = nw.lit(None)
    for kind in SCALES:
        of_kind = by_scale(kind, partial(value, kind), column="scale" if scaled else None)
        found = nw.when(nw.col("kind") == kind).then(of_kind).otherwise(found)
    return found


def _good(kind: str, scale: Scale) -> nw.Expr:
    return nw.col("score") >= scale.good_from


def _bad(kind: str, scale: Scale) -> nw.Expr:
    return nw.col("score") <= scale.bad_to


def _points(kind: str, scale: Scale) -> nw.Expr:
    """Return the score, drawn in a straight line onto the kind's default scale."""
    usual = SCALES[kind][default_scale(kind)]
    stretch = (usual.high - usual.low) / (scale.high - scale.low)
    return (nw.col("score") - scale.low) * stretch + usual.low


def _gap(kind: str, scale: Scale) -> nw.Expr:
    return (nw.col("score") - nw.col("expected")) * (10 / (scale.high - scale.low))
