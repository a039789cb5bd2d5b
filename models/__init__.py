"""Probabilities, curves and money from feature rows: pandas in and out, scikit-learn's habits."""

from models.any_classifier import AnyClassifier
from models.churn import ChurnModel
from models.clv import expected_loss, lifetime_value
from models.clv_interval import ValueTerms, resampled_interval
from models.cohorts import ShiftedBetaGeometric
from models.comparison import compare_in_time
from models.cox import CoxSurvival
from models.customer_value import (
    OrderLifetime,
    order_lifetime,
    order_value,
    value_customers,
)
from models.discrete_time import DiscreteTimeSurvival
from models.drivers import drivers
from models.evaluation import Evaluation, evaluate
from models.expansion import ExpansionModel
from models.glass_box import GlassBoxClassifier
from models.growth import PeerGrowth
from models.inputs import ModelInputError
from models.leakage import leakage_suspects
from models.propensity import PropensityModel
from models.purchases import PurchaseModel, purchase_history
from models.retention import retention_table
from models.spend import SpendModel
from models.splits import TimeSplit
from models.survival import PeerSurvival, tilt
from models.survival_evaluation import concordance, integrated_brier_score

__all__ = [
    "AnyClassifier",
    "ChurnModel",
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
    "ShiftedBetaGeometric",
    "SpendModel",
    "TimeSplit",
    "ValueTerms",
    "compare_in_time",
    "concordance",
    "drivers",
    "evaluate",
    "expected_loss",
    "integrated_brier_score",
    "leakage_suspects",
    "lifetime_value",
    "order_lifetime",
    "order_value",
    "purchase_history",
    "resampled_interval",
    "retention_table",
    "tilt",
    "value_customers",
]
