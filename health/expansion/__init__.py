"""Expansion: what an account could buy next, and what that is worth."""
