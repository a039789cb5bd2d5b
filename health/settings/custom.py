"""Settings that name custom code."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, field_validator

from health.settings.section import Section


class EstimatorConfig(Section):
    """A classifier to use instead of the glass box.

    Attributes
    ----------
    use : str
        ``module:Class``, from a module next to the configuration or from scikit-learn.
    parameters : dict
        Parameters of the class.
    """

    use: str
    parameters: dict[str, Any] = Field(default_factory=dict)

    @field_validator("use")
    @classmethod
    def _module_and_class(cls, use: str) -> str:
        module, _, name = use.partition(":")
        if not (module and name.isidentifier()):
            raise ValueError('write it as "module:Class"')
        return use


class CustomConfig(Section):
    """Python modules next to the configuration. They are executed, so use only code you trust.

    Attributes
    ----------
    features : tuple of str
        Modules that declare ``FEATURES`` and ``build(tables, as_of, accounts)``.
    estimators : dict of str to EstimatorConfig
        Classifier by target: churn, upsell or cross_sell.
    """

    features: tuple[str, ...] = ()
    estimators: dict[Literal["churn", "upsell", "cross_sell"], EstimatorConfig] = Field(
        default_factory=dict
    )
