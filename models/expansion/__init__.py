"""Probability of upsell and cross-sell."""
