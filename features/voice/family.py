"""What an account writes: requests by phrases, sentiment and themes by models of the comments."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.definitions.requests import REQUESTS
from features.definitions.settings import DEFAULT_SETTINGS, FeatureSettings
from features.tables.opened import Tables
from features.voice.catalogue import FEATURES
from features.voice.comments import has_comments
from features.voice.learning import cleaned_comments
from features.voice.readings import read_comments
from features.voice.requests import find_requests
from features.windows.day_rows import Numbers
from features.windows.observation_dates import DateFeatures, ObservationDates
from features.windows.table_columns import some

__all__ = ["FEATURES", "prepare"]

#: Comments of an account whose mean sentiment is the latest.
LATEST = 3
YEAR, HALF_YEAR, QUARTER = 365, 180, 90


def prepare(
    tables: Tables, dates: ObservationDates, *, settings: FeatureSettings = DEFAULT_SETTINGS
) -> DateFeatures:
    """Return a function that computes the features of comments of each account on a date.

    Parameters
    ----------
    tables : Tables
        Without survey comments and ticket subjects every feature is NaN.
    dates : ObservationDates
        The accounts and dates.
    settings : FeatureSettings
        Phrases and labels of requests; the models of sentiment and themes, without which those
        features are NaN.
    """
    if not has_comments(tables) or not len(dates.observations):
        return lambda _: {}
    days = dates.observations["as_of"]
    comments = cleaned_comments(tables, days.max())
    owner = dates.accounts.get_indexer(pd.Index(comments["account_id"], dtype=object))
    # The readings learn from every comment; the features need those of the observed accounts.
    written = comments["written_at"].to_numpy(dtype="datetime64[us]")
    known = comments["known_from"].to_numpy(dtype="datetime64[us]")
    near = (owner >= 0) & (written >= np.datetime64(days.min(), "us") - _days(YEAR))
    asked = np.full((len(comments), len(REQUESTS)), np.nan)
    asked[near] = find_requests(
        comments["comment"][near].tolist(),
        comments["label"][near].tolist(),
        dict(settings.requests),
        settings.request_labels,
    )
    readings = read_comments(comments, near, sorted(days.unique()), settings.text_models)
    accounts = len(dates.accounts)

    def total(rows: npt.NDArray[np.intp], weights: Numbers | None = None) -> Numbers:
        return np.bincount(owner[rows], weights, accounts).astype(float)

    def values(as_of: pd.Timestamp) -> dict[str, Numbers]:
        at = np.datetime64(as_of, "us")

        def window(days: int, until_days: int = 0) -> npt.NDArray[np.intp]:
            first, past = np.searchsorted(written, [at - _days(days), at - _days(until_days)])
            place = np.arange(first, past)
            rows: npt.NDArray[np.intp] = place[near[place] & (known[place] < at)]
            return rows

        year, quarter = window(YEAR), window(QUARTER)
        reading = readings[as_of]

        def mean(rows: npt.NDArray[np.intp]) -> Numbers:
            rows = rows[~np.isnan(reading.positive[rows])]
            return total(rows, reading.positive[rows]) / some(total(rows))

        read = total(year[~np.isnan(asked[year, 0])]) > 0
        found: dict[str, Numbers] = {
            f"voice_asks_{kind}_90d": np.where(
                read, total(quarter, np.nan_to_num(asked[quarter, place])), np.nan
            )
            for place, kind in enumerate(REQUESTS)
        }
        themes = np.zeros(accounts)
        for mentioned in reading.complaints.T:
            themes += total(quarter[mentioned[quarter]]) > 0
        wrote = (total(year) > 0) & (reading.complaints.shape[1] > 0)
        return found | {
            "voice_sentiment_latest": mean(_latest(window(HALF_YEAR), owner)),
            "voice_sentiment_trend_90d": mean(quarter) - mean(window(QUARTER + HALF_YEAR, QUARTER)),
            "voice_complaint_themes_90d": np.where(wrote, themes, np.nan),
        }

    return lambda date: date.broadcast(values(date.as_of))


def _days(days: int) -> np.timedelta64:
    return np.timedelta64(days, "D")


def _latest(rows: npt.NDArray[np.intp], owner: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
    """Keep the latest rows of each account, of rows in order of time."""
    from_the_end = pd.Series(owner[rows]).groupby(owner[rows]).cumcount(ascending=False)
    return rows[from_the_end.to_numpy() < LATEST]
