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
# # Retrain the churn model
# From labels and time splits to a version that may score: compared with usual models on the same
# later dates, calibrated, looked at term by term, checked for leakage, and promoted only if it is
# no worse than the champion.

# %%
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from health import demo_config, load_config, open_company, plots, train_version
from health.training import build_training_set, list_versions, target_rows
from models import ChurnModel, GlassBoxClassifier, compare_in_time

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
# ## Spine and labels
# Accounts × past dates. Churn is known only where the date, the horizon and the grace period lie
# inside the data; else the label is missing, never 0.

# %%
training = build_training_set(tables, config)
rows = target_rows(training, config)["churn"]
known = rows.frame[rows.frame[rows.label].notna()]
known.groupby("as_of")[rows.label].agg(["size", "sum"]).T

# %% [markdown]
# ## The same later dates for every model
# Rolling origin: fitted on earlier dates, tested on later ones, with an embargo of horizon + grace
# between them. Intervals come from a bootstrap over accounts.

# %%
numbers = list(known[rows.inputs].select_dtypes("number"))
candidates = {
    "glass box": GlassBoxClassifier(),
    "logistic": make_pipeline(
        SimpleImputer(keep_empty_features=True), StandardScaler(), LogisticRegression(C=0.01)
    ),
    "boosted trees": HistGradientBoostingClassifier(max_leaf_nodes=8, learning_rate=0.05),
}
compared = compare_in_time(
    candidates,
    known[numbers],
    known[rows.label],
    groups=known["account_id"],
    times=known["as_of"],
    embargo_days=config.labels.horizon_days + config.labels.grace_days,
)
compared

# %% [markdown]
# ## The model that would score
# It counts the accounts that left and chooses: a glass box, a small model, or no probability.

# %%
model = ChurnModel(config.labels.horizon_days, grace_days=config.labels.grace_days)
model.fit(known[numbers], known[rows.label], groups=known["account_id"], times=known["as_of"])
model.basis_, model.reasons_

# %% [markdown]
# ### Calibration
# Of the accounts that were said to leave with 20 %, do 20 % leave?

# %%
if model.evaluation_ is not None:
    bins = pd.DataFrame(model.evaluation_.reliability)
    plots.calibration(bins)

# %% [markdown]
# ### Do the terms make sense?
# The strongest terms, and the shape of the strongest. Risk should fall with use and rise with
# silence; a shape that does not is a question to the data.

# %%
last = known[known["as_of"] == known["as_of"].max()][numbers]
contributions = model.contributions(last).drop(columns="baseline")
strongest = contributions.abs().mean().sort_values(ascending=False).head(6)
strongest

# %%
term = strongest.index[0]
plots.shape_function(last[term], contributions[term], title=term).figure

# %%
plots.contributions_waterfall(contributions.iloc[0], unit="log-odds").figure

# %% [markdown]
# ### Does a feature know the answer?

# %%
model.leakage_

# %% [markdown]
# ## A version, and promotion
# The version holds artefacts, manifest and evaluation.html. It scores only where no feature leaks
# and it is no worse than the champion on rows that neither has seen.

# %%
trained = train_version(config, at="2026-01-01T00:00:00", by="notebook")
trained.version.name, trained.promoted, trained.decision.stops

# %%
[version.name for version in list_versions(config.models_dir)]
