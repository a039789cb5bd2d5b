"""Print model versions: how they were trained, evaluated and promoted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from features.tables.regular_files import read_regular
from health.cli.console import say
from health.presentation.wording import percent
from health.training import registry
from health.training.rivals import score_on_past, score_verdict

if TYPE_CHECKING:
    from health.settings.config import Config
    from health.training.promotion import Decision
    from health.training.train import Trained


def training(console: Console, trained: Trained, config: Config) -> None:
    """Print what was trained, its evaluation on later dates, and whether it is the champion."""
    version = trained.version
    rows, dates = version.manifest["rows"], version.manifest["training_dates"]
    say(
        console,
        f"Model version {version.name}: {rows['accounts']:,} accounts on {len(dates)} dates, "
        f"{dates[0]} to {dates[-1]}",
    )
    _evaluation(console, version, indent="  ")
    compared(console, trained.decision)
    for warning in version.manifest.get("warnings", []):
        console.print("[yellow]warning[/] ", end="")
        say(console, f"{warning['feature']}: {warning['why']}")
    for stop in trained.decision.stops:
        console.print("[red]stop[/] ", end="")
        say(console, stop)
    if trained.promoted:
        say(console, "This version is now the champion.")
    elif trained.decision.passes:
        why = trained.held_back or "--no-promote was given"
        say(console, f"Not promoted: {why}. To promote it: `{_promote(config, version.name)}`.")
    else:
        stays = (
            "It stays a challenger" if trained.decision.champion else "It is not used for scoring"
        )
        say(
            console,
            f"{stays}. Fix the problem and train again, or force it: "
            f'`{_promote(config, version.name)} --force --reason "…"`.',
        )
    page = config.models_dir / version.name / "evaluation.html"
    if page.is_file():
        say(console, f"Evaluation: {page}")


def compared(console: Console, weighed: Decision) -> None:
    """Print how a version compares with the champion."""
    if weighed.compared:
        say(console, f"Against the champion {weighed.champion}:")
    for c in weighed.compared:
        say(console, f"  {c.target.replace('_', '-')}: {c.verdict}; {c.why}")
    if weighed.note:
        console.print("[yellow]note[/] ", end="")
        say(console, weighed.note)


def versions(
    console: Console, models_dir: Path, champion: str | None, *, key: bytes | None = None
) -> None:
    """Print the model versions, oldest first, the champion marked, with its last promotion.

    With a `key`, versions that it did not sign are marked; without one, a note says so.
    """
    found = registry.list_versions(models_dir)
    if not found:
        say(console, "No model version yet; run `health train`.")
    promoted = {str(line["version"]): line for line in registry.promotions(models_dir)}
    damaged = registry.damaged_promotions(models_dir)
    if damaged:
        lines = f"line {', '.join(map(str, damaged))}"
        say(console, f"{registry.PROMOTIONS}: skipped incomplete records: {lines}")
    for version in found:
        mark = "*" if version.name == champion else " "
        say(console, f"{mark} {version.name}{_trained(models_dir / version.name)}")
        if not registry.is_sealed(version.name, version.manifest):
            console.print("    [red]changed[/] ", end="")
            say(console, "its manifest was changed after training: it cannot be used")
            continue
        state = registry.signature_state(models_dir / version.name, version.manifest, key)
        if state in {"wrong", "not signed"}:
            console.print("    [red]unsigned[/] ", end="")
            say(console, "it is not signed with training.signing_key: it cannot be used")
        _evaluation(console, version, indent="    ")
        if version.name in promoted:
            say(console, f"    {_promotion(promoted[version.name])}")
        for leak in version.manifest.get("leaks", []):
            say(console, f"    leak: {leak['feature']}: {leak['why']}")
    if found and key is None:
        say(console, "Signatures are not checked: training.signing_key is not set.")


def _trained(folder: Path) -> str:
    try:
        note = json.loads(read_regular(folder / "trained.json"))
        return f" trained {note['at']} by {note['by']}" if note["at"] else ""
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        # For information only: nothing depends on it.
        return ""


def _promotion(line: dict[str, Any]) -> str:
    forced = "forced despite " + "; ".join(line["stops"]) if line.get("forced") else ""
    parts = [f"promoted {line.get('at', '')} by {line.get('by', '')}", forced, line.get("reason")]
    return ": ".join(str(part) for part in parts if part)


def _promote(config: Config, name: str) -> str:
    return f"health models {config.file} promote {name}"


def _evaluation(console: Console, version: registry.Version, *, indent: str) -> None:
    for target, evaluation in version.manifest["evaluation"].items():
        line = evaluation_line(evaluation)
        say(console, f"{indent}{target.replace('_', '-')}: {line}")
    auc = score_on_past(version.manifest)
    if auc is not None:
        say(console, f"{indent}health score: {score_verdict(auc)}")


def evaluation_line(evaluation: dict[str, Any]) -> str:
    """Describe in one line how a model was evaluated, and why no model is used."""
    auc, oracle = evaluation.get("auc"), evaluation.get("oracle_auc")
    parts = [f"basis: {evaluation['basis']}"]
    if auc:
        low, high = auc.get("low") or float("nan"), auc.get("high") or float("nan")
        parts.append(f"AUC {auc['value']:.3f} on later dates (95 % {low:.3f} to {high:.3f})")
    if oracle:
        own = evaluation["auc_beside_oracle"]
        parts.append(
            f"an oracle with the true probabilities has {oracle:.3f}: "
            f"{percent((own - 0.5) / (oracle - 0.5))} of what is achievable above chance"
        )
    if evaluation.get("purchases"):
        sums = evaluation["purchases"]
        parts.append(f"{sums['expected']:,.0f} purchases expected, {sums['actual']:,.0f} observed")
    if evaluation.get("base_rate") is not None:
        parts.append(f"base rate {percent(evaluation['base_rate'], 1)}")
    choice = evaluation.get("choice")
    if choice and evaluation.get("has_signal"):
        parts.append(f"{choice['chosen']} chosen: {choice['why']}")
    if not evaluation.get("has_signal") and evaluation.get("note"):
        parts.append(evaluation["note"])
    return "; ".join(parts)
