"""Survey questions, every answer read on its own scale."""

from __future__ import annotations

from collections.abc import Callable

import narwhals as nw
import numpy as np
import pandas as pd

from features.errors import HealthError
from features.many_dates import column_or_null
from features.point_in_time import collect
from features.survey_scales import SCALES, Scale, default_scale, understood_scales
from features.table_columns import TableColumns, bring_in
from features.tables import Tables


def surveys_brought_in(
    tables: Tables, spine: pd.DataFrame, accounts: pd.Index[str], *, deciding: tuple[str, ...]
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
        kind (lower case), sent_at, answered_at, score, respondent_id, decides (1.0, 0.0, NaN);
        is_good and is_bad (1.0 or 0.0; 0.0 without a score), points (the score on the kind's
        default scale) and gap (perceived less expected, in points of a scale of ten). Of answers
        at the same moment the worse one comes last.

    Raises
    ------
    HealthError
        A scale is not understood.
    """
    _refuse_unknown_scales(tables, spine)
    texts = ("scale", "respondent_id", "role")
    rows = tables["surveys"].select(
        "account_id",
        nw.col("kind").str.to_lowercase().alias("kind"),
        "answered_at",
        *(["known_at"] if tables.has("surveys", "known_at") else []),
        column_or_null(tables, "surveys", "sent_at", nw.Datetime("us")),
        *(column_or_null(tables, "surveys", c, nw.Float64) for c in ("score", "expected")),
        *(column_or_null(tables, "surveys", c, nw.String) for c in texts),
    )
    rows = rows.with_columns(
        is_good=_by_scale(_good),
        is_bad=_by_scale(_bad),
        points=_by_scale(_points),
        gap=_by_scale(_gap),
        decides=nw.when(~nw.col("role").is_null()).then(
            _number(nw.col("role").str.to_lowercase().is_in(deciding))
        ),
    )
    brought = bring_in(rows.drop("scale", "role", "expected"), accounts)
    worst_last = -np.nan_to_num(brought["points"], nan=np.inf)
    return brought.taken(np.lexsort([worst_last, brought["answered_at"]]))


def _refuse_unknown_scales(tables: Tables, spine: pd.DataFrame) -> None:
    if not tables.has("surveys", "scale") or spine.empty:
        return
    last = spine["as_of"].max().to_pydatetime()
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


def _on(kind: str, name: str) -> nw.Expr:
    """Tell whether a row's question is of a kind and on a scale."""
    scale = nw.col("scale") == name
    if name == default_scale(kind):
        scale = scale.fill_null(True)
    return (nw.col("kind") == kind) & scale


def _by_scale(value: Callable[[str, Scale], nw.Expr]) -> nw.Expr:
    """Work out a value by the kind and the scale of each row; null where neither is known."""
    found: nw.Expr = nw.lit(None, dtype=nw.Float64)
    for kind, scales in SCALES.items():
        for name, scale in scales.items():
            found = nw.when(_on(kind, name)).then(value(kind, scale)).otherwise(found)
    return found


def _good(kind: str, scale: Scale) -> nw.Expr:
    return _number(nw.col("score") >= scale.good_from)


def _bad(kind: str, scale: Scale) -> nw.Expr:
    return _number(nw.col("score") <= scale.bad_to)


def _points(kind: str, scale: Scale) -> nw.Expr:
    """Return the score, drawn in a straight line onto the kind's default scale."""
    usual = SCALES[kind][default_scale(kind)]
    stretch = (usual.high - usual.low) / (scale.high - scale.low)
    return (nw.col("score") - scale.low) * stretch + usual.low


def _gap(kind: str, scale: Scale) -> nw.Expr:
    return (nw.col("score") - nw.col("expected")) * (10 / (scale.high - scale.low))


def _number(condition: nw.Expr) -> nw.Expr:
    return nw.when(condition).then(nw.lit(1.0)).otherwise(nw.lit(0.0))
