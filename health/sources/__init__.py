"""Where a company's data is: databases, vendors' exports, and the recipes that read them."""
