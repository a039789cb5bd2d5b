"""Sentiment of real comments and the ranking of a randomised mailing, with baselines in one run.

    uv run python -m tests.benchmarks.words_and_effects [--repeats 4] [--halves 12]

Prints the AUC of sentiment (promoters against detractors, held-out fifths), the themes, the Qini
coefficient × 1000 on random halves of the mailing for `SavableModel`, two plain logistic models and
the risk of the untreated, and how often `SavableModel` claims an effect where there is none. The
outside sets need the shared data next to the project.
"""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import RepeatedStratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from features.voice.plain_text import clean_comments
from models import CommentSentiment, SavableModel, Themes, qini, theme_impact

#: Words of a short comment.
_SHORT = 5
SHARED = Path(__file__).parents[3] / "shared" / "data"


def sentiment(repeats: int) -> None:
    """Print how well sentiment ranks comments that were held out: promoters against detractors.

    Comments are split into five parts, several times; each part is ranked by what was learned from
    the other four. Seeds are fixed, and nothing is chosen by a part that is held out. Misspelt: in
    every second word of four letters or more, two neighbouring letters change places.
    """
    rows = pd.read_csv(SHARED / "verbatims" / "nps_comments.csv").dropna(subset=["score"])
    clear = rows[(rows["score"] >= 9) | (rows["score"] <= 6)]
    texts = clean_comments(clear["comment"])
    texts, good = texts[texts != ""], (clear["score"] >= 9).to_numpy()[texts != ""].astype(int)
    short = np.array([len(text.split()) <= _SHORT for text in texts])
    misspelt = np.array([_misspelt(text, seed) for seed, text in enumerate(texts)], dtype=object)
    found: dict[str, list[float]] = {}
    folds = RepeatedStratifiedKFold(n_splits=5, n_repeats=repeats, random_state=0)
    for train, test in folds.split(texts, good):
        model = CommentSentiment().fit(texts[train], good[train])
        own = model.decision_function(texts[test])
        kinds = {
            "all": (good[test], own),
            f"up to {_SHORT} words": (good[test][short[test]], own[short[test]]),
            "misspelt": (good[test], model.decision_function(misspelt[test])),
        }
        for kind, (target, ranked) in kinds.items():
            found.setdefault(kind, []).append(float(roc_auc_score(target, ranked)))
    for kind, values in found.items():
        span = f"{min(values):.3f} to {max(values):.3f}, {len(values)} splits"
        print(f"sentiment, {kind:14} AUC {np.mean(values):.4f} ({span})")


def _misspelt(text: str, seed: int) -> str:
    chance = np.random.default_rng(seed)
    words = text.split(" ")
    for place, word in enumerate(words):
        if len(word) >= 4 and chance.random() < 0.5:
            at = int(chance.integers(len(word) - 1))
            words[place] = word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    return " ".join(words)


def themes() -> None:
    """Print the themes of the comments with their impact."""
    rows = pd.read_csv(SHARED / "verbatims" / "nps_comments.csv").dropna(subset=["score"])
    found = Themes().fit(rows["comment"])
    mentioned = found.mentions(rows["comment"])
    print(f"{found.n_themes_} themes, agreement {found.agreement_}")
    for place, name in enumerate(found.names_):
        impact = theme_impact(rows["score"], mentioned[:, place])
        span = f"({impact.low:+.1f}, {impact.high:+.1f})"
        print(f"  {name:40} {impact.share:5.1%} {impact.value:+.1f} {span}")


def mailing(halves: int) -> None:
    """Print the Qini coefficient of three rankings on the same random halves."""
    rows = pd.read_csv(SHARED / "hillstrom" / "hillstrom.csv.gz")
    rows = rows[rows["treatment"].isin(["Womens E-Mail", "No E-Mail"])].reset_index(drop=True)
    X = rows.drop(columns=["treatment", "visit", "conversion", "spend"])
    y, mailed = rows["visit"].to_numpy(), (rows["treatment"] == "Womens E-Mail").to_numpy()
    found: dict[str, list[float]] = {}
    for seed in range(halves):
        order = np.random.default_rng(seed).permutation(len(X))
        half, rest = order[: len(X) // 2], order[len(X) // 2 :]
        model = SavableModel(lowers=False).fit(X.iloc[half], y[half], mailed[half])
        ranked = {
            "two plain logistic models": _plain(X, y, half[mailed[half]], rest)
            - _plain(X, y, half[~mailed[half]], rest),
            "risk of the untreated": _plain(X, y, half[~mailed[half]], rest),
        }
        if model.is_on_:
            ranked["SavableModel"] = model.predict_effect(X.iloc[rest])
        for name, score in ranked.items():
            found.setdefault(name, []).append(1000 * qini(y[rest], mailed[rest], score))
    for name, values in found.items():
        spread = np.std(values, ddof=1)
        print(
            f"{name:28} Qini x 1000 {np.mean(values):5.1f} (sd {spread:.1f}, {len(values)} halves)"
        )


def _plain(X: pd.DataFrame, y: Any, rows: Any, others: Any) -> Any:
    columns = make_column_transformer(
        (StandardScaler(), make_column_selector(dtype_include="number")),
        (OneHotEncoder(handle_unknown="ignore"), make_column_selector(dtype_exclude="number")),
    )
    model = make_pipeline(columns, LogisticRegression(max_iter=1_000))
    return model.fit(X.iloc[rows], y[rows]).predict_proba(X.iloc[others])[:, 1]


def nothing(companies: int) -> None:
    """Print in how many companies without an effect accounts are called savable."""
    claims = 0
    for seed in range(companies):
        rng = np.random.default_rng(seed)
        X = pd.DataFrame(rng.normal(size=(1_400, 5)))
        treated = rng.random(1_400) < 0.5
        churned = rng.random(1_400) < 0.3 + 0.1 * np.tanh(X[0].to_numpy())
        claims += SavableModel().fit(X, churned.astype(int), treated).is_on_
    print(f"without an effect: {claims} of {companies} companies")


def main() -> None:
    """Run all parts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=4)
    parser.add_argument("--halves", type=int, default=12)
    parser.add_argument("--companies", type=int, default=200)
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    if SHARED.exists():
        sentiment(given.repeats)
        themes()
        mailing(given.halves)
    else:
        print(f"skipped, there is no {SHARED}")
    nothing(given.companies)


if __name__ == "__main__":
    main()
