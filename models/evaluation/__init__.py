"""Metrics of classifiers with intervals, and paired comparisons."""
