"""What was raised with other teams, what came of it, and whether the scores moved."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Sequence
from datetime import datetime, timedelta
from functools import cache, partial

import numpy as np
import pandas as pd
from scipy.stats import t as student

from features.errors import HealthError
from features.tables.opened import Tables
from features.tables.point_in_time import collect, known_rows
from health.runs.directory import PublishedRun
from health.voice.tables import COMMENTS

THEME, REASON = "theme", "reason"
TEAMS = ("product", "sales", "support")
_TEAMS = ", ".join(TEAMS)
#: Outcomes of a subject that are shown.
_MOST_OUTCOMES = 2
#: Days after which a score may have moved.
AFTER_DAYS = 28
#: Accounts that a comparison needs on either side.
LEAST = 10
ROWS, CLOSURES, EFFECTS = "raised", "closures", "raised_effects"
#: closure_id is the closure of the app that closed a row; null where another source did.
ROW_COLUMNS = (
    *("account_id", "kind", "subject", "raised_with", "raised_at"),
    *("closed_at", "outcome", "author", "record_id", "closure_id"),
)
EFFECT_COLUMNS = (
    *("kind", "subject", "raised_with", "accounts", "open", "first_raised"),
    *("compared", "similar", "change", "change_similar", "difference", "low", "high"),
)
_SUBJECT = ("account_id", "kind", "subject")
_TIMES = ("raised_at", "closed_at", "first_raised")
_TEXTS = (
    *("account_id", "kind", "subject", "raised_with"),
    *("outcome", "author", "record_id", "closure_id"),
)


def read_raised(tables: Tables, day: datetime) -> pd.DataFrame:
    """Return what was raised before a date and not undone, with what was known of its closure.

    A row is closed by its own ``closed_at``, otherwise by the first row of the table `closures`
    about the same account and subject that was written after it was raised.

    Raises
    ------
    HealthError
        A kind or a team is unknown, or something was closed before it was raised.
    """
    if not tables.has(ROWS):
        return _typed(pd.DataFrame(columns=list(ROW_COLUMNS)))
    rows = _standing(tables, ROWS, day).reindex(columns=list(ROW_COLUMNS))
    rows["raised_with"] = rows["raised_with"].str.strip().str.lower()
    _refuse(
        rows,
        ROWS,
        ~rows["raised_with"].isin(TEAMS),
        "raised_with",
        f"use one of {', '.join(TEAMS)}",
    )
    closed = pd.to_datetime(rows["closed_at"])
    _refuse(rows, ROWS, closed < rows["raised_at"], "closed_at", "give a date after raised_at")
    rows.loc[~(closed < day), ["closed_at", "outcome"]] = None
    rows = _typed(rows)
    if tables.has(CLOSURES):
        rows = _closed(rows, _standing(tables, CLOSURES, day), day)
    ordered = rows.sort_values(["account_id", "raised_at", "kind", "subject"], kind="stable")
    return ordered.reset_index(drop=True)


def _standing(tables: Tables, table: str, day: datetime) -> pd.DataFrame:
    """Return the rows of a table that were known before a date and not undone until then."""
    rows = collect(known_rows(tables, table, day))
    if "undone_at" in rows:
        rows = rows[~(pd.to_datetime(rows["undone_at"]) < day)].reset_index(drop=True)
    rows["kind"] = rows["kind"].astype("string").str.strip().str.lower()
    _refuse(rows, table, ~rows["kind"].isin([THEME, REASON]), "kind", "use theme or reason")
    return rows


def _closed(rows: pd.DataFrame, closures: pd.DataFrame, day: datetime) -> pd.DataFrame:
    """Return rows with the first closure after each that is open."""
    ended = pd.DataFrame(
        {
            **{key: closures[key].astype("string") for key in _SUBJECT},
            "written_at": closures["created_at"].astype("datetime64[us]"),
            "ended_at": closures["closed_at"].astype("datetime64[us]"),
            "result": closures.get("outcome"),
            "ended_by": closures.get("record_id"),
        }
    )
    ended = ended[ended["ended_at"] < day].sort_values(["written_at", "ended_by"])
    found = pd.merge_asof(
        rows.sort_values("raised_at", kind="stable"),
        ended,
        left_on="raised_at",
        right_on="written_at",
        by=list(_SUBJECT),
        direction="forward",
        allow_exact_matches=False,
    )
    fills = found["closed_at"].isna() & found["ended_at"].notna()
    for column, by in (
        ("closed_at", "ended_at"),
        ("outcome", "result"),
        ("closure_id", "ended_by"),
    ):
        found.loc[fills, column] = found.loc[fills, by]
    # A date alone is a midnight, which can be earlier than the time at which it was raised.
    found["closed_at"] = found["closed_at"].where(
        ~(found["closed_at"] < found["raised_at"]), found["raised_at"]
    )
    return _typed(found[list(ROW_COLUMNS)])


def _refuse(rows: pd.DataFrame, table: str, wrong: pd.Series[bool], column: str, fix: str) -> None:
    if wrong.any():
        first = rows[wrong].iloc[0]
        raise HealthError(
            f"{int(wrong.sum()):,} of {len(rows):,} rows are not valid, e.g. {first[column]!s:.40} "
            f"of account {first['account_id']}",
            where=f"{table}.{column}",
            fix=fix,
        )


def follow_up(
    raised: pd.DataFrame, scores: pd.DataFrame, runs: Sequence[PublishedRun], day: datetime
) -> pd.DataFrame:
    """Compare the change of scores where a subject was raised with that of similar accounts.

    Parameters
    ----------
    raised : pd.DataFrame
        As from `read_raised`.
    scores : pd.DataFrame
        account_id and health_score of the date.
    runs : sequence of PublishedRun
        Earlier runs, oldest first.
    day : datetime
        The date.

    Returns
    -------
    pd.DataFrame
        `EFFECT_COLUMNS`, one row per kind, subject and team. change is the mean change of the
        health score since the run before it was raised, of the accounts for which that is at least
        `AFTER_DAYS` ago. Similar accounts mentioned the same theme, or had the same reason, in the
        same run, and it was not raised for them. difference is adjusted for the score before, and
        has a 95 % interval; NaN with fewer than `LEAST` accounts on either side.
    """
    now = scores.set_index("account_id")["health_score"].astype(float)
    scores_of = cache(_health_scores)
    found = []
    for (kind, subject), about in raised.groupby(["kind", "subject"], sort=True):
        everybody = set(about["account_id"])
        concerned = cache(partial(_concerned, kind=str(kind), subject=str(subject)))
        for team, own in about.groupby("raised_with", sort=True):
            rows = _compared(own, everybody, runs, day, concerned=concerned, scores_of=scores_of)
            found.append(
                {
                    "kind": kind,
                    "subject": subject,
                    "raised_with": team,
                    "accounts": own["account_id"].nunique(),
                    "open": own.loc[own["closed_at"].isna(), "account_id"].nunique(),
                    "first_raised": own["raised_at"].min(),
                    **_difference(rows, now),
                }
            )
    return _typed(pd.DataFrame(found, columns=list(EFFECT_COLUMNS)))


def with_outcomes(effects: pd.DataFrame, raised: pd.DataFrame) -> pd.DataFrame:
    """Return what `follow_up` gives with closed_at, the last closure, and outcome in words.

    A subject of which no row is left is left out.

    Parameters
    ----------
    effects : pd.DataFrame
        As from `follow_up`.
    raised : pd.DataFrame
        As from `read_raised`.
    """
    keys = ["kind", "subject", "raised_with"]
    known = raised.astype(dict.fromkeys([*keys, "outcome"], object))
    found = known.groupby(keys).agg(closed_at=("closed_at", "max"), outcome=("outcome", _in_words))
    return effects.astype(dict.fromkeys(keys, object)).join(found, on=keys, how="inner")


def _in_words(outcomes: pd.Series[str]) -> str:
    return "; ".join(list(dict.fromkeys(outcomes.dropna()))[:_MOST_OUTCOMES])


def _compared(
    own: pd.DataFrame,
    everybody: Collection[str],
    runs: Sequence[PublishedRun],
    day: datetime,
    *,
    concerned: Callable[[PublishedRun], pd.DataFrame],
    scores_of: Callable[[PublishedRun], pd.Series[float]],
) -> pd.DataFrame:
    """Return account_id, run, before (score) and raised; each account with its first run."""
    parts = []
    first = own.groupby("account_id")["raised_at"].min()
    first = first[first <= pd.Timestamp(day - timedelta(days=AFTER_DAYS))]
    before = [_run_before(runs, at) for at in first]
    for run in {run.as_of: run for run in before if run is not None}.values():
        ids = [a for a, b in zip(first.index, before, strict=True) if b and b.as_of == run.as_of]
        others = [a for a in concerned(run)["account_id"] if a not in everybody]
        for accounts, is_raised in ((ids, True), (others, False)):
            own_scores = scores_of(run).reindex(accounts)
            parts.append(
                pd.DataFrame(
                    {
                        "account_id": accounts,
                        "run": str(run.as_of),
                        "before": own_scores.to_numpy(),
                        "raised": is_raised,
                    }
                )
            )
    empty = pd.DataFrame({"account_id": [], "run": [], "before": [], "raised": []})
    rows = pd.concat(parts, ignore_index=True) if parts else empty
    return rows.sort_values("run", kind="stable").drop_duplicates("account_id")


def _run_before(runs: Sequence[PublishedRun], at: pd.Timestamp) -> PublishedRun | None:
    earlier = [run for run in runs if pd.Timestamp(run.as_of) <= at]
    return earlier[-1] if earlier else None


def _health_scores(run: PublishedRun) -> pd.Series[float]:
    scores = run.table("scores", ["account_id", "health_score"]).set_index("account_id")
    return scores["health_score"].astype(float)


def _concerned(run: PublishedRun, kind: str, subject: str) -> pd.DataFrame:
    """Return the accounts of a run that a theme or a reason concerns."""
    nobody = pd.DataFrame({"account_id": pd.Series(dtype=object)})
    if kind == THEME:
        if not run.has(COMMENTS):
            return nobody
        rows = run.table(COMMENTS, ["account_id", "themes"])
        mentions = [subject in json.loads(themes or "[]") for themes in rows["themes"]]
        return rows.loc[mentions, ["account_id"]].drop_duplicates()
    if not run.has("reasons"):
        return nobody
    rows = run.table("reasons", ["account_id", "output", "term", "contribution"])
    pulls = (rows["output"] == "churn") & (rows["contribution"] > 0) & (rows["term"] == subject)
    return rows.loc[pulls, ["account_id"]].drop_duplicates()


def _difference(rows: pd.DataFrame, now: pd.Series[float]) -> dict[str, float]:
    """Return sizes, both changes, and the adjusted difference with its interval."""
    after = rows["account_id"].map(now)
    known = rows["before"].notna() & after.notna()
    rows, after = rows[known], after[known]
    side = rows["raised"].astype(bool).to_numpy()
    change = (after - rows["before"]).to_numpy(dtype="float64")
    found = {
        "compared": float(side.sum()),
        "similar": float((~side).sum()),
        "change": float(change[side].mean()) if side.any() else float("nan"),
        "change_similar": float(change[~side].mean()) if (~side).any() else float("nan"),
    }
    if min(found["compared"], found["similar"]) < LEAST:
        return found | dict.fromkeys(("difference", "low", "high"), float("nan"))
    score = rows["before"].to_numpy(dtype="float64")
    dates = pd.get_dummies(rows["run"], dtype=float).to_numpy()
    design = np.column_stack([side.astype(float), score - score.mean(), dates])
    inverse = np.linalg.pinv(design.T @ design)
    coefficients = inverse @ design.T @ change
    # Heteroscedasticity-consistent (HC3): accounts that were raised vary more.
    leverage = np.einsum("ij,jk,ik->i", design, inverse, design).clip(max=0.99)
    residual = (change - design @ coefficients) / (1 - leverage)
    spread = inverse @ (design.T * residual**2) @ design @ inverse
    degrees = max(len(change) - int(np.linalg.matrix_rank(design)), 1)
    reach = float(student.ppf(0.975, degrees) * np.sqrt(spread[0, 0]))
    value = float(coefficients[0])
    return found | {"difference": value, "low": value - reach, "high": value + reach}


def _typed(table: pd.DataFrame) -> pd.DataFrame:
    types = {
        name: "datetime64[us]" if name in _TIMES else "string" if name in _TEXTS else "float64"
        for name in table.columns
    }
    return table.astype(types)
