"""What becomes of a book of renewals: how far outcomes go together, and the range of their sum."""
