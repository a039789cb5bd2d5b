"""Who buys what next, against popularity and co-ownership, in time and across companies.

    uv run python -m tests.benchmarks.expansion [demo] [churnsim] [groceries] [--accounts 1000]

demo
    The demo company: products not held, on later dates than those learned from; beside the
    oracle, who knows the true chance that an account buys anything.
churnsim
    Trained on one simulated company and tested on the other, and back: an upsell (plan or seats)
    by account, and each plan as a product that an account does not hold yet. The add-ons are no
    offers there: every account holds both in every period, which is counted and printed.
groceries
    One item left out of a basket: which of the items that are not in the rest was it?

Prints, for each ranking: precision at capacity (the best of each date), lift in the top decile,
average precision, each with a 95 % interval from a bootstrap over accounts, and the calibration
error of probabilities. Sets beside the project are needed for the last two.
"""

from __future__ import annotations

import argparse
import tempfile
import warnings
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

from features.targets.offers import co_ownership
from health.business.company import open_company
from health.demo import simulate_company, write_company
from health.settings.config import Config, load_config
from health.training.rows import TargetRows, TrainingSet, build_training_set, target_rows
from models import ExpansionModel, evaluate
from models.glass_box.pooled import PooledGlassBox

ROOT = Path(__file__).parents[2]
SHARED = ROOT.parent / "shared" / "data"
CAPACITY = 20


@dataclass(frozen=True)
class Ranked:
    """Rows tested, with what happened and how each ranking scores them.

    Attributes
    ----------
    rows : pd.DataFrame
        account_id, as_of, product and happened (0 or 1).
    scores : dict of str to array
        By ranking, higher first.
    probability : array
        Of the model.
    """

    rows: pd.DataFrame
    scores: dict[str, np.ndarray]
    probability: np.ndarray


def report(title: str, ranked: Ranked) -> None:
    """Print the figures of every ranking, and average precision by product."""
    rows = ranked.rows
    y = rows["happened"].to_numpy(dtype=float)
    print(f"\n{title}: {len(rows):,} rows, {int(y.sum()):,} bought ({y.mean():.2%})")
    precision = {}
    for name, score in ranked.scores.items():
        found = evaluate(
            y,
            ranked.probability,
            rank_by=score,
            groups=rows["account_id"],
            times=rows["as_of"],
            capacity=CAPACITY,
        )
        precision[name] = found.precision_at_capacity.value
        print(
            f"  {name:14} precision at {CAPACITY} {_said(found.precision_at_capacity)}"
            f"  lift {_said(found.lift_top_decile, 2)}  AP {_said(found.average_precision)}"
            f"  AUC {_said(found.auc)}"
        )
        if name == "model":
            print(f"  {'':14} calibration error {_said(found.calibration_error, 4)}")
    if precision.get("popularity"):
        print(f"  model / popularity: {precision['model'] / precision['popularity']:.2f}")
    _by_product(ranked)


def _said(interval: Any, digits: int = 3) -> str:
    return f"{interval.value:.{digits}f} ({interval.low:.{digits}f}-{interval.high:.{digits}f})"


def _by_product(ranked: Ranked) -> None:
    for product, own in ranked.rows.groupby("product"):
        places = ranked.rows.index.get_indexer(own.index)
        y = own["happened"].to_numpy(dtype=float)
        if not 5 <= y.sum() < len(y):
            continue
        texts = []
        for name, score in ranked.scores.items():
            if np.ptp(score[places]) == 0:
                texts.append(f"{name} {y.mean():.3f} (all alike)")
                continue
            found = evaluate(
                y, ranked.probability[places], rank_by=score[places], groups=own["account_id"]
            )
            texts.append(f"{name} {_said(found.average_precision)}")
        print(f"    {product:14} {int(y.sum()):4} bought; AP: " + ", ".join(texts))


# ------------------------------------------------------------------------------------ models


