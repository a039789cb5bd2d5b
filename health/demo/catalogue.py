"""What the demo company sells, and what its users can do with it."""

from __future__ import annotations

SEGMENTS = ("SMB", "Mid-market", "Enterprise")
SEGMENT_SHARE = (0.55, 0.33, 0.12)
#: Median seats of a new account, by segment.
SEGMENT_SEATS = (5.0, 10.0, 22.0)
#: Share of accounts on a yearly contract, by segment; the others can leave any week.
SEGMENT_ANNUAL = (0.30, 0.60, 0.88)
#: Price index by segment: larger customers pay less a seat.
SEGMENT_PRICE = (1.0, 0.92, 0.85)
#: Share of new accounts on each plan, by segment.
SEGMENT_PLANS = ((0.55, 0.35, 0.10), (0.22, 0.50, 0.28), (0.05, 0.40, 0.55))

CORE = "Platform"
PLANS = ("Starter", "Team", "Business")
TOP_PLAN = len(PLANS) - 1
#: List price of a seat and month, by plan.
SEAT_PRICE = (29.0, 49.0, 79.0)
#: API calls a seat and month, by plan; Starter has no API.
SEAT_ALLOWANCE = (0.0, 2000.0, 5000.0)
QUOTA_EVENT = "api_call"

ADD_ONS = ("Insights", "Automations", "Connect")
#: List price of an add-on a month: a base, and so much for each seat.
ADD_ON_BASE = (20.0, 35.0, 60.0)
ADD_ON_SEAT = (6.0, 9.0, 5.0)

#: Core features and the chance that a user touches one on a day of use.
CORE_EVENTS = {
    "view_dashboard": 0.60,
    "create_report": 0.22,
    "edit_report": 0.16,
    "comment": 0.11,
    "share_report": 0.08,
    "import_data": 0.07,
    "schedule_export": 0.05,
}
SETUP_EVENT = "setup_step"
PLAN_EVENT = "audit_log"
ADD_ON_EVENTS = ("insights_forecast", "automation_run", "connector_sync")
#: The same features, tried without owning them; the last one belongs to the top plan.
TRIAL_EVENTS = tuple(f"{event}_trial" for event in (*ADD_ON_EVENTS, PLAN_EVENT))
#: Every event that a user can cause, in the order of the columns of the feature matrix.
USER_EVENTS = (*CORE_EVENTS, SETUP_EVENT, PLAN_EVENT, *ADD_ON_EVENTS, *TRIAL_EVENTS)

INDUSTRIES = (
    "Software",
    "Retail",
    "Manufacturing",
    "Logistics",
    "Healthcare",
    "Finance",
    "Education",
    "Media",
)
REGIONS = ("Europe", "North America", "Asia-Pacific", "Latin America")
REGION_SHARE = (0.40, 0.38, 0.14, 0.08)
