"""The accounts that a version of a large company learns from."""

from __future__ import annotations

from dataclasses import dataclass

from features.tables.drawn import drawn_share
from features.tables.opened import Tables, of_accounts
from features.tables.point_in_time import collect
from features.targets.labels import tenure_spells
from health.settings.config import Config


@dataclass(frozen=True)
class Sample:
    """A random part of the accounts.

    Attributes
    ----------
    names : tuple of str
        The accounts.
    of : int
        Number of all accounts.
    churned : int
        Number of accounts of the company that have churned.
    """

    names: tuple[str, ...]
    of: int
    churned: int

    def tables(self, tables: Tables) -> Tables:
        """Return the tables of these accounts."""
        return of_accounts(tables, self.names)

    def to_dict(self) -> dict[str, int]:
        """Return what the manifest states of it."""
        return {"accounts": len(self.names), "of": self.of, "churned_of_all": self.churned}

    def __str__(self) -> str:
        return (
            f"{len(self.names):,} of {self.of:,} accounts, at random: "
            f"{self.churned:,} accounts have churned, more than training.enough_churned"
        )


def sample_accounts(tables: Tables, config: Config) -> Sample | None:
    """Draw so many accounts that about enough of them have churned; None if all are needed.

    Whether an account is drawn depends on its identifier, the seed and the share that is drawn, so
    most accounts stay the same from one training to the next.

    Parameters
    ----------
    tables : Tables
        Needs accounts and subscriptions.
    config : Config
        `training.enough_churned`, seed and grace.
    """
    spells = tenure_spells(tables, grace_days=config.labels.grace_days)
    churned = spells.loc[spells["churned"] == 1, "account_id"].nunique()
    enough = config.training.enough_churned
    if churned <= enough:
        return None
    names = collect(tables["accounts"].select("account_id").unique())["account_id"]
    chosen = drawn_share(names.tolist(), enough / churned, seed=config.training.seed)
    return Sample(tuple(chosen), len(names), int(churned))
