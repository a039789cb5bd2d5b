"""The people at an account: champions and deciders who left or went silent, and new ones."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.definitions.feature import Feature, Unit
from features.definitions.settings import DEFAULT_SETTINGS, FeatureSettings
from features.relationship.interactions import Conversations, conversations
from features.relationship.rows import AccountRows, load_rows, where
from features.tables.opened import Tables
from features.windows.day_rows import Numbers
from features.windows.observation_dates import DateFeatures, ObservationDates
from features.windows.table_columns import Mask, moment, placed, some

HALF_YEAR, QUARTER = 180, 90
_NONE = "no contact is recorded"
_NO_KEY = "no contact is recorded, or neither roles nor champions"


def _contact(
    name: str,
    window: int | None,
    unit: Unit,
    direction: int,
    sentence: str,
    zero: str,
    *,
    null: str = _NONE,
    also: tuple[str, ...] = (),
) -> Feature:
    full = f"contacts_{name}"
    return Feature(
        full, "contacts", "contacts", window, unit, direction, null, zero, sentence, also=also
    )


FEATURES = (
    _contact("present", None, "count", 1, "Contacts at the account: {value}", "no contact is left"),
    _contact(
        "key",
        None,
        "count",
        1,
        "Champions and decision makers at the account: {value}",
        "no champion and no decision maker at the account",
        null=_NO_KEY,
    ),
    _contact(
        "key_left_180d",
        HALF_YEAR,
        "count",
        -1,
        "Champions and decision makers who left in the last 180 days: {value}",
        "no champion and no decision maker has left in the last 180 days",
        null=_NO_KEY,
    ),
    _contact(
        "key_silent_share_90d",
        QUARTER,
        "share",
        -1,
        "{value} of the champions and decision makers were not heard in 90 days",
        "every champion and decision maker was heard in 90 days",
        null="no champion and no decision maker, or not recorded whom conversations were with",
        also=("interactions",),
    ),
    _contact(
        "single_threaded",
        None,
        "flag",
        -1,
        "Only one contact at the account",
        "more than one contact at the account",
        null="no contact at the account",
    ),
    _contact(
        "new_90d",
        QUARTER,
        "count",
        1,
        "New contacts in the last 90 days: {value}",
        "no new contact in the last 90 days",
    ),
)


def prepare(
    tables: Tables,
    dates: ObservationDates,
    *,
    settings: FeatureSettings = DEFAULT_SETTINGS,
) -> DateFeatures:
    """Return what computes the features of contacts of each account on a date.

    Roles and champions are the recorded ones: their past values are not known.

    Parameters
    ----------
    tables : Tables
        Without contacts every feature is NaN.
    dates : ObservationDates
        The accounts and dates.
    settings : FeatureSettings
        The roles that decide.
    """
    if not tables.has("contacts"):
        return lambda _: {}
    people = load_rows(
        tables,
        "contacts",
        dates.accounts,
        dated_by="created_at",
        optional={"contact_id": "text", "role": "text", "is_champion": "flag", "left_at": "time"},
    )
    decides = {role.lower() for role in settings.deciding_roles}
    is_key = (people["is_champion"] == 1) | people.columns.is_text("role", decides.__contains__)
    has_key = tables.has("contacts", "role") or tables.has("contacts", "is_champion")
    talk = None
    if tables.has("interactions", "contact_id"):
        talk = conversations(tables, dates.accounts)
        own, theirs = _same_people(people, talk.rows)

    def values(as_of: pd.Timestamp) -> dict[str, Numbers]:
        at = moment(as_of)
        seen, left = people.known(at), people["left_at"] < at
        present = seen & ~left
        ever, count = people.count(seen) > 0, people.count(present)
        gone = seen & is_key & people.within("left_at", at, HALF_YEAR)
        out = {
            "contacts_present": where(ever, count),
            "contacts_key": where(ever & has_key, people.count(present & is_key)),
            "contacts_key_left_180d": where(ever & has_key, people.count(gone)),
            "contacts_single_threaded": where(count > 0, (count == 1).astype(float)),
            "contacts_new_90d": where(
                ever, people.count(seen & people.within("created_at", at, QUARTER))
            ),
        }
        if talk is not None:
            heard = np.isin(own, theirs[_heard_lately(talk, at)])
            key = people.count(present & is_key)
            silent = people.count(present & is_key & ~heard)
            out["contacts_key_silent_share_90d"] = silent / some(key)
        return out

    return lambda date: date.broadcast(values(date.as_of))


def _heard_lately(talk: Conversations, at: int) -> Mask:
    rows = talk.rows
    return rows.known(at) & talk.is_heard & rows.within("occurred_at", at, QUARTER)


def _same_people(
    people: AccountRows, talk: AccountRows
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return a number for each contact and each conversation: equal for one person of an account.

    Conversations with nobody named, or somebody who is no contact, have −1.
    """
    names = people.columns.texts["contact_id"]
    code = placed(talk["contact_id"], talk.columns.texts["contact_id"], names)
    accounts = people.columns.accounts
    own = people["contact_id"] * accounts + people.columns.account
    theirs = np.where(code >= 0, code * accounts + talk.columns.account, -1)
    return own, theirs
