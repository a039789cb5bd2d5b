"""Code of one's own beside the configuration: features and estimators that the batch uses."""
