"""Every section of the configuration."""
