"""Accuracy on public and simulated churn sets against usual models, all in one run.

    uv run --group benchmark python -m tests.benchmarks.accuracy [SET …] [--repeats 3]
        [--models TEXT …] [--accounts N] [--seed N …]

Sets: telco, bigml (mean AUC of repeated stratified 5-fold cross-validation), saas_survival (mean
concordance of the same), churnsim (trained on one company, tested on the other, both ways), paired
(what `health train` would publish against single rivals on churnsim, with intervals), demo (a
company of `health demo` against its oracle). Prints the figure (for telco and bigml also
the log loss), its standard error over the
folds and the seconds of one fit. The outside sets need the shared data beside the project.
"""

from __future__ import annotations

import argparse
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss, roc_auc_score
from sklearn.model_selection import RepeatedStratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from health.business.company import open_company
from health.demo import DemoCompany, simulate_company, write_company
from health.settings.config import load_config
from health.training.directions import choose_directions, with_directions
from health.training.fit import fit_target
from health.training.rows import TargetRows, build_training_set, known_before, model_columns
from models import (
    ChurnModel,
    CoxSurvival,
    DiscreteTimeSurvival,
    PropensityModel,
    TimeSplit,
    concordance,
)
from models.churn.hazard import HazardClassifier
from models.evaluation.paired import evaluate_paired
from models.glass_box.classifier import GlassBoxClassifier

PROJECT = Path(__file__).parents[2]
SHARED = PROJECT.parent / "shared" / "data"
Make = Callable[[], Any]


def telco() -> tuple[pd.DataFrame, np.ndarray]:
    """Return IBM's Telco set, its blank TotalCharges as missing."""
    frame = pd.read_csv(SHARED / "telco" / "telco.csv")
    frame["TotalCharges"] = pd.to_numeric(frame["TotalCharges"], errors="coerce")
    y = (frame["Churn"] == "Yes").to_numpy().astype(int)
    return _text(frame.drop(columns=["customerID", "Churn"])), y


def bigml() -> tuple[pd.DataFrame, np.ndarray]:
    """Return the telephone churn set of BigML, both files."""
    paths = sorted((SHARED / "bigml").glob("*.csv"))
    frame = pd.concat([pd.read_csv(path, sep=";") for path in paths], ignore_index=True)
    y = frame["Churn"].astype(str).str.upper().isin(["VRAI", "TRUE"]).to_numpy().astype(int)
    frame["Area code"] = frame["Area code"].astype(str)
    return _text(frame.drop(columns="Churn")), y


def _text(frame: pd.DataFrame) -> pd.DataFrame:
    words = frame.select_dtypes(exclude="number").columns
    return frame.astype(dict.fromkeys(words, "category"))


def logistic() -> Any:
    """Return logistic regression with imputed, scaled and one-hot columns."""
    numbers = make_pipeline(SimpleImputer(add_indicator=True), StandardScaler())
    words = OneHotEncoder(handle_unknown="ignore")
    return make_pipeline(
        make_column_transformer(
            (numbers, make_column_selector(dtype_include="number")),
            (words, make_column_selector(dtype_include="category")),
        ),
        LogisticRegression(max_iter=3000),
    )


class CatBoost:
    """CatBoost with its own defaults, which take text as it is."""

    def fit(self, X: pd.DataFrame, y: np.ndarray) -> CatBoost:
        """Fit quietly on two threads."""
        from catboost import CatBoostClassifier  # noqa: PLC0415

        words = list(X.select_dtypes(exclude="number").columns)
        self.model = CatBoostClassifier(
            cat_features=words, verbose=False, random_seed=0, thread_count=2,
            allow_writing_files=False,
        )  # fmt: skip
        self.model.fit(_filled(X), y)
        return self

    def predict_proba(self, X: pd.DataFrame) -> np.ndarray:
        """Return the probabilities of both classes."""
        return np.asarray(self.model.predict_proba(_filled(X)))


def _filled(X: pd.DataFrame) -> pd.DataFrame:
    words = X.select_dtypes(exclude="number").columns
    return X.assign(**{name: X[name].astype(str) for name in words})


class ExplainableBoosting:
    """interpret-core's explainable boosting machine with its defaults, on two threads."""

    def fit(self, X: pd.DataFrame, y: np.ndarray) -> ExplainableBoosting:
        """Fit."""
        from interpret.glassbox import ExplainableBoostingClassifier  # noqa: PLC0415

        self.model = ExplainableBoostingClassifier(random_state=0, n_jobs=2).fit(_plain(X), y)
        return self

    def predict_proba(self, X: pd.DataFrame) -> np.ndarray:
        """Return the probabilities of both classes."""
        return np.asarray(self.model.predict_proba(_plain(X)))


