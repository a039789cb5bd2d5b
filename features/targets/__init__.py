"""Labels and training targets: churn, growth and offers."""
