"""Past dates scored again with another scorecard, so that history is comparable."""
