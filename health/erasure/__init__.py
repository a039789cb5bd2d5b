"""Erasing a customer or a person from everything that is stored."""
