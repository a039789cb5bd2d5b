"""Reasons: each measure and model term of each account, with its sentence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from pandas.api.types import is_numeric_dtype

from features.catalogue import DESCRIBED
from features.definitions.feature import Feature
from health.reasons.sentences import as_shown, each_once, sentence_codes
from health.reasons.signals import BASELINE, cause_of, never_a_reason, signal_of

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
#: Minimum number of accounts to determine the usual size of a cause.
_FEWEST_COMPARED = 10


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
        Points for health, log-odds for a probability; a row sums to the published value.
    inputs : pd.DataFrame, shape = (n_accounts, n_columns)
        The inputs, on the same index, with account_id and a column per term.
    baseline_text : str
        The sentence of the term ``baseline``.
    missing : pd.DataFrame, optional
        Points that each measure lost, shaped like `contributions`.

    Returns
    -------
    pd.DataFrame, shape = (n_accounts × n_terms, 10)
        Columns `COLUMNS`; the value of a term that is not a number is NaN. Points (0-100), weight
        and policy only apply to measures of the scorecard, and are empty here. Columns of texts
        are categorical.
    """
    terms = list(contributions.columns)
    count = len(contributions)
    nothing = np.full(count, np.nan), np.zeros(count, dtype=np.intp), np.array([baseline_text])
    result = [nothing if t == BASELINE else value_and_text(inputs[t]) for t in terms]
    values, codes, texts = zip(*result, strict=True)
    rows = len(terms) * count
    return frame_of(
        {
            "account_id": repeated(inputs["account_id"], np.tile(np.arange(count), len(terms))),
            "output": coded(np.zeros(rows, dtype=np.int8), [output]),
            "term": coded(np.repeat(np.arange(len(terms)), count), terms),
            "value": np.concatenate(values),
            "contribution": contributions.to_numpy(dtype=float).ravel(order="F"),
            "missing": (
                np.full(rows, np.nan)
                if missing is None
                else missing.to_numpy(dtype=float).ravel(order="F")
            ),
            "text": coded_in_turn(codes, texts),
            "points": np.full(rows, np.nan),
            "weight": np.full(rows, np.nan),
            "policy": no_texts(rows),
        }
    )


def strongest(reasons: pd.DataFrame, output: str, by: str, most: int = 3) -> pd.Series[str]:
    """Join the sentences of the strongest reasons of each account, as `strongest_reasons` does.

    Returns
    -------
    pd.Series of str
        Sentences joined by "; ", indexed by account_id.
    """
    return strongest_reasons(reasons, output, by, most)["text"]


