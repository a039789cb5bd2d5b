"""The pages: one module for each, from a checked request to an answer."""
