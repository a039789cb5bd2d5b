"""The way of an account: how soon it had the first value, and which milestones it reached."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import duckdb
import narwhals as nw
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from features.feature import Feature, Unit
from features.many_dates import Frame, column_or_null
from features.point_in_time import collect
from features.settings import DEFAULT_SETTINGS, FeatureSettings, Milestone
from features.tables import Tables
from features.usage_rollup import by_event, collected, prepared

if TYPE_CHECKING:
    from features.usage_parts import UsageParts

_UNUSED = "use is not recorded"


def _step(name: str, unit: Unit, direction: int, sentence: str, zero: str, *, null: str) -> Feature:
    return Feature(name, "journey", "usage", None, unit, direction, null, zero, sentence)


FEATURES = (
    _step(
        "first_value_reached",
        "flag",
        1,
        "Has had the first value of the product",
        "has not had the first value of the product yet",
        null=_UNUSED,
    ),
    _step(
        "days_to_first_value",
        "days",
        -1,
        "Days from the start to the first value: {value}",
        "had the first value on the day it started",
        null="has not had the first value yet, or use is not recorded",
    ),
    _step(
        "milestones_reached",
        "count",
        1,
        "Milestones reached: {value}",
        "no milestone was reached yet",
        null="use is not recorded, or no milestone is named in the configuration",
    ),
    _step(
        "days_since_milestone",
        "days",
        -1,
        "Days since the latest milestone: {value}",
        "reached a milestone on the day before",
        null="no milestone was reached yet, or use is not recorded",
    ),
)


def build(
    tables: Tables, spine: pd.DataFrame, *, settings: FeatureSettings = DEFAULT_SETTINGS
) -> pd.DataFrame:
    """Return the features of the way of each account and date.

    A step is reached by the use that makes its count full, in the order in which uses became
    known; what is filled in later about earlier days moves no step that was reached before.

    Parameters
    ----------
    tables : Tables
        Without usage every feature is NaN.
    spine : pd.DataFrame
        account_id, as_of and tenure_days.
    settings : FeatureSettings
        What the first value and the milestones are.

    Returns
    -------
    pd.DataFrame, shape = (n_rows, n_features)
        The index of `spine`; a float column per feature.
    """
    names = [feature.name for feature in FEATURES]
    out = pd.DataFrame(np.nan, index=spine.index, columns=names)
    if not tables.has("usage"):
        return out
    first, milestones = settings.first_value, settings.milestones
    steps = [(first.events, first.times), *((_events(m), m.times) for m in milestones)]
    reached = spine[["account_id"]].merge(_reached(tables, steps), on="account_id", how="left")
    reached = reached.set_axis(spine.index)
    ages = pd.DataFrame({n: _age(reached, n, spine["as_of"]) for n in range(len(steps))})
    out["first_value_reached"] = ages[0].notna().astype(float)
    out["days_to_first_value"] = (spine["tenure_days"] - ages[0]).clip(lower=0)
    if milestones:
        out["milestones_reached"] = ages[range(1, len(steps))].notna().sum(axis=1)
        out["days_since_milestone"] = ages[range(1, len(steps))].min(axis=1) - 1
    return out.astype(float)


def _events(milestone: Milestone) -> tuple[str, ...]:
    return () if milestone.event is None else (milestone.event,)


def _reached(tables: Tables, steps: Sequence[tuple[tuple[str, ...], int]]) -> pd.DataFrame:
    """Return for each account and step the day it was reached and when that was known."""
    events = {events: f"uses_{n}" for n, events in enumerate(dict.fromkeys(e for e, _ in steps))}
    if tables.parts is None:
        daily = _daily(tables, events)
    else:
        kept = _kept_daily(tables.parts, events)
        daily = nw.from_native(duckdb.connect().from_arrow(kept))
    daily = daily.with_columns(
        nw.col(column)
        .cum_sum()
        .over("account_id", order_by=["known", "day"])
        .alias(f"all_{column}")
        for column in events.values()
    )
    found = []
    for number, (names, times) in enumerate(steps):
        until, own = nw.col(f"all_{events[names]}"), nw.col(events[names])
        fills = (until >= times) & (until - own < times)
        found += [
            nw.when(fills).then(nw.col(c)).min().alias(f"{c}_{number}") for c in ("day", "known")
        ]
    return collect(daily.group_by("account_id").agg(*found))


def _daily(tables: Tables, events: Mapping[tuple[str, ...], str]) -> Frame:
    """Sum up the uses of each set of events per account and day, and day on which it was known."""
    quantity = column_or_null(tables, "usage", "quantity", nw.Float64)
    day = nw.col("occurred_at").dt.truncate("1d")
    known = day
    if tables.has("usage", "known_at"):
        known = nw.max_horizontal(day, nw.col("known_at").dt.truncate("1d"))
    rows = tables["usage"].select("account_id", "event", quantity, day=day, known=known)
    rows = rows.with_columns(nw.col("quantity").fill_null(1.0))
    none = nw.lit(0.0)
    uses = [
        (nw.when(nw.col("event").is_in(names)).then(nw.col("quantity")).otherwise(none))
        .sum()
        .alias(column)
        if names
        else nw.col("quantity").sum().alias(column)
        for names, column in events.items()
    ]
    return rows.group_by("account_id", "known", "day").agg(*uses)


def _kept_daily(parts: UsageParts, events: Mapping[tuple[str, ...], str]) -> pa.Table:
    """Return what `_daily` does, from the roll-ups that are kept from run to run."""
    rolled = parts.rolled("events", lambda rows: collected(by_event(prepared(rows))))
    return _summed(pa.concat_tables([_of_part(table, events) for _, table in rolled]))


def _of_part(rolled: pa.Table, events: Mapping[tuple[str, ...], str]) -> pa.Table:
    day, quantity = rolled["day"], rolled["quantity"]
    known = pc.coalesce(rolled["known"], day) if "known" in rolled.column_names else day
    columns = {"account_id": rolled["account_id"].cast(pa.string())}
    for name, days in (("known", known), ("day", day)):
        columns[name] = days.cast(pa.int32()).cast(pa.date32()).cast(pa.timestamp("us"))
    for names, column in events.items():
        among = pc.is_in(rolled["event"].cast(pa.string()), pa.array(names, pa.string()))
        columns[column] = pc.if_else(among, quantity, 0.0) if names else quantity
    return _summed(pa.table(columns))


def _summed(uses: pa.Table) -> pa.Table:
    keys = ["account_id", "known", "day"]
    names = [name for name in uses.column_names if name not in keys]
    summed = uses.group_by(keys).aggregate([(name, "sum") for name in names])
    return summed.rename_columns([name.removesuffix("_sum") for name in summed.column_names])


def _age(reached: pd.DataFrame, number: int, as_of: pd.Series[pd.Timestamp]) -> pd.Series[float]:
    """Return the days since a step was reached; NaN where that was not known before the date."""
    day = pd.to_datetime(reached[f"day_{number}"])
    known = pd.to_datetime(reached[f"known_{number}"]) < as_of
    days: pd.Series[float] = (as_of - day).dt.total_seconds() / 86_400
    return days.where(known)
