"""The contenders of a backtest: the health score, the models, and the simplest rivals."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from features.errors import HealthError

_KEYS = ["account_id", "as_of"]
#: Next to the tables of a simulated company: the true probabilities, unknown in real life.
TRUTH = "truth.parquet"


@dataclass(frozen=True)
class Contender:
    """Something that ranks accounts by risk.

    Attributes
    ----------
    key : str
        Its column in `Past.rows`, and its name in backtest.json.
    title : str
        Its name on the page.
    about : str
        What it is, in a sentence.
    """

    key: str
    title: str
    about: str


RULES = Contender("rules", "Health score", "The configured scorecard")
PROPOSED = Contender("proposed", "Proposed scorecard", "The scorecard of the given file")
LEARNT = Contender(
    "learned",
    "Learned weights",
    "The same measures with weights learned from what was known before each date",
)
MODEL = Contender("model", "Churn model", "Fitted for each date only on what was known before it")
RENEWAL = Contender(
    "renewal",
    "Days to renewal alone",
    "Accounts that renew soonest are called first, without a score",
)
USAGE = Contender(
    "usage",
    "Usage in 28 days alone",
    "Accounts with the least usage are called first, without a score",
)
ORACLE = Contender(
    "oracle",
    "Oracle",
    "The true probabilities of the simulator: the best possible ranking, for demo companies only",
)
CONTENDERS = (RULES, PROPOSED, LEARNT, MODEL, RENEWAL, USAGE, ORACLE)


def oracle_risk(rows: pd.DataFrame, folder: Path, horizon_days: int) -> pd.Series[float] | None:
    """Return the true probability of churn of each row; None if it is not known.

    Parameters
    ----------
    rows : pd.DataFrame
        account_id, as_of.
    folder : Path
        Where ``truth.parquet`` would be: account_id, as_of, ``churn_probability_{H}d``.
    horizon_days : int
        H; probabilities for another horizon are not used.
    """
    path, column = folder / TRUTH, f"churn_probability_{horizon_days}d"
    if not path.is_file():
        return None
    try:
        truth = pd.read_parquet(path)
        known = truth[[*_KEYS, column]].assign(as_of=pd.to_datetime(truth["as_of"]))
    except (OSError, ValueError) as error:
        raise HealthError(
            f"is not a Parquet file: {error}", where=str(path), fix="repair or remove the file"
        ) from None
    except KeyError:
        return None
    known["account_id"] = known["account_id"].astype(rows["account_id"].dtype)
    joined = rows[_KEYS].merge(known.drop_duplicates(_KEYS), on=_KEYS, how="left")
    return joined[column].set_axis(rows.index)
