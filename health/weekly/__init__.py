"""The weekly batch: a run from the tables to a published directory."""
