"""My week: every listed account of a CSM in one row, with one main action."""

from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd

from health.expansion.steps import DETAILS
from health.flags.capacity import ACTIONS, OFFERS, action_of
from health.flags.scored import Scored
from health.presentation.wording import money
from health.settings.config import Config

COLUMNS = (
    "account_id",
    "name",
    "csm",
    "rank",
    "main_action",
    "flags",
    "value",
    "probability",
    "base_rate",
    "mrr",
    "reasons",
    "reasons_share",
    "cause",
    "play",
    "since",
    "due",
    "last_day",
    "renewal_date",
    "product",
    *DETAILS,
    "step_mrr",
    "offer_value",
    "offer_probability",
    "offer_base_rate",
    "offer_reasons",
    "last_action",
    "last_action_at",
    "note",
)
#: Columns of the scores that a week shows, in the order of `COLUMNS`.
_OF_ACCOUNT = ("mrr", "last_day", "renewal_date")
#: Of the row that an account's offer is taken from, by their names in the week.
_OF_OFFER = {
    **{name: name for name in ("product", *DETAILS, "step_mrr")},
    "value": "offer_value",
    "probability": "offer_probability",
    "base_rate": "offer_base_rate",
    "reasons": "offer_reasons",
}
#: Of these the week has those of the main action, too.
_OF_MAIN = {"value", "probability", "base_rate", "reasons"}
_TIMES = ("since", "due", "last_day", "renewal_date", "last_action_at")


def merged_week(
    flags: pd.DataFrame, scored: Scored, *, as_of: date, config: Config
) -> pd.DataFrame:
    """Merge the listed flags of each account into one row.

    Parameters
    ----------
    flags : pd.DataFrame
        Listed flags with `week_rank`, the account's rank in its CSM's week.
    scored : Scored
        Scores of these accounts at least: mrr, and where they are there last_day and
        renewal_date.
    as_of : date
        The date of the run.
    config : Config
        How soon a renewal is due.

    Returns
    -------
    pd.DataFrame
        Columns `COLUMNS`, by CSM and rank. `main_action` is the most urgent of `ACTIONS`, `flags`
        all of them, the most urgent first and separated by semicolons. `value` is what is
        expected to be lost or gained in a year by the main action (of an account that gave
        notice, a year of MRR; NaN where no probability is published); reasons, reasons_share,
        cause, play, probability and base_rate are
        those of the main action. `due` is the last day, or the renewal date where it is near,
        else the end of the week, and never after either. The columns from `product` to
        `offer_reasons` describe the one offer to make, empty where there is none; another action
        than expansion may have one that the customer asked for.
    """
    if flags.empty:
        return _empty()
    order = {action: place for place, action in enumerate(ACTIONS)}
    rows = flags.assign(main_action=action_of(flags["flag"]))
    rows["urgency"] = rows["main_action"].map(order)
    rows = rows.sort_values(
        ["account_id", "urgency", "asked", "value", "flag"],
        ascending=[True, True, False, False, True],
        kind="stable",
    )
    by_account = rows.groupby("account_id", sort=False)
    week = by_account.head(1).set_index("account_id")
    week = week.assign(
        rank=week["week_rank"].astype(int),
        play=week["suggested_play"],
        flags=by_account["flag"].agg(lambda kinds: "; ".join(dict.fromkeys(kinds))),
        since=by_account["since"].min(),
    )
    week = week.drop(
        columns=list(_OF_OFFER.keys() - {"value", "probability", "base_rate", "reasons"})
    )
    offers = rows[rows["flag"].isin(OFFERS)].drop_duplicates("account_id").set_index("account_id")
    offers = offers[list(_OF_OFFER)].rename(columns=_OF_OFFER)
    week = week.join(offers)
    for name in ("product", *DETAILS, "offer_reasons"):
        week[name] = week[name].where(week[name].notna(), "").astype(object)
    own = scored.scores.drop_duplicates("account_id").set_index("account_id")
    for name in _OF_ACCOUNT:
        week[name] = own[name].reindex(week.index) if name in own else pd.NaT
    week["due"] = _due(week, as_of, config)
    for name in _TIMES:
        week[name] = pd.to_datetime(week[name]).astype("datetime64[us]")
    ordered = week.reset_index().sort_values(["csm", "rank"], na_position="last", kind="stable")
    return ordered[list(COLUMNS)].reset_index(drop=True)


