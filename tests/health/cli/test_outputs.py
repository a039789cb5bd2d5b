"""Texts from data steer neither a terminal nor a spreadsheet."""

from __future__ import annotations

import io

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.markup import escape
from rich.table import Table

from health.cli.outputs import PlainConsole, visible
from health.report.files import inert_text

STEERING = "\x1b[2J\x1b]0;title\x07\u202e\u2066\x9b1m\x00\x08"


@given(st.text())
def test_what_is_shown_steers_nothing(text: str) -> None:
    shown = visible(text + STEERING)
    assert not any((ord(c) < 32 and c not in "\t\n") or c in "\x7f\x9b\u202e\u2066" for c in shown)


def test_a_console_keeps_its_own_colours_and_shows_those_of_data() -> None:
    stream = io.StringIO()
    console = PlainConsole(file=stream, force_terminal=True, color_system="standard", width=100)
    table = Table("name")
    table.add_row(escape(f"[red]Acme{STEERING}"))
    console.print(table)
    console.print("[bold red]error:[/] " + escape(STEERING))
    printed = stream.getvalue()
    assert "\x1b[1;31m" in printed
    assert "\x1b[2J" not in printed
    assert "\\x1b[2J" in printed
    assert "\u202e" not in printed


@pytest.mark.parametrize("sign", ["=", "+", "-", "@", "＝", "＋", "－", "＠"])
@pytest.mark.parametrize("before", ["", ";", "\t", "x;", "x\t", "x|", "x\n", "; ", 'x;"', " "])
def test_no_part_of_a_text_starts_a_formula(before: str, sign: str) -> None:
    made = inert_text(pd.DataFrame({"name": [f"{before}{sign}1+1"]}))["name"].iloc[0]
    for separator in ";\t|\n":
        for part in made.split(separator):
            assert not part.strip(' "\t\n').startswith(tuple("=+-@＝＋－＠"))


@pytest.mark.parametrize("text", ["Acme", "a - b", "a+b=c", "x@first.example", "5; 6", "a;b", ""])
def test_other_texts_stay(text: str) -> None:
    assert inert_text(pd.DataFrame({"name": [text]}))["name"].iloc[0] == text
