"""Reasons: contributions turned into sentences."""
