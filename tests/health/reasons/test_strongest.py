"""What spoke: the strongest terms, the others in a sum, and nothing lost."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.catalogue import CATALOGUE, describe
from health.reasons.probability import BASELINE_TEXT
from health.reasons.reasons import below_each_other, coded, contribution_sums
from health.reasons.sentences import sentences
from health.reasons.signals import BASELINE, OTHERS
from health.runs.part_files import decoded, encoded
from tests.health.reasons.strongest import strongest_rows

TERMS = [*list(CATALOGUE)[:6], "segment"]


def _rows(table: np.ndarray, most: int) -> pd.DataFrame:
    n = len(table)
    contributions = pd.DataFrame(table, columns=TERMS).assign(**{BASELINE: -2.0})
    inputs = pd.DataFrame({term: np.arange(n, dtype=float) for term in TERMS[:-1]})
    inputs = inputs.assign(segment=["small", None] * (n // 2) + ["small"] * (n % 2))
    inputs["account_id"] = [f"A{i}" for i in range(n)]
    return strongest_rows(contributions, inputs, most=most)


@given(
    st.lists(
        st.lists(st.sampled_from([0.0, 0.5, -0.5, 1.25, -2.0]), min_size=7, max_size=7),
        min_size=1,
        max_size=6,
    ),
    st.integers(1, 9),
)
def test_sums_stay_and_the_strongest_are_told(table: list[list[float]], most: int) -> None:
    values = np.array(table)
    rows = _rows(values, most)
    accounts = pd.Series([f"A{i}" for i in range(len(values))])
    sums = contribution_sums([rows], accounts)["churn"]
    assert sums.to_numpy() == pytest.approx(values.sum(axis=1) - 2.0)
    for place, own in rows.groupby("account_id", sort=False, observed=True):
        strongest = own[~own["term"].isin([BASELINE, OTHERS])]
        all_of_it = np.sort(np.abs(values[int(str(place)[1:])]))[::-1]
        result = np.abs(strongest["contribution"].to_numpy())
        assert result == pytest.approx(all_of_it[:most][all_of_it[:most] > 0])
        left = int((all_of_it > 0).sum()) - len(strongest)
        others = own.loc[own["term"] == OTHERS, "text"].tolist()
        plural = "s" if left != 1 else ""
        assert others == ([f"{left} smaller influence{plural} together"] if left else [])


def test_each_term_has_its_own_value_and_sentence() -> None:
    rows = _rows(np.arange(14, dtype=float).reshape(2, 7) + 1, most=7).set_index(
        ["account_id", "term"]
    )
    for term in TERMS[:-1]:
        assert rows.loc[("A1", term), "value"] == 1.0
        assert rows.loc[("A1", term), "text"] == describe(term, 1.0)
    assert rows.loc[("A0", "segment"), "text"] == "Segment: small"
    assert rows.loc[("A1", "segment"), "text"] == "Segment: unknown"
    assert rows.loc[("A0", BASELINE), "text"] == BASELINE_TEXT


@pytest.mark.parametrize("feature", list(CATALOGUE))
def test_sentences_read_as_one_by_one(feature: str) -> None:
    values = np.array([math.nan, 0.0, 1.0, 2.0, 0.25, -0.5, 12.5, 123.0, 1e-9, 0.333333, 1.0])
    assert sentences(feature, values).tolist() == [describe(feature, float(v)) for v in values]


def test_categorical_texts_of_several_outputs_are_put_below_each_other() -> None:
    first = pd.DataFrame(
        {"term": coded(np.array([1, 0, -1]), ["a", "b"]), "value": [1.0, 2.0, 3.0]}
    )
    second = pd.DataFrame({"term": ["c", "a"], "value": [4.0, 5.0]})
    both = below_each_other([first, second])
    assert both["term"].astype(object).where(both["term"].notna(), None).tolist() == [
        *("b", "a", None, "c", "a"),
    ]
    assert decoded(encoded(both))["term"].tolist() == ["b", "a", None, "c", "a"]
    assert both["value"].tolist() == [1.0, 2.0, 3.0, 4.0, 5.0]
