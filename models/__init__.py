"""Feature rows turned into probabilities, curves and money, by scikit-learn conventions."""

from models.base.inputs import ModelInputError
from models.base.splits import TimeSplit
from models.churn.any_classifier import AnyClassifier
from models.churn.churn import ChurnModel
from models.churn.comparison import compare_in_time
from models.churn.drivers import drivers
from models.churn.leakage import leakage_suspects
from models.churn.propensity import PropensityModel
from models.clv.beta_geo import PurchaseModel, purchase_history
from models.clv.customer_value import OrderLifetime, order_lifetime, order_value, value_customers
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
