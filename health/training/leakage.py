"""Features that leak the outcome: too good on their own, or known only after the date."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd

from features.build import build_features
from features.custom import OwnFamily
from features.definitions.settings import DEFAULT_SETTINGS, FeatureSettings
from features.tables.opened import Tables
from features.tables.truncation import as_known
from models.churn.drift import STABLE_FORMS
from models.churn.few_events import FEWEST_EVENTS

#: AUC on later dates from which a whole model is suspicious.
NOTABLE_MODEL_AUC = 0.90
#: Features that are named for a suspicious model.
_NAMED = 3
#: Features of the end of a term, which systems overwrite at a renewal.
_DATED_BY_RENEWAL = ("days_to_renewal", "days_to_term_end")
#: The form that the churn model uses of a feature that drifts.
_INSTEAD = {level: stable for stable, level in STABLE_FORMS.items()}
#: Training dates whose features are made a second time, from what was known then alone.
_DATES_CHECKED = 2
_RELATIVE = 1e-6


@dataclass(frozen=True)
class Leak:
    """A feature that stops promotion.

    Attributes
    ----------
    feature : str
    why : str
        The evidence, as a sentence with values.
    """

    feature: str
    why: str

    def __str__(self) -> str:
        return f"{self.feature}: {self.why}"


def strong_alone(models: Mapping[str, Any], targets: Sequence[str], least: float) -> list[Leak]:
    """Return the features that predict the event too well on their own, worst first.

    Parameters
    ----------
    models : mapping of str to PropensityModel or None
        Fitted with ``leakage_auc=least``.
    targets : sequence of str
        Targets whose models are checked.
    least : float
        The AUC from which a feature is suspected. With fewer than ten accounts with the event, no
        probability is published and chance alone could raise suspicion, so none is returned.
    """
    return [
        Leak(
            suspect.feature,
            f"alone reaches an AUC of {suspect.auc:.3f} on {target.replace('_', '-')} "
            f"(the gate is {least:.2f}){_why_strong(suspect.feature)}",
        )
        for target in targets
        if models[target] is not None and models[target].event_accounts_ >= FEWEST_EVENTS
        for suspect in models[target].leakage_
    ]


def notable_strength(models: Mapping[str, Any], targets: Sequence[str]) -> list[Leak]:
    """Return what is suspiciously good, but no reason to stop: features, and whole models.

    Parameters
    ----------
    models : mapping of str to PropensityModel or None
        Fitted.
    targets : sequence of str
        Targets whose models are checked. With fewer than ten accounts with the event, chance alone
        could raise suspicion, so nothing is returned.

    Returns
    -------
    list of Leak
        Features that alone reach an AUC of 0.85 and stand out from the other features; and for a
        model with an AUC of 0.90 on later dates, its strongest features.
    """
    found = []
    for target in targets:
        model = models[target]
        if model is None or model.event_accounts_ < FEWEST_EVENTS:
            continue
        name = target.replace("_", "-")
        found += [
            Leak(
                suspect.feature,
                f"alone reaches an AUC of {suspect.auc:.3f} on {name}, far more than other "
                "features: check that its value was known on each date",
            )
            for suspect in model.notable_
        ]
        evaluation = model.evaluation_
        if evaluation is not None and evaluation.auc.value >= NOTABLE_MODEL_AUC:
            found.append(
                Leak(
                    ", ".join(suspect.feature for suspect in model.strongest_[:_NAMED]),
                    f"the {name} model reaches an AUC of {evaluation.auc.value:.3f} on later "
                    "dates, which is rarely honest: check first these features, the strongest "
                    "on their own",
                )
            )
    return found


def drift_warnings(models: Mapping[str, Any], targets: Sequence[str]) -> list[Leak]:
    """Return the features that drift between early and late dates, once each."""
    found: dict[str, Leak] = {}
    for target in targets:
        model = models[target]
        for suspect in () if model is None else model.drifting_:
            instead = _INSTEAD.get(suspect.feature)
            instead = f", but {instead}" if instead in model.feature_names_in_ else ""
            therefore = (
                f"the {target} model does not use it{instead}"
                if model.avoids_drift
                else f"what the {target} model learns about its level may not last"
            )
            found.setdefault(
                suspect.feature,
                Leak(
                    suspect.feature,
                    f"drifts: it separates the last third of the training dates from the first "
                    f"with an AUC of {suspect.auc:.2f}, so {therefore}",
                ),
            )
    return list(found.values())


def _why_strong(feature: str) -> str:
    """Return the usual reason why a feature knows the answer."""
    if feature not in _DATED_BY_RENEWAL:
        return ": its source is probably written once the outcome is known"
    return (
        ": the end date is probably overwritten at each renewal, so that only accounts that left "
        "keep their old one; map renews_at as it was on each date, or a row for each term"
    )


def known_late(
    tables: Tables,
    trained: pd.DataFrame,
    dates: Sequence[datetime],
    features: Iterable[str],
    settings: FeatureSettings = DEFAULT_SETTINGS,
    *,
    extra: Sequence[OwnFamily] = (),
) -> list[Leak]:
    """Return the features that change when all data after their date is removed.

    Parameters
    ----------
    tables : Tables
        The input tables.
    trained : pd.DataFrame, shape = (n_rows, n_columns)
        account_id, as_of and the features used in training.
    dates : sequence of datetime
        The training dates; the middle and the last one are checked.
    features : iterable of str
        Which columns to compare.
    settings : FeatureSettings
        The feature settings of `trained`.
    extra : sequence of OwnFamily
        As in `build_features`.
    """
    checked = sorted({dates[len(dates) // 2], dates[-1]})[-_DATES_CHECKED:]
    found: dict[str, Leak] = {}
    for day in checked:
        then = build_features(as_known(tables, day), [day], settings, extra=extra)
        then = then.set_index("account_id")
        learned = trained[trained["as_of"] == pd.Timestamp(day)].set_index("account_id")
        both = learned.index.intersection(then.index)
        for name in features:
            differ = _differ(learned.loc[both, name], then.loc[both, name])
            if differ.any():
                what = (
                    f"known only after the date: on {day.date()} it differs for "
                    f"{int(differ.sum()):,} of {len(both):,} accounts, e.g. "
                    f"{both[differ][0]}, when later rows are removed"
                )
                found.setdefault(name, Leak(name, what))
    return list(found.values())


def _differ(first: pd.Series[float], second: pd.Series[float]) -> np.ndarray:
    a, b = first.to_numpy(dtype="float64"), second.to_numpy(dtype="float64")
    return ~np.isclose(a, b, rtol=_RELATIVE, atol=1e-9, equal_nan=True)
