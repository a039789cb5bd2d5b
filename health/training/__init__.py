"""Training: models fitted on past dates, and the versions they are kept in."""
