from __future__ import annotations

import pandas as pd
import pytest

from health.reasons.families import family_reasons


def test_families_sum_to_their_terms_and_say_why() -> None:
    rows = [
        ("A", "usage_events_trend", 0.8, "Use is down 30 %"),
        ("A", "usage_active_users_28d", 0.3, "2 people used it"),
        ("A", "usage_recency_days", -0.1, "Last used 1 day ago"),
        ("A", "tickets_backlog", -0.2, "No open tickets"),
        ("A", "segment", 0.0, "Segment: SMB"),
        ("A", "baseline", -2.0, "Where every account starts from"),
        ("B", "tickets_backlog", 0.5, "9 open tickets"),
    ]
    reasons = pd.DataFrame(rows, columns=["account_id", "term", "contribution", "text"])
    table = family_reasons(reasons)
    own = table[table["account_id"] == "A"].set_index("family")
    assert own["contribution"].tolist() == pytest.approx([1.0, -0.2, 0.0])
    assert own.loc["usage", "text"] == ("Usage raises it: Use is down 30 %; 2 people used it")
    assert own.loc["tickets", "text"] == "Support lowers it: No open tickets"
    assert own.loc["account", "text"] == "Kind of account: no effect"
    assert table.iloc[-1]["text"] == "Support raises it: 9 open tickets"
