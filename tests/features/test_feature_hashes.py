"""Hashes of meanings: stable, one a feature, moved by what matters and by nothing else."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from features.build import build_features
from features.catalogue import CATALOGUE
from features.definitions.settings import FeatureSettings, FirstValue
from features.feature_hashes import _DAY, _fixed_company, definition_hashes


@pytest.mark.slow
def test_nearly_every_feature_differs_between_the_accounts_of_the_fixed_company() -> None:
    computed = build_features(_fixed_company(), [_DAY, _DAY - timedelta(days=63)])
    same = [name for name in CATALOGUE if computed[name].nunique(dropna=False) < 2]
    assert len(same) <= 0.05 * len(CATALOGUE), same


@pytest.mark.slow
def test_what_a_company_says_of_its_features_is_part_of_their_meaning() -> None:
    settings = FeatureSettings(first_value=FirstValue(times=1000))
    before, after = definition_hashes(), definition_hashes(settings=settings)
    changed = {name for name in CATALOGUE if before[name] != after[name]}
    assert 0 < len(changed) < 10


@pytest.mark.slow
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
