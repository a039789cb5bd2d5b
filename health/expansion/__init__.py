"""Expansion: what an account could buy next, and its expected value."""
