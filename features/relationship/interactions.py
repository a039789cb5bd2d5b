"""Conversations with an account: how lately, how often, and who began them.

What a CSM sends is no engagement: a customer is heard in a call, a meeting, or what they write.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from features.definitions.feature import FeatureFamily
from features.relationship.rows import AccountRows, load_rows, where
from features.tables.interaction_words import CONVERSATIONS, EMAIL, INBOUND, OUTBOUND
from features.tables.opened import Tables
from features.windows.day_rows import Numbers
from features.windows.observation_dates import DateFeatures, ObservationDates
from features.windows.table_columns import DAY_US, Mask, moment, some

QUARTER, MONTH = 90, 28
_INTERACTIONS = FeatureFamily(
    name="interactions",
    table="interactions",
    prefix="interactions_",
    null_means="no conversation is recorded",
)

FEATURES = (
    _INTERACTIONS.feature(
        name="days_since",
        unit="days",
        sentence="Days since the customer was last in touch (call, meeting or email): {value}",
        zero_means="the customer was in touch on the day before",
        direction=-1,
        null_means="the customer was never in touch",
    ),
    _INTERACTIONS.feature(
        name="meetings_90d",
        unit="count",
        sentence="Calls and meetings in the last 90 days: {value}",
        zero_means="no call or meeting in the last 90 days",
        window_days=QUARTER,
    ),
    _INTERACTIONS.feature(
        name="unanswered_emails_28d",
        unit="count",
        sentence="Emails in the last 28 days that the customer has not answered: {value}",
        zero_means="the customer has answered every email of the last 28 days",
        window_days=MONTH,
        direction=-1,
        null_means="no conversation is recorded, or who started it is not",
    ),
    _INTERACTIONS.feature(
        name="inbound_share_90d",
        unit="share",
        sentence="The customer started {value} of the conversations in the last 90 days",
        zero_means="the customer started no conversation in the last 90 days",
        window_days=QUARTER,
        null_means="no conversation in the last 90 days, or who started it is not recorded",
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
    is_first : array of bool
        Of several rows of one conversation, as with a row for each person, the first.
    """

    rows: AccountRows
    is_conversation: Mask
    is_in: Mask
    is_out: Mask
    is_heard: Mask
    is_email_out: Mask
    is_first: Mask


def conversations(tables: Tables, accounts: pd.Index[str]) -> Conversations:
    """Load the interactions of some accounts; the table must be present."""
    rows = load_rows(
        tables,
        "interactions",
        accounts,
        dated_by="occurred_at",
        optional={"kind": "text", "direction": "text", "contact_id": "text"},
    )
    conversation = rows.columns.is_text("kind", CONVERSATIONS.__contains__)
    inbound = rows.columns.is_text("direction", INBOUND.__contains__)
    outbound = rows.columns.is_text("direction", OUTBOUND.__contains__)
    return Conversations(
        rows,
        is_conversation=conversation,
        is_in=inbound,
        is_out=outbound,
        is_heard=conversation | inbound,
        is_email_out=outbound & rows.columns.is_text("kind", EMAIL.__eq__),
        is_first=_is_first(rows),
    )


def _is_first(rows: AccountRows) -> Mask:
    """Return which rows are no further person of a conversation that another row has already.

    Rows of one account, kind and direction at the same time of day are one conversation; those of
    a day may be several.
    """
    names = ("occurred_at", "kind", "direction")
    found = pd.DataFrame({name: rows[name] for name in names})
    found["account"], found["known"] = rows.columns.account, rows.known_from
    again = found.sort_values("known", kind="stable").duplicated(["account", *names])
    is_timed = rows["occurred_at"] % DAY_US != 0
    first: Mask = ~(again.sort_index().to_numpy() & is_timed)
    return first


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
        lately = seen & talk.is_first & rows.within("occurred_at", at, QUARTER)
        times = rows["occurred_at"].astype(float)
        heard = rows.largest(seen & talk.is_heard, times, np.nan)
        ever = rows.count(seen) > 0
        emails = seen & talk.is_first & talk.is_email_out & rows.within("occurred_at", at, MONTH)
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
