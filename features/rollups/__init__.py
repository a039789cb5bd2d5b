"""Usage rolled up by day on the engine, and the roll-ups of finished files that are kept."""
