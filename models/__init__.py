"""Probabilities, curves and money from feature rows: pandas in and out, scikit-learn's habits."""

from models.any_classifier import AnyClassifier
from models.churn import ChurnModel
from models.clv import expected_loss, lifetime_value, lifetime_value_interval
from models.cohorts import ShiftedBetaGeometric
from models.evaluation import Evaluation, evaluate
from models.expansion import ExpansionModel
from models.glass_box import GlassBoxClassifier
from models.inputs import ModelInputError
from models.leakage import leakage_suspects
from models.propensity import PropensityModel
from models.purchases import PurchaseModel, SpendModel, order_value, purchase_history
from models.splits import TimeSplit
from models.survival import PeerSurvival, tilt

__all__ = [
    "AnyClassifier",
    "ChurnModel",
    "Evaluation",
    "ExpansionModel",
    "GlassBoxClassifier",
    "ModelInputError",
    "PeerSurvival",
    "PropensityModel",
    "PurchaseModel",
    "ShiftedBetaGeometric",
    "SpendModel",
    "TimeSplit",
    "evaluate",
    "expected_loss",
    "leakage_suspects",
    "lifetime_value",
    "lifetime_value_interval",
    "order_value",
    "purchase_history",
    "tilt",
]
