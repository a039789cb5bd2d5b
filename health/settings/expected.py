"""What the company's own books say of a date, to compare the tables with."""

from __future__ import annotations

import datetime as dt

from pydantic import model_validator

from health.settings.section import PositiveInt, PositiveNumber, Section, Share


class ExpectedConfig(Section):
    """MRR and paying accounts of one date by the company's own books.

    Attributes
    ----------
    date : date
        The midnight (UTC) at which the date starts, as for dates that are scored: for the end of
        March write the first of April.
    mrr : float, optional
        MRR of all accounts on the date, in the company's currency; without subscriptions a
        twelfth of what was ordered in the 365 days before.
    accounts : int, optional
        Accounts that pay on the date.
    tolerance : float
        Largest relative difference that is accepted, up or down.
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