def _plain(X: pd.DataFrame) -> pd.DataFrame:
    words = X.select_dtypes(exclude="number").columns
    return X.assign(**{name: X[name].astype(object) for name in words})


MODELS: dict[str, Make] = {
    "logistic regression": logistic,
    "HistGradientBoosting": lambda: HistGradientBoostingClassifier(
        categorical_features="from_dtype", random_state=0
    ),
    "HistGradientBoosting, slower": lambda: HistGradientBoostingClassifier(
        categorical_features="from_dtype", learning_rate=0.03, max_iter=200, random_state=0
    ),
    "HistGradientBoosting, pairs": lambda: HistGradientBoostingClassifier(
        categorical_features="from_dtype", interaction_cst="pairwise", random_state=0
    ),
    "CatBoost": CatBoost,
    "explainable boosting machine": ExplainableBoosting,
    "glass box": GlassBoxClassifier,
    "glass box without pairs": lambda: GlassBoxClassifier(interactions=0),
}


def chosen(models: dict[str, Make], words: Sequence[str]) -> dict[str, Make]:
    """Return the models whose name holds one of the words; all where none is given."""
    return {n: m for n, m in models.items() if not words or any(word in n for word in words)}


def say(dataset: str, model: str, scores: Any, seconds: Any) -> None:
    """Print one row."""
    values = np.asarray(scores, dtype="float64")
    spread = values.std(ddof=1) / np.sqrt(len(values)) if len(values) > 1 else np.nan
    print(
        f"{dataset:24} {model:30} {values.mean():7.4f} {spread:7.4f} {np.mean(seconds):7.2f}",
        flush=True,
    )


def timed(fit: Callable[[], Any]) -> tuple[Any, float]:
    """Return what `fit` returns, and the seconds it took."""
    start = time.perf_counter()
    return fit(), time.perf_counter() - start


def cross_validate(
    name: str,
    load: Callable[[], tuple[pd.DataFrame, np.ndarray]],
    repeats: int,
    words: Sequence[str],
) -> None:
    """Print the AUC and the log loss of every model on one set."""
    X, y = load()
    folds = list(RepeatedStratifiedKFold(n_splits=5, n_repeats=repeats, random_state=0).split(X, y))
    for label, make in chosen(MODELS, words).items():
        scores, losses, seconds = [], [], []
        for train, test in folds:
            model, took = timed(lambda m=make, t=train: m().fit(X.iloc[t], y[t]))
            seconds.append(took)
            p = model.predict_proba(X.iloc[test])[:, 1]
            scores.append(roc_auc_score(y[test], p))
            losses.append(log_loss(y[test], p))
        say(name, label, scores, seconds)
        say(f"{name}, log loss", label, losses, seconds)


def saas_survival(repeats: int) -> None:
    """Print the concordance of Cox and of the glass box in discrete time."""
    frame = pd.read_csv(next((SHARED / "saas_survival").glob("*.csv")))
    time_, died = frame["months_active"].to_numpy(), frame["churned"].to_numpy()
    X = frame.drop(columns=["months_active", "churned"])
    splitter = RepeatedStratifiedKFold(n_splits=5, n_repeats=repeats, random_state=0)
    folds = list(splitter.split(X, died))
    makers: dict[str, Make] = {
        "Cox": lambda: CoxSurvival(penalizer=0.0),
        "Cox, small ridge": CoxSurvival,
        "glass box in discrete time": lambda: DiscreteTimeSurvival(period_days=1.0),
    }
    for label, make in makers.items():
        scores, seconds = [], []
        for train, test in folds:
            model, took = timed(lambda m=make, t=train: m().fit(X.iloc[t], time_[t], died[t]))
            seconds.append(took)
            risk = (
                model.log_hazard_ratio(X.iloc[test])
                if isinstance(model, CoxSurvival)
                else 1.0 - model.survival(X.iloc[test], np.arange(1, 13)).mean(axis=1)
            )
            scores.append(concordance(time_[test], risk, died[test]))
        say("saas_survival", label, scores, seconds)


PUBLISHED = "what is published"
#: Models on feature tables: baselines see the same columns, a constant one left out.
ON_FEATURES = {
    name: MODELS[name]
    for name in (
        "logistic regression",
        "HistGradientBoosting",
        "HistGradientBoosting, slower",
        "CatBoost",
        "explainable boosting machine",
        "glass box",
        "glass box without pairs",
    )
} | {PUBLISHED: ChurnModel}


