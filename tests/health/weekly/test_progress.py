"""What a run says: bars for people, lines and JSON for logs."""

from __future__ import annotations

import io
import json
from datetime import datetime

from rich.console import Console

from health.weekly.progress import Bars, Lines, Steps, Voice


def _clock() -> datetime:
    return datetime(2026, 11, 1, 4, 0, 5)


def _work(voice: Voice) -> Steps:
    steps = Steps(voice)
    with steps.step("score") as progress:
        progress(0.5)
        voice.event("cleaned_up", "removed [what] was left")
    return steps


def test_plain_lines_carry_the_time() -> None:
    stream = io.StringIO()
    steps = _work(Lines(stream, _clock))
    lines = stream.getvalue().splitlines()
    assert lines[0] == "2026-11-01T04:00:05Z score …"
    assert lines[1] == "2026-11-01T04:00:05Z removed [what] was left"
    assert lines[2].startswith("2026-11-01T04:00:05Z score: ")
    assert list(steps.seconds) == ["score"]


def test_json_lines_are_objects() -> None:
    stream = io.StringIO()
    _work(Lines(stream, _clock, as_json=True))
    started, said, ended = (json.loads(line) for line in stream.getvalue().splitlines())
    assert started == {
        "time": "2026-11-01T04:00:05Z",
        "event": "step_begun",
        "text": "score …",
        "step": "score",
    }
    assert said["event"] == "cleaned_up"
    assert ended["seconds"] >= 0


def test_bars_on_a_terminal() -> None:
    stream = io.StringIO()
    with Bars(Console(file=stream, force_terminal=True, width=80)) as bars:
        _work(bars)
    assert "score" in stream.getvalue()
    assert "removed [what] was left" in stream.getvalue()
