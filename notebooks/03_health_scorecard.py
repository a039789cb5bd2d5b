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
# # The health scorecard
# Change a weight, see which bands move, hold the score against what happened, and let the past
# propose weights.

# %%
import pandas as pd

from features import HealthError
from health import (
    demo_config,
    features_of,
    judge,
    load_config,
    open_company,
    plots,
    score_health,
    score_past,
)
from health.backtest.tune import tune
from health.scorecard.bands import band

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
# ## The score today

# %%
features = features_of(company, company.data_end)
health = score_health(features, config.scorecard)
health.score.describe()

# %%
plots.contributions_waterfall(
    health.contributions.iloc[0], title=features["account_id"].iloc[0]
).figure

# %% [markdown]
# ## Change a weight, see bands move
# A scorecard is a value: a changed copy scores beside the first one, and nothing else moves.

# %%
first, *others = config.scorecard.components
heavier = first.model_copy(update={"weight": first.weight * 2})
changed = config.scorecard.model_copy(update={"components": (heavier, *others)})
after = score_health(features, changed)
pd.crosstab(
    band(health.score, config.scorecard.bands).rename("now"),
    band(after.score, changed.bands).rename(f"with twice the weight of {first.name}"),
)

# %% [markdown]
# ## Does the score predict?
# Past dates scored with what was known then, against who left.

# %%
found = judge(score_past(company), config)
found.bands

# %%
pd.DataFrame(
    [(worth.feature, worth.coverage, worth.auc.value, worth.auc.low) for worth in found.measures],
    columns=["measure", "coverage", "AUC alone", "lower end"],
).head(8)

# %% [markdown]
# ## Weights that the past proposes
# Fitted on earlier dates, near the hand-set ones, tried on later dates; the configuration is never
# touched. With too few accounts lost it declines, with the counts.

# %%
try:
    proposal = tune(config)
    result = pd.DataFrame(proposal.changes)
except HealthError as declined:
    result = str(declined)
result
