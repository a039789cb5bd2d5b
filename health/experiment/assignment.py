"""Treated and control accounts: from the table of interventions, or from lists with hold-outs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import narwhals as nw
import pandas as pd

from features.errors import HealthError
from features.tables.opened import Tables
from features.tables.point_in_time import collect
from health.flags.capacity import HELD_OUT, LISTED
from health.runs.directory import PublishedRun

TREATED, CONTROL = "treated", "control"
#: The date from which effects count; whether a later row has the other arm.
COLUMNS = ["experiment", "account_id", "as_of", "arm", "changed"]
_KEYS = ["experiment", "account_id"]
_FROM_LISTS = {LISTED: TREATED, HELD_OUT: CONTROL}


def assignments(tables: Tables, runs: Sequence[PublishedRun], until: datetime) -> pd.DataFrame:
    """Collect every account's first assignment in each experiment.

    Parameters
    ----------
    tables : Tables
        With or without a table `interventions` with arms.
    runs : sequence of PublishedRun
        Published runs, oldest first: listed accounts are treated, accounts held out of the same
        list are control.
    until : datetime
        Exclusive end of what is known.

    Returns
    -------
    pd.DataFrame
        Columns `COLUMNS`. An account stays in its first arm, whatever was done later; otherwise
        the arms would not be comparable.

    Raises
    ------
    HealthError
        An arm is neither treated nor control, or an account has both on its first date.
    """
    found = [_from_interventions(tables, until), *_from_lists(runs)]
    rows = pd.concat([rows for rows in found if len(rows)] or found[:1], ignore_index=True)
    ordered = rows.sort_values(["experiment", "as_of", "account_id", "arm"], kind="stable")
    first = ordered.drop_duplicates(_KEYS)
    arms = ordered.groupby(_KEYS)["arm"].nunique()
    first = first.assign(changed=(arms.reindex(first.set_index(_KEYS).index) > 1).to_numpy())
    return first[COLUMNS].reset_index(drop=True)


def _from_interventions(tables: Tables, until: datetime) -> pd.DataFrame:
    if not tables.has("interventions", "arm"):
        return _none()
    known = tables["interventions"].filter(nw.col("occurred_at") < until)
    rows = collect(known.filter(~nw.col("arm").is_null()))
    arm = rows["arm"].astype("string").str.strip().str.lower()
    wrong = ~arm.isin([TREATED, CONTROL])
    if wrong.any():
        raise HealthError(
            f"{int(wrong.sum()):,} of {len(rows):,} rows have an invalid arm, "
            f"e.g. {rows.loc[wrong, 'arm'].iloc[0]!r}",
            where="interventions.arm",
            fix=f"use {TREATED} or {CONTROL}, or leave it empty outside experiments",
        )
    named = rows["kind"].astype(str)
    if "flag" in rows:
        named = named + (" for " + rows["flag"]).fillna("")
    found = pd.DataFrame(
        {
            "experiment": named,
            "account_id": rows["account_id"],
            "as_of": rows["occurred_at"].dt.normalize(),
            "arm": arm.astype(object),
        }
    )
    first = found[found["as_of"] == found.groupby(_KEYS)["as_of"].transform("min")]
    arms = first.groupby(_KEYS)["arm"].nunique()
    both = arms[arms > 1]
    if len(both):
        experiment, account = min(both.index)
        raise HealthError(
            f"{len(both):,} of {len(arms):,} accounts are treated and control on the first day of "
            f"an experiment, e.g. {account} ({experiment})",
            where="interventions.arm",
            fix="keep the arm that was drawn, and remove the other row",
        )
    return found


def _from_lists(runs: Sequence[PublishedRun]) -> list[pd.DataFrame]:
    found = []
    for run in runs:
        if not run.has("episodes"):
            continue
        episodes = run.table("episodes", ["account_id", "flag", "state"])
        # Without held-out accounts there is nothing to compare with.
        flags = episodes.loc[episodes["state"] == HELD_OUT, "flag"].unique()
        own = episodes[episodes["flag"].isin(flags) & episodes["state"].isin(list(_FROM_LISTS))]
        found.append(
            pd.DataFrame(
                {
                    "experiment": "list " + own["flag"].astype(str),
                    "account_id": own["account_id"],
                    "as_of": pd.Timestamp(run.as_of).as_unit("us"),
                    "arm": own["state"].map(_FROM_LISTS),
                }
            )
        )
    return [rows for rows in found if len(rows)]


def _none() -> pd.DataFrame:
    return pd.DataFrame(columns=COLUMNS).astype({"as_of": "datetime64[us]"})
