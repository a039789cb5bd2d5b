"""Words and number formats shared by the report, the workbook and the terminal."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from typing import Any

import pandas as pd

from features.errors import quantity

#: Shown if there is no value.
NONE = "–"
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
#: Shares that are easy to picture.
_SIMPLE = (
    *((1, n) for n in (2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 15, 20, 30, 50, 100)),
    *((2, 3), (2, 5), (3, 4), (3, 5), (4, 5), (9, 10)),
)
#: A span is written in weeks, months or years from this many days.
WEEKS_FROM, _MONTHS_FROM, _YEARS_FROM = 21, 90, 730


@dataclass(frozen=True)
class Band:
    """How a band of the health score is shown: never by its colour alone.

    Attributes
    ----------
    name : str
        The band in scores.parquet; empty for an account that is not scored.
    letter, mark : str
        A letter and a shape that accompany the colour.
    title : str
        The band in words.
    """

    name: str
    letter: str
    mark: str
    title: str


#: In the order of the page: best first, not scored last.
BANDS = (
    Band("green", "G", "●", "Green"),
    Band("yellow", "Y", "▲", "Yellow"),
    Band("red", "R", "■", "Red"),
    Band("", "–", "○", "Not scored"),
)


@dataclass(frozen=True)
class ListKind:
    """How a kind of flag is shown.

    Attributes
    ----------
    flag, title, about : str
        Its name, its heading and one sentence about the listed accounts.
    chance, value : str
        Headings of the probability and the money; empty if the list has none.
    output : str
        The output whose base rate is shown with the probability.
    """

    flag: str
    title: str
    about: str
    chance: str = ""
    value: str = ""
    output: str = ""


LISTS = (
    ListKind(
        "at_risk",
        "At risk",
        "Accounts that may leave. Largest expected loss first: chance of leaving × a year of MRR.",
        "Chance of leaving",
        "Expected loss",
        "churn",
    ),
    ListKind(
        "upsell",
        "Upsell",
        "Accounts likely to take more seats or a higher plan. Largest expected gain first.",
        "Chance of growing",
        "Expected gain",
        "upsell",
    ),
    ListKind(
        "cross_sell",
        "Cross-sell",
        "The most valuable product to offer to each account. Largest expected gain first.",
        "Chance of buying",
        "Expected gain",
        "cross_sell",
    ),
    ListKind(
        "renewal",
        "Renewals",
        "Accounts whose term ends soon. Largest expected loss first: chance of leaving × a year "
        "of MRR.",
        "Chance of leaving",
        "Expected loss",
        "churn",
    ),
    ListKind(
        "disagreement",
        "Disagreements",
        "Healthy by score and at risk by chance, the reverse, or a CSM's call far from the chance. "
        "Largest expected loss first.",
        "Chance of leaving",
        "Expected loss",
        "churn",
    ),
    ListKind("advocate", "Advocates", "Healthy accounts that would recommend us."),
    ListKind("leaving", "Leaving", "Accounts that gave notice and are known to leave."),
    ListKind("silent", "Silent", "Accounts that have stopped using the product."),
)

#: What to do with an account this week, most urgent first, as in my_week.parquet.
ACTIONS = {
    "leaving": "Leaving",
    "silent": "Silent",
    "at_risk": "At risk",
    "renewal": "Renewal",
    "disagreement": "Check",
    "expansion": "Offer",
    "advocate": "Advocate",
}
#: What the value of a row of my_week.parquet is, by action; of all others an expected loss.
VALUE_IS = {"leaving": "a year of MRR", "expansion": "expected gain", "advocate": ""}
#: The sheet and tab of a CSM's week.
MY_WEEK = "My week"


def band_of(name: Any) -> Band:
    """Return how a band is shown; without a band, how "not scored" is."""
    return next((band for band in BANDS if band.name == name), BANDS[-1])


def money(value: float | None, currency: str) -> str:
    """Write an amount in whole units of its currency.

    Examples
    --------
    >>> money(12345.6, "USD"), money(float("nan"), "USD")
    ('USD 12,346', '–')
    """
    number = _number(value)
    if math.isnan(number):
        return NONE
    return f"{currency} {_whole(number):,d}".strip().replace("-", "−")


def money_short(value: float | None, currency: str) -> str:
    """Write a large amount in thousands or millions, with three digits.

    Examples
    --------
    >>> money_short(1234567, "USD"), money_short(48200, "EUR"), money_short(980, "USD")
    ('USD 1.23 M', 'EUR 48.2 k', 'USD 980')
    """
    number = _number(value)
    if math.isnan(number):
        return NONE
    for size, unit in ((1e9, "bn"), (1e6, "M"), (1e3, "k")):
        # 999,950 would be "1,000 k": use the next unit.
        if abs(number) >= size * 0.99995:
            text = f"{currency} {_three_digits(number / size)} {unit}"
            return text.strip().replace("-", "−")
    return money(number, currency)


def percent(value: float | None, digits: int = 0) -> str:
    """Write a share in per cent; 0 and 100 only if they are exact.

    Examples
    --------
    >>> percent(0.314), percent(0.0004), percent(0.9999), percent(0.0533, 1)
    ('31 %', '<1 %', '>99 %', '5.3 %')
    """
    number = _number(value)
    if math.isnan(number):
        return NONE
    step = 10.0**-digits
    shown = round(number * 100, digits)
    if number > 0 and shown <= 0:
        return f"<{step:.{digits}f} %"
    if number < 1 and shown >= 100:
        return f">{100 - step:.{digits}f} %"
    return f"{shown + 0.0:.{digits}f} %"


def relative(share: float | None, digits: int = 0) -> str:
    """Write a ratio that may exceed 1, such as NRR, in per cent.

    Examples
    --------
    >>> relative(1.0132, 1), relative(0.9999)
    ('101.3 %', '100 %')
    """
    number = _number(share)
    return NONE if math.isnan(number) else f"{number * 100:.{digits}f} %"


def change(share: float | None) -> str:
    """Write a relative change with its sign.

    Examples
    --------
    >>> change(0.126), change(-0.02), change(0.0004)
    ('+13 %', '−2 %', 'unchanged')
    """
    number = _number(share)
    if math.isnan(number):
        return NONE
    shown = round(number * 100)
    return f"{shown:+d} %".replace("-", "−") if shown else "unchanged"


def not_shown(share: float | None) -> str:
    """State the share of all influences that a row's sentences do not cover.

    Examples
    --------
    >>> not_shown(0.28), not_shown(1.0), not_shown(None)
    ('Not shown: 72 % of the influences', '', '')
    """
    number = _number(share)
    if math.isnan(number) or number >= 1:
        return ""
    return f"Not shown: {percent(1 - number)} of the influences"


def chance(probability: float | None, base_rate: float | None, horizon_days: int) -> str:
    """Write a probability with the rate of similar accounts.

    Examples
    --------
    >>> chance(0.31, 0.06, 90)
    '31 % in 90 days; similar accounts: 6 %'
    """
    if math.isnan(_number(probability)):
        return "no probability is published"
    text = f"{percent(probability)} in {horizon_days} days"
    if math.isnan(_number(base_rate)):
        return text
    return f"{text}; similar accounts: {percent(base_rate)}"


def one_in(probability: float | None) -> str:
    """Write a probability as the nearest simple fraction of accounts.

    Examples
    --------
    >>> one_in(0.31), one_in(0.66), one_in(0.4), one_in(0.004), one_in(0.97)
    ('about 1 in 3', 'about 2 in 3', 'about 2 in 5', 'under 1 in 100', 'nearly certain')
    """
    p = _number(probability)
    if math.isnan(p):
        return ""
    if p < 0.01:
        return "under 1 in 100"
    if p > 0.95:
        return "nearly certain"
    part, whole = min(_SIMPLE, key=lambda pair: abs(pair[0] / pair[1] - p))
    return f"about {part} in {whole}"


def against_usual(probability: float | None, base_rate: float | None) -> str:
    """Compare a probability with the rate of similar accounts.

    Examples
    --------
    >>> against_usual(0.31, 0.06), against_usual(0.061, 0.06), against_usual(0.02, 0.06)
    ('5 times the usual', 'about the usual', 'below the usual')
    """
    p, base = _number(probability), _number(base_rate)
    if math.isnan(p) or math.isnan(base) or base <= 0:
        return ""
    times = p / base
    if times < 0.8:
        return "below the usual"
    if times <= 1.25:
        return "about the usual"
    metric = f"{times:.1f}".removesuffix(".0") if times < 3 else f"{round(times):,d}"
    return f"{metric} times the usual"


def points(value: float | None, *, signed: bool = False) -> str:
    """Write points of the health score with one decimal; NONE for NaN."""
    number = _number(value)
    if math.isnan(number):
        return NONE
    shown = round(number, 1) + 0.0
    text = f"{shown:+.1f}" if signed and shown else f"{shown:.1f}"
    return text.replace("-", "−")


def ratio(value: float | None) -> str:
    """Write a ratio of two amounts; NONE for NaN.

    Examples
    --------
    >>> ratio(2.0909), ratio(float("nan"))
    ('2.1', '–')
    """
    number = _number(value)
    return NONE if math.isnan(number) else f"{number:,.1f}"


def score(value: float | None) -> str:
    """Write a health score as a whole number; NONE if the account is not scored."""
    number = _number(value)
    return NONE if math.isnan(number) else str(_whole(number))


def count(number: float, noun: str = "", plural: str = "") -> str:
    """Count things.

    Examples
    --------
    >>> count(1, "account"), count(1200, "account"), count(2, "company", "companies")
    ('1 account', '1,200 accounts', '2 companies')
    """
    whole = int(number)
    return quantity(whole, noun, plural) if noun else f"{whole:,d}"


def day(value: Any) -> str:
    """Write a date the same way in every country.

    Examples
    --------
    >>> day("2026-11-01")
    '1 Nov 2026'
    """
    moment = _date(value)
    return NONE if moment is None else f"{moment.day} {_MONTHS[moment.month - 1]} {moment.year}"


def span(days: float | None) -> str:
    """Write a number of days in the largest unit that is precise enough.

    Examples
    --------
    >>> span(1), span(20), span(45), span(400), span(900)
    ('1 day', '20 days', '6 weeks', '13 months', '2.5 years')
    """
    number = _number(days)
    if math.isnan(number):
        return NONE
    if number < WEEKS_FROM:
        return count(round(number), "day")
    if number < _MONTHS_FROM:
        return count(round(number / 7), "week")
    if number < _YEARS_FROM:
        return count(round(number / 30.4375), "month")
    years = f"{number / 365.25:.1f}".removesuffix(".0")
    return f"{years} years"


def renewal(days: float | None) -> str:
    """Write the time until the end of the current term.

    Examples
    --------
    >>> renewal(12), renewal(0), renewal(-3), renewal(float("nan"))
    ('in 12 days', 'today', '3 days ago', '–')
    """
    number = _number(days)
    if math.isnan(number):
        return NONE
    whole = round(number)
    if whole == 0:
        return "today"
    return f"in {span(whole)}" if whole > 0 else f"{span(-whole)} ago"


def day_after(start: Any, days: float | None) -> str:
    """Write the date that is some days after another.

    Examples
    --------
    >>> day_after("2026-11-01", 28), day_after("2026-11-01", float("nan"))
    ('29 Nov 2026', '–')
    """
    number, first = _number(days), _date(start)
    if math.isnan(number) or first is None:
        return NONE
    return day(first + timedelta(days=round(number)))


def since(start: Any, as_of: Any) -> str:
    """Write how long a flag has been raised.

    Examples
    --------
    >>> since("2026-10-04", "2026-11-01"), since("2026-11-01", "2026-11-01")
    ('4 weeks', 'new')
    """
    first, today = _date(start), _date(as_of)
    if first is None or today is None:
        return NONE
    return span((today - first).days) if first < today else "new"


def auc_in_words(auc: Mapping[str, float]) -> str:
    """Write an AUC with its 95 % interval and how to read it.

    Examples
    --------
    >>> auc_in_words({"value": 0.76, "low": 0.7, "high": 0.82})
    'AUC 0.76 (95 % interval 0.70 to 0.82; 0.5 is chance, 1 is perfect).'
    """
    value, low, high = (float(auc[key]) for key in ("value", "low", "high"))
    return f"AUC {value:.2f} (95 % interval {low:.2f} to {high:.2f}; 0.5 is chance, 1 is perfect)."


def title_of(name: str) -> str:
    """Turn a name into a heading: ``cross_sell`` becomes "Cross-sell"."""
    return {"cross_sell": "Cross-sell"}.get(name, name.replace("_", " ").capitalize())


def text_of(value: Any) -> str:
    """Return a text cell; empty if the value is missing."""
    if value is None or (isinstance(value, float) and math.isnan(value)) or value is pd.NA:
        return ""
    return str(value)


def _number(value: Any) -> float:
    if value is None or value is pd.NA:
        return math.nan
    number = float(value)
    return number if math.isfinite(number) else math.nan


def _whole(number: float) -> int:
    """Round half away from zero."""
    return int(math.copysign(math.floor(abs(number) + 0.5), number))


def _three_digits(number: float) -> str:
    size = abs(number)
    digits = 2 if size < 9.995 else 1 if size < 99.95 else 0
    return f"{number:,.{digits}f}"


def _date(value: Any) -> date | None:
    if isinstance(value, str):
        return _written_date(value)
    if value is None or value is pd.NaT:
        return None
    moment = pd.Timestamp(value)
    return None if pd.isna(moment) else moment.date()


@lru_cache(maxsize=1_000)
def _written_date(text: str) -> date | None:
    moment = pd.Timestamp(text)
    return None if pd.isna(moment) else moment.date()
