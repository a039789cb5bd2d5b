"""The relationship with an account: its people, bills, conversations and goals."""
