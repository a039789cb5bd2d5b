"""The report: everything in it, nothing in it that runs, and no way out to a network."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import math
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from health.presentation.wording import LISTS
from health.report.book import small_below
from health.report.history import History, score_changes
from health.report.lists import MOST_ROWS, shown_accounts
from health.report.page import render_report
from health.runs.directory import PublishedRun
from tests.health.sample_run import CSMS, HOSTILE, SampleRun, sample_run, sample_week

# A namespace is a name, not an address that anything is fetched from.
ADDRESS = re.compile(r"(?:https?:)?//[\w.]+", re.IGNORECASE)
NAMES = {"http://www.w3.org"}


class Page(HTMLParser):
    """Elements with their attributes, text by element, and whole scripts and styles."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.blocks: list[tuple[str, dict[str, str | None], str]] = []
        self.texts: list[str] = []
        self._open: tuple[str, dict[str, str | None]] | None = None
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._open = (tag, dict(attrs)) if tag in {"script", "style"} else None

    def handle_data(self, data: str) -> None:
        if self._open:
            self.blocks.append((*self._open, data))
        else:
            self.texts.append(data)

    def handle_endtag(self, tag: str) -> None:
        self._open = None

    @property
    def policy(self) -> str:
        return next(a["content"] or "" for t, a in self.tags if a.get("http-equiv"))

    @property
    def details(self) -> dict:
        packed = next(b for t, a, b in self.blocks if a.get("id") == "details")
        return json.loads(gzip.decompress(base64.b64decode(packed)))


@pytest.fixture(scope="module")
def sample() -> SampleRun:
    return sample_run()


@pytest.fixture(scope="module")
def html(sample: SampleRun) -> str:
    return render_report(*sample.parts, history=History(sample.past_scores, sample.changes))


@pytest.fixture(scope="module")
def page(html: str) -> Page:
    return Page(html)


def test_hostile_names_are_text_and_nothing_else(page: Page) -> None:
    text = "\n".join(page.texts)
    for name in HOSTILE:
        assert name in text
    assert not [tag for tag, _ in page.tags if tag in {"iframe", "link", "object", "base"}]
    images = [attrs["src"] or "" for tag, attrs in page.tags if tag == "img"]
    assert all(source.startswith("data:image/svg+xml;base64,") for source in images)
    assert len(page.blocks) == 3
    attributes = {name for _, attrs in page.tags for name in attrs}
    assert not [name for name in attributes if name.startswith("on") or name == "style"]


def test_nothing_is_fetched(page: Page) -> None:
    targets = [attrs[key] for _, attrs in page.tags for key in ("href", "src") if key in attrs]
    assert targets
    assert all(target and target.startswith(("#", "data:image/")) for target in targets)
    for tag, attrs, block in page.blocks:
        if attrs.get("id") != "details":
            assert {m.group() for m in ADDRESS.finditer(block)} <= NAMES, tag
            assert "@import" not in block
            assert "url(" not in block


def test_the_policy_allows_just_what_is_there(page: Page) -> None:
    own = {t: b for t, a, b in page.blocks if a.get("id") != "details"}
    assert "default-src 'none'" in page.policy
    assert "unsafe" not in page.policy
    for tag, directive in (("style", "style-src"), ("script", "script-src")):
        digest = hashlib.sha256(own[tag].encode()).digest()
        assert f"{directive} 'sha256-{base64.b64encode(digest).decode()}'" in page.policy


def test_every_account_has_its_row_and_its_details(page: Page, sample: SampleRun) -> None:
    rows = [attrs for tag, attrs in page.tags if tag == "tbody" and "data-i" in attrs]
    assert len(rows) == len(sample.flags) + len(sample.scores)
    accounts = page.details["accounts"]
    assert {int(a["data-i"] or -1) for a in rows} == set(range(len(accounts)))
    assert len(accounts) == len(sample.scores)
    text = "\n".join(page.texts)
    assert all(account in text for account in sample.scores["account_id"])


def test_details_sum_to_the_published_figures(page: Page, sample: SampleRun) -> None:
    order = _accounts_in_page_order(sample)
    scores = sample.scores.set_index("account_id")
    for account, detail in zip(order, page.details["accounts"], strict=True):
        row = scores.loc[account]
        if "h" in detail:
            assert sum(detail["h"][1::3]) == pytest.approx(row["health_score"], abs=0.2)
        model = detail["m"]["churn"]
        logit = model["b"] + sum(model["r"][1::2]) + model["s"]
        assert 1 / (1 + math.exp(-logit)) == pytest.approx(row["churn_probability"], abs=0.005)


