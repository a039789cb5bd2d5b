"""The input tables: names, types, how they are opened, and what was known of them at a date."""
