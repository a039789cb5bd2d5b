"""The scorecard: measures, curves and bands that make a health score."""
