"""Features of product usage."""
