"""Rows of accounts by day as numpy columns, and the windows and dates that slice them."""