def strongest_reasons(reasons: pd.DataFrame, output: str, by: str, most: int = 3) -> pd.DataFrame:
    """Return the sentences of each account's strongest reasons, and the share they explain.

    Parameters
    ----------
    reasons : pd.DataFrame
        Rows as from `reason_rows`; if they have a column `shown`, only shown rows count.
    output : str
        The output whose reasons are returned.
    by : str
        ``contribution`` (what raised the value) or ``missing`` (points lost).
    most : int
        Maximum number of sentences per account, with at most one per signal.

    Returns
    -------
    pd.DataFrame
        Indexed by account_id: text (joined by "; "), cause and share (the part of everything that
        raised the output that the sentences explain, 0-1). Among the causes of the named reasons,
        the cause is the one whose contribution exceeds its median over the accounts in `reasons`
        by most, because what they all share does not distinguish any of them; it is empty if no
        named reason has a cause. Only values above zero count, so an account may be absent.
    """
    own = reasons[(reasons["output"] == output) & (reasons["term"] != BASELINE)]
    raised = own[own[by] > 1e-9]
    if raised.empty:
        # Accounts are first listed without any reasons, and worded afterwards.
        none = np.array([], dtype=object)
        index = pd.Index(none, name="account_id")
        return pd.DataFrame({"text": none, "cause": none, "share": np.array([])}, index=index)
    raised = raised.assign(**{name: raised[name].astype(object) for name in ("account_id", "term")})
    chosen = raised[raised["shown"].astype(bool)] if "shown" in raised else raised
    chosen = chosen[~each_once(chosen["term"], never_a_reason).astype(bool)]
    if output == "health" and "usual" in chosen:
        chosen = chosen[_unlike_others(chosen, wanted=1 if by == "contribution" else -1)]
    size = chosen[by].to_numpy(dtype=float)
    account, accounts = pd.factorize(chosen["account_id"])
    term, terms = pd.factorize(chosen["term"], sort=True)
    signal = pd.factorize(np.array([signal_of(str(t)) for t in terms], dtype=object))[0][term]
    order = np.lexsort((term, -size, account))
    keys = pd.DataFrame({"account": account[order], "signal": signal[order]})
    order = order[~keys.duplicated().to_numpy()]
    causes = np.array([cause_of(str(t)) for t in terms], dtype=object)
    every = pd.DataFrame(
        {"account": account[order], "cause": causes[term[order]], "size": size[order]}
    )
    named_rows = every.groupby("account").cumcount() < most
    order = order[named_rows.to_numpy()]
    texts, account = chosen["text"].to_numpy(dtype=object)[order], account[order]
    first = np.flatnonzero(np.diff(account, prepend=-1))
    joined = texts[first]
    for step in range(1, most):
        more = first + step < np.append(first[1:], len(account))
        joined[more] += "; " + texts[first[more] + step]
    total = raised.groupby("account_id")[by].sum().reindex(accounts).to_numpy(dtype=float)
    named = np.bincount(account, weights=size[order], minlength=len(accounts))
    cause = _leading_causes(every, named_rows).reindex(range(len(accounts)), fill_value="")
    return pd.DataFrame(
        {"text": joined, "cause": cause.to_numpy(dtype=object), "share": named / total},
        index=pd.Index(accounts, name="account_id"),
    )


def _unlike_others(rows: pd.DataFrame, wanted: int) -> npt.NDArray[np.bool_]:
    """Return which measures read better (1) or worse (−1) than usual; true if none is known."""
    result = np.ones(len(rows), dtype=bool)
    for term, places in rows.groupby("term", sort=False).indices.items():
        feature = DESCRIBED.get(str(term))
        if feature is None or not feature.direction:
            continue
        own = rows.iloc[places]
        value, usual = (
            as_shown(feature.unit, own[name].to_numpy(dtype=float)) for name in ("value", "usual")
        )
        unlike = feature.direction * wanted * (value - usual)
        # The best value that others have, too, speaks for an account, but the worst of all does not
        # speak against it.
        result[places] = np.isnan(unlike) | (unlike > 0 if wanted < 0 else unlike >= 0)
    return result


def _leading_causes(reasons: pd.DataFrame, named: pd.Series[bool]) -> pd.Series[str]:
    """Return each account's named cause that exceeds its usual size by most.

    Parameters
    ----------
    reasons : pd.DataFrame
        account, cause and size of every reason, strongest first within an account.
    named : pd.Series of bool
        Which reasons are named in the sentences.

    Returns
    -------
    pd.Series of str
        By account; with fewer than 10 accounts there is no usual size, and the largest cause wins.
    """
    sums = reasons.groupby(["account", "cause"])["size"].sum().unstack(fill_value=0)
    usual = sums.median() if len(sums) >= _FEWEST_COMPARED else 0.0
    excess = (sums - usual).reset_index().melt("account", var_name="cause", value_name="excess")
    causes = reasons[named & (reasons["cause"] != "")].drop_duplicates(["account", "cause"])
    ranked = causes.merge(excess, on=["account", "cause"])
    ranked = ranked.sort_values(["account", "excess"], ascending=[True, False], kind="stable")
    return ranked.drop_duplicates("account").set_index("account")["cause"]


