"""Flags: who is listed, in what order, and who must not be."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np
import pandas as pd
import pytest

from features.catalogue import CATALOGUE
from health.expansion.eligibility import gate_reasons
from health.expansion.steps import DETAILS
from health.flags.my_week import COLUMNS as WEEK_COLUMNS
from health.flags.my_week import rule_in_words
from health.flags.rules import COLUMNS, Raised, list_flags
from health.flags.scored import Scored
from health.reasons.reasons import reason_rows
from health.settings.config import Config
from health.settings.flags import CAUSE_PLAYS, FlagsConfig
from tests.health.flags.raised import raise_flags

DAY = date(2026, 11, 1)
SUPPORTED = {"churn": True, "upsell": True, "cross_sell": True}


def _config(**flags: float) -> Config:
    return Config(tables={}, flags=FlagsConfig(**flags))


def _scored(count: int = 4, supports: dict[str, bool] | None = None, **columns: object) -> Scored:
    """Accounts that raise no flag unless a column says otherwise."""
    scores = pd.DataFrame(
        {
            "account_id": [f"A{i}" for i in range(count)],
            "name": [f"Name {i}" for i in range(count)],
            "csm": "Ann",
            "stage": "retention",
            "mrr": 100.0,
            "health_band": "yellow",
            "churn_probability": 0.05,
            "churn_base_rate": 0.05,
            "expected_loss": 60.0,
            "upsell_probability": 0.05,
            "upsell_base_rate": 0.05,
            "upsell_value": 10.0,
            "cross_sell_product": "Insights",
            "cross_sell_probability": 0.05,
            "cross_sell_base_rate": 0.05,
            "cross_sell_value": 10.0,
        }
    )
    features = pd.DataFrame(np.nan, index=scores.index, columns=list(CATALOGUE))
    for name, values in columns.items():
        (features if name in CATALOGUE else scores)[name] = values
    scores["days_to_renewal"] = features["days_to_renewal"]
    inputs = features.assign(account_id=scores["account_id"])
    terms = pd.DataFrame({"usage_recency_days": 0.5, "baseline": -3.0}, index=scores.index)
    points = pd.DataFrame({"usage_recency_days": 20.0}, index=scores.index)
    reasons = pd.concat(
        [
            *(reason_rows(output, terms, inputs) for output in ("churn", "upsell", "cross_sell")),
            reason_rows("health", points, inputs, missing=points),
        ]
    )
    whitespace = _whitespace(scores, features, supports or SUPPORTED)
    return Scored(scores, features, reasons, supports or SUPPORTED, whitespace)


def _whitespace(
    scores: pd.DataFrame, features: pd.DataFrame, supports: dict[str, bool]
) -> pd.DataFrame:
    """One product held, one open, by the figures of the account."""
    rows = []
    for offer, status in (("upsell", "held"), ("cross_sell", "open")):
        rows.append(
            scores[["account_id", "name", "csm"]].assign(
                product="Core" if offer == "upsell" else scores["cross_sell_product"],
                status=status,
                offer=offer,
                gate=gate_reasons(scores, features, FlagsConfig()).all,
                basis="model" if supports[offer] else "rules",
                probability=scores[f"{offer}_probability"],
                base_rate=scores[f"{offer}_base_rate"],
                value=scores[f"{offer}_value"],
                asked="",
                signs="",
                why="A reason",
                step_mrr=5.0,
                **dict.fromkeys(DETAILS, "detail"),
            )
        )
    return pd.concat(rows, ignore_index=True)


def _raised(scored: Scored, config: Config | None = None) -> Raised:
    return raise_flags(scored, config or _config(), as_of=DAY)


def word_week(scored: Scored, day: pd.Timestamp) -> pd.DataFrame:
    return raise_flags(scored, _config(), as_of=day.date()).week


def _raise(scored: Scored, config: Config | None = None) -> pd.DataFrame:
    return _raised(scored, config).flags


def _flagged(scored: Scored, flag: str, config: Config | None = None) -> list[str]:
    flags = _raise(scored, config)
    return flags.loc[flags["flag"] == flag, "account_id"].tolist()


def _reasons(causes: dict[str, list[float]], accounts: list[str]) -> pd.DataFrame:
    terms = pd.DataFrame({**causes, "baseline": -3.0})
    inputs = pd.DataFrame(dict.fromkeys(causes, 5.0) | {"account_id": accounts})
    return reason_rows("churn", terms, inputs)


def test_the_play_answers_the_cause_that_stands_out_among_accounts_at_risk() -> None:
    accounts = [f"A{i}" for i in range(12)]
    # All of them use little; A0 has old tickets in addition, and A1 an unhappy contact.
    causes = {
        "usage_active_days_28d": [1.0] * 12,
        "tickets_backlog_oldest_days": [0.6, 0.05] + [0.1] * 10,
        "surveys_nps_latest": [0.1, 0.5] + [0.1] * 10,
    }
    scored = replace(_scored(12, churn_probability=0.4), reasons=_reasons(causes, accounts))
    flags = _raise(scored, _config(capacity_per_csm=50)).set_index("account_id")
    assert flags.loc[["A0", "A1", "A2"], "cause"].tolist() == ["support", "value", "adoption"]
    assert flags.loc["A0", "suggested_play"] == CAUSE_PLAYS["support"]


def test_among_few_accounts_the_strongest_cause_decides() -> None:
    causes = {"usage_active_days_28d": [1.0, 1.0], "tickets_backlog_oldest_days": [0.6, 0.1]}
    scored = replace(_scored(2, churn_probability=0.4), reasons=_reasons(causes, ["A0", "A1"]))
    assert _raise(scored)["cause"].tolist() == ["adoption", "adoption"]


def test_a_value_is_money_in_a_year_on_every_list_and_in_the_week() -> None:
    scored = _scored(
        notice_given=[1.0, 0.0, 0.0, 0.0],
        churn_probability=[np.nan, 0.4, 0.05, 0.05],
        expected_loss=[np.nan, 480.0, 60.0, 60.0],
        usage_recency_days=[1.0, 1.0, 40.0, 1.0],
    )
    raised = _raised(scored)
    values = raised.flags.set_index(["account_id", "flag"])["value"].to_dict()
    assert values == {("A0", "leaving"): 1200.0, ("A1", "at_risk"): 480.0, ("A2", "silent"): 60.0}
    week = raised.week.set_index("account_id")["value"].to_dict()
    assert week == {account: value for (account, _), value in values.items()}


def test_the_rule_of_a_week_without_contracts_mentions_no_renewal_and_no_offer() -> None:
    contracts = rule_in_words(_config(), least_gain=0.0, by_value=True)
    assert "renewal" in contracts and "Offers" in contracts
    orders = rule_in_words(_config(), least_gain=0.0, by_value=True, has_terms=False)
    assert "having left" in orders
    assert not any(word in orders for word in ("renewal", "notice", "ffer", "gained"))


def test_nobody_is_flagged_without_cause() -> None:
    flags = _raise(_scored())
    assert flags.empty
    assert list(flags.columns) == list(COLUMNS)


def test_at_risk_by_probability_or_by_red_ranked_by_loss() -> None:
    scored = _scored(
        churn_probability=[0.2, 0.2, 0.07, 0.05],
        expected_loss=[10.0, 90.0, 50.0, 1000.0],
        health_band=["green", "yellow", "red", "green"],
    )
    assert _flagged(scored, "at_risk") == ["A1", "A2", "A0"]


def test_a_red_account_that_is_no_likelier_to_leave_than_usual_is_not_listed() -> None:
    scored = _scored(health_band="red", churn_probability=[0.01, 0.05, 0.058, 0.07])
    assert _flagged(scored, "at_risk") == ["A3"]


def test_without_signal_only_health_puts_an_account_at_risk() -> None:
    scored = _scored(
        supports={**SUPPORTED, "churn": False},
        churn_probability=np.nan,
        churn_base_rate=np.nan,
        expected_loss=np.nan,
        health_band=["red", "yellow", "green", "green"],
    )
    flags = _raise(scored)
    at_risk = flags[flags["flag"] == "at_risk"]
    assert at_risk["account_id"].tolist() == ["A0"]
    # Without a probability there is no expected loss: a year of MRR would say that it leaves.
    assert at_risk["value"].isna().all()


def test_leaving_is_never_at_risk_and_never_offered() -> None:
    scored = _scored(
        notice_given=1.0,
        churn_probability=0.9,
        upsell_probability=0.9,
        cross_sell_probability=0.9,
        usage_recency_days=60.0,
        days_since_notice=12.0,
    )
    flags = _raise(scored)
    assert set(flags["flag"]) == {"leaving"}
    assert flags["reasons"].str.contains("12").all()


@pytest.mark.slow
@pytest.mark.parametrize(
    "gate",
    [
        {"health_band": "red"},
        {"stage": "onboarding"},
        {"tickets_urgent_open": 1.0},
        {"churn_probability": 0.2},
        {"usage_recency_days": 40.0},
    ],
)
def test_no_offer_behind_a_gate(gate: dict[str, object]) -> None:
    for offer in ("upsell", "cross_sell"):
        likely: dict[str, object] = {f"{offer}_probability": 0.5}
        assert _flagged(_scored(**likely), offer)
        assert not _flagged(_scored(**likely, **gate), offer)


def test_a_list_fits_the_capacity_of_each_csm() -> None:
    scored = _scored(
        count=10,
        churn_probability=0.5,
        expected_loss=[float(i) for i in range(10)],
        csm=["Ann"] * 6 + [None] * 4,
    )
    flags = _raise(scored, _config(capacity_per_csm=3))
    ann = flags[flags["csm"] == "Ann"]
    assert ann["account_id"].tolist() == ["A5", "A4", "A3"]
    assert ann["rank"].tolist() == [1, 2, 3]
    assert flags[flags["csm"].isna()]["account_id"].tolist() == ["A9", "A8", "A7"]


def test_silent_is_stopped_not_never_used() -> None:
    scored = _scored(usage_recency_days=[60.0, np.nan, 3.0, 28.0])
    assert _flagged(scored, "silent") == ["A0", "A3"]


def test_renewals_are_terms_that_end_soon_by_what_may_be_lost() -> None:
    scored = _scored(
        days_to_renewal=[12.0, 90.0, 91.0, np.nan],
        stage=["renewal", "renewal", "retention", "retention"],
        expected_loss=[10.0, 500.0, 900.0, 900.0],
    )
    flags = _raise(scored)
    own = flags[flags["flag"] == "renewal"].sort_values("rank")
    assert own["account_id"].tolist() == ["A1", "A0"]
    # The renewal is context, in a column of its own; the reasons are about the account.
    assert not own["reasons"].str.contains("renews").any()


def test_advocates_are_green_promoters_without_open_trouble() -> None:
    scored = _scored(
        health_band=["green", "green", "yellow", "green"],
        surveys_nps_latest=[9.0, 8.0, 10.0, 10.0],
        tickets_urgent_open=[0.0, 0.0, 0.0, 1.0],
    )
    assert _flagged(scored, "advocate") == ["A0"]


def test_an_advocate_uses_it_as_steadily_as_ever() -> None:
    scored = _scored(
        health_band="green",
        surveys_nps_latest=10.0,
        usage_events_trend=[0.0, -0.3, np.nan, 0.1],
        usage_recency_days=[0.0, 0.0, np.nan, 14.0],
    )
    assert _flagged(scored, "advocate") == ["A0", "A2"]


@pytest.mark.slow
def test_since_is_kept_for_the_same_account_flag_and_product() -> None:
    scored = _scored(count=2, upsell_probability=[0.5, 0.05], cross_sell_probability=[0.05, 0.5])
    first = raise_flags(scored, _config(), as_of=date(2026, 10, 25)).episodes
    first.loc[first["flag"] == "cross_sell", "product"] = "Another"
    second = raise_flags(scored, _config(), as_of=DAY, previous=first)
    since = second.flags.set_index(["flag", "account_id"])["since"]
    assert since["upsell", "A0"] == pd.Timestamp(2026, 10, 25)
    assert since["cross_sell", "A1"] == pd.Timestamp(DAY)


def test_one_offer_an_account_the_one_worth_most() -> None:
    likely = {"upsell_probability": 0.5, "cross_sell_probability": 0.5}
    scored = _scored(count=2, **likely, upsell_value=[90.0, 10.0], cross_sell_value=[20.0, 60.0])
    raised = _raised(scored)
    assert raised.flags[["account_id", "flag"]].to_numpy().tolist() == [
        ["A0", "upsell"],
        ["A1", "cross_sell"],
    ]
    states = raised.episodes.set_index(["account_id", "flag"])["state"]
    assert states["A0", "cross_sell"] == "waiting"
    assert raised.week["offer_value"].tolist() == [90.0, 60.0]


@pytest.mark.slow
def test_an_offer_that_was_asked_for_is_listed_whatever_it_is_worth() -> None:
    scored = _scored(count=2, upsell_probability=0.5, upsell_value=90.0, cross_sell_value=1.0)
    scored.whitespace.loc[
        (scored.whitespace["offer"] == "cross_sell") & (scored.whitespace["account_id"] == "A1"),
        "asked",
    ] = "Asked for it"
    scored = replace(scored, least_gain=50.0)
    raised = _raised(scored)
    assert _flagged(scored, "cross_sell") == ["A1"]
    assert _flagged(scored, "upsell") == ["A0"]
    assert raised.week.set_index("account_id")["product"].to_dict() == {
        "A0": "Core",
        "A1": "Insights",
    }


def test_offers_below_the_least_gain_are_not_listed() -> None:
    scored = _scored(upsell_probability=0.5, upsell_value=[10.0, 49.0, 50.0, np.nan])
    assert _flagged(replace(scored, least_gain=50.0), "upsell") == ["A2", "A3"]


def test_a_base_rate_of_three_in_four_leaves_room_on_the_list() -> None:
    scored = _scored(upsell_probability=[0.75, 0.8, 0.83, 0.95], upsell_base_rate=0.75)
    assert set(_flagged(scored, "upsell")) == {"A2", "A3"}


def test_a_week_has_one_row_an_account_with_the_most_urgent_action() -> None:
    scored = _scored(
        count=3,
        churn_probability=[0.2, 0.05, np.nan],
        expected_loss=[240.0, 60.0, np.nan],
        usage_recency_days=[40.0, 0.0, 0.0],
        days_to_renewal=[30.0, 50.0, 20.0],
        notice_given=[0.0, 0.0, 1.0],
        days_since_notice=[np.nan, np.nan, 5.0],
        surveys_nps_latest=[np.nan, 10.0, np.nan],
        health_band=["red", "green", "red"],
        upsell_probability=[0.05, 0.5, np.nan],
        upsell_value=[5.0, 80.0, np.nan],
    )
    week = _raised(scored).week
    assert list(week.columns) == list(WEEK_COLUMNS)
    assert week["account_id"].tolist() == ["A2", "A0", "A1"]
    assert week["main_action"].tolist() == ["leaving", "silent", "renewal"]
    assert week["flags"].tolist() == [
        "leaving",
        "silent; at_risk; renewal",
        "renewal; upsell; advocate",
    ]
    assert week["value"].tolist() == [1200.0, 240.0, 60.0]
    assert week["rank"].tolist() == [1, 2, 3]
    assert week["offer_value"].fillna(0.0).tolist() == [0.0, 0.0, 80.0]


def test_nothing_is_due_after_the_contract_was_decided() -> None:
    day = pd.Timestamp(2026, 11, 1)
    scored = _scored(
        count=3,
        churn_probability=0.3,
        expected_loss=[300.0, 200.0, 100.0],
        usage_recency_days=40.0,
        days_to_renewal=[2.0, 30.0, np.nan],
        renewal_date=[day + pd.Timedelta(days=2), day + pd.Timedelta(days=30), pd.NaT],
    )
    week = word_week(scored, day)
    assert (week["main_action"] == "silent").all()
    assert (week["due"] - day).dt.days.tolist() == [2, 6, 6]


def test_capacity_counts_accounts_not_flags() -> None:
    scored = _scored(
        count=6,
        churn_probability=0.2,
        expected_loss=[float(i) for i in range(6)],
        health_band="red",
        days_to_renewal=30.0,
    )
    raised = _raised(scored, _config(capacity_per_csm=3))
    assert raised.week["account_id"].tolist() == ["A5", "A4", "A3"]
    assert sorted(raised.flags["account_id"].unique()) == ["A3", "A4", "A5"]
    assert len(raised.flags) == 6


def test_without_any_probability_accounts_to_keep_come_before_offers() -> None:
    scored = _scored(
        supports={**SUPPORTED, "churn": False},
        churn_probability=np.nan,
        churn_base_rate=np.nan,
        expected_loss=np.nan,
        health_band=["red", "red", "yellow", "yellow"],
        usage_recency_days=[0.0, 0.0, 40.0, 0.0],
        upsell_probability=[0.05, 0.05, 0.05, 0.5],
        upsell_value=5000.0,
    )
    scored.scores["mrr"] = [100.0, 300.0, 50.0, 900.0]
    raised = _raised(scored)
    assert raised.week["account_id"].tolist() == ["A2", "A1", "A0", "A3"]
    assert raised.week["value"].isna().tolist() == [True, True, True, False]
    assert "No chance of leaving is published" in raised.rule


@pytest.mark.slow
def test_the_play_answers_to_the_cause() -> None:
    scored = _scored(churn_probability=0.2)
    flags = _raise(scored)
    assert set(flags["cause"]) == {"adoption"}
    assert flags["suggested_play"].str.startswith("Adoption session").all()
    own = _config().model_copy(update={"plays": {"adoption": "Webinar"}})
    assert set(_raise(scored, own)["suggested_play"]) == {"Webinar"}
    own = _config().model_copy(update={"plays": {"at_risk": "Call"}})
    assert set(_raise(scored, own)["suggested_play"]) == {"Call"}
    assert flags["reasons_share"].between(0, 1).all()


def test_accounts_to_keep_can_be_ordered_by_what_a_contact_saves_and_the_rule_states_it() -> None:
    scored = _scored(count=2, churn_probability=[0.5, 0.4])
    by_value = list_flags(scored, _config(), as_of=DAY)
    savable = pd.Series({"A0": 0.01, "A1": 0.2})
    by_savable = list_flags(scored, _config(), as_of=DAY, savable=savable)
    for raised, order in ((by_value, ["A0", "A1"]), (by_savable, ["A1", "A0"])):
        flags = raised.flags[raised.flags["flag"] == "at_risk"]
        assert flags.sort_values("rank")["account_id"].tolist() == order
        assert flags.sort_values("week_rank")["account_id"].tolist() == order
    assert "rank = savable" in by_savable.rule and "savable" not in by_value.rule
    # The value that is shown stays the expected loss.
    pd.testing.assert_series_equal(
        by_value.flags.set_index("account_id")["value"].sort_index(),
        by_savable.flags.set_index("account_id")["value"].sort_index(),
    )
