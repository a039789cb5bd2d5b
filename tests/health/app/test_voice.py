"""The Voice page: texts only of accounts that the user may see, escaped, with the sentiment."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.health.app.company import (
    BY_ORDERS,
    OTHER,
    OWN,
    THEME_NAMES,
    AppUnderTest,
    write_runs,
)

Build = Callable[..., AppUnderTest]


def written(html: str) -> set[str]:
    """Return the accounts whose words are on a page."""
    return set(re.findall(r"(ACC-\d+) writes", html))


@pytest.mark.parametrize(("role", "all_accounts"), [("csm", False), ("lead", True)])
@pytest.mark.quick_cases(1)
def test_comments_and_quotes_are_of_accounts_that_the_user_may_see(
    app: Build, role: str, all_accounts: bool
) -> None:
    built = app()
    pages = [built.signed_in(role).get(f"/voice?page={page}").text for page in range(1, 9)]
    found = set().union(*map(written, pages))
    assert OWN in found
    assert (OTHER in found) == all_accounts
    visible = built.signed_in(role).get("/accounts").text
    assert found and (all_accounts or all(account in visible for account in list(found)[:50]))


def test_words_of_customers_and_names_of_themes_are_escaped(app: Build) -> None:
    html = app().signed_in("lead").get("/voice").text
    assert "<script>alert" not in html and "<b>late</b>" not in html and "<i>SMB</i>" not in html
    assert "&lt;b&gt;late&lt;/b&gt;" in html and "&lt;i&gt;SMB&lt;/i&gt;" in html


@pytest.mark.parametrize("theme", THEME_NAMES)
def test_comments_are_filtered_by_theme_and_sentiment(app: Build, theme: str) -> None:
    client = app().signed_in("lead")
    html = client.get("/voice", params={"theme": theme, "tone": "negative"}).text
    heading = re.search(r'id="comments">([\d,]+) comment', html)
    assert heading is not None and (heading[1] == "0") == (theme != THEME_NAMES[0])
    assert 'class="chip tone positive"' not in html


def test_odd_addresses_are_no_fault(app: Build) -> None:
    client = app().signed_in("reader")
    for query in (
        "theme=' OR 1=1 --",
        "tone=furious",
        "page=-3",
        "page=99999",
        "theme=" + "x" * 999,
    ):
        assert client.get(f"/voice?{query}").status_code == 200


def test_an_account_shows_its_comments_with_their_sentiment(app: Build) -> None:
    html = app().signed_in("csm").get(f"/accounts/{OWN}").text
    assert written(html) == {OWN}
    assert "Negative" in html and 'class="chip tone negative"' in html


@pytest.mark.slow
def test_a_run_without_comments_explains_how_to_have_them(app: Build, tmp_path: Path) -> None:
    runs = write_runs(tmp_path / "runs", accounts=20, weeks=1)
    newest = sorted(runs.glob("as_of=*"))[-1]
    for name in ("voice_themes", "voice_comments"):
        (newest / f"{name}.parquet").unlink()
    text = (newest / "run.json").read_text(encoding="utf-8").replace('"voice"', '"other"')
    (newest / "run.json").write_text(text, encoding="utf-8")
    client = app(runs=runs).signed_in("lead")
    assert "No comments are recorded" in client.get("/voice").text
    assert client.get(f"/accounts/{OWN}").status_code == 200


def test_customers_who_order_have_the_page_too(app: Build, tmp_path: Path) -> None:
    runs = write_runs(tmp_path / "runs", accounts=20, weeks=1, by_orders=True)
    html = app(runs=runs, tables=BY_ORDERS).signed_in("lead").get("/voice").text
    assert written(html)
