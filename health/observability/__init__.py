"""What a company's own monitoring reads: metrics for Prometheus, events for OpenLineage."""
