"""Reasons: every measure and model term of every account, with its sentence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from pandas.api.types import is_numeric_dtype

from features.catalogue import CATALOGUE, DESCRIBED
from features.definitions.feature import Feature
from features.windows.observations import ATTRIBUTES
from health.reasons.sentences import sentences

BASELINE = "baseline"
#: The sum of what hardly moved a probability.
OTHERS = "others"
COLUMNS = (
    "account_id",
    "output",
    "term",
    "value",
    "contribution",
    "missing",
    "text",
    "points",
    "weight",
    "policy",
)


def reason_rows(
    output: str,
    contributions: pd.DataFrame,
    inputs: pd.DataFrame,
    *,
    baseline_text: str = "",
    missing: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Turn a contribution per account and term into one row each.

    Parameters
    ----------
    output : str
        ``health``, ``churn``, ``upsell`` or ``cross_sell``.
    contributions : pd.DataFrame, shape = (n_accounts, n_terms)
        Points for health, log-odds for a probability; a row sums to the published figure.
    inputs : pd.DataFrame, shape = (n_accounts, n_columns)
        What was put in, on the same index; holds account_id and a column per term.
    baseline_text : str
        The sentence of the term ``baseline``.
    missing : pd.DataFrame, optional
        Points each measure fell short of, shaped like `contributions`.

    Returns
    -------
    pd.DataFrame, shape = (n_accounts × n_terms, 10)
        Columns `COLUMNS`; the value is NaN for a term that is no number. Points (0-100), weight
        and policy are for whoever weighs measures, and empty here.
    """
    terms = list(contributions.columns)
    count = len(contributions)
    nothing = np.full(count, np.nan), np.full(count, baseline_text, dtype=object)
    result = [nothing if t == BASELINE else value_and_text(inputs[t]) for t in terms]
    values, texts = zip(*result, strict=True)
    return pd.DataFrame(
        {
            "account_id": np.tile(inputs["account_id"].to_numpy(dtype=object), len(terms)),
            "output": output,
            "term": np.repeat(np.array(terms, dtype=object), count),
            "value": np.concatenate(values),
            "contribution": contributions.to_numpy(dtype=float).ravel(order="F"),
            "missing": (
                np.full(count * len(terms), np.nan)
                if missing is None
                else missing.to_numpy(dtype=float).ravel(order="F")
            ),
            "text": np.concatenate(texts),
            "points": np.nan,
            "weight": np.nan,
            "policy": None,
        }
    )


def strongest(reasons: pd.DataFrame, output: str, by: str, most: int = 3) -> pd.Series[str]:
    """Join the sentences of the strongest reasons of each account.

    Parameters
    ----------
    reasons : pd.DataFrame
        Rows as from `reason_rows`.
    output : str
        Which output's reasons.
    by : str
        ``contribution`` (what raised the figure) or ``missing`` (points fallen short of).
    most : int
        Most sentences of an account.

    Returns
    -------
    pd.Series of str
        Sentences joined by "; ", indexed by account_id; only values above zero count, so an
        account may be absent. How large an account is comes last: nobody can act on it.
    """
    chosen = reasons[
        (reasons["output"] == output)
        & ~reasons["term"].isin([BASELINE, OTHERS, *_NO_REASONS])
        & (reasons[by] > 1e-9)
    ]
    account, accounts = pd.factorize(chosen["account_id"])
    term, terms = pd.factorize(chosen["term"], sort=True)
    is_size = np.array([_is_size(str(name)) for name in terms], dtype=bool)[term]
    order = np.lexsort((term, -chosen[by].to_numpy(dtype=float), is_size, account))
    texts, account = chosen["text"].to_numpy(dtype=object)[order], account[order]
    first = np.flatnonzero(np.diff(account, prepend=-1))
    said = texts[first]
    for place in range(1, most):
        more = first + place < np.append(first[1:], len(account))
        said[more] += "; " + texts[first[more] + place]
    return pd.Series(said, index=accounts, name="text", dtype=object)


def with_custom_sentences(reasons: pd.DataFrame, own: Mapping[str, Feature]) -> pd.DataFrame:
    """Word the reasons that rest on features beside those of our catalogue.

    Parameters
    ----------
    reasons : pd.DataFrame
        Rows as from `reason_rows`.
    own : mapping of str to Feature
        The features by name.
    """
    strongest = reasons["term"].isin(own.keys() - CATALOGUE.keys()) & reasons["policy"].isna()
    if not strongest.any():
        return reasons
    rows = reasons.loc[strongest, ["term", "value"]]
    said = [
        own[term].describe(value) for term, value in zip(rows["term"], rows["value"], strict=True)
    ]
    texts = reasons["text"].astype(object).copy()
    texts[strongest] = said
    return reasons.assign(text=texts)


#: Features that only models should see.
_NO_REASONS = tuple(name for name, feature in DESCRIBED.items() if not feature.is_reason)
#: Terms that say of what kind an account or an offer is.
_KINDS = {*ATTRIBUTES, "product"}


def _is_size(term: str) -> bool:
    """Tell whether a term says how large or of what kind an account is, not how it fares."""
    return DESCRIBED[term].size if term in DESCRIBED else term in _KINDS


def value_and_text(column: pd.Series[Any]) -> tuple[np.ndarray, np.ndarray]:
    """Return the value of a term on each row, NaN where it is no number, and its sentence.

    The column is named by the term.
    """
    term = str(column.name)
    if term in DESCRIBED:
        numbers = column.to_numpy(dtype=float)
        return numbers, sentences(term, numbers)
    title = term.replace("_", " ").capitalize()
    if is_numeric_dtype(column.dtype):
        numbers = column.to_numpy(dtype=float)
        said = ["not known" if np.isnan(value) else f"{value:.4g}" for value in numbers]
        return numbers, np.array([f"{title}: {text}" for text in said], dtype=object)
    texts = (title + ": " + column.fillna("unknown").astype(str)).to_numpy(dtype=object)
    return np.full(len(column), np.nan), texts


def below_each_other(frames: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Put rows of the same columns below each other, on a range as index.

    Quicker by far than a concat, which looks at every empty text for its type.
    """
    columns = {
        name: np.concatenate([frame[name].to_numpy() for frame in frames])
        for name in frames[0].columns
    }
    return pd.DataFrame(columns, copy=False)


def contribution_sums(reasons: Sequence[pd.DataFrame], accounts: pd.Series[str]) -> pd.DataFrame:
    """Add the contributions of each account by output.

    Parameters
    ----------
    reasons : sequence of pd.DataFrame
        Rows as from `reason_rows`, a frame an output.
    accounts : pd.Series of str
        The accounts, each once.

    Returns
    -------
    pd.DataFrame, shape = (n_accounts, n_outputs)
        On the index of `accounts`, a column per output; NaN where an account has no reason.
    """
    places, sums = pd.Index(accounts), {}
    for rows in (some for some in reasons if len(some)):
        at = places.get_indexer(pd.Index(rows["account_id"]))
        count = np.bincount(at, minlength=len(accounts))
        total = np.bincount(at, weights=rows["contribution"], minlength=len(accounts))
        sums[str(rows["output"].iloc[0])] = np.where(count > 0, total, np.nan)
    return pd.DataFrame(sums, index=accounts.index)
