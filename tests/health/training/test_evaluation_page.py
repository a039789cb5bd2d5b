"""The evaluation page: text from data stays text, and every basis has its page."""

from __future__ import annotations

from typing import Any

import pytest

from health.training.evaluation_page import render_evaluation
from health.training.rows import TargetRows
from models import ChurnModel
from tests.health.training.sample_versions import good, labelled_rows

HOSTILE = "<script>alert(1)</script>"


def _manifest(evaluation: dict[str, Any], **rest: Any) -> dict[str, Any]:
    counts = ("rows", "events", "accounts", "event_accounts", "outcome_not_known_yet")
    return {
        "trained_until": "2025-12-31",
        "training_dates": ["2023-01-01", "2024-10-06"],
        "leaks": [],
        "evaluation": {"churn": evaluation},
        "targets": {"churn": dict.fromkeys(counts, 1)},
        "horizon_days": 90,
        "grace_days": 30,
        "data": {"from": "2023-01-01", "until": "2025-12-31"},
        "tables": {"accounts": 160},
        "features": ["logins"],
        "features_hash": "0" * 16,
        "config_hash": "1" * 16,
        "seed": 0,
        **rest,
    }


def _page(model: ChurnModel | None, evaluation: dict[str, Any], **rest: Any) -> str:
    manifest = _manifest(evaluation, **rest)
    rows = {"churn": labelled_rows()}
    return render_evaluation(
        manifest, {"churn": model}, rows, good().held_out, company=f"Acme {HOSTILE}"
    )


def _model() -> tuple[ChurnModel, dict[str, Any]]:
    model = good().version.artefacts["churn"]
    assert model.evaluation_ is not None
    judged = {
        "basis": model.basis_,
        "note": HOSTILE,
        "calibration": model.calibration_.to_dict(),
        **model.evaluation_.to_dict(),
    }
    return model, judged


@pytest.mark.slow
def test_text_from_data_stays_text() -> None:
    model, judged = _model()
    page = _page(model, judged, leaks=[{"feature": HOSTILE, "why": HOSTILE}])
    assert "<script" not in page
    assert page.count("&lt;script&gt;") >= 4
    assert "Features that leak the outcome" in page


@pytest.mark.slow
def test_it_shows_calibration_lift_blocks_and_shapes() -> None:
    model, judged = _model()
    page = _page(model, judged)
    for part in (
        "Calibration of churn in",
        "Lift of churn",
        "AUC of churn by block",
        "Contribution",
    ):
        assert part in page, part
    assert "Features that leak the outcome" not in page
    assert _page(model, judged) == page


def test_a_model_that_was_never_fitted_says_why() -> None:
    page = _page(None, {"basis": "none", "note": "no product is left to sell"})
    assert "no product is left to sell" in page
    assert "Calibration table" not in page


def test_a_target_without_enough_events_has_no_plots() -> None:
    rows = labelled_rows()
    few = TargetRows(rows.frame.assign(churned=0.0), "churned", rows.inputs)
    model = ChurnModel().fit(few.frame[few.inputs], few.frame["churned"])
    page = _page(model, {"basis": "none", "note": "; ".join(model.reasons_)})
    assert "0 of" in page
    assert "data:image" not in page


def _interactions(held: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "pairs": 4950,
        "checked": 2,
        "held": held,
        "why": f"of 4,950 pairs, 2 stood out on early dates, and {len(held) or 'none'} held",
        "early_until": "2024-07-15",
        "late_from": "2024-12-02",
    }


@pytest.mark.slow
def test_pairs_that_interact_are_shown_with_their_table() -> None:
    model, judged = _model()
    cells = []
    for first_high, second_high, rate, expected in (
        (False, False, 0.031, 0.012),
        (False, True, 0.02, 0.039),
        (True, False, 0.05, 0.069),
        (True, True, 0.123, 0.104),
    ):
        difference = rate - expected
        ends = {"low": difference - 0.01, "high": difference + 0.01}
        cells.append(
            {
                "first_high": first_high,
                "second_high": second_high,
                "accounts": 1234,
                "event_accounts": 56,
                "rate": rate,
                "expected": expected,
                "difference": {"value": difference, **ends},
            }
        )
    pair = {
        "first": HOSTILE,
        "second": "usage_active_days_28d",
        "first_from": 3.0,
        "second_from": 14.0,
        "cells": cells,
    }
    page = _page(model, judged | {"interactions": _interactions([pair])})
    assert "Usage active days 28d (count)" in page
    assert "usage active days 28d is 14 or more: 12.3 % instead of 10.4 %" in page
    for part in ("3 or more", "1,234", "12.3 %", "+1.9", "+0.9 to +2.9", "−1.9"):
        assert part in page, part
    assert "<script" not in page
    assert "No interaction is claimed" not in page


@pytest.mark.slow
def test_a_company_without_interactions_has_no_claim() -> None:
    model, judged = _model()
    page = _page(model, judged | {"interactions": _interactions([])})
    assert "No interaction is claimed: the features act as the sum of their parts." in page
    assert "Sum of the parts" not in page


@pytest.mark.slow
def test_candidates_that_could_not_be_compared_are_listed_with_the_reason() -> None:
    model, judged = _model()
    left = {"name": "glass box", "parts": 2, "of_parts": 6, "why": f"no feature {HOSTILE}"}
    page = " ".join(
        _page(model, judged | {"choice": {"candidates": [], "not_fitted": [left]}}).split()
    )
    assert "Glass box: could not be fitted on 2 of 6 parts of the training rows: no feature" in page
    assert "<script" not in page
