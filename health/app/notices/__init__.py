"""Notices: each CSM's week by email or to a webhook."""
