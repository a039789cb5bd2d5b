"""How numbers, dates and pages are written."""