def churnsim(words: Sequence[str]) -> None:
    """Print the AUC of models trained on one company and tested on the other."""
    for horizon in (60, 90):
        company = {name: churnsim_rows(name, horizon) for name in ("dev_a", "dev_b")}
        for train, test in (("dev_a", "dev_b"), ("dev_b", "dev_a")):
            known, later = company[train], company[test]
            columns = [c for c in usable(known) if c in usable(later)]
            for label, model, seconds in fitted(known, columns, words, horizon):
                p = model.predict_proba(later[columns])[:, 1]
                auc = roc_auc_score(later["churned"], p)
                say(f"{horizon} days {train}→{test}", label, [auc], [seconds])


def churnsim_rows(name: str, horizon: int, every_days: int = 14) -> pd.DataFrame:
    """Return the labelled feature rows of one simulated company."""
    config = load_config(PROJECT / "notebooks" / "configs" / f"churnsim_{name}.toml")
    config = config.model_copy(
        update={
            "labels": config.labels.model_copy(update={"horizon_days": horizon}),
            "training": config.training.model_copy(update={"every_days": every_days}),
        }
    )
    return observed(config).dropna(subset="churned", ignore_index=True)


#: What followed a row: churned is NaN where it is not known up to the horizon.
OUTCOMES = ["churned", "observed_days", "observed_churn"]
#: What the simulator knows of a demo company's rows: the chance of churn, and the state behind it.
STATE = ["satisfaction", "review", "strain", "progress", "contact"]
TRUTH = ["oracle", *STATE]
#: The labels of the demo company's configuration; every company here has the same grace.
DEMO_HORIZON, GRACE_DAYS = 90, 30


def observed(config: Any) -> pd.DataFrame:
    """Return account_id, as_of, features and `OUTCOMES` of all rows.

    Also of those whose outcome is known only in part.
    """
    rows = build_training_set(open_company(config).opened.tables, config).accounts
    return _text_of(rows[["account_id", "as_of", *model_columns(rows, config), *OUTCOMES]])


#: Rivals of the published model, whose difference to it gets an interval.
RIVALS = (
    "logistic regression",
    "HistGradientBoosting, slower",
    "end of the term alone",
    "weekly hazard",
)


def as_trained(seen: pd.DataFrame, columns: list[str], horizon: int) -> PropensityModel:
    """Return the churn model of `health train`, with its rule on the directions of curves.

    It also learns from what is known in part.
    """
    config = load_config(PROJECT / "notebooks" / "configs" / "churnsim_dev_a.toml")
    labels = config.labels.model_copy(update={"horizon_days": horizon, "grace_days": GRACE_DAYS})
    config = config.model_copy(update={"labels": labels})
    rows = TargetRows(seen, "churned", columns)
    model = fit_target("churn", rows, with_directions(config, choose_directions(rows, config)))
    if model is None:
        raise ValueError("there are no rows to learn from")
    return model


class TermEnd:
    """Rank by the days to the end of the term alone; nothing is learned but the usual rate."""

    def fit(self, X: pd.DataFrame, y: np.ndarray) -> TermEnd:
        """Note the median."""
        self.median = X["days_to_term_end"].median()
        return self

    def predict_proba(self, X: pd.DataFrame) -> np.ndarray:
        """Return pseudo-probabilities that fall with the days left."""
        days = X["days_to_term_end"].fillna(self.median).to_numpy(dtype=float)
        risk = 1.0 / (2.0 + np.clip(days, 0.0, None))
        return np.column_stack([1.0 - risk, risk])


def paired(words: Sequence[str], every_days: int, cache: Path | None) -> None:
    """Print the AUC of the published model less that of each rival, resampling accounts.

    Trained on one company and tested on the other, and on later dates of each and of both.
    """
    for horizon in (60, 90):
        rows = {name: _cached(name, horizon, every_days, cache) for name in ("dev_a", "dev_b")}
        both = pd.concat([own.assign(account_id=name + own["account_id"].astype(str))
                          for name, own in rows.items()], ignore_index=True)  # fmt: skip
        for train, test in (("dev_a", "dev_b"), ("dev_b", "dev_a")):
            case = f"{horizon} days, {train} to {test}"
            if not words or any(word in case for word in words):
                _say_paired(case, horizon, [(rows[train], rows[test])])
        for name, own in {**rows, "both": both}.items():
            case = f"{horizon} days, later dates of {name}"
            if not words or any(word in case for word in words):
                tested = own[own["churned"].notna()]
                split = TimeSplit(2, embargo_days=horizon + GRACE_DAYS, times=tested["as_of"])
                later = [tested.iloc[b] for _, b in split.split(tested)]
                parts = [(_known(own, b["as_of"].min(), horizon), b) for b in later]
                _say_paired(case, horizon, parts)


