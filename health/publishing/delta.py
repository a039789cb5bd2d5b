"""The accounts that changed since the run before, as reverse ETL expects: one row each, keyed."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from health.runs.durable import whole_file

#: What a CRM is given of an account; each has one value per account.
COLUMNS = (
    "health_score", "health_band", "churn_probability", "expected_loss", "clv",
    "upsell_probability", "cross_sell_product", "cross_sell_probability",
)  # fmt: skip
#: Digits that count as a change.
_DIGITS = 6


def changed_accounts(
    scores: pd.DataFrame, before: pd.DataFrame | None, external_ids: pd.Series | None = None
) -> pd.DataFrame:
    """Return the accounts whose published values changed.

    Parameters
    ----------
    scores : DataFrame
        A run's scores.
    before : DataFrame, optional
        Those of the run before; without them every account is new.
    external_ids : Series, optional
        The CRM's id by account; the account's own id where it has none.

    Returns
    -------
    DataFrame
        ``external_id``, ``account_id``, ``operation`` (``upsert``, or ``delete`` for an account
        that is no longer scored), ``as_of`` and the values, by external id.
    """
    columns = [c for c in COLUMNS if c in scores.columns]
    now = _values(scores, columns)
    if before is None:
        changed, gone = list(now.index), []
    else:
        then = _values(before, columns).reindex(now.index)
        present = now.index.isin(before["account_id"])
        same = ((now == then) | (now.isna() & then.isna())).all(axis=1)
        changed = list(now.index[~(same & present)])
        gone = sorted(set(before["account_id"]) - set(now.index))
    rows = now.loc[changed].reset_index().assign(operation="upsert")
    rows = pd.concat([rows, pd.DataFrame({"account_id": gone, "operation": "delete"})])
    rows = rows.assign(as_of=str(scores["as_of"].iloc[0])[:10] if len(scores) else "")
    ids = rows["account_id"].map(external_ids) if external_ids is not None else rows["account_id"]
    rows = rows.assign(external_id=ids.fillna(rows["account_id"]))
    ordered = rows[["external_id", "account_id", "operation", "as_of", *columns]]
    return ordered.sort_values("external_id").reset_index(drop=True)


def write_delta(rows: pd.DataFrame, file: Path) -> None:
    """Write the changed accounts as CSV, whole or not at all."""
    with whole_file(file) as made:
        rows.to_csv(made, index=False)


def _values(scores: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    values = scores.set_index("account_id")[columns]
    numbers = values.select_dtypes("number").columns
    return values.assign(**{c: values[c].round(_DIGITS) for c in numbers})
