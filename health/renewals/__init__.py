"""Renewals: the months ahead, the CSMs' own calls, and who was right afterwards."""
