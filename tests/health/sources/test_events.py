"""Events of PostHog, Segment and Amplitude: whose they are, and which count."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.health.sources.exports import left_out, recipes, table, write, write_json_lines
from tests.health.sources.test_customers import company, hubspot

COMPANIES = hubspot([company(1, "First"), company(2, "Second")])
#: By event: the company that it names, its user, and the account it belongs to.
CASES: dict[str, tuple[str | None, str, str | None]] = {
    "by the company's key": ("2", "x@first.example", "2"),
    "by the company's name": ("Second", "anonymous-1", "2"),
    "by the user's address": (None, "y@first.example", "1"),
    "by the user's other events": (None, "u-7", "2"),
    "names the user's company": ("2", "u-7", "2"),
    "by nothing": (None, "stranger@gmail.com", None),
    "by a company that is unknown": ("999", "anonymous-2", None),
}


def posthog(folder: Path) -> None:
    rows = [
        {
            "uuid": str(n),
            "event": event,
            "distinct_id": user,
            "person_id": None,
            "properties": json.dumps({"$groups": {"company": group}} if group else {}),
            "timestamp": pd.Timestamp(f"2026-05-0{n % 9 + 1}T10:00:00Z"),
        }
        for n, (event, (group, user, _)) in enumerate(CASES.items())
    ]
    rows.append(rows[0] | {"uuid": "noise", "event": "$autocapture"})
    for month, part in (("2026-05", rows[:3]), ("2026-06", rows[3:])):
        (folder / "posthog").mkdir(exist_ok=True)
        pd.DataFrame(part).to_parquet(folder / "posthog" / f"{month}.parquet")


def segment(folder: Path) -> None:
    rows: list[dict[str, Any]] = [
        {
            "messageId": str(n),
            "type": "track",
            "event": event,
            "userId": user,
            "timestamp": f"2026-05-0{n % 9 + 1}T12:00:00+02:00",
            "context": {"groupId": group},
        }
        for n, (event, (group, user, _)) in enumerate(CASES.items())
    ]
    write_json_lines(folder / "segment" / "2026-05-01.jsonl.gz", rows[:4])
    call = {"messageId": "g", "type": "identify", "userId": "u-7", "timestamp": "2026-05-01"}
    write_json_lines(folder / "segment" / "2026-05-02.jsonl.gz", [*rows[4:], call])


def amplitude(folder: Path) -> None:
    rows = [
        {
            "$insert_id": str(n),
            "event_type": event,
            "user_id": user,
            "amplitude_id": n,
            "event_time": f"2026-05-0{n % 9 + 1} 10:00:00.000000",
            "groups": {"company": [group]} if group else {},
        }
        for n, (event, (group, user, _)) in enumerate(CASES.items())
    ]
    write_json_lines(folder / "amplitude" / "123_2026-05-01_0.json.gz", rows)


@pytest.mark.quick_cases(1)
@pytest.mark.parametrize("export", [posthog, segment, amplitude])
def test_an_event_finds_its_account(tmp_path: Path, export: Any) -> None:
    write(tmp_path, COMPANIES)
    export(tmp_path)
    with recipes(tmp_path) as opened:
        rows = table(opened, export.__name__, "usage").set_index("event")
        counted = left_out(opened, export.__name__)
    found = rows["account_id"].where(rows["account_id"].notna(), None).to_dict()
    assert found == {event: account for event, (_, _, account) in CASES.items()}
    first = rows.loc["by the company's key", "occurred_at"]
    assert pd.Timestamp(str(first)) == pd.Timestamp("2026-05-01 10:00")
    noise = {"events left out by exclude_events: $autocapture": 1}
    calls = {"calls that name no event": 1}
    assert counted == {posthog: noise, segment: calls, amplitude: {}}[export]


def test_the_configuration_decides_which_events_count(tmp_path: Path) -> None:
    write(tmp_path, COMPANIES)
    posthog(tmp_path)
    with recipes(tmp_path) as opened:
        every = table(opened, "posthog", "usage", exclude_events=())
        some = table(opened, "posthog", "usage", exclude_events=("by nothing", "$autocapture"))
    assert (len(every), len(some)) == (len(CASES) + 1, len(CASES) - 1)
