"""Features of onboarding and first value."""
