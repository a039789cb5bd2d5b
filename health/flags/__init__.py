"""Flags: which accounts somebody should look at this week."""
