"""What customers write: sentiment, themes and their impact, on one page."""