def _accounts_in_page_order(sample: SampleRun) -> list[str]:
    return list(shown_accounts(sample.scores, sample.flags))


def test_colour_never_speaks_alone(html: str, page: Page) -> None:
    text = "".join(page.texts)
    for shape in ("■ Red", "▲ Yellow", "● Green"):
        assert shape in text
    badges = re.findall(r'class="badge b-(\w+)"><b>(.)</b>[^<]*<span class="\w+"> ([\w ]+)<', html)
    assert html.count("badge b-") == len(badges)
    assert set(badges) == {
        ("green", "G", "green"),
        ("yellow", "Y", "yellow"),
        ("red", "R", "red"),
        ("none", "–", "not scored"),
    }


def test_terms_of_the_figures_are_said(page: Page) -> None:
    text = "".join(page.texts)
    for said in ("36 months", "margin of 80 %", "10 % a year", "in USD", "within 90 days"):
        assert said in text
    for said in ("No table orders", "40 accounts skipped", "3 accounts are <unknown>"):
        assert said in text
    assert "AUC 0.76 (95 % interval 0.72 to 0.80" in text
    assert "on this simulated company is 0.81" in text
    assert "No model is used for this list" in text


@pytest.mark.slow
def test_a_book_of_two_thousand_flagged_accounts_stays_under_four_megabytes() -> None:
    sample = sample_run(2000, everyone=True)
    assert sample.flags["account_id"].nunique() == 2000
    history = History(sample.past_scores, sample.changes)
    html = render_report(*sample.parts, history=history)
    rows = min(len(sample.flags), MOST_ROWS) + len(sample.scores)
    assert html.count("<tbody data-i=") == rows
    assert len(html.encode()) < 4_000_000


