"""Hashes of meanings: stable, one a feature, moved by what matters and by nothing else."""

from __future__ import annotations

from dataclasses import replace

from features.build import build_features
from features.catalogue import CATALOGUE
from features.definitions import _DAY, _fixed_company, definition_hashes


def test_every_feature_is_measured_on_the_fixed_company() -> None:
    computed = build_features(_fixed_company(), [_DAY])[list(CATALOGUE)]
    never = [name for name in CATALOGUE if computed[name].isna().all()]
    same = [name for name in CATALOGUE if computed[name].nunique(dropna=False) < 2]
    assert never == []
    assert same == []


def test_a_better_wording_is_no_other_meaning_and_a_window_is() -> None:
    name = "usage_active_days_28d"
    feature = CATALOGUE[name]
    before = definition_hashes({name: feature})
    worded = definition_hashes({name: replace(feature, sentence="Days: {value}")})
    windowed = definition_hashes({name: replace(feature, window_days=30)})
    assert before == worded
    assert before != windowed


def test_what_a_feature_computes_is_part_of_its_hash() -> None:
    name, other = "usage_active_days_28d", "usage_active_users_28d"
    # The same declaration over the values of another feature.
    declared = replace(CATALOGUE[name], name=other)
    assert definition_hashes({name: declared})[name] != definition_hashes({other: declared})[other]
