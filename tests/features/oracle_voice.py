"""What the features of comments should be."""

from __future__ import annotations

import math
import zlib
from datetime import datetime
from statistics import mean

from tests.features.company import Row
from tests.features.oracle import Then, Value, oracle
from tests.features.oracle_surveys import is_bad, is_good
from tests.features.text_models import LongWords, WordScores

#: Which of the texts of `tests.features.company` ask for what, cleaned; by hand.
_ASKS = {
    "We need more seats, the reports are great": {"seats"},
    "Far too expensive & slow!": {"price"},
    "Please add an export, it is slow": {"function"},
    "Thinking of switching to a competitor, we will not renew": {"competitor", "leaving"},
    "Das ist zu teuer und die Kündigung kommt": {"price", "leaving"},
}
_FRENCH = "Nous avons besoin de more seats pour les amis"
_CLEAN = {
    "Far too expensive &amp; slow!": "Far too expensive & slow!",
    "<p>Please add an export, it is slow</p>": "Please add an export, it is slow",
}


def _written(then: Then, before: datetime) -> list[Row]:
    """Return comments as they were known before a date, oldest first."""
    found = []
    for row in then.rows["surveys"]:
        if row.get("comment") and row["answered_at"] is not None:
            score = row if row.get("score") is not None else None
            found.append((row, row["answered_at"], row["kind"].lower(), row["comment"], score))
    for row in then.rows["tickets"]:
        rated = row.get("csat_at") is not None and row["csat_at"] < before
        kind = {"kind": "csat", "score": row.get("csat"), "scale": row.get("csat_scale")}
        if row.get("subject"):
            score = kind if rated and row.get("csat") is not None else None
            found.append((row, row["opened_at"], "ticket", row["subject"], score))
    comments = [
        {
            "account_id": row["account_id"],
            "at": at,
            "text": _CLEAN.get(text, text.strip()),
            "label": (row.get("reason") or "").lower(),
            "good": score is not None and is_good(score),
            "bad": score is not None and is_bad(score),
            "order": (at, row["account_id"], source, text),
        }
        for row, at, source, text, score in found
        if text.strip()
        and at < before
        and (row.get("known_at") is None or row["known_at"] < before)
    ]
    return sorted(comments, key=lambda comment: comment["order"])


def _own(then: Then, account: str, days: float, until: float = 0) -> list[Row]:
    return [
        c
        for c in _written(then, then.day)
        if c["account_id"] == account and until < then.days_since(c["at"]) <= days
    ]


def _group(account: str) -> int:
    return zlib.crc32(account.encode()) % 3


def _quarter(day: datetime) -> datetime:
    return datetime(day.year, 3 * ((day.month - 1) // 3) + 1, 1)


def _positive(then: Then, account: str, rows: list[Row]) -> list[float]:
    """Return how positive comments read for a model of other accounts' earlier comments."""
    scored = [
        c
        for c in _written(then, _quarter(then.day))
        if (c["good"] or c["bad"]) and _group(c["account_id"]) != _group(account)
    ]
    if len({c["good"] for c in scored}) < 2:
        return []
    model = WordScores().fit([c["text"] for c in scored], [c["good"] for c in scored])
    read = [float(p) for p in model.predict_proba([c["text"] for c in rows])[:, 1]] if rows else []
    return [value for value in read if not math.isnan(value)]


def _asked(kind: str) -> None:
    @oracle(f"voice_asks_{kind}_90d")
    def asked(then: Then, account: str) -> Value:
        year, quarter = _own(then, account, 365), _own(then, account, 90)
        if not [c for c in year if c["text"] != _FRENCH or c["label"] == "wants_out"]:
            return None
        labelled = kind == "leaving"
        return sum(
            (c["text"] != _FRENCH and kind in _ASKS.get(c["text"], ()))
            or (labelled and c["label"] == "wants_out")
            for c in quarter
        )


for _kind in ("seats", "function", "price", "leaving", "competitor"):
    _asked(_kind)


@oracle("voice_sentiment_latest")
def sentiment(then: Then, account: str) -> Value:
    read = _positive(then, account, _own(then, account, 180)[-3:])
    return mean(read) if read else None


@oracle("voice_sentiment_trend_90d")
def trend(then: Then, account: str) -> Value:
    now = _positive(then, account, _own(then, account, 90))
    before = _positive(then, account, _own(then, account, 270, 90))
    return mean(now) - mean(before) if now and before else None


@oracle("voice_complaint_themes_90d")
def complaint_themes(then: Then, account: str) -> Value:
    texts = [c["text"] for c in _written(then, _quarter(then.day))]
    themes = LongWords().fit(texts).words_
    if not themes or not _own(then, account, 365):
        return None
    named = set()
    for comment in _own(then, account, 90):
        read = _positive(then, account, [comment])
        if comment["bad"] or (read and read[0] < 1 / 3):
            mentioned = LongWords()
            mentioned.words_ = themes
            found = mentioned.mentions([comment["text"]])[0]
            named |= {word for word, is_named in zip(themes, found, strict=True) if is_named}
    return len(named)
