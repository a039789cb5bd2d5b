"""Returns of more than was bought, and lines of orders, are reported."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.features.small_company import warned

_HEAD = "account_id,ordered_at,amount,product\n"


def _orders(lines: list[str]) -> str:
    return _HEAD + "".join(f"{line}\n" for line in lines)


@pytest.mark.quick_cases(2)
@pytest.mark.parametrize(
    ("amounts", "rows"),
    [
        # The sign of every amount is wrong.
        ((-20, -30, -40), 3),
        ((20, -200, 5), 1),
        # Returned in full, with a rounding and a fee; and a usual return.
        ((100, -100.01, 5), 0),
        ((100, -100.5), 0),
        ((100, -40), 0),
    ],
)
def test_returns_of_more_than_was_bought(
    tmp_path: Path, amounts: tuple[float, ...], rows: int
) -> None:
    lines = [f"001,2025-05-{n:02},{amount},a" for n, amount in enumerate(amounts, 1)]
    found = warned(tmp_path, orders=_orders(lines)).get("returned_more")
    assert (found.rows if found else 0) == rows
    if found:
        assert (found.table, found.column, found.example) == ("orders", "amount", "001")


def test_a_few_returns_of_purchases_before_the_data(tmp_path: Path) -> None:
    lines = [f"00{n % 2 + 1},2025-05-{n:02},{30 - 40 * (n % 5 == 0)},a" for n in range(1, 21)]
    assert "returned_more" not in warned(tmp_path, orders=_orders(lines))


@pytest.mark.quick_cases(2)
@pytest.mark.parametrize(
    ("time", "products", "rows"),
    [(" 10:00", "abc", 30), ("", "abc", 30), (" 10:00", "a", None), ("", "a", None)],
)
def test_lines_of_orders(tmp_path: Path, time: str, products: str, rows: int | None) -> None:
    lines = [f"001,2025-05-{n:02}{time},20,{p}" for n in range(1, 11) for p in products]
    found = warned(tmp_path, orders=_orders(lines)).get("order_lines")
    assert (found and found.rows) == rows


def test_a_second_purchase_on_some_days_is_no_line(tmp_path: Path) -> None:
    lines = [f"001,2025-05-{n:02},20,a" for n in range(1, 31)]
    lines += [f"001,2025-05-{n:02},25,b" for n in range(1, 31, 3)]
    assert "order_lines" not in warned(tmp_path, orders=_orders(lines))
