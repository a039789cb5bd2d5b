# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Explore the accounts
# What the tables hold and how good they are, how long accounts stay, which features differ between
# those who left and those who stayed, and what was not measured.

# %%
import pandas as pd

from features import CATALOGUE, tenure_spells
from health import demo_config, load_config, open_company, plots
from health.training import build_training_set
from models import drivers, retention_table
from models.survival.retention import cohorts

# %% [markdown]
# Your own company: `CONFIG = Path("…/health.toml")`.

# %%
CONFIG = demo_config()

# %%
config = load_config(CONFIG)
company = open_company(config)
tables = company.opened.tables
tables

# %% [markdown]
# ## Tables and their quality
# What would stop a run has raised already; these are the warnings, with rows and an example.

# %%
pd.DataFrame(company.opened.summaries).drop(columns="columns")

# %%
[str(finding) for finding in company.opened.findings]

# %% [markdown]
# ## How long accounts stay
# Kaplan-Meier curves by the year in which an account began. Accounts that were there before the
# records began enter late, so that survivors do not flatter the curve.

# %%
spells = tenure_spells(tables, grace_days=config.labels.grace_days)
retention = retention_table(
    spells["duration_days"],
    spells["churned"],
    cohorts(spells["began_at"], "Y"),
    range(0, 721, 30),
    entry_days=spells["entry_days"],
)
plots.retention(dict(tuple(retention.groupby("group")))).figure

# %% [markdown]
# ## Features against churn
# A row per account and past date, with the features as they were known then and what followed.
# `auc` is how well the feature alone ranks those who left above those who stayed; 0.5 says nothing,
# above 0.95 it knows the answer.

# %%
training = build_training_set(tables, config)
accounts = training.accounts
accounts.groupby("as_of")["churned"].agg(["size", "sum", "mean"]).tail()

# %%
features = drivers(accounts, list(CATALOGUE), "churned")
features.head(12)

# %% [markdown]
# ## What was not measured
# A null has a meaning: the catalogue says it.

# %%
missing = features.sort_values("missing_share", ascending=False).head(12)
missing.assign(null_means=[CATALOGUE[name].null_means for name in missing.index])
