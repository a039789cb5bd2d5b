"""Reading published runs: only the rows and columns that a page shows."""
