"""The gate before promotion: no leak, and not worse than the champion; or a given reason."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from features.errors import HealthError
from health.business.kinds import business_of
from health.settings.config import Config
from health.training import registry
from health.training.champion import open_version
from health.training.cohort import Candidate
from health.training.compare import UNKNOWN, WORSE, TargetComparison
from health.training.held_out import COLUMNS, FILE, from_parquet
from health.training.learning import LEARNING
from health.training.orders import TARGET
from health.training.rows import TrainingSet


@dataclass(frozen=True)
class Decision:
    """Whether a version may score, and why.

    Attributes
    ----------
    version : str
    champion : str or None
        The champion before.
    stops : tuple of str
        Reasons against promotion; may be empty.
    compared : tuple of TargetComparison
        Empty if there was no other champion.
    note : str
        Any other remark.
    """

    version: str
    champion: str | None
    stops: tuple[str, ...]
    compared: tuple[TargetComparison, ...] = ()
    note: str = ""

    @property
    def passes(self) -> bool:
        """Whether there is no reason against promotion."""
        return not self.stops


def weigh(config: Config, name: str, training: TrainingSet | None = None) -> Decision:
    """Check a version for leakage and compare it with the champion.

    Parameters
    ----------
    config : Config
        The configuration.
    name : str
        The version.
    training : TrainingSet, optional
        The rows of the current data, if already built; otherwise the required dates are built.

    Raises
    ------
    HealthError
        The version does not exist or cannot be opened.
    """
    challenger = open_version(config, name)
    leaks = tuple(f"{leak['feature']}: {leak['why']}" for leak in _leaks(challenger))
    before = registry.champion(config.models_dir)
    if before is None or before == name:
        return Decision(name, before, leaks)
    try:
        champion = open_version(config, before)
    except HealthError as error:
        return Decision(name, before, leaks, note=f"the champion can no longer be used: {error}")
    compared = _compared(config, champion, challenger, training)
    return Decision(name, before, (*leaks, *_worse(compared)), tuple(compared))


def promote_version(
    config: Config, decision: Decision, *, at: str, by: str, force: bool = False, reason: str = ""
) -> None:
    """Make a weighed version the champion, and record who did it, when and why.

    Parameters
    ----------
    config : Config
        The configuration.
    decision : Decision
        As from `weigh`.
    at, by : str
        The time and the person.
    force : bool
        Promote it despite reasons against it; requires `reason`.
    reason : str
        Recorded together with the reasons against it.

    Raises
    ------
    HealthError
        With exit code 3 if there are reasons against it and it is not forced; another version was
        promoted since it was weighed.
    """
    require_reason(force=force, reason=reason)
    if decision.stops and not force:
        raise HealthError(
            f"version {decision.version} is not promoted\n"
            + "\n".join(f"  {stop}" for stop in decision.stops),
            where=str(config.models_dir),
            fix=f"correct the causes and train again; or, if the version is right, `health models "
            f'{config.file} promote {decision.version} --force --reason "…"`',
            exit_code=3,
        )
    record: dict[str, Any] = {"at": at, "by": by, "forced": bool(decision.stops), "reason": reason}
    record |= {"stops": list(decision.stops), "note": decision.note}
    record["compared"] = [comparison.to_dict() for comparison in decision.compared]
    with registry.changing(config.models_dir):
        now = registry.champion(config.models_dir)
        if now not in (decision.champion, decision.version):
            raise HealthError(
                f"{now} was promoted in the meantime, so the comparison is out of date",
                where=str(config.models_dir),
                fix=f"repeat it: `health models {config.file} promote {decision.version}`",
            )
        if now != decision.version:
            registry.promote(config.models_dir, decision.version, record)


def require_reason(*, force: bool, reason: str) -> None:
    """Raise HealthError if forced without a reason."""
    if force and not reason.strip():
        raise HealthError(
            "--force needs a reason",
            where="--reason",
            fix='add --reason "why the version is right"',
        )


def _leaks(version: registry.Version) -> list[Mapping[str, str]]:
    leaks: list[Mapping[str, str]] = version.manifest.get("leaks", [])
    return leaks


def _worse(compared: list[TargetComparison]) -> list[str]:
    """Return what is worse, and whether the main target could not be compared."""
    worse = [
        f"worse on {c.target.replace('_', '-')}: {c.why}" for c in compared if c.verdict == WORSE
    ]
    main = next(c for c in compared if c.target in {"churn", TARGET})
    if main.verdict == UNKNOWN:
        worse.append(f"cannot be compared with the champion on {main.target}: {main.why}")
    return worse


def _compared(
    config: Config,
    champion: registry.Version,
    challenger: registry.Version,
    training: TrainingSet | None,
) -> list[TargetComparison]:
    ours, theirs = (_candidate(config, version) for version in (champion, challenger))
    learning = LEARNING[business_of(challenger.manifest).key]
    return learning.compare(config, ours, theirs, training=training)


def _candidate(config: Config, version: registry.Version) -> Candidate:
    content = registry.read_file(config.models_dir, version, FILE)
    held_out = pd.DataFrame(columns=COLUMNS) if content is None else from_parquet(content)
    return Candidate(version, held_out)
