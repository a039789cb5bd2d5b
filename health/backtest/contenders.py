"""The contenders of a backtest: the health score, the models, and the simplest rivals."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from features.errors import HealthError

_KEYS = ["account_id", "as_of"]
#: Beside the tables of a simulated company: the true chances, which nobody has in real life.
TRUTH = "truth.parquet"


@dataclass(frozen=True)
class Contender:
    """Something that ranks accounts by risk.

    Attributes
    ----------
    key : str
        Its column among the rows of the past, and its name in backtest.json.
    title : str
        Its name on the page.
    about : str
        What it is, in a sentence.
    """

    key: str
    title: str
    about: str


RULES = Contender("rules", "Health score", "The scorecard as it is configured")
PROPOSED = Contender("proposed", "Proposed scorecard", "The scorecard of the file that was given")
LEARNT = Contender(
    "learnt",
    "Learnt weights",
    "The same measures with weights learnt from what was known before each date",
)
MODEL = Contender(
    "model", "Churn model", "Fitted for each date on what was known before it and nothing else"
)
RENEWAL = Contender(
    "renewal", "Days to renewal alone", "Whoever renews soonest is called first: no score needed"
)
USAGE = Contender(
    "usage", "Use of 28 days alone", "Whoever used it least is called first: no score needed"
)
ORACLE = Contender(
    "oracle",
    "Oracle",
    "The simulator's own chances: the best that anyone could do, and only a made-up company has it",
)
CONTENDERS = (RULES, PROPOSED, LEARNT, MODEL, RENEWAL, USAGE, ORACLE)


def oracle_risk(rows: pd.DataFrame, folder: Path, horizon_days: int) -> pd.Series[float] | None:
    """Return the true chance of churn of each row, or None where no truth is known.

    Parameters
    ----------
    rows : pd.DataFrame
        account_id, as_of.
    folder : Path
        Where ``truth.parquet`` would be: account_id, as_of, ``churn_probability_{H}d``.
    horizon_days : int
        H; a truth about another horizon is none.
    """
    path, column = folder / TRUTH, f"churn_probability_{horizon_days}d"
    if not path.is_file():
        return None
    try:
        truth = pd.read_parquet(path)
        known = truth[[*_KEYS, column]].assign(as_of=pd.to_datetime(truth["as_of"]))
    except (OSError, ValueError) as error:
        raise HealthError(
            f"is no Parquet file: {error}", where=str(path), fix="mend the file or take it away"
        ) from None
    except KeyError:
        return None
    known["account_id"] = known["account_id"].astype(rows["account_id"].dtype)
    joined = rows[_KEYS].merge(known.drop_duplicates(_KEYS), on=_KEYS, how="left")
    return joined[column].set_axis(rows.index)
