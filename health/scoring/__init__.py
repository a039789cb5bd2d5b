"""Scoring: figures and reasons of every account on one date."""
