"""Customer lifetime value, with and without a contract."""