def fitted(rows: TargetRows, config: Config, *, pooled: bool) -> ExpansionModel:
    """Fit as `health train` does."""
    frame = rows.frame
    model = ExpansionModel(
        config.labels.horizon_days,
        grace_days=config.labels.grace_days,
        estimator=PooledGlassBox() if pooled else None,
        capacity=CAPACITY,
    )
    labels = frame[rows.label]
    return model.fit(frame[rows.inputs], labels, groups=frame["account_id"], times=frame["as_of"])


def popularity(known: pd.DataFrame, rows: pd.DataFrame, label: str) -> np.ndarray:
    """Return each product's share of buyers among those who could have bought it."""
    rates = known.groupby("product")[label].mean()
    return rows["product"].map(rates).fillna(known[label].mean()).to_numpy(dtype=float)


# -------------------------------------------------------------------------------------- demo


def demo(accounts: int, seed: int = 7) -> None:
    """Measure on the demo company, on dates later than those learned from."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        company = simulate_company(accounts, seed=seed)
        write_company(company, folder)
        text = files("health.demo").joinpath("health.toml").read_text(encoding="utf-8")
        end = str(company.observed_until.date())
        (folder / "health.toml").write_text(text.replace("OBSERVED_UNTIL", end), encoding="utf-8")
        config = load_config(folder / "health.toml")
        training = build_training_set(open_company(config).opened.tables, config)
    targets = target_rows(training, config)
    truth = company.truth
    for target in ("cross_sell", "upsell"):
        rows = targets[target]
        model = fitted(rows, config, pooled=target == "cross_sell")
        ranked = _held_out(rows, model, config)
        report(f"demo, {target.replace('_', '-')}, {accounts:,} accounts", ranked)
        _beside_oracle(ranked, truth, f"{target}_probability_90d")


def _held_out(rows: TargetRows, model: ExpansionModel, config: Config) -> Ranked:
    """Rank the rows the model was tested on; popularity counts what was known by each date."""
    tested = rows.frame.loc[model.held_out_.index].reset_index(drop=True)
    tested["happened"] = model.held_out_["target"].to_numpy()
    if "product" not in tested:
        tested["product"] = "all"
    logit = model.held_out_["logit"].to_numpy()
    known = rows.frame[rows.frame[rows.label].notna()].assign(
        product=rows.frame.get("product", "all")
    )
    first = tested["as_of"].min() - pd.Timedelta(
        days=config.labels.horizon_days + config.labels.grace_days
    )
    scores = {
        "model": logit,
        "popularity": popularity(known[known["as_of"] <= first], tested, rows.label),
    }
    if "offer_co_ownership" in tested:
        lift = tested["offer_co_ownership"].fillna(0.0).to_numpy()
        scores["co-ownership"] = scores["popularity"] * np.exp(lift)
    probability = 1.0 / (1.0 + np.exp(-model.calibration_.logit(logit)))
    return Ranked(tested, scores, probability)


def _beside_oracle(ranked: Ranked, truth: pd.DataFrame, column: str) -> None:
    """Compare with who knows the true chance that an account buys anything at all."""
    keys = ["account_id", "as_of"]
    frame = ranked.rows[keys].assign(
        happened=ranked.rows["happened"], stays_out=1.0 - ranked.probability
    )
    by_account = frame.groupby(keys).agg({"happened": "max", "stays_out": "prod"}).reset_index()
    both = by_account.merge(truth[[*keys, column]].dropna(), on=keys)
    oracle = roc_auc_score(both["happened"], both[column])
    own = roc_auc_score(both["happened"], 1.0 - both["stays_out"])
    print(
        f"  by account: AUC {own:.3f}, the oracle {oracle:.3f}: "
        f"{(own - 0.5) / (oracle - 0.5):.0%} of what is possible above chance"
    )


# ---------------------------------------------------------------------------------- churnsim


def churnsim() -> None:
    """Train on one company and test on the other, and back."""
    sets = {name: _company(name) for name in ("dev_a", "dev_b")}
    for train, test in (("dev_a", "dev_b"), ("dev_b", "dev_a")):
        for target in ("upsell", "cross_sell"):
            config, known = sets[train][target]
            _, other = sets[test][target]
            _across(f"churnsim {train} → {test}, {target}", config, known, other, target)


def _company(name: str) -> dict[str, tuple[Config, TargetRows]]:
    config = load_config(ROOT / "notebooks" / "configs" / f"churnsim_{name}.toml")
    _say_add_ons(name)
    upsell = build_training_set(open_company(config).opened.tables, config)
    plans = config.tables["subscriptions"].model_copy(update={"sql": _plans_as_products(name)})
    as_products = config.model_copy(update={"tables": {**config.tables, "subscriptions": plans}})
    offers = build_training_set(open_company(as_products).opened.tables, as_products)
    return {
        "upsell": (config, target_rows(upsell, config)["upsell"]),
        "cross_sell": (config, _next_plans(offers, as_products)),
    }


def _say_add_ons(name: str) -> None:
    """Count the billing periods in which an add-on is missing."""
    path = SHARED / "churnsim" / name / "subscriptions.csv"
    periods, missing = duckdb.sql(
        "select count(*), count(*) filter (n < 3) from (select account_id, start_date, "
        f"count(distinct units) as n from read_csv('{path}') group by all)"
    ).fetchall()[0]
    print(f"churnsim {name}: {missing} of {periods:,} billing periods lack an add-on")


def _plans_as_products(name: str) -> str:
    """Return subscriptions in which every plan is a product, monthly or longer alike."""
    path = SHARED / "churnsim" / name / "subscriptions.csv"
    return (
        "select account_id, regexp_extract(product, '^[a-z]+') as product, "
        "start_date as started_at, end_date as ended_at, end_date as renews_at, mrr, "
        f"quantity as seats from read_csv('{path}') where units = 'users'"
    )


#: The plans, lowest first.
LADDER = ("starter", "basic", "standard", "advanced", "premier")


def _next_plans(training: TrainingSet, config: Config) -> TargetRows:
    """Return the offers of plans above the one held, as the ladder allows them."""
    rows = target_rows(training, config)["cross_sell"]
    place = {plan: i for i, plan in enumerate(LADDER)}
    held = training.held.assign(place=training.held["product"].map(place))
    top = held.groupby(["account_id", "as_of"])["place"].max().rename("held_place").reset_index()
    frame = rows.frame.merge(top, on=["account_id", "as_of"])
    above = frame["product"].map(place) - frame["held_place"]
    frame = frame.assign(steps_above=above.astype(float))[above > 0].reset_index(drop=True)
    return TargetRows(frame, rows.label, [*rows.inputs, "steps_above"])


def _across(title: str, config: Config, known: TargetRows, other: TargetRows, target: str) -> None:
    inputs = [c for c in known.inputs if c in other.inputs and c not in ("segment", "region")]
    train = TargetRows(known.frame, known.label, inputs)
    model = fitted(train, config, pooled=target == "cross_sell")
    rows = other.frame[other.frame[other.label].notna()].reset_index(drop=True)
    labelled = known.frame[known.frame[known.label].notna()]
    if target == "upsell":
        # One product: popularity knows nothing but the seats held, which name the plan.
        rows = rows.assign(product=rows["seats"].map("{:.0f} seats".format))
        labelled = labelled.assign(product=labelled["seats"].map("{:.0f} seats".format))
    rows["happened"] = rows[other.label]
    probability = model.predict_proba(rows[inputs])[:, 1]
    scores = {
        "model": model.decision_function(rows[inputs]),
        "popularity": popularity(labelled, rows, known.label),
    }
    if target == "cross_sell":
        pair = labelled.groupby(["product", "steps_above"])[known.label].mean().rename("rate")
        rates = rows.join(pair, on=["product", "steps_above"])["rate"]
        scores["co-ownership"] = rates.fillna(0.0).to_numpy()
    report(title, Ranked(rows, scores, probability))


# --------------------------------------------------------------------------------- groceries


def groceries(baskets: int = 3000, seed: int = 0) -> None:
    """Leave an item out of each basket, and rank the items that are not in the rest."""
    rng = np.random.default_rng(seed)
    lines = (SHARED / "groceries" / "groceries.csv").read_text(encoding="utf-8").splitlines()
    sets = [sorted({item.strip() for item in line.split(",")} - {""}) for line in lines]
    sets = [items for items in sets if len(items) >= 2]
    rng.shuffle(sets)
    names = sorted({item for items in sets for item in items})
    matrix = np.zeros((len(sets), len(names)))
    for row, items in enumerate(sets):
        matrix[row, np.searchsorted(names, items)] = 1.0
    left_out = [rng.choice(np.searchsorted(names, items)) for items in sets]
    half = len(sets) // 2
    past = pd.DataFrame(matrix[:half], columns=names)
    known = _baskets(matrix, left_out, range(half, half + baskets // 2), past)
    test = _baskets(matrix, left_out, range(len(sets) - baskets // 2, len(sets)), past)
    inputs = ["product", "popularity", "lift_mean", "lift_most", "basket"]
    model = PooledGlassBox().fit(known[inputs], known["happened"], groups=known["account_id"])
    probability = model.predict_proba(test[inputs])[:, 1]
    scores = {
        "model": probability,
        "popularity": test["popularity"].to_numpy(),
        "co-ownership": (test["popularity"] * np.exp(test["lift_mean"])).to_numpy(),
    }
    _hits(test, scores)


def _baskets(
    matrix: np.ndarray, left_out: list[int], rows: range, past: pd.DataFrame
) -> pd.DataFrame:
    """Return a row per basket and item that is not in what is left of it."""
    share = past.mean().to_numpy()
    pair = _pair_lifts(past)
    parts = []
    for row in rows:
        rest = matrix[row].copy()
        rest[left_out[row]] = 0.0
        items, held = np.flatnonzero(rest == 0), np.flatnonzero(rest)
        lifts = pair[np.ix_(held, items)]
        parts.append(
            pd.DataFrame(
                {
                    "account_id": row,
                    "product": past.columns[items],
                    "happened": (items == left_out[row]).astype(float),
                    "popularity": share[items],
                    "lift_mean": lifts.mean(axis=0),
                    "lift_most": lifts.max(axis=0),
                    "basket": float(len(held)),
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def _pair_lifts(past: pd.DataFrame) -> np.ndarray:
    """Return log lift(item | held) of each pair: what `co_ownership` says of one item alone."""
    alone = pd.DataFrame(np.eye(past.shape[1]), columns=past.columns)
    # The item by itself, among the baskets of the past: its row is that of its lifts.
    both = co_ownership(pd.concat([past, alone], ignore_index=True))
    return both.tail(past.shape[1]).to_numpy()


def _hits(test: pd.DataFrame, scores: dict[str, np.ndarray], resamples: int = 200) -> None:
    """Print how often the item left out is the first guess, or among the first ten."""
    rng = np.random.default_rng(0)
    print(f"\ngroceries: {test['account_id'].nunique():,} baskets, one item left out of each")
    for name, score in scores.items():
        ranks = pd.Series(-score).groupby(test["account_id"]).rank(method="average")
        place = ranks[test["happened"] == 1].to_numpy()
        texts = []
        for title, values in (
            ("first", (place <= 1).astype(float)),
            ("in ten", (place <= 10).astype(float)),
            ("mean reciprocal rank", 1.0 / place),
        ):
            size = len(values)
            drawn = [values[rng.integers(0, size, size)].mean() for _ in range(resamples)]
            low, high = np.quantile(drawn, [0.025, 0.975])
            texts.append(f"{title} {values.mean():.3f} ({low:.3f}-{high:.3f})")
        print(f"  {name:14} " + "  ".join(texts))


def main() -> None:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sets", nargs="*", default=["demo", "churnsim", "groceries"])
    parser.add_argument("--accounts", type=int, default=1000)
    asked = parser.parse_args()
    warnings.simplefilter("ignore", UserWarning)
    if "demo" in asked.sets:
        demo(asked.accounts)
    for name, run in (("churnsim", churnsim), ("groceries", groceries)):
        if name not in asked.sets:
            continue
        if not (SHARED / name).exists():
            print(f"{name}: skipped, there is no {SHARED / name}")
            continue
        run()


if __name__ == "__main__":
    main()
