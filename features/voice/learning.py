"""The comments of the whole company that readings learn from, for accounts in parts."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from features.definitions.settings import FeatureSettings
from features.tables.opened import Tables
from features.tables.point_in_time import collect
from features.voice.comments import has_comments, load_comments
from features.voice.plain_text import clean_comments
from features.voice.readings import learned_from

#: What comments are ordered by; those of one account and moment stay in their order.
_ORDER = ["written_at", "account_id", "source"]


def cleaned_comments(tables: Tables, until: pd.Timestamp) -> pd.DataFrame:
    """Return the comments written before a date in plain text, as `load_comments` orders them.

    Where these are the tables of a part of the company, the comments of others that readings
    learn from are among them.
    """
    own = _cleaned(load_comments(tables, until.to_pydatetime()))
    if tables.whole is None or tables.whole.comments is None:
        return own
    accounts = collect(tables["accounts"].select("account_id"))["account_id"]
    others = tables.whole.comments
    return in_order([own, others[~others["account_id"].isin(accounts)]])


def learned_comments(
    tables: Tables, days: Sequence[pd.Timestamp], settings: FeatureSettings
) -> pd.DataFrame | None:
    """Return the comments of some accounts that readings of the whole company may learn from.

    Those of several parts are joined by `in_order`, and may be reduced by `learned_from` again.
    None where nothing is learned.
    """
    if settings.text_models is None or not has_comments(tables):
        return None
    return learned_from(_cleaned(load_comments(tables, max(days).to_pydatetime())), days)


def in_order(parts: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Return the comments of several parts of the accounts in their order."""
    filled = [part for part in parts if len(part)] or list(parts[:1])
    both = pd.concat(filled, ignore_index=True)
    return both.sort_values(_ORDER, kind="stable", ignore_index=True)


def _cleaned(comments: pd.DataFrame) -> pd.DataFrame:
    texts = pd.Series(comments["comment"].unique(), dtype=object)
    plain = dict(zip(texts, clean_comments(texts), strict=True))
    comments["comment"] = comments["comment"].map(plain)
    return comments[comments["comment"] != ""].reset_index(drop=True)
