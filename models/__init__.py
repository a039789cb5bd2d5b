"""Feature rows turned into probabilities, curves and money, by scikit-learn conventions.

Importing it loads nothing until a name is used: scikit-learn takes longer to load than
`health check` of a small company takes.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from models.base.inputs import ModelInputError
    from models.base.splits import TimeSplit
    from models.churn.any_classifier import AnyClassifier
    from models.churn.churn import ChurnModel
    from models.churn.comparison import compare_in_time
    from models.churn.drivers import drivers
    from models.churn.leakage import leakage_suspects
    from models.churn.propensity import PropensityModel
    from models.clv.beta_geo import PurchaseModel, purchase_history
    from models.clv.customer_value import (
        OrderLifetime,
        order_lifetime,
        order_value,
        value_customers,
    )
    from models.clv.gamma_gamma import SpendModel
    from models.clv.growth import PeerGrowth
    from models.clv.interval import ValueTerms, resampled_interval
    from models.clv.lifetime_value import expected_loss, lifetime_value
    from models.evaluation.classification import Evaluation, evaluate
    from models.expansion.expansion import ExpansionModel
    from models.glass_box.classifier import GlassBoxClassifier
    from models.survival.cox import CoxSurvival
    from models.survival.discrete_time import DiscreteTimeSurvival
    from models.survival.evaluation import concordance, integrated_brier_score
    from models.survival.peer_survival import PeerSurvival, tilt
    from models.survival.retention import retention_table
    from models.survival.shifted_beta_geo import ShiftedBetaGeometric
    from models.text.sentiment import CommentSentiment
    from models.text.themes import Themes, theme_impact
    from models.uplift.effects import accounts_per_arm, group_effects
    from models.uplift.savable import SavableModel, qini, qini_interval

#: Where each name is defined.
_HOMES = {
    "AnyClassifier": "churn.any_classifier",
    "ChurnModel": "churn.churn",
    "CommentSentiment": "text.sentiment",
    "CoxSurvival": "survival.cox",
    "DiscreteTimeSurvival": "survival.discrete_time",
    "Evaluation": "evaluation.classification",
    "ExpansionModel": "expansion.expansion",
    "GlassBoxClassifier": "glass_box.classifier",
    "ModelInputError": "base.inputs",
    "OrderLifetime": "clv.customer_value",
    "PeerGrowth": "clv.growth",
    "PeerSurvival": "survival.peer_survival",
    "PropensityModel": "churn.propensity",
    "PurchaseModel": "clv.beta_geo",
    "SavableModel": "uplift.savable",
    "ShiftedBetaGeometric": "survival.shifted_beta_geo",
    "SpendModel": "clv.gamma_gamma",
    "Themes": "text.themes",
    "TimeSplit": "base.splits",
    "ValueTerms": "clv.interval",
    "accounts_per_arm": "uplift.effects",
    "compare_in_time": "churn.comparison",
    "concordance": "survival.evaluation",
    "drivers": "churn.drivers",
    "evaluate": "evaluation.classification",
    "expected_loss": "clv.lifetime_value",
    "group_effects": "uplift.effects",
    "integrated_brier_score": "survival.evaluation",
    "leakage_suspects": "churn.leakage",
    "lifetime_value": "clv.lifetime_value",
    "order_lifetime": "clv.customer_value",
    "order_value": "clv.customer_value",
    "purchase_history": "clv.beta_geo",
    "qini": "uplift.savable",
    "qini_interval": "uplift.savable",
    "resampled_interval": "clv.interval",
    "retention_table": "survival.retention",
    "theme_impact": "text.themes",
    "tilt": "survival.peer_survival",
    "value_customers": "clv.customer_value",
}

__all__ = [
    "AnyClassifier",
    "ChurnModel",
    "CommentSentiment",
    "CoxSurvival",
    "DiscreteTimeSurvival",
    "Evaluation",
    "ExpansionModel",
    "GlassBoxClassifier",
    "ModelInputError",
    "OrderLifetime",
    "PeerGrowth",
    "PeerSurvival",
    "PropensityModel",
    "PurchaseModel",
    "SavableModel",
    "ShiftedBetaGeometric",
    "SpendModel",
    "Themes",
    "TimeSplit",
    "ValueTerms",
    "accounts_per_arm",
    "compare_in_time",
    "concordance",
    "drivers",
    "evaluate",
    "expected_loss",
    "group_effects",
    "integrated_brier_score",
    "leakage_suspects",
    "lifetime_value",
    "order_lifetime",
    "order_value",
    "purchase_history",
    "qini",
    "qini_interval",
    "resampled_interval",
    "retention_table",
    "theme_impact",
    "tilt",
    "value_customers",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
