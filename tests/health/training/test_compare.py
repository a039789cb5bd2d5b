"""Champion against challenger: honest rows, paired figures, and a verdict."""

from __future__ import annotations

from copy import copy
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

from health.training.cohort import (
    HELD_OUT,
    REFITTED,
    UNCHANGED,
    Candidate,
    choose_cohort,
    needs_rows,
)
from health.training.compare import (
    BETTER,
    NO_WORSE,
    UNKNOWN,
    WORSE,
    TargetComparison,
    compare_versions,
)
from health.training.rows import known_before
from models.churn.hazard import HazardClassifier
from tests.health.training.sample_versions import good, labelled_rows, poor


def compare(champion: Candidate, challenger: Candidate, *, rows: bool = True) -> TargetComparison:
    known = {"churn": labelled_rows()} if rows else None
    return compare_versions(champion, challenger, ["churn"], rows=known)[0]


@pytest.mark.slow
def test_a_version_is_no_worse_than_itself() -> None:
    found = compare(good(), good())
    assert found.verdict == NO_WORSE
    assert found.how == HELD_OUT
    assert found.figures is not None
    assert found.figures.auc.difference.value == 0
    assert not needs_rows("churn", good(), good())


@pytest.mark.slow
def test_a_poor_challenger_is_worse_and_a_poor_champion_is_beaten() -> None:
    worse = compare(good(), poor())
    assert worse.verdict == WORSE
    assert "with the event" in worse.why
    assert compare(poor(), good()).verdict == BETTER
    # The cohort was fixed when the rows were held out, whoever stands on which side.
    assert compare(poor(), good()).cohort_hash == worse.cohort_hash != ""


@pytest.mark.slow
def test_on_dates_later_than_all_it_knew_the_champion_is_asked_as_it_stands() -> None:
    old = good("2024-07-01")
    found = compare(old, good())
    assert found.how == UNCHANGED
    assert found.dates[0] >= "2024-07-01"
    rows = labelled_rows().frame
    later = rows[(rows["as_of"] >= "2024-07-01") & (rows["as_of"] <= found.dates[1])]
    assert found.figures is not None
    assert found.figures.rows == len(later)
    # And the other way round: going back to the old one is judged on the same rows.
    assert compare(good(), old).cohort_hash == found.cohort_hash


@pytest.mark.slow
def test_without_later_dates_its_way_of_modelling_is_fitted_on_the_same_dates() -> None:
    champion = good("2024-09-20")
    assert needs_rows("churn", good("2024-10-20"), champion)
    found = compare_versions(
        champion, good("2024-10-20"), ["churn"], rows={"churn": labelled_rows()}
    )[0]
    assert found.how == REFITTED
    assert found.figures is not None
    # The same estimator on the same rows says the same.
    assert found.figures.auc.difference.value == pytest.approx(0)
    assert found.figures.log_loss.difference.value == pytest.approx(0)


@pytest.mark.slow
def test_a_hazard_fitted_again_learns_from_what_was_known_of_later_rows_too() -> None:
    rows = labelled_rows()
    churned = rows.frame["churned"]
    frame = rows.frame.assign(
        observed_days=np.where(churned == 1, 40.0, 90.0), observed_churn=churned
    )
    newer, older = good("2024-10-20"), good("2024-09-20")
    model = copy(older.version.artefacts["churn"])
    hazard = HazardClassifier(90, strengths=(1.0,))
    model.model_ = hazard.fit(
        frame[rows.inputs], churned, groups=frame["account_id"], durations=frame["observed_days"]
    )
    older = replace(older, version=replace(older.version, artefacts={"churn": model}))
    found = choose_cohort("churn", newer, older, replace(rows, frame=frame), 365)
    assert found.how == REFITTED
    asked = newer.held_out.merge(frame, on=["account_id", "as_of"])
    for learnt_until, block in asked.groupby("learnt_until"):
        first = block["as_of"].min()
        known = known_before(frame, first, horizon_days=90, grace_days=30)
        assert known["as_of"].max() > learnt_until
        again = clone(hazard).fit(
            known[rows.inputs],
            known["observed_churn"],
            groups=known["account_id"],
            durations=known["observed_days"],
        )
        expected = block.assign(logit_again=again.decision_function(block[rows.inputs]))
        both = found.frame.merge(expected, on=["account_id", "as_of"])
        np.testing.assert_allclose(both["logit_older"], both["logit_again"], atol=1e-9)
        assert len(both)


@pytest.mark.slow
def test_nothing_in_the_cohort_was_known_to_either() -> None:
    held_out = good().held_out
    distance = held_out["as_of"] - held_out["learnt_until"]
    assert distance.min() >= pd.Timedelta(days=120)


def test_another_question_is_not_compared() -> None:
    other = replace(
        good(),
        version=replace(good().version, manifest={**good().version.manifest, "horizon_days": 60}),
    )
    assert compare(other, good()).verdict == UNKNOWN
    assert "different events" in compare(other, good()).why


def test_a_version_without_a_probability() -> None:
    manifest = {
        **good().version.manifest,
        "evaluation": {"churn": {"basis": "none", "note": "few"}},
    }
    silent = replace(good(), version=replace(good().version, manifest=manifest))
    assert compare(silent, good()).verdict == NO_WORSE
    assert compare(good(), silent).verdict == WORSE


def test_too_few_events_are_said_with_their_count() -> None:
    none = good().held_out.assign(happened=0.0)
    quiet = replace(good(), held_out=none)
    found = compare(quiet, quiet, rows=False)
    assert found.verdict == UNKNOWN
    assert "0 accounts with the event" in found.why
    empty = replace(good(), held_out=good().held_out.iloc[:0])
    assert compare(empty, empty, rows=False).verdict == UNKNOWN


@pytest.mark.slow
def test_a_slight_fall_is_let_pass_and_a_larger_one_is_not() -> None:
    rng = np.random.default_rng(0)
    verdicts = []
    for noise in (0.01, 1.5):
        shaken = good().held_out.copy()
        shaken["logit"] += rng.normal(scale=noise, size=len(shaken))
        verdicts.append(compare(good(), replace(good(), held_out=shaken), rows=False).verdict)
    assert verdicts == [NO_WORSE, WORSE]
