"""Features of survey answers: NPS, CSAT and CES."""
