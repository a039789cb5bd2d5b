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
# # Features and models of one's own
# A function with a catalogue entry and any scikit-learn classifier, each in a module beside the
# configuration, named there, and used by training and the weekly batch. No package is touched.
# Such modules are code that is run: keep them where you keep code you trust.

# %%
import shutil
from datetime import timedelta
from pathlib import Path

from health import (
    demo_config,
    explain_account,
    load_config,
    open_company,
    score_run,
    train_version,
)

# %%
CONFIG = demo_config()

# %% [markdown]
# ## Two modules beside the configuration

# %%
for module in sorted(Path("own").glob("own_*.py")):
    shutil.copy(module, CONFIG.parent)
print(Path("own/own_weekend.py").read_text())

# %% [markdown]
# ## Named in a configuration

# %%
OWN = """
[own]
features = ["own_weekend"]

[own.estimators.churn]
use = "own_forest:Forest"
parameters = { n_estimators = 50 }
"""
text = CONFIG.read_text().replace('"models"', '"models_own"').replace('"runs"', '"runs_own"')
own = CONFIG.with_name("own.toml")
own.write_text(text + OWN)
config = load_config(own)

# %% [markdown]
# ## Trained, versioned, and scoring

# %%
trained = train_version(config, at="2026-01-01T00:00:00", by="notebook")
churn = trained.version.manifest["evaluation"]["churn"]
{name: churn.get(name) for name in ("basis", "estimator", "reasons_by", "auc")}

# %%
last = open_company(config).data_end
day = last - timedelta(days=(last.weekday() - config.weekday) % 7)
run = score_run(config, day, replace=True, today=day)
run.scored.flags.groupby("flag").size()

# %% [markdown]
# ## In the reasons of an account

# %%
account = run.scored.scores.nlargest(1, "churn_probability")["account_id"].iloc[0]
reasons = explain_account(config, account).reasons
reasons[(reasons["output"] == "churn") & reasons["term"].str.startswith("own_")][
    ["term", "value", "contribution", "text"]
]
