"""Totals of a date according to the company's books, to compare the tables with."""

from __future__ import annotations

import datetime as dt

from pydantic import model_validator

from health.settings.section import PositiveInt, PositiveNumber, Section, Share


class ExpectedConfig(Section):
    """MRR and paying accounts of one date according to the company's books.

    Attributes
    ----------
    date : date
        Date, meaning the midnight (UTC) at which it starts, as for scored dates: for the end of
        March write the first of April.
    mrr : float, optional
        MRR of all accounts on the date, in the company's currency; without subscriptions, a
        twelfth of the orders in the 365 days before.
    accounts : int, optional
        Number of paying accounts on the date.
    tolerance : float
        Largest accepted relative difference, up or down.
    """

    date: dt.date
    mrr: PositiveNumber | None = None
    accounts: PositiveInt | None = None
    tolerance: Share = 0.02

    @model_validator(mode="after")
    def _expects_something(self) -> ExpectedConfig:
        if self.mrr is None and self.accounts is None:
            raise ValueError("give mrr, accounts or both")
        return self
