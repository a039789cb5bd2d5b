"""The people at an account: champions and deciders who left or went silent, and new ones."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.definitions.feature import FeatureFamily
from features.definitions.settings import DEFAULT_SETTINGS, FeatureSettings
from features.relationship.interactions import Conversations, conversations
from features.relationship.rows import AccountRows, load_rows, where
from features.tables.opened import Tables
from features.windows.day_rows import Numbers
from features.windows.observation_dates import DateFeatures, ObservationDates
from features.windows.table_columns import (
    Mask,
    moment,
    one_spelling,
    people_named,
    placed,
    some,
)

HALF_YEAR, QUARTER = 180, 90
_NO_KEY = "no contact is recorded, or roles and champions are not"
_CONTACTS = FeatureFamily(
    name="contacts", table="contacts", prefix="contacts_", null_means="no contact is recorded"
)

FEATURES = (
    _CONTACTS.feature(
        name="present",
        unit="count",
        sentence="Contacts at the account: {value}",
        zero_means="no contact is left",
    ),
    _CONTACTS.feature(
        name="key",
        unit="count",
        sentence="Champions and decision makers at the account: {value}",
        zero_means="no champion or decision maker is left at the account",
        null_means=_NO_KEY,
    ),
    _CONTACTS.feature(
        name="key_left_180d",
        unit="count",
        sentence="Champions and decision makers who left in the last 180 days: {value}",
        zero_means="no champion or decision maker left in the last 180 days",
        window_days=HALF_YEAR,
        direction=-1,
        null_means=_NO_KEY,
    ),
    _CONTACTS.feature(
        name="key_silent_share_90d",
        unit="share",
        sentence="{value} of champions and decision makers have been silent for 90 days",
        zero_means="no champion or decision maker has been silent for 90 days",
        window_days=QUARTER,
        direction=-1,
        null_means="no champion or decision maker, or conversations do not name the contact",
        also=("interactions",),
    ),
    _CONTACTS.feature(
        name="single_threaded",
        unit="flag",
        sentence="Only one contact at the account",
        zero_means="more than one contact at the account",
        direction=-1,
        null_means="no contact at the account",
    ),
    _CONTACTS.feature(
        name="new_90d",
        unit="count",
        sentence="New contacts in the last 90 days: {value}",
        zero_means="no new contact in the last 90 days",
        window_days=QUARTER,
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
    person, talk = people.columns.people("contact_id"), None
    decides = {role.lower() for role in settings.deciding_roles}
    is_key = (people["is_champion"] == 1) | people.columns.is_text("role", decides.__contains__)
    has_key = tables.has("contacts", "role") or tables.has("contacts", "is_champion")
    accounts = people.columns.accounts
    own = person * accounts + people.columns.account
    if tables.has("interactions", "contact_id"):
        talk = conversations(tables, dates.accounts)
        theirs = _same_people(people, talk.rows)

    def count(rows: Mask) -> Numbers:
        # Several rows of one person (each role, each time in the company) are one person.
        return np.bincount(np.unique(own[rows]) % accounts, minlength=accounts).astype(float)

    def values(as_of: pd.Timestamp) -> dict[str, Numbers]:
        at = moment(as_of)
        seen, left = people.known(at), people["left_at"] < at
        present = seen & ~left
        ever, there = count(seen) > 0, count(present)
        gone = seen & is_key & people.within("left_at", at, HALF_YEAR)
        gone &= ~np.isin(own, own[present])
        out = {
            "contacts_present": where(ever, there),
            "contacts_key": where(ever & has_key, count(present & is_key)),
            "contacts_key_left_180d": where(ever & has_key, count(gone)),
            "contacts_single_threaded": where(there > 0, (there == 1).astype(float)),
            "contacts_new_90d": where(ever, count(seen & people.within("created_at", at, QUARTER))),
        }
        if talk is not None:
            heard = np.isin(own, theirs[_heard_lately(talk, at)])
            key = count(present & is_key)
            silent = count(present & is_key & ~heard)
            out["contacts_key_silent_share_90d"] = silent / some(key)
        return out

    return lambda date: date.broadcast(values(date.as_of))


def _heard_lately(talk: Conversations, at: int) -> Mask:
    rows = talk.rows
    return rows.known(at) & talk.is_heard & rows.within("occurred_at", at, QUARTER)


def _same_people(people: AccountRows, talk: AccountRows) -> npt.NDArray[np.int64]:
    """Return a number for each conversation, equal to that of the contact of the same account.

    Conversations with nobody named, or somebody who is no contact, have −1.
    """
    names = people_named(people.columns.texts["contact_id"])
    theirs = one_spelling(talk.columns.texts["contact_id"])
    code = placed(talk["contact_id"], theirs, names)
    accounts = people.columns.accounts
    return np.where(code >= 0, code * accounts + talk.columns.account, -1)
