"""Probabilities of upsell and cross-sell."""
