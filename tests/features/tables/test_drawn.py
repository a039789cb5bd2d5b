"""Names drawn by their hash: as many as asked, and stable when others come or go."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from features.tables.drawn import drawn_number, drawn_share

NAMES = st.lists(st.text(max_size=8), unique=True, max_size=40)
SEEDS = st.integers(0, 2**40)


@given(names=NAMES, number=st.integers(0, 50), seed=SEEDS, new=st.text(max_size=9))
def test_a_new_name_replaces_one_at_most(
    names: list[str], number: int, seed: int, new: str
) -> None:
    drawn = drawn_number(names, number, seed=seed)
    assert len(drawn) == min(number, len(names))
    assert drawn == sorted(drawn) == drawn_number(names[::-1], number, seed=seed)
    more = drawn_number(sorted({*names, new}), number, seed=seed)
    assert len({*drawn} - {*more}) <= 1


@given(names=NAMES, less=st.floats(0, 1), more=st.floats(0, 1), seed=SEEDS)
def test_a_share_depends_on_each_name_alone(
    names: list[str], less: float, more: float, seed: int
) -> None:
    less, more = sorted([less, more])
    one_by_one = [name for name in names if drawn_share([name], less, seed=seed)]
    drawn = drawn_share(names, less, seed=seed)
    assert drawn == sorted(one_by_one)
    assert {*drawn} <= {*drawn_share(names, more, seed=seed)}
    assert drawn_share(names, 1.0, seed=seed) == sorted(names)


def test_about_the_share_is_drawn_and_another_with_another_seed() -> None:
    names = [f"A{number}" for number in range(4000)]
    first, second = (drawn_share(names, 0.25, seed=seed) for seed in (1, 2))
    assert 900 < len(first) < 1100
    assert 150 < len({*first} & {*second}) < 350
    fixed = drawn_number(names, 1000, seed=1)
    assert len({*fixed} & {*first}) >= min(len(fixed), len(first))
