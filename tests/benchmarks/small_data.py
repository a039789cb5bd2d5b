"""Few churned accounts: the health score alone against a few features, on made-up companies.

    uv run python -m tests.benchmarks.small_data [--accounts 120] [--seeds 0 1 2 3 4 5]

Each small model is tested as in `health train`: fitted on earlier dates, asked about later ones.
"""

from __future__ import annotations

import argparse
import tempfile
from importlib.resources import files
from pathlib import Path

import numpy as np

from health.business.company import open_company
from health.demo import simulate_company, write_company
from health.settings.config import Config, load_config
from health.training.fit import fit_target
from health.training.rows import TargetRows, build_training_set, target_rows
from models.churn.candidates import FEW, SCORE
from models.churn.propensity import AUTO


def main() -> None:
    """Print a line a company and model, and the means."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--accounts", type=int, default=120)
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(6)))
    given = parser.parse_args()
    reached: dict[str, list[tuple[float, float]]] = {SCORE: [], FEW: [], AUTO: []}
    for seed in given.seeds:
        with tempfile.TemporaryDirectory() as folder:
            config = _company(Path(folder), given.accounts, seed)
            tables = open_company(config).opened.tables
            rows = target_rows(build_training_set(tables, config), config)["churn"]
            for name, metrics in reached.items():
                metrics.append(_tested(rows, config, name, seed))
    for name, metrics in reached.items():
        auc, loss = np.mean(metrics, axis=0)
        print(f"mean of {len(metrics)}, {name}: AUC {auc:.3f}, log loss {loss:.4f}")


def _company(folder: Path, accounts: int, seed: int) -> Config:
    company = simulate_company(accounts, seed=seed)
    write_company(company, folder)
    text = files("health.demo").joinpath("health.toml").read_text(encoding="utf-8")
    text = text.replace("OBSERVED_UNTIL", str(company.observed_until.date()))
    (folder / "health.toml").write_text(text, encoding="utf-8")
    return load_config(folder / "health.toml")


def _tested(rows: TargetRows, config: Config, name: str, seed: int) -> tuple[float, float]:
    training = config.training.model_copy(update={"small_model": name})
    model = fit_target("churn", rows, config.model_copy(update={"training": training}))
    if model is None or model.evaluation_ is None:
        return float("nan"), float("nan")
    auc, loss = model.evaluation_.auc, model.evaluation_.log_loss
    print(
        f"seed {seed}, {model.event_accounts_} churned, {name}: AUC {auc.value:.3f} "
        f"({auc.low:.3f} to {auc.high:.3f}), log loss {loss.value:.4f}, published: {model.basis_}"
    )
    return auc.value, loss.value


if __name__ == "__main__":
    main()
