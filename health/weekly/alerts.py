"""Alerts: a message to a webhook after a run is published, if one is configured."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Callable, Mapping
from http.client import HTTPException
from pathlib import Path
from typing import Any

import pandas as pd

from features.errors import HealthError, quantity
from features.redaction import redact, remember
from health.presentation.wording import money
from health.settings.secrets import secret
from health.settings.web_address import require_web_address
from health.settings.weekly import AlertsConfig

#: Number of accounts named, in each direction.
_MOVERS = 5


def send_alert(
    config: AlertsConfig,
    scores: pd.DataFrame,
    flags: pd.DataFrame,
    info: Mapping[str, Any],
    *,
    describe: Callable[[str], object],
) -> bool:
    """Post the counts of a published run and the accounts whose health changed most.

    A failed alert does not fail the run: it is only reported.

    Parameters
    ----------
    config : AlertsConfig
        The webhook and the format; without a webhook nothing is sent.
    scores, flags : pd.DataFrame
        Tables of the run.
    info : mapping
        Content of run.json.
    report : callable
        Called with a message if the alert could not be sent.

    Returns
    -------
    bool
        Whether the webhook accepted it.
    """
    if not config.webhook:
        return False
    try:
        content = alert_content(scores, flags, info)
        body = slack_message(content) if config.shape == "slack" else content
        request = urllib.request.Request(
            _address(config.webhook),
            data=json.dumps(body, allow_nan=False).encode(),
            headers={"Content-Type": "application/json", "User-Agent": "customer-health"},
        )
        with urllib.request.urlopen(request, timeout=config.timeout_s):
            return True
    except (OSError, ValueError, HTTPException, HealthError) as error:
        what = redact(error.what if isinstance(error, HealthError) else str(error))
        describe(f"warning: the alert was not sent ({what}); the run is published nevertheless")
        return False


def alert_content(
    scores: pd.DataFrame, flags: pd.DataFrame, info: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the content of the alert, as plain values."""
    bands = scores["health_band"].value_counts()
    at_risk = flags.loc[flags["flag"] == "at_risk", "value"]
    return {
        "event": "run_published",
        "company": info["company"],
        "as_of": info["as_of"],
        "currency": info["currency"],
        "accounts": len(scores),
        "bands": {band: int(bands.get(band, 0)) for band in ("red", "yellow", "green")},
        "lists": {str(flag): int(n) for flag, n in flags["flag"].value_counts().items()},
        "value_at_risk": float(at_risk.sum()),
        "fell": _movers(scores, rising=False),
        "rose": _movers(scores, rising=True),
        "warnings": list(info["warnings"]),
    }


def slack_message(content: Mapping[str, Any]) -> dict[str, str]:
    """Return the content as a Slack message; names from the data are escaped."""
    bands, lists = content["bands"], content["lists"]
    value = money(content["value_at_risk"], content["currency"])
    lines = [
        f"*{_plain(content['company'] or 'Customer health')} as of {content['as_of']}*",
        f"{content['accounts']:,} accounts: "
        + ", ".join(f"{count:,} {band}" for band, count in bands.items()),
        f"Lists: {', '.join(f'{n:,} {flag}' for flag, n in sorted(lists.items())) or 'empty'}; "
        f"{value} at risk",
    ]
    for word in ("fell", "rose"):
        moved = [
            f"{_plain(m['name'] or m['account_id'])} {m['health_change']:+.0f} to "
            f"{m['health_score']:.0f}"
            for m in content[word]
        ]
        if moved:
            lines.append(f"{word.capitalize()} most: {', '.join(moved)}")
    if content["warnings"]:
        lines.append(f"{quantity(len(content['warnings']), 'warning')}, in the report")
    return {"text": "\n".join(lines)}


def _movers(scores: pd.DataFrame, *, rising: bool) -> list[dict[str, Any]]:
    change = scores["health_change"]
    moved = scores[change > 0 if rising else change < 0]
    order = ["health_change", "account_id"]
    top = moved.sort_values(order, ascending=[not rising, True]).head(_MOVERS)
    return [
        {
            "account_id": row["account_id"],
            "name": row["name"] if isinstance(row["name"], str) else None,
            "csm": row["csm"] if isinstance(row["csm"], str) else None,
            "health_score": float(row["health_score"]),
            "health_change": float(row["health_change"]),
            "health_band": row["health_band"],
        }
        for row in top.to_dict("records")
    ]


def _plain(text: str) -> str:
    """Escape the three characters that have a meaning in Slack."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _address(webhook: str) -> str:
    """Return the address; `$NAME` is read from the environment, so that no file contains it."""
    webhook = secret(webhook, where="alerts.webhook", base=Path())
    remember(webhook)
    require_web_address(webhook)
    return webhook
