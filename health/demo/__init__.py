"""A made-up company whose truth is known: what the engine is shown on, and measured against."""

from health.demo.company import DemoCompany, simulate_company
from health.demo.write import write_company

__all__ = ["DemoCompany", "simulate_company", "write_company"]
