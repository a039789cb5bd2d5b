"""The two kinds of business, contracts and orders, and an opened company."""
