"""Features of support tickets."""
