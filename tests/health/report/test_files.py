"""CSV lists and reports of one CSM: names that are safe, text that nothing runs."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from health.presentation.wording import LISTS
from health.report.background import Background
from health.report.files import file_name, write_csm_reports, write_list_files
from health.report.history import History
from tests.health.sample_run import CSMS, HOSTILE, SampleRun, sample_run


@pytest.fixture(scope="module")
def sample() -> SampleRun:
    return sample_run()


def test_each_list_is_a_file_whose_text_stays_text(sample: SampleRun, tmp_path: Path) -> None:
    write_list_files(tmp_path, sample.flags)
    files = {file.stem: pd.read_csv(file) for file in (tmp_path / "lists").iterdir()}
    assert set(files) == {kind.flag for kind in LISTS}
    for flag, own in files.items():
        assert len(own) == (sample.flags["flag"] == flag).sum()
    names = set(files["at_risk"]["name"])
    assert "'" + HOSTILE[1] in names
    assert HOSTILE[2] in names
    texts = pd.concat(own.select_dtypes("object") for own in files.values()).stack()
    assert not texts.str.match(r"[=+\-@\t\r\n]").any()


@pytest.mark.slow
def test_a_report_of_a_csm_holds_their_accounts_alone(sample: SampleRun, tmp_path: Path) -> None:
    scores, reasons, flags, run = sample.parts
    history = History(sample.past_scores, sample.changes)
    names = write_csm_reports(
        tmp_path, (scores, reasons, flags), run, history=history, background=Background()
    )
    written = {file.name for file in (tmp_path / "csm").iterdir()}
    assert written == set(names.values())
    assert set(CSMS) <= set(names)
    html = (tmp_path / "csm" / names[CSMS[1]]).read_text(encoding="utf-8")
    own, others = flags[flags["csm"] == CSMS[1]], flags[flags["csm"] == CSMS[2]]
    assert all(account in html for account in own["account_id"])
    assert not any(account in html for account in others["account_id"])


@settings(max_examples=200)
@given(st.text(max_size=400))
def test_a_file_name_is_safe_everywhere(text: str) -> None:
    name = file_name(text)
    assert name.isascii()
    assert not set(name) - set("abcdefghijklmnopqrstuvwxyz0123456789-")
    assert 0 < len(name) <= 60
    assert name[0].isalnum()


def test_alike_names_have_files_of_their_own() -> None:
    assert len({file_name(text) for text in ("Ana/Luis", "Ana Luis", "ana-luis", "ANA")}) == 4
