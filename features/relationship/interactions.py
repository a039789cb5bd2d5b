"""Conversations with an account: how lately, how often, and who began them.

What a CSM sends is no engagement: a customer is heard in a call, a meeting, or what they write.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from features.definitions.feature import Feature, Unit
from features.relationship.rows import AccountRows, load_rows, where
from features.tables.opened import Tables
from features.windows.day_rows import Numbers
from features.windows.observation_dates import DateFeatures, ObservationDates
from features.windows.table_columns import DAY_US, Mask, moment, some

QUARTER, MONTH = 90, 28
_CONVERSATIONS = ("call", "meeting")
_NONE = "no conversation is recorded"


def _interaction(
    name: str,
    window: int | None,
    unit: Unit,
    direction: int,
    sentence: str,
    zero: str,
    *,
    null: str = _NONE,
) -> Feature:
    full = f"interactions_{name}"
    return Feature(
        full, "interactions", "interactions", window, unit, direction, null, zero, sentence
    )


FEATURES = (
    _interaction(
        "days_since",
        None,
        "days",
        -1,
        "Days since the customer was last heard in a call, a meeting or an email: {value}",
        "the customer was heard on the day before",
        null="the customer was never heard",
    ),
    _interaction(
        "meetings_90d",
        QUARTER,
        "count",
        1,
        "Calls and meetings in the last 90 days: {value}",
        "no call and no meeting in the last 90 days",
    ),
    _interaction(
        "unanswered_emails_28d",
        MONTH,
        "count",
        -1,
        "Emails of the last 28 days that the customer has not reacted to: {value}",
        "the customer has reacted to every email of the last 28 days",
        null="no conversation is recorded, or not who began it",
    ),
    _interaction(
        "inbound_share_90d",
        QUARTER,
        "share",
        1,
        "The customer began {value} of the conversations of 90 days",
        "the customer began none of the conversations of 90 days",
        null="no conversation in 90 days, or not recorded who began it",
    ),
)


@dataclass(frozen=True)
class Conversations:
    """The interactions of a company.

    Attributes
    ----------
    rows : AccountRows
        occurred_at, kind, direction and contact_id.
    is_conversation, is_in, is_out, is_heard, is_email_out : array of bool
        A call or a meeting; started by the customer, or by the company; heard from the customer;
        an email to the customer.
    """

    rows: AccountRows
    is_conversation: Mask
    is_in: Mask
    is_out: Mask
    is_heard: Mask
    is_email_out: Mask


def conversations(tables: Tables, accounts: pd.Index[str]) -> Conversations:
    """Load the interactions of some accounts; the table must be present."""
    rows = load_rows(
        tables,
        "interactions",
        accounts,
        dated_by="occurred_at",
        optional={"kind": "text", "direction": "text", "contact_id": "text"},
    )
    conversation = rows.columns.is_text("kind", lambda text: text in _CONVERSATIONS)
    inbound = rows.columns.is_text("direction", lambda text: text == "in")
    outbound = rows.columns.is_text("direction", lambda text: text == "out")
    return Conversations(
        rows,
        is_conversation=conversation,
        is_in=inbound,
        is_out=outbound,
        is_heard=conversation | inbound,
        is_email_out=outbound & rows.columns.is_text("kind", lambda text: text == "email"),
    )


def prepare(tables: Tables, dates: ObservationDates) -> DateFeatures:
    """Return what computes the features of interactions of each account on a date.

    Parameters
    ----------
    tables : Tables
        Without interactions every feature is NaN.
    dates : ObservationDates
        The accounts and dates.
    """
    if not tables.has("interactions"):
        return lambda _: {}
    talk = conversations(tables, dates.accounts)
    has_direction = tables.has("interactions", "direction")

    def values(as_of: pd.Timestamp) -> dict[str, Numbers]:
        at, rows = moment(as_of), talk.rows
        seen = rows.known(at)
        lately = seen & rows.within("occurred_at", at, QUARTER)
        times = rows["occurred_at"].astype(float)
        heard = rows.largest(seen & talk.is_heard, times, np.nan)
        ever = rows.count(seen) > 0
        emails = seen & talk.is_email_out & rows.within("occurred_at", at, MONTH)
        unanswered = emails & ~(times <= heard[rows.columns.account])
        inbound, outbound = rows.count(lately & talk.is_in), rows.count(lately & talk.is_out)
        return {
            "interactions_days_since": np.ceil((at - heard) / DAY_US) - 1,
            "interactions_meetings_90d": where(ever, rows.count(lately & talk.is_conversation)),
            "interactions_unanswered_emails_28d": where(
                ever & has_direction, rows.count(unanswered)
            ),
            "interactions_inbound_share_90d": inbound / some(inbound + outbound),
        }

    return lambda date: date.broadcast(values(date.as_of))
