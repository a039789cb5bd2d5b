"""Files, folders and queries read into tables with canonical names and types."""
