"""Words and figures for readers: money, shares, chances, bands and how good a model is."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

#: What stands where a figure is not known.
UNKNOWN = "-"
#: The lists of flags, in the order they are read.
LIST_TITLES = {
    "at_risk": "At risk",
    "upsell": "Upsell",
    "cross_sell": "Cross-sell",
    "advocate": "Advocates",
    "leaving": "Leaving",
    "silent": "Silent",
}
#: What each list is for, in a sentence.
LIST_PURPOSES = {
    "at_risk": "Accounts that may leave, those with the most money at stake first.",
    "upsell": "Accounts likely to take more of what they have, the most valuable first.",
    "cross_sell": "Accounts likely to take a product they do not have, the most valuable first.",
    "advocate": "Content, active accounts that would speak for you, the largest first.",
    "leaving": "Accounts that gave notice, the largest first.",
    "silent": "Accounts that used to be active and stopped, the largest first.",
}
#: What the money of each list means.
VALUE_TITLES = {
    "at_risk": "Money at stake",
    "upsell": "Worth in a year",
    "cross_sell": "Worth in a year",
    "advocate": "MRR",
    "leaving": "MRR",
    "silent": "MRR",
}
#: What each probability foretells, as a verb of the account.
_EVENTS = {"churn": "left", "upsell": "bought more", "cross_sell": "bought another product"}
_NON_EVENTS = {"churn": "stayed", "upsell": "did not", "cross_sell": "did not"}


def is_known(value: object) -> bool:
    """Tell whether a value is there at all: not None, NaN, NaT or infinite."""
    if value is None or value != value:  # noqa: PLR0124  NaN and NaT differ from themselves
        return False
    return not (isinstance(value, float) and math.isinf(value))


def text(value: object) -> str:
    """Return a value as text, empty where it is not known."""
    return str(value) if is_known(value) else ""


def number(value: float | None, decimals: int = 0) -> str:
    """Return a number with thousands separators.

    >>> number(1234.5, 1)
    '1,234.5'
    >>> number(float("nan"))
    '-'
    """
    if value is None or not is_known(float(value)):
        return UNKNOWN
    shown = f"{value:,.{decimals}f}"
    return shown.removeprefix("-") if not any(c in "123456789" for c in shown) else shown


def signed(value: float | None, decimals: int = 1) -> str:
    """Return a change with its sign.

    >>> signed(-2.61), signed(3.0), signed(0.01)
    ('-2.6', '+3.0', '0.0')
    """
    shown = number(value, decimals)
    rises = value is not None and shown != UNKNOWN and float(shown.replace(",", "")) > 0
    return f"+{shown}" if rises else shown


def money(value: float | None, currency: str) -> str:
    """Return an amount with its currency, without cents.

    >>> money(1234.4, "USD")
    'USD 1,234'
    """
    shown = number(value)
    return shown if shown == UNKNOWN else f"{currency} {shown}".strip()


def money_range(value: float | None, low: float | None, high: float | None, currency: str) -> str:
    """Return an amount with its range.

    >>> money_range(900, 700, 1200, "USD")
    'USD 900 (700 to 1,200)'
    """
    shown = money(value, currency)
    if shown == UNKNOWN or number(low) == UNKNOWN or number(high) == UNKNOWN:
        return shown
    return f"{shown} ({number(low)} to {number(high)})"


def percent(share: float | None, decimals: int = 0) -> str:
    """Return a share in percent.

    >>> percent(0.314)
    '31 %'
    """
    shown = UNKNOWN if share is None else number(share * 100, decimals)
    return shown if shown == UNKNOWN else f"{shown} %"


def chance(probability: float | None, base_rate: float | None, horizon_days: int) -> str:
    """Say a probability beside the share among comparable accounts.

    A decimal is shown only where it is needed: below 1 %, or to tell the two apart.

    >>> chance(0.31, 0.06, 90)
    '31 % in 90 days; accounts like this: 6 %'
    """
    if percent(probability) == UNKNOWN:
        return "no probability is published"
    shares = [s for s in (probability, base_rate) if s is not None and is_known(s)]
    alike = len(shares) == 2 and percent(shares[0]) == percent(shares[1])
    decimals = 1 if alike or min(shares) < 0.01 else 0
    said = f"{percent(probability, decimals)} in {horizon_days} days"
    if percent(base_rate) == UNKNOWN:
        return said
    return f"{said}; accounts like this: {percent(base_rate, decimals)}"


def times_as_likely(probability: float | None, base_rate: float | None) -> str:
    """Compare a probability with its base rate; empty where either is not known.

    >>> times_as_likely(0.31, 0.06)
    'about 5 times as likely as accounts like this'
    """
    if percent(probability) == UNKNOWN or percent(base_rate) == UNKNOWN or not base_rate:
        return ""
    ratio = float(probability or 0.0) / base_rate
    if ratio >= 1.75:
        return f"about {ratio:.0f} times as likely as accounts like this"
    if ratio >= 1.15:
        return "somewhat more likely than accounts like this"
    if ratio > 0.85:
        return "about as likely as accounts like this"
    return "less likely than accounts like this"


def band_letter(band: object) -> str:
    """Return the letter that stands beside a band's colour: R, Y, G, or a dash."""
    return str(band)[0].upper() if band in {"red", "yellow", "green"} else UNKNOWN


def renewal(days: float | None) -> str:
    """Say when the term ends.

    >>> renewal(1.0), renewal(None)
    ('in 1 day', 'no date known')
    """
    if number(days) == UNKNOWN or days is None:
        return "no date known"
    whole = round(days)
    if whole < 0:
        return f"{-whole:,} days ago"
    return "today" if whole == 0 else f"in {whole:,} day{'' if whole == 1 else 's'}"


def auc_in_words(target: str, auc: Mapping[str, Any] | None) -> str:
    """Say an AUC with its 95 % interval in plain words.

    An AUC is the probability that an account with the event stands above one without it
    (Hanley and McNeil, 1982).

    Parameters
    ----------
    target : str
        ``churn``, ``upsell`` or ``cross_sell``.
    auc : mapping, optional
        ``value``, ``low`` and ``high``, each 0-1.
    """
    value = (auc or {}).get("value")
    if value is None or not is_known(value):
        return "Not tested on later dates: nobody can say yet how well it ranks."
    low, high = (auc or {}).get("low"), (auc or {}).get("high")
    said = (
        f"Of two accounts, one that {_EVENTS.get(target, 'did')} and one that "
        f"{_NON_EVENTS.get(target, 'did not')}, it ranks the first higher "
        f"{value * 100:.0f} times out of 100; a coin would 50 times."
    )
    if low is None or high is None or not (is_known(low) and is_known(high)):
        return said
    said += f" With 95 % certainty between {low * 100:.0f} and {high * 100:.0f}."
    return f"{said} That cannot be told from chance." if low <= 0.5 else said


def basis_in_words(evaluation: Mapping[str, Any]) -> str:
    """Say what stands behind the published figures, and plainly where nothing does.

    >>> basis_in_words({"basis": "none", "has_signal": False})
    'No probability is published'
    """
    if evaluation.get("basis") in {None, "none"}:
        return "No probability is published"
    if not evaluation.get("has_signal"):
        return "No signal found: every account is shown the base rate, none is ranked by it"
    if evaluation["basis"] == "few-feature model":
        return "A model of few measures, because few such events are known so far"
    return "A model, tested on later dates than it learned from"
