"""What customers write: sentiment and themes, learned from a company's own scores."""
