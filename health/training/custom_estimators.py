"""The classifiers that a configuration uses instead of the glass box."""

from __future__ import annotations

import importlib
from typing import Any

from sklearn.base import ClassifierMixin

from features.errors import HealthError
from health.settings.config import Config
from health.settings.custom_modules import load_module, module_hash
from models import AnyClassifier


def custom_estimator(config: Config, target: str) -> AnyClassifier | None:
    """Return the unfitted classifier of a target; None for the glass box.

    Raises
    ------
    HealthError
        The module, the class or a parameter does not exist, or the class is not a classifier.
    """
    named = config.own.estimators.get(target)  # type: ignore[call-overload]
    if named is None:
        return None
    where = f"{config.file}: own.estimators.{target}"
    module_name, _, class_name = named.use.partition(":")
    if _is_sklearn(module_name):
        module: Any = _import_sklearn(module_name, where)
    else:
        module = load_module(config.base, module_name)
    kind = getattr(module, class_name, None)
    if not isinstance(kind, type):
        raise HealthError(
            f"{module_name} has no class {class_name!r}", where=where, fix="correct the name"
        )
    # Nothing of a class runs before it is known to be a classifier.
    if not (issubclass(kind, ClassifierMixin) and hasattr(kind, "predict_proba")):
        raise HealthError(
            f"{class_name} is not a scikit-learn classifier with predict_proba",
            where=where,
            fix="derive it from sklearn.base.ClassifierMixin and BaseEstimator and give it "
            "predict_proba, or wrap it in CalibratedClassifierCV",
        )
    try:
        estimator = kind(**named.parameters)
    except (Exception, SystemExit) as error:
        raise HealthError(
            f"{class_name} does not accept these parameters: {error}",
            where=where,
            fix="correct the parameters",
        ) from None
    return AnyClassifier(estimator, seed=config.training.seed)


def custom_modules(config: Config) -> dict[str, str]:
    """Return the hash of every custom module of the configuration."""
    used = [named.use.partition(":")[0] for named in config.own.estimators.values()]
    names = {*config.own.features, *(name for name in used if not _is_sklearn(name))}
    return {name: module_hash(config.base, name) for name in sorted(names)}


def load_custom_modules(config: Config) -> None:
    """Run every module of the configuration, so that stored estimators find their classes."""
    for name in custom_modules(config):
        load_module(config.base, name)


def _is_sklearn(name: str) -> bool:
    return name.split(".", maxsplit=1)[0] == "sklearn"


def _import_sklearn(name: str, where: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        raise HealthError(
            f"scikit-learn has no module {name!r}", where=where, fix="correct the name"
        ) from None
