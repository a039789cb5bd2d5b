"""Reading and publishing run directories."""
