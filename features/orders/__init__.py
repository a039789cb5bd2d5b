"""Features of purchases outside subscriptions."""
