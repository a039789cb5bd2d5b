"""Who may see and do what: roles, sign-in, sessions and tokens."""
