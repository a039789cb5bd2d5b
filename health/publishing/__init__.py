"""Writing a published run to a company's warehouse."""
