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
# # Survival and lifetime value
# Peer curves, the tilt that makes them agree with each account's churn probability, what a lifetime
# value is made of, and what it depends on.

# %%
import numpy as np
import pandas as pd

from health import demo_config, load_config, open_company, plots
from health.training import build_training_set
from models import PeerSurvival, lifetime_value, tilt
from models.survival.peer_survival import DAYS_PER_MONTH, retention_curve

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
# ## Peer curves
# Durations with left entry and right censoring; a thin group borrows from all.

# %%
durations = build_training_set(tables, config).durations
survival = PeerSurvival().fit(
    durations["duration_days"],
    durations["churned"],
    entry_days=durations["entry_days"],
    groups=durations["group"],
)
curves = {
    name: pd.DataFrame(retention_curve(curve, range(0, 721, 30)))
    for name, curve in survival.curves_.items()
}
plots.retention(curves).figure

# %% [markdown]
# ## The tilt
# θ = log(1 − p) ⁄ log S₀(H): the peer curve raised to θ passes through 1 − p at the horizon.
# So list, expected loss and lifetime value never contradict each other.

# %%
horizon = config.labels.horizon_days
tenure, group = np.full(3, 400.0), np.repeat(next(iter(curves)), 3)
said = np.array([0.02, 0.10, 0.40])
peers = survival.conditional(tenure, group, [horizon])[:, 0]
theta = tilt(said, peers)
at_horizon = survival.account_survival(said, tenure, group, [horizon], horizon_days=horizon)[:, 0]
pd.DataFrame({"probability": said, "peer survival": peers, "theta": theta, "S(H)": at_horizon})

# %% [markdown]
# ## What a lifetime value is made of
# Month by month: MRR · margin · chance to be there · discount.

# %%
months = np.arange(1, config.clv.horizon_months + 1)
own = survival.account_survival(said, tenure, group, months * DAYS_PER_MONTH, horizon_days=horizon)
mrr = [100.0] * 3
terms = {"margin": config.clv.margin, "annual_discount_rate": config.clv.discount_rate}
by_month = pd.DataFrame(
    [
        {"months": m, **dict(zip(said, lifetime_value(mrr, own[:, :m], **terms), strict=True))}
        for m in (6, 12, 24, len(months))
    ]
).set_index("months")
by_month

# %% [markdown]
# ## Sensitivity to margin and discount rate

# %%
pd.DataFrame(
    {
        f"discount {rate:.0%}": {
            f"margin {margin:.0%}": lifetime_value(
                [100.0], own[1:2], margin=margin, annual_discount_rate=rate
            )[0]
            for margin in (0.6, 0.7, 0.8, 0.9)
        }
        for rate in (0.05, 0.10, 0.15)
    }
)
