"""Churn probability: candidates, their comparison on later dates, and the chosen model."""