@pytest.mark.slow
def test_more_rows_than_the_page_holds_are_counted(
    sample: SampleRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("health.report.lists.MOST_ROWS", 30)
    html = render_report(*sample.parts)
    assert html.count("<tbody data-i=") == 30 + len(sample.scores)
    assert f"{len(sample.flags) - 30} rows of low rank" in html
    monkeypatch.setattr("health.report.lists.MOST_ACCOUNTS", 40)
    html = render_report(*sample.parts)
    assert html.count("<tbody data-i=") == 30 + 40
    assert f"{len(sample.scores) - 40} small accounts do not fit" in html


@pytest.mark.slow
def test_a_run_without_models_names_or_lists_renders(sample: SampleRun) -> None:
    scores = sample.scores.drop(columns=["segment", "industry", "upsell_base_rate"]).assign(
        name=None,
        csm=None,
        health_change=np.nan,
        churn_probability=np.nan,
        churn_base_rate=np.nan,
        expected_loss=np.nan,
        days_to_renewal=np.nan,
    )
    reasons = sample.reasons[sample.reasons["output"] == "health"].drop(columns="missing")
    nothing = {"basis": "none", "has_signal": False, "note": "9 accounts churned, 10 are needed"}
    run = {**sample.run, "evaluation": {"churn": nothing}, "company": ""}
    for flags in (sample.flags.iloc[:0], sample.flags.assign(name=None, csm=None, product=None)):
        page = Page(render_report(scores, reasons, flags, run))
        text = "".join(page.texts)
        assert "No probability is published." in text
        assert "9 accounts churned, 10 are needed" in text
        assert (
            text.count("No account is on this list this week.")
            == len(LISTS) - flags["flag"].nunique()
        )


@pytest.mark.slow
def test_the_same_run_gives_the_same_page(sample: SampleRun) -> None:
    assert render_report(*sample.parts) == render_report(*sample.parts)


def test_changes_sum_to_the_change_of_the_score(sample: SampleRun) -> None:
    history = History(sample.past_scores, sample.changes)
    accounts = sample.scores.loc[sample.scores["health_score"].notna(), "account_id"]
    changes = score_changes(history, accounts)
    by_account = changes.groupby("account_id")["change"].sum()
    published = sample.scores.set_index("account_id")["health_change"]
    # Twenty measures, each left out below 0.05 points.
    gap = (by_account - published.loc[by_account.index]).abs()
    assert gap.max() < 1.0
    assert gap.median() < 0.1


def test_movers_come_with_what_moved_them(page: Page, sample: SampleRun) -> None:
    large = sample.scores[sample.scores["mrr"] >= small_below(sample.scores)]
    weight = large["health_change"] * large["mrr"]
    moved = large.loc[weight[large["health_change"] <= -3].idxmin()]
    text = "".join(page.texts)
    assert moved["name"] in text
    assert "The causes are the measures that changed the score" in text


def test_contrast_of_words_and_ground() -> None:
    pairs = [("#17212b", "#f4f6f8"), ("#52606d", "#f4f6f8"), ("#1a5a96", "#e8f0f8")]
    pairs += [("#14532d", "#e3f4e9"), ("#634600", "#fdf3d1"), ("#8a1c12", "#fde6e3")]
    pairs += [("#ffffff", "#27794b"), ("#ffffff", "#c53b30"), ("#17212b", "#e0a800")]
    for ink, ground in pairs:
        light, dark = sorted((_luminance(ink), _luminance(ground)), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 4.5, (ink, ground)


def _luminance(colour: str) -> float:
    shares = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in shares]
    return float(np.dot(linear, [0.2126, 0.7152, 0.0722]))


@pytest.mark.slow
def test_history_is_read_from_earlier_runs(sample: SampleRun, tmp_path: Path) -> None:
    runs = []
    for day, scores in sample.past_scores.groupby("as_of"):
        folder = tmp_path / f"as_of={day.date()}"
        folder.mkdir()
        scores.to_parquet(folder / "scores.parquet")
        runs.append(PublishedRun(day.date(), folder))
    history = History.of_runs(runs, sample.changes, most=3)
    assert history.scores["as_of"].nunique() == 3
    assert len(history.last) == len(sample.scores)
    account = sample.scores["account_id"].iloc[0]
    assert len(history.lines(pd.Series([account]))[account]) == 3
    accounts = Page(render_report(*sample.parts, history=history)).details["accounts"]
    assert {len(account["l"]) for account in accounts} == {4}
    assert History.of_runs([]).last.empty
    # Where earlier runs are read for some accounts only, the others have no line instead of half.
    some = History.of_runs(runs, sample.changes, accounts=[account], most=3)
    assert len(some.last) == len(sample.scores)
    assert some.lines(sample.scores["account_id"]) == history.lines(pd.Series([account]))


def test_a_csms_page_starts_with_the_lists_and_has_nothing_for_operators(
    sample: SampleRun, html: str
) -> None:
    scores, reasons, flags, run = sample.parts
    own = scores[scores["csm"] == CSMS[1]]
    mine = flags[flags["account_id"].isin(own["account_id"])]
    page = Page(render_report(own, reasons, mine, run, csm=CSMS[1]))
    text = "".join(page.texts)
    sections = [attrs.get("id") for tag, attrs in page.tags if tag == "section"]
    assert sections == ["lists", "book", "notes"]
    for hidden in ("Gates before publishing", run["model_version"], "Accounts by CSM", "PSI"):
        assert hidden not in text
    assert all(account in text for account in own["account_id"])
    assert "Gates before publishing" in html


@pytest.mark.slow
def test_a_week_is_one_row_per_account_with_its_main_action(sample: SampleRun) -> None:
    week = sample_week(sample)
    page = Page(render_report(*sample.parts, week=week))
    text = "".join(page.texts)
    rows = [attrs for tag, attrs in page.tags if tag == "tbody" and "data-i" in attrs]
    assert len(rows) == len(week) + len(sample.flags) + len(sample.scores)
    assert "Offer: 3 more seats" in text
    assert "One row per account with one main action" in text


@pytest.mark.slow
def test_a_row_states_the_share_of_influences_that_is_not_shown(sample: SampleRun) -> None:
    scores, reasons, flags, run = sample.parts
    html = render_report(scores, reasons, flags.assign(reasons_share=0.28), run)
    assert html.count("Not shown: 72 % of the influences") == len(flags)
    assert "Not shown: 7" not in render_report(
        scores, reasons, flags.assign(reasons_share=1.0), run
    )


@pytest.mark.slow
def test_a_lifetime_value_states_whose_range_it_has_and_its_growth(sample: SampleRun) -> None:
    scores, reasons, flags, run = sample.parts
    scores = scores.assign(
        clv=1000.0, clv_low=50.0, clv_high=3000.0, clv_mean_low=900.0, clv_mean_high=1100.0
    )
    page = Page(render_report(scores.assign(clv_monthly_growth=0.01), reasons, flags, run))
    facts = page.details["accounts"][0]["f"]
    assert (
        "USD 1,000 over 36 months (95 % of such customers: USD 50 to 3,000; their average: USD 900 "
        "to 1,100 (95 %); MRR of those who stay: +13 % in the first year)"
    ) in facts
