"""What CSMs' work did: treated against control."""