def with_custom_sentences(reasons: pd.DataFrame, own: Mapping[str, Feature]) -> pd.DataFrame:
    """Add the sentences of the reasons that come from custom features.

    Parameters
    ----------
    reasons : pd.DataFrame
        Rows as from `reason_rows`.
    own : mapping of str to Feature
        The features by name.
    """
    custom = own.keys() - DESCRIBED.keys()
    if not custom:
        return reasons
    is_custom = reasons["term"].isin(custom) & reasons["policy"].isna()
    if not is_custom.any():
        return reasons
    rows = reasons.loc[is_custom, ["term", "value"]]
    described = [
        own[term].describe(value) for term, value in zip(rows["term"], rows["value"], strict=True)
    ]
    texts = reasons["text"].astype(object).copy()
    texts[is_custom] = described
    return reasons.assign(text=texts)


def value_and_text(
    column: pd.Series[Any],
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.intp], npt.NDArray[np.object_]]:
    """Return the value of a term on each row, and its sentence; the value of a text is NaN.

    The column has the name of the term.

    Returns
    -------
    values, codes, texts : array
        The values, the place of each row's sentence in `texts`, and the sentences.
    """
    term = str(column.name)
    if term in DESCRIBED:
        numbers = column.to_numpy(dtype=float)
        return numbers, *sentence_codes(term, numbers)
    title = term.replace("_", " ").capitalize()
    if is_numeric_dtype(column.dtype):
        numbers = column.to_numpy(dtype=float)
        codes, distinct = pd.factorize(numbers, use_na_sentinel=False)
        words = ["not known" if np.isnan(value) else f"{value:.4g}" for value in distinct]
    else:
        numbers = np.full(len(column), np.nan)
        codes, kinds = pd.factorize(column, use_na_sentinel=False)
        words = pd.Series(kinds).astype(str).where(pd.notna(kinds), "unknown").tolist()
    return numbers, codes, np.array([f"{title}: {text}" for text in words], dtype=object)


