"""The champion, opened for scoring after checks of its files, libraries and features."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from features.errors import HealthError
from features.feature_hashes import definition_hashes
from health.settings.config import Config
from health.settings.custom_catalogue import catalogue_of
from health.training import registry
from health.training.custom_estimators import custom_modules, load_custom_modules


def load_champion(config: Config) -> registry.Version:
    """Open the champion, the version used for scoring.

    Raises
    ------
    HealthError
        No version was promoted yet, or `open_version` rejects it.
    """
    registry.recover(config.models_dir)
    name = registry.champion(config.models_dir)
    if name is not None:
        return open_version(config, name)
    waiting = registry.list_versions(config.models_dir)
    if waiting:
        newest = waiting[-1]
        promote = f"`health models {config.file} promote {newest.name}"
        stops = [f"{leak['feature']}: {leak['why']}" for leak in newest.manifest.get("leaks", [])]
        if stops:
            raise HealthError(
                f"the newest model version, {newest.name}, was not promoted\n"
                + "\n".join(f"  {stop}" for stop in stops),
                where=str(config.models_dir),
                fix=f"correct the causes and train again; or, if the version is right, {promote} "
                '--force --reason "…"`',
            )
        raise HealthError(
            "no model version has been promoted yet",
            where=str(config.models_dir),
            fix=f"`health models {config.file}` lists them; promote one, e.g. {promote}`",
        )
    raise HealthError(
        "no model has been trained yet",
        where=str(config.models_dir),
        fix=f"run `health train {config.file}` first",
    )


def open_version(config: Config, name: str) -> registry.Version:
    """Open a version's artefacts if all checks pass.

    Raises
    ------
    HealthError
        As `registry.load_version`; or the version was trained on a feature that no longer exists
        or is defined differently now, or with a custom module that has changed.
    """
    manifest = registry.require_version(config.models_dir, name).manifest
    where = str(config.models_dir / name / registry.MANIFEST)
    again = f"train again: `health train {config.file}`"
    now = definition_hashes(catalogue_of(config), config.feature_settings)
    _check_features(manifest, now, where, again)
    _check_custom_modules(manifest, config, where, again)
    # A stored custom estimator is found by the name of its module.
    load_custom_modules(config)
    return registry.load_version(config.models_dir, name, key=config.model_key)


def _check_custom_modules(
    manifest: Mapping[str, Any], config: Config, where: str, fix: str
) -> None:
    now = custom_modules(config)
    for name, code in manifest.get("own_modules", {}).items():
        if name not in now:
            raise HealthError(
                f"trained with the custom module {name!r}, which is not in the configuration",
                where=where,
                fix=f"add it to the section own of {config.file}, or {fix}",
            )
        if now[name] != code:
            raise HealthError(
                f"the custom module {name}.py has changed since the version was trained",
                where=where,
                fix=fix,
            )


def _check_features(
    manifest: Mapping[str, Any], now: Mapping[str, str], where: str, fix: str
) -> None:
    trained: Mapping[str, str] = manifest.get("feature_definitions", {})
    unknown = sorted(set(trained) - set(now))
    if unknown:
        raise HealthError(
            f"trained on features that are not in the catalogue: {', '.join(unknown)}",
            where=where,
            fix=fix,
        )
    changed = sorted(name for name, definition in trained.items() if now[name] != definition)
    if changed:
        raise HealthError(
            "the definitions of features have changed since the version was trained: "
            + ", ".join(changed),
            where=where,
            fix=fix,
        )
