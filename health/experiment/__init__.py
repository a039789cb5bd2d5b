"""The effect of CSMs' work: treated against control accounts."""
