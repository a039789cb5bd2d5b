"""What each feature means, as one hash: what it declares, and what it computes on a fixed company.

A model is only as good as the meaning of its inputs. Comments and refactorings change no hash; a
changed window, sentence of null, filter or formula does.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime, timedelta
from functools import cache

import pandas as pd

from features.build import build_features
from features.catalogue import CATALOGUE
from features.definitions.feature import Feature
from features.definitions.settings import DEFAULT_SETTINGS, FeatureSettings
from features.reading.frames import tables_from_frames
from features.tables.opened import Tables

#: Texts, which may be reworded without a change of meaning, and additional tables, which the
#: values reflect.
_WORDING = {"sentence", "null_means", "zero_means", "also"}
#: Values are compared to this many significant digits; engines differ in the last ones.
_DIGITS = 6
_DAY = datetime(2025, 6, 29)
_ACCOUNTS = 8


def definition_hashes(
    catalogue: Mapping[str, Feature] = CATALOGUE, settings: FeatureSettings = DEFAULT_SETTINGS
) -> dict[str, str]:
    """Return a hash per feature of what it declares and computes.

    Parameters
    ----------
    catalogue : mapping of str to Feature
        Features by name. One that `build_features` does not make by itself is hashed by what
        it declares.
    settings : FeatureSettings
        Settings of the company.

    Returns
    -------
    dict of str to str
        Twelve hexadecimal digits by feature.
    """
    computed = _computed(settings)
    return {name: _hash(feature, computed.get(name)) for name, feature in catalogue.items()}


@cache
def _computed(settings: FeatureSettings) -> pd.DataFrame:
    return build_features(_fixed_company(), [_DAY, _DAY - timedelta(days=63)], settings)


def _hash(feature: Feature, values: pd.Series[float] | None) -> str:
    declared = {key: value for key, value in asdict(feature).items() if key not in _WORDING}
    result = [] if values is None else [_rounded(float(value)) for value in values]
    content = json.dumps([declared, result], sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()[:12]


def _rounded(value: float) -> str:
    return "" if math.isnan(value) else f"{value + 0.0:.{_DIGITS}g}"


def _ago(days: float) -> datetime:
    return _DAY - timedelta(days=days)


def _fixed_company() -> Tables:
    """Make eight accounts that differ in everything a feature looks at; no chance in it."""
    frames = {
        "accounts": _accounts(),
        "subscriptions": _subscriptions(),
        "usage": _usage(),
        "tickets": _tickets(),
        "surveys": _surveys(),
        "orders": _orders(),
        "interventions": _interventions(),
        "contacts": _contacts(),
        "invoices": _invoices(),
        "interactions": _interactions(),
        "goals": _goals(),
    }
    return tables_from_frames(frames, observed_until=_DAY + timedelta(days=1))


def _accounts() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "account_id": f"a{i}",
            "created_at": _ago(500 - 60 * i),
            "segment": ("small", "large")[i % 2],
        }
        for i in range(_ACCOUNTS)
    )


def _subscriptions() -> pd.DataFrame:
    """Give each account a contract that grew or shrank, and every other a second product."""
    rows = []
    for i in range(_ACCOUNTS):
        change = {"ended_at": _ago(40 + 7 * i), "mrr": 100.0 + 10 * i, "seats": 5.0 + i}
        rows.append(_contract(i, "core", _ago(480 - 60 * i), renews_at=_ago(40 + 7 * i), **change))
        now = {"mrr": 90.0 + 20 * i, "seats": 4.0 + 2 * i, "quota": 22.0, "quota_event": "export"}
        notice = _ago(5) if i == 4 else None
        rows.append(
            # One left for a month and a half, and came back.
            _contract(
                i,
                "core",
                _ago(40 + 7 * i - (45 if i == 6 else 0)),
                renews_at=_ago(-20 * i),
                notice_at=notice,
                list_mrr=150.0 + 10 * i,
                billing_months=(1.0, 12.0)[i % 2],
                **now,
            )
        )
        if i % 2:
            rows.append(_contract(i, "addon", _ago(70 + i), mrr=25.0, seats=2.0))
    return pd.DataFrame(rows)


def _contract(i: int, product: str, start: datetime, **rest: object) -> dict[str, object]:
    own = {"account_id": f"a{i}", "product": product, "started_at": start, "ended_at": None}
    return {**own, "plan": "plus" if i == 7 else "basic", "currency": "USD", **rest}


def _usage() -> pd.DataFrame:
    """Let usage rise, fall, stop or never start, by several users, some of them rarely."""
    rows = []
    for i in range(_ACCOUNTS - 1):
        for day in range(3 if i != 3 else 45, 200, 2 + i % 4):
            for user in range(1 + (i + day) % (2 + i % 3)):
                rows.append(
                    {
                        "account_id": f"a{i}",
                        "event": ("view", "edit", "export", "share")[(day + user) % 4],
                        "occurred_at": _ago(day - 0.03 * user),
                        "user_id": f"u{i}-{user}" if day > 4 + i or user else f"new{i}",
                        "quantity": 1.0 + (day * (i + 1)) % 5,
                        "duration_s": 30.0 + 11 * ((day + i) % 7),
                        "errors": float((day + user) % 9 == 0),
                    }
                )
    return pd.DataFrame(rows)


def _tickets() -> pd.DataFrame:
    rows = []
    for i in range(0, _ACCOUNTS, 2):
        for n in range(4 + 3 * i):
            opened = 6 + 13 * n + i
            solved = None if n == 0 else _ago(opened - 1 - n % 3)
            rows.append(
                {
                    "account_id": f"a{i}",
                    "ticket_id": f"t{i}-{n}",
                    "requester_id": f"u{i}-{n % 2}",
                    "opened_at": _ago(opened),
                    "first_replied_at": _ago(opened - 0.1 * (1 + n % 4)),
                    "solved_at": solved,
                    "reopened_at": _ago(opened - 2) if n % 4 == 3 else None,
                    "closed_at": None if n % 2 == 0 else _ago(opened - 5),
                    "priority": ("low", "normal", "high", "urgent")[(n + i // 2) % 4],
                    "channel": ("email", "chat")[n % 2],
                    "escalated": n % 3 == 2,
                    "csat": None if solved is None else float(1 + (n + i) % 5),
                    "csat_at": None if solved is None else _ago(opened - 4),
                }
            )
    return pd.DataFrame(rows)


def _surveys() -> pd.DataFrame:
    rows = []
    for i in range(1, _ACCOUNTS):
        for n in range(10):
            sent, kind = 12 + 40 * n + i, ("nps", "csat", "ces", "nps", "ces")[n % 5]
            answered = None if (i + n) % 3 == 0 else _ago(sent - 2)
            top = {"nps": 11, "csat": 5, "ces": 7}[kind]
            rows.append(
                {
                    "account_id": f"a{i}",
                    "kind": kind,
                    "sent_at": _ago(sent),
                    "answered_at": answered,
                    "score": None if answered is None else float((3 * i + n) % top + (top < 11)),
                    "scale": {"nps": "0-10", "csat": "1-5", "ces": "1-7"}[kind],
                    "respondent_id": f"u{i}-{n % 2}",
                    "role": ("user", "champion", "buyer")[(n + i) % 3],
                    "expected": float(1 + (n + i) % 5) if n == 1 else None,
                    "comment": (
                        "We need more seats",
                        "too expensive, we cancel our contract",
                        None,
                    )[(n + i) % 3],
                }
            )
    return pd.DataFrame(rows)


def _orders() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "account_id": f"a{i}",
            "ordered_at": _ago(9 + 31 * n + i),
            "amount": 40.0 + 7 * i + n,
            "product": ("core", "addon")[n % 2],
        }
        for i in range(_ACCOUNTS)
        for n in range(1 + 2 * (i % 4))
    )


def _interventions() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "account_id": f"a{i}",
            "occurred_at": _ago(15 + 10 * i),
            "kind": "call",
            "csm": "Ada",
            "arm": ("treated", "control")[i % 2],
        }
        for i in range(3)
    )


def _contacts() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "account_id": f"a{i}",
            "contact_id": f"p{i}-{n}",
            "created_at": _ago(20 + 45 * n + 9 * i),
            "role": ("user", "owner", "buyer")[(n + i) % 3],
            "is_champion": (n + i) % 4 == 1,
            "left_at": _ago(5 + 30 * n) if n and (n + i) % 3 == 1 else None,
        }
        for i in range(_ACCOUNTS - 1)
        for n in range(1 + i % 5)
    )


def _invoices() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "account_id": f"a{i}",
            "invoice_id": f"i{i}-{n}",
            "due_at": _ago(3 + 30 * n + i),
            "amount": 50.0 + 10 * i + n,
            "paid_at": None if (n + i) % 5 == 0 else _ago(3 + 30 * n + i - (i + n) % 4),
            "failed_attempts": float((n * i) % 3),
        }
        for i in range(_ACCOUNTS - 1)
        for n in range(2 + 2 * i)
    )


def _interactions() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "account_id": f"a{i}",
            "occurred_at": _ago(1 + 3 * i + (5 + i) * n),
            "kind": ("email", "call", "email", "meeting", "email")[(n + i) % 5],
            "direction": ("out", "in")[(n + i // 2) % 2],
            "contact_id": f"p{i}-{n % 3}",
        }
        for i in range(_ACCOUNTS - 1)
        for n in range(3 + 4 * i)
    )


def _goals() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "account_id": f"a{i}",
            "goal": f"g{n}",
            "set_at": _ago(30 + 70 * n + i),
            "target_at": _ago(10 + 60 * n - 9 * i),
            "reached_at": _ago(4 + 50 * n) if (n + i) % 3 else None,
        }
        for i in range(_ACCOUNTS - 1)
        for n in range(1 + i % 6)
    )
