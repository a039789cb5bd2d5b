"""Scoring: the values and reasons of every account on one date."""
