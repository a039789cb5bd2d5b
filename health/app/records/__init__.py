"""What people write: append-only rows with an audit, and what they amount to now."""
