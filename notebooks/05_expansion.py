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
# # Expansion
# The whitespace of accounts × products, how likely each offer is to be taken, how good the list is,
# and what it is worth.

# %%
import pandas as pd

from health import demo_config, features_of, load_config, open_company, plots, score_accounts
from health.training import load_champion

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
# ## The whitespace
# Held, open or not eligible; where an offer has to wait, `gate` says why.

# %%
version = load_champion(config)
scored = score_accounts(features_of(company, company.data_end), tables, version.artefacts, config)
whitespace = scored.whitespace
pd.crosstab(whitespace["product"], whitespace["status"])

# %%
whitespace["gate"].replace("", "none").value_counts()

# %% [markdown]
# ## Propensity and its quality
# On later dates, with intervals: precision of a list with room for `capacity` accounts a date.

# %%
judged = version.manifest["evaluation"]
pd.DataFrame(
    {
        target: {
            figure: judged[target].get(figure, {}).get("value")
            for figure in ("auc", "average_precision", "lift_top_decile", "precision_at_capacity")
        }
        | {"basis": judged[target]["basis"], "base rate": judged[target]["base_rate"]}
        for target in ("upsell", "cross_sell")
    }
)

# %%
bins = pd.DataFrame(judged["upsell"].get("reliability", []))
lift = plots.lift(bins[::-1]).figure if len(bins) else "no model was tested"
lift

# %% [markdown]
# ## Value
# Probability × a year of the step × the chance that the account stays.

# %%
whitespace.groupby(["offer", "basis"])["value"].agg(["size", "sum", "median"])

# %%
columns = ["account_id", "product", "offer", "probability", "step_mrr", "value", "signs"]
whitespace.nlargest(10, "value")[columns]
