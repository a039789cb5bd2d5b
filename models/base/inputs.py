"""Input validation of every estimator: a frame or an array, floats with NaN, text as nominal."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from pandas.api.types import is_bool_dtype, is_numeric_dtype
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_consistent_length, column_or_1d, validate_data

from features.errors import HealthError

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]


class ModelInputError(HealthError, ValueError):
    """Data that a model cannot be fitted on or applied to.

    It is also a ``ValueError``, which scikit-learn's tools expect from estimators.
    """


class CheckedFrame(pd.DataFrame):
    """A frame that `feature_frame` returned: no estimator needs to check its values again.

    Nobody writes to it. What pandas makes of it is an ordinary frame.
    """


@dataclass(frozen=True)
class SharedRows:
    """Rows of which several share the features of an account, such as its products.

    An estimator can be asked about them like about a frame; a glass box bins the features of an
    account only once.

    Attributes
    ----------
    names : tuple of str
        The features, in order.
    own : pandas.DataFrame, shape = (n_rows, n_columns)
        The columns that differ between the rows of an account. Those in `names` are used.
    accounts : pandas.DataFrame, shape = (n_accounts, n_columns)
        The columns of accounts; of a column that both have, that of `own` is used.
    place : array of int, shape = (n_rows,)
        The account of each row, counted from 0.
    """

    names: tuple[str, ...]
    own: pd.DataFrame
    accounts: pd.DataFrame
    place: npt.NDArray[np.intp]

    def __len__(self) -> int:
        return len(self.own)

    @property
    def index(self) -> pd.Index[Any]:
        """Of the rows."""
        return self.own.index

    def named(self, names: Iterable[Any]) -> SharedRows:
        """Return the same rows with other features."""
        return replace(self, names=tuple(str(name) for name in names))

    def where(self, rows: npt.NDArray[np.intp]) -> SharedRows:
        """Return some of the rows."""
        return replace(self, own=self.own.iloc[rows], place=self.place[rows])

    def frame(self) -> CheckedFrame:
        """Return the rows as a frame of the features, checked like any other."""
        columns = {
            name: self.own[name]
            if name in self.own.columns
            else pd.Series(self.accounts[name].to_numpy()[self.place], index=self.own.index)
            for name in self.names
        }
        return feature_frame(pd.DataFrame(columns, index=self.own.index, copy=False))


def model_frame(
    estimator: Any, X: Any, *, reset: bool, columns: Iterable[str] | None = None
) -> CheckedFrame:
    """Return `X` as a frame of float and text columns, checked against the fitted one.

    Parameters
    ----------
    estimator : estimator
        If `reset`, its ``n_features_in_`` and, for a frame, ``feature_names_in_`` are set.
    X : pandas.DataFrame, SharedRows or array-like, shape = (n_samples, n_features)
        Numeric and boolean columns become float64, in which NaN means not measured; all others
        become text (object), in which None means not measured.
    reset : bool
        True in ``fit``.
    columns : iterable of str, optional
        The only columns of a frame that are read: the result has no others.

    Raises
    ------
    ValueError
        The columns differ from those in ``fit``, or a value is infinite or not a number or a text.
    """
    if isinstance(X, SharedRows):
        check_names(estimator, X)
        return X.named(X.names if columns is None else columns).frame()
    if not isinstance(X, pd.DataFrame):
        values = validate_data(
            estimator, X, reset=reset, dtype="float64", ensure_all_finite="allow-nan"
        )
        names = [f"x{i}" for i in range(values.shape[1])]
        if hasattr(estimator, "feature_names_in_"):
            names = [str(name) for name in estimator.feature_names_in_]
        return CheckedFrame(values, columns=names)
    validate_data(estimator, X, reset=reset, skip_check_array=True)
    if not len(X) or not X.shape[1]:
        # scikit-learn's tools look for this wording.
        raise ModelInputError(
            f"found an array with 0 sample(s) or 0 feature(s) (shape={X.shape}) "
            "while a minimum of 1 is required",
            fix="give at least one row and one feature",
        )
    if columns is None:
        return feature_frame(X)
    read = set(columns)
    return feature_frame(columns_of(X, [name for name in X.columns if str(name) in read]))


def check_names(estimator: Any, rows: SharedRows) -> None:
    """Raise ModelInputError where rows do not have the features of a fitted estimator."""
    known = tuple(str(name) for name in estimator.feature_names_in_)
    if rows.names != known:
        raise ModelInputError(
            "the features are not those that the model was fitted on",
            where="features",
            fix="they are " + ", ".join(known),
        )


def columns_of(frame: pd.DataFrame, names: Iterable[Any]) -> pd.DataFrame:
    """Return some columns of a frame; they share its memory and must not be modified."""
    kind = CheckedFrame if isinstance(frame, CheckedFrame) else pd.DataFrame
    return kind({name: frame[name] for name in names}, index=frame.index, copy=False)


def feature_frame(X: pd.DataFrame) -> CheckedFrame:
    """Return `X` with numbers and flags as float64 and everything else as text or None."""
    if isinstance(X, CheckedFrame):
        return X
    columns = {str(name): _column(X[name]) for name in X.columns}
    _refuse_infinite(columns)
    # Columns share memory with `X` and must not be modified.
    return CheckedFrame(columns, index=X.index, copy=False)


def _column(values: pd.Series[Any]) -> pd.Series[Any]:
    if values.dtype == np.float64:
        return values
    if is_bool_dtype(values.dtype) or is_numeric_dtype(values.dtype):
        numbers = values.to_numpy(dtype="float64", na_value=np.nan)
        return pd.Series(numbers, index=values.index)
    codes, distinct = pd.factorize(values.astype(object))
    labels = np.array([*(str(value) for value in distinct), None], dtype=object)
    return pd.Series(labels[codes], index=values.index, dtype=object)


def _refuse_infinite(columns: dict[str, pd.Series[Any]]) -> None:
    infinite = [
        name
        for name, values in columns.items()
        if values.dtype.kind == "f" and np.isinf(values.to_numpy(dtype="float64")).any()
    ]
    if infinite:
        raise ModelInputError(
            "infinite values in " + ", ".join(infinite),
            where="features",
            fix="use null for values that cannot be computed",
        )


def numeric_columns(frame: pd.DataFrame) -> list[str]:
    """Return the names of the float columns of a `model_frame`."""
    return [str(name) for name in frame.columns if frame[name].dtype.kind == "f"]


def binary_target(
    y: Any, n_rows: int, *, one_class: bool = False
) -> tuple[npt.NDArray[Any], IntArray]:
    """Return the two classes and `y` as 0 and 1; the event is the class that sorts last.

    Parameters
    ----------
    y : array-like, shape = (n_rows,)
        Two classes.
    n_rows : int
        Number of rows of the features.
    one_class : bool
        Accept only 0 or only 1: the rate of an event that never happened can still be estimated.

    Raises
    ------
    ModelInputError
        `y` does not contain two classes.
    """
    values = column_or_1d(y, warn=True)
    check_consistent_length(values, np.empty(n_rows))
    check_classification_targets(values)
    classes, codes = np.unique(values, return_inverse=True)
    if one_class and len(classes) == 1 and classes[0] in (0, 1):
        return np.array([0, 1]), values.astype(np.int64)
    if len(classes) > 2:
        raise ModelInputError(
            f"Only binary classification is supported. The target has {len(classes)} classes",
            fix="code the event as 1 and everything else as 0",
        )
    if len(classes) < 2:
        raise ModelInputError(
            f"the target has only one class: {classes.tolist()}",
            where="y",
            fix="fit on rows both with and without the event",
        )
    return classes, codes.astype(np.int64)


def group_codes(groups: Any, n_rows: int) -> IntArray:
    """Return group codes 0, 1, 2, … in order of appearance; if None, each row is its own group."""
    if groups is None:
        return np.arange(n_rows, dtype=np.int64)
    labels = np.asarray(groups)
    check_consistent_length(labels, np.empty(n_rows))
    codes = pd.factorize(labels)[0]
    if (codes < 0).any():
        raise ModelInputError(
            f"{int((codes < 0).sum())} rows have no group",
            where="groups",
            fix="give the account of every row",
        )
    return codes.astype(np.int64)


def as_floats(values: Any, name: str, n_rows: int | None = None) -> FloatArray:
    """Return `values` as one-dimensional float64; ModelInputError for another shape."""
    result = np.asarray(values, dtype="float64")
    if result.ndim != 1 or (n_rows is not None and len(result) != n_rows):
        expected = "one dimension" if n_rows is None else f"shape ({n_rows},)"
        raise ModelInputError(f"has shape {result.shape}, not {expected}", where=name)
    return result
