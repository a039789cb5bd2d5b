"""Names use the field's terms: the words that reviewers kept stumbling over stay out."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
#: Rejected words, and what the field says instead.
REJECTED = {
    "told": "values, result, message",
    "tell": "describe",
    "tells": "describes",
    "spoken": "strongest, sentence",
    "said": "predicted, text",
    "spine": "observations",
    "laid": "broadcast, loaded",
    "begun": "started",
    "beside": "with_own_connection, next_to",
    "apart": "separate, difference",
    "brought": "loaded",
    "ahead": "upcoming",
    "stands": "is",
    "figures": "metrics, values",
    "foretell": "predict",
    "lives": "lifetimes, durations",
    "died": "churned, events",
    "deaths": "events",
    "anew": "again",
    "says": "message, states",
}
#: Names that are published: fields of backtest.json, run.json and the manifest.
PUBLISHED = {"figures"}
PACKAGES = ("features", "models", "health")


def _names(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.attr


def _words(name: str) -> set[str]:
    return set(re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower().split("_"))


@pytest.mark.slow
def test_no_name_has_a_rejected_word() -> None:
    found = {
        f"{path.relative_to(ROOT)}: {name}": [REJECTED[word] for word in sorted(wrong)]
        for package in PACKAGES
        for path in sorted((ROOT / package).rglob("*.py"))
        for name in _names(ast.parse(path.read_text(encoding="utf-8")))
        if name not in PUBLISHED and (wrong := _words(name) & REJECTED.keys())
    }
    assert not found