def _known(rows: pd.DataFrame, moment: Any, horizon: int) -> pd.DataFrame:
    return known_before(rows, moment, horizon_days=horizon, grace_days=GRACE_DAYS)


def _cached(name: str, horizon: int, every_days: int, cache: Path | None) -> pd.DataFrame:
    file = None if cache is None else cache / f"{name}_{horizon}_{every_days}.pkl"
    if file is not None and file.exists():
        return pd.read_pickle(file)
    rows = churnsim_rows(name, horizon, every_days)
    if file is not None:
        rows.to_pickle(file)
    return rows


def _say_paired(
    case: str, horizon: int, parts: Sequence[tuple[pd.DataFrame, pd.DataFrame]]
) -> None:
    found: dict[str, list[np.ndarray]] = {"ours": [], **{name: [] for name in RIVALS}}
    chosen = []
    start = time.perf_counter()
    for seen, every in parts:
        # Only a hazard learns from rows whose outcome is known in part; nothing is tested on them.
        known, later = (rows[rows["churned"].notna()] for rows in (seen, every))
        columns = [c for c in usable(known) if c in usable(later)]
        y = known["churned"].to_numpy().astype(int)
        ours = as_trained(seen, columns, horizon)
        hazard = HazardClassifier(horizon)
        hazard.fit(seen[columns], seen["observed_churn"], seen["account_id"], seen["observed_days"])
        found["weekly hazard"].append(hazard.predict_proba(later[columns])[:, 1])
        choice = ours.choice_
        chosen.append("none" if choice is None else choice.chosen)
        tried = () if choice is None else choice.candidates
        print("  held out", {t.name: (round(t.log_loss, 4), t.has_signal) for t in tried})
        # Where no probability is published, nothing is known but the usual rate.
        p = np.nan_to_num(ours.predict_proba(later[columns])[:, 1], nan=y.mean())
        found["ours"].append(p)
        for name in RIVALS[:-1]:
            rival = TermEnd() if name == RIVALS[2] else MODELS[name]()
            p = rival.fit(known[columns], y).predict_proba(later[columns])[:, 1]
            found[name].append(p)
    tested = pd.concat([later for _, later in parts], ignore_index=True)
    tested = tested[tested["churned"].notna()]
    ours_p = np.concatenate(found["ours"])
    took = time.perf_counter() - start
    print(f"{case}: {chosen}, {took:.0f} s", flush=True)
    for name in RIVALS:
        compared = evaluate_paired(
            tested["churned"], np.concatenate(found[name]), ours_p, groups=tested["account_id"]
        )
        auc, loss = compared.auc, compared.log_loss
        print(
            f"  against {name:30} AUC {auc.second:.3f} - {auc.first:.3f} = "
            f"{auc.difference.value:+.3f} ({auc.difference.low:+.3f} to "
            f"{auc.difference.high:+.3f}); log loss {loss.second:.4f}, {loss.first:.4f}",
            flush=True,
        )


def _text_of(rows: pd.DataFrame) -> pd.DataFrame:
    keys = rows[["account_id", "as_of"]]
    return pd.concat([keys, _text(rows.drop(columns=["account_id", "as_of"]))], axis=1)


def usable(rows: pd.DataFrame) -> list[str]:
    """Return the features that vary."""
    names = rows.columns.drop(["account_id", "as_of", *OUTCOMES, *TRUTH], errors="ignore")
    return [str(name) for name in names if rows[name].nunique() > 1]


def fitted(
    seen: pd.DataFrame, columns: list[str], words: Sequence[str], horizon: int
) -> Iterator[tuple[str, Any, float]]:
    """Yield each model's name, the model fitted on what was seen, and the seconds it took."""
    rows = seen.dropna(subset="churned")
    X, y = rows[columns], rows["churned"].to_numpy().astype(int)

    def fit(make: Make) -> Any:
        if make is ChurnModel:
            return as_trained(seen, columns, horizon)
        model = make()
        if isinstance(model, GlassBoxClassifier):
            return model.fit(X, y, groups=rows["account_id"], times=rows["as_of"])
        return model.fit(X, y)

    for label, make in chosen(ON_FEATURES, words).items():
        yield label, *timed(lambda m=make: fit(m))


