"""Checks of the input tables: what is wrong or missing, with counts and examples."""
