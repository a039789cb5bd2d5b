"""The scorecard: the measures, curves and bands of a health score."""
