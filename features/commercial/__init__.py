"""Features of contracts and revenue."""
