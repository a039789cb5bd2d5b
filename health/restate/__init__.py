"""Past dates scored again under another scorecard, so that history compares like with like."""