def below_each_other(frames: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Concatenate frames with the same columns; the index is a range.

    Much faster than `pd.concat`, which inspects every empty text to find its type.
    """
    return frame_of(
        {name: _concatenated([frame[name] for frame in frames]) for name in frames[0].columns}
    )


def _concatenated(columns: Sequence[pd.Series[Any]]) -> Any:
    if all(isinstance(column.dtype, np.dtype) for column in columns):
        return np.concatenate([column.to_numpy() for column in columns])
    if not any(isinstance(column.dtype, pd.CategoricalDtype) for column in columns):
        return pd.concat(columns, ignore_index=True).array
    parts = [codes_of(column) for column in columns]
    every = pd.Index(pd.unique(np.concatenate([names for _, names in parts])))
    places = [np.append(every.get_indexer(pd.Index(names)), -1)[codes] for codes, names in parts]
    return coded(np.concatenate(places), every)


def coded(codes: npt.NDArray[Any], names: Any) -> pd.Categorical:
    """Return texts from their places among distinct ones; −1 stands for none.

    Millions of reasons share a few thousand texts: their codes are compared and stored many times
    faster than the texts.
    """
    dtype = pd.CategoricalDtype(pd.Index(names, dtype=object))
    return pd.Categorical.from_codes(codes, dtype=dtype)  # type: ignore[arg-type]


def coded_once(codes: npt.NDArray[Any], names: Any) -> pd.Categorical:
    """Return texts as `coded` does, from places in a list of names that may repeat."""
    place, distinct = pd.factorize(np.asarray(names, dtype=object))
    return coded(place.astype(np.int32)[codes], distinct)


def coded_in_turn(codes: Sequence[npt.NDArray[np.intp]], names: Sequence[Any]) -> pd.Categorical:
    """Return the texts of one part after the other, each with its own names."""
    before = np.cumsum([0, *map(len, names)])
    shifted = [own + start for own, start in zip(codes, before[:-1], strict=True)]
    return coded_once(np.concatenate(shifted), np.concatenate(names))


def no_texts(count: int) -> pd.Categorical:
    """Return a column of missing texts."""
    return coded(np.full(count, -1, dtype=np.int8), [])


def repeated(texts: pd.Series[Any], places: npt.NDArray[np.intp]) -> pd.Categorical:
    """Return the texts at some places, as `coded` does."""
    codes, names = pd.factorize(texts.to_numpy(dtype=object))
    return coded(codes[places], names)


def codes_of(texts: pd.Series[Any]) -> tuple[npt.NDArray[Any], npt.NDArray[np.object_]]:
    """Return the place of each text among distinct ones, of which some may not occur."""
    if isinstance(texts.dtype, pd.CategoricalDtype):
        return texts.cat.codes.to_numpy(), texts.cat.categories.to_numpy(dtype=object)
    codes, names = pd.factorize(texts.to_numpy(dtype=object))
    return codes, names


def sparse(texts: Any, rows: npt.NDArray[np.intp], count: int) -> pd.Categorical:
    """Return texts of some of so many rows; all other rows have an empty text."""
    codes, names = pd.factorize(np.append("", np.asarray(texts, dtype=object)))
    result = np.zeros(count, dtype=np.int32)
    result[rows] = codes[1:]
    return coded(result, names)


def plain(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a frame whose categorical columns are objects."""
    return frame.astype(dict.fromkeys(frame.select_dtypes("category").columns, object))


def with_columns(frame: pd.DataFrame, **columns: Any) -> pd.DataFrame:
    """Return a frame with more columns, like `assign`, but without copying those it has."""
    own = {name: values_of(frame[name]) for name in frame.columns}
    return frame_of(own | columns, frame.index)


def rows_where(frame: pd.DataFrame, kept: npt.NDArray[np.bool_]) -> pd.DataFrame:
    """Return the chosen rows as new columns; the index is a range."""
    return frame_of({name: values_of(frame[name])[kept] for name in frame.columns})


def frame_of(columns: Mapping[str, Any], index: pd.Index[Any] | None = None) -> pd.DataFrame:
    """Return a frame of arrays, none of them copied; by default the index is a range.

    Unlike the constructor of a frame, it doesn't look for times in every array of texts.
    """
    rows = pd.RangeIndex(len(next(iter(columns.values())))) if index is None else index
    own = {
        name: pd.Series(values, index=rows, dtype=object, copy=False)
        if isinstance(values, np.ndarray) and values.dtype == object
        else values
        for name, values in columns.items()
    }
    return pd.DataFrame(own, index=rows, copy=False)


def values_of(column: pd.Series[Any]) -> Any:
    """Return the array of a column; pandas would search its own wrapper of one for nulls."""
    return column.to_numpy() if isinstance(column.dtype, np.dtype) else column.array


def contribution_sums(reasons: Sequence[pd.DataFrame], accounts: pd.Series[str]) -> pd.DataFrame:
    """Sum the contributions of each account by output.

    Parameters
    ----------
    reasons : sequence of pd.DataFrame
        Rows as from `reason_rows`, one frame per output.
    accounts : pd.Series of str
        Unique account identifiers.

    Returns
    -------
    pd.DataFrame, shape = (n_accounts, n_outputs)
        On the index of `accounts`, one column per output; NaN for an account without reasons.
    """
    places, sums = pd.Index(accounts), {}
    for rows in (some for some in reasons if len(some)):
        account, own = codes_of(rows["account_id"])
        at = places.get_indexer(pd.Index(own))[account]
        count = np.bincount(at, minlength=len(accounts))
        total = np.bincount(at, weights=rows["contribution"], minlength=len(accounts))
        sums[str(rows["output"].iloc[0])] = np.where(count > 0, total, np.nan)
    return pd.DataFrame(sums, index=accounts.index)
