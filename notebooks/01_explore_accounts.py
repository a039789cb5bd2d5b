# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Explore the accounts
# What the tables hold and how good they are, how long accounts stay, which features differ
# between those who left and those who stayed, and where data is missing.

# %%
import pandas as pd

from features import CATALOGUE
from features.labels import tenure_spells
from health import load_config, open_company
from health.demo.ready import demo_config
from health.plots import rates, retention
from health.training import build_training_set
from models import retention_by
from models.ranking import auc_of_each

# %% [markdown]
# Your own company: `CONFIG = Path("…/health.toml")`.

# %%
CONFIG = demo_config()

# %%
config = load_config(CONFIG)
company = open_company(config)
company

# %% [markdown]
# ## Tables and their quality
# Every finding names table, column, rows and an example; what stops a run would have raised.

# %%
pd.DataFrame(
    [(s.table, s.rows, s.first, s.last, ", ".join(s.missing_optional)) for s in company.opened.summaries],
    columns=["table", "rows", "from", "to", "optional columns that are not there"],
)

# %%
[str(finding) for finding in company.opened.findings]

# %% [markdown]
# ## How long accounts stay
# Kaplan-Meier curves by the year an account began and by segment, with 95 % intervals. Accounts
# that were there before the records began enter late, so that survivors do not flatter the curve.

# %%
spells = tenure_spells(company.opened.tables, grace_days=config.labels.grace_days)