def _due(week: pd.DataFrame, as_of: date, config: Config) -> pd.Series[pd.Timestamp]:
    today = pd.Timestamp(as_of)
    near = today + pd.Timedelta(days=config.flags.renewal_days)
    end_of_week = pd.Series(today + pd.Timedelta(days=6), index=week.index)
    renews = pd.to_datetime(week["renewal_date"]).where(week["main_action"] == "renewal")
    leaves = pd.to_datetime(week["last_day"]).where(week["main_action"] == "leaving")
    event = leaves.fillna(renews)
    due = event.where((event >= today) & (event <= near)).fillna(end_of_week)
    # Whatever the action is, it is too late once the contract has been decided.
    for column in ("renewal_date", "last_day"):
        decided = pd.to_datetime(week[column])
        due = due.mask((decided >= today) & (decided < due), decided)
    return due


def _empty() -> pd.DataFrame:
    numbers = {
        "rank": "int64",
        **dict.fromkeys(("value", "mrr", "step_mrr", "reasons_share"), "float64"),
    }
    numbers |= {name: "float64" for name in COLUMNS if name.endswith(("probability", "base_rate"))}
    numbers |= {"offer_value": "float64", **dict.fromkeys(_TIMES, "datetime64[us]")}
    frame = pd.DataFrame({name: np.array([], dtype=object) for name in COLUMNS})
    return frame.astype(numbers)


def rule_in_words(
    config: Config,
    *,
    least_gain: float,
    by_value: bool,
    has_terms: bool = True,
    by_savable: bool = False,
) -> str:
    """Return the rule by which accounts get into a week, for the page that shows it.

    Parameters
    ----------
    config : Config
        Limits.
    least_gain : float
        Expected gain in a year below which no offer is listed, in currency.
    by_value : bool
        Whether a chance of leaving is published.
    has_terms : bool
        Whether accounts have contracts; customers who only order get no offers.
    by_savable : bool
        Whether accounts to keep are ordered by what a contact is expected to save.
    """
    limits = config.flags
    gained = "lost or gained" if has_terms else "lost"
    order = (
        f"Accounts are ordered by the money expected to be {gained} in a year."
        if by_value
        else f"No chance of {'leaving' if has_terms else 'having left'} is published, so accounts "
        "to keep come first, the most urgent ones at the top, and then by what they pay."
    )
    if by_savable:
        order = (
            "Accounts to keep are ordered by what a contact is expected to save: a year of MRR "
            "times how much contact lowered the chance of leaving of such accounts in your own "
            "experiments ([flags] rank = savable), next to the expected gain of offers."
        )
    actions = (
        "leaving, silent, at risk, renewal, expansion"
        if has_terms
        else "silent (no order for twice the usual interval), at risk"
    )
    rules = (
        f"Each CSM's week has room for {limits.capacity_per_csm} accounts, one row each. "
        f"{order} The main action of an account is the first of: {actions}. "
        f"At risk: odds of {'leaving' if has_terms else 'having left'} {limits.at_risk_lift:g} "
        f"times the usual ones, or red health with odds of {limits.least_lift:g} times."
    )
    if not has_terms:
        return rules
    least = money(least_gain, config.currency)
    gain = f" and an expected gain of {least} a year" if least_gain > 0 else ""
    return (
        f"{rules} Offers: odds of buying {limits.expansion_lift:g} times the usual ones{gain}, one "
        "for each account; offers to an account at risk wait unless the customer asked."
    )
