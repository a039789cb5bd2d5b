"""What a feature is: its declaration, conditions, settings, stages and metrics."""
