"""Past dates, scored with what was known then and compared with what happened."""