def demo_rows(company: DemoCompany) -> pd.DataFrame:
    """Return the feature rows of a demo company, their outcomes, and `TRUTH`."""
    with tempfile.TemporaryDirectory() as folder:
        write_company(company, Path(folder))
        text = files("health.demo").joinpath("health.toml").read_text(encoding="utf-8")
        text = text.replace("OBSERVED_UNTIL", str(company.observed_until.date()))
        (Path(folder) / "health.toml").write_text(text, encoding="utf-8")
        rows = observed(load_config(Path(folder) / "health.toml"))
    truth = company.truth.rename(columns={"churn_probability_90d": "oracle"})
    truth = truth[["account_id", "as_of", *TRUTH]].dropna(subset="oracle")
    return rows.merge(truth, on=["account_id", "as_of"], how="left")


def later_blocks(rows: pd.DataFrame) -> list[pd.DataFrame]:
    """Return the rows of the demo's two tested blocks of dates."""
    known_to_end = rows.dropna(subset="churned")
    embargo = DEMO_HORIZON + GRACE_DAYS
    splits = TimeSplit(2, embargo_days=embargo, times=known_to_end["as_of"]).split(known_to_end)
    return [known_to_end.iloc[test] for _, test in splits]


def demo(accounts: int, seed: int, words: Sequence[str]) -> None:
    """Print each model's share of the oracle's AUC − 0.5 on later dates of a demo company."""
    rows = demo_rows(simulate_company(accounts, seed=seed))
    blocks = later_blocks(rows)
    tested: dict[str, list[np.ndarray]] = {name: [] for name in chosen(ON_FEATURES, words)}
    seconds: dict[str, list[float]] = {name: [] for name in tested}
    published = []
    columns = usable(rows.dropna(subset="churned"))
    for block in blocks:
        seen = _known(rows, block["as_of"].min(), DEMO_HORIZON)
        for label, model, took in fitted(seen, columns, words, DEMO_HORIZON):
            tested[label].append(model.predict_proba(block[columns])[:, 1])
            seconds[label].append(took)
            if isinstance(model, ChurnModel) and model.choice_ is not None:
                published.append(model.choice_.chosen)
    later = pd.concat(blocks)
    known = later["oracle"].notna().to_numpy()
    y, best = later["churned"].to_numpy()[known], later["oracle"].to_numpy()[known]
    best_auc = roc_auc_score(y, best)
    print(
        f"demo company of {accounts}, seed {seed}: oracle AUC {best_auc:.4f}; share of AUC − 0.5:"
    )
    for label, parts in tested.items():
        auc = roc_auc_score(y, np.concatenate(parts)[known])
        say(f"demo, AUC {auc:.4f}", label, [(auc - 0.5) / (best_auc - 0.5)], seconds[label])
    if published:
        print("  published:", ", then ".join(published), flush=True)


def main() -> None:
    """Print one row a set and model."""
    parser = argparse.ArgumentParser(description=__doc__)
    names = ("telco", "bigml", "saas_survival", "churnsim", "paired", "demo")
    parser.add_argument("sets", nargs="*", default=names, metavar="SET", help=", ".join(names))
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--accounts", type=int, default=1000)
    parser.add_argument("--seed", type=int, nargs="+", default=[7])
    parser.add_argument("--models", nargs="+", default=[], help="parts of their names")
    parser.add_argument("--cases", nargs="+", default=[], help="parts of the names of paired cases")
    parser.add_argument("--every-days", type=int, default=28, help="between dates, paired cases")
    parser.add_argument("--cache", type=Path, help="a folder that keeps the rows of paired cases")
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    print(f"{'set':24} {'model':30} {'figure':>7} {'s.e.':>7} {'fit, s':>7}")
    for name in given.sets:
        if name != "demo" and not SHARED.exists():
            print(f"{name}: skipped, there is no {SHARED}")
        elif name in ("telco", "bigml"):
            cross_validate(
                name, {"telco": telco, "bigml": bigml}[name], given.repeats, given.models
            )
        elif name == "saas_survival":
            saas_survival(given.repeats)
        elif name == "paired":
            paired(given.cases, given.every_days, given.cache)
        elif name == "churnsim":
            churnsim(given.models)
        else:
            for seed in given.seed:
                demo(given.accounts, seed, given.models)


if __name__ == "__main__":
    main()
