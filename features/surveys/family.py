"""Surveys: NPS, satisfaction (CSAT), ease (CES) and response rate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.definitions.metrics import Z_95, nps_standard_error, wilson_interval
from features.definitions.settings import DEFAULT_SETTINGS, FeatureSettings
from features.surveys.answers import KINDS, Answers, load_surveys
from features.surveys.catalogue import FEATURES
from features.surveys.shrinkage import Answered, Groups, Prior
from features.tables.opened import Tables
from features.windows.day_rows import Numbers
from features.windows.fleet import FleetColumns
from features.windows.observation_dates import DateFeatures, ObservationDates, OneDate
from features.windows.table_columns import some

__all__ = ["FEATURES", "prepare"]

_BADLY_RATED = "tickets_badly_rated_90d"


def prepare(
    tables: Tables, dates: ObservationDates, *, settings: FeatureSettings = DEFAULT_SETTINGS
) -> DateFeatures:
    """Return a function that computes the survey features of each account on a date.

    It needs the bad ratings of tickets (tickets_badly_rated_90d).

    Parameters
    ----------
    tables : Tables
        Without surveys every feature but surveys_negative_90d is NaN.
    dates : ObservationDates
        The observations may have the attribute that defines peer groups.
    settings : FeatureSettings
        Peer group and deciding roles.

    Raises
    ------
    HealthError
        An answer is on an unknown scale.
    """
    if not tables.has("surveys"):
        return lambda date: {"surveys_negative_90d": np.minimum(date.feature(_BADLY_RATED), 2.0)}
    deciding = tuple(role.lower() for role in settings.deciding_roles)
    answers = Answers(load_surveys(tables, dates.observations, dates.accounts, deciding=deciding))
    groups = _peers(dates.observations, settings.peer_group)

    def of_answers(date: OneDate) -> dict[str, Numbers | SharesOfFew]:
        counts = date.broadcast(answers.as_of(date.as_of))
        peers = Groups(groups.group[date.rows], groups.names)
        out = _answering(counts) | _nps(counts) | _csat(counts) | _ces(counts)
        for kind in KINDS:
            out[f"surveys_{kind}_latest"] = counts[f"{kind}_latest"]
        out["surveys_detractors_180d"] = counts["detractors"]
        out["surveys_deciding_detractors_180d"] = counts["deciding_detractors"]
        bad = np.nan_to_num(counts["bad"]) + np.nan_to_num(date.feature(_BADLY_RATED))
        # A third bad experience adds nothing.
        out["surveys_negative_90d"] = np.minimum(bad, 2.0)
        return out | {f"{kind} shrunk": _shrunk(counts, kind, peers) for kind in KINDS}

    return of_answers


def _peers(observations: pd.DataFrame, peer_group: str) -> Groups:
    """Return each account's peer group; none where the attribute is missing."""
    if peer_group not in observations:
        return Groups(np.full(len(observations), -1), ())
    group, names = pd.factorize(observations[peer_group])
    return Groups(np.asarray(group, dtype=np.int64), tuple(names))


def _answering(counts: Mapping[str, Numbers]) -> dict[str, Numbers]:
    return {
        # The day before is 0, whatever its hour.
        "surveys_days_since_answer": np.ceil(counts["days_since"]) - 1,
        "surveys_response_rate_180d": counts["answered"] / some(counts["sent"]),
        "surveys_expectation_gap_180d": counts["gap"],
    }


def _nps(counts: Mapping[str, Numbers]) -> dict[str, Numbers]:
    now, before = (
        100 * (counts[f"nps_good_{w}"] - counts[f"nps_bad_{w}"]) / some(counts[f"nps_{w}"])
        for w in ("now", "before")
    )
    return {"surveys_nps_180d": now, "surveys_nps_trend_180d": now - before}


def _csat(counts: Mapping[str, Numbers]) -> dict[str, Numbers]:
    now, before = (counts[f"csat_good_{w}"] / some(counts[f"csat_{w}"]) for w in ("now", "before"))
    ends = wilson_interval(counts["csat_good_now"], counts["csat_now"])
    return {
        "surveys_csat_180d": now,
        "surveys_csat_low_180d": ends.low,
        "surveys_csat_high_180d": ends.high,
        "surveys_csat_trend_180d": now - before,
    }


def _ces(counts: Mapping[str, Numbers]) -> dict[str, Numbers]:
    good, bad, answers = (counts[f"ces{what}_now"] for what in ("_good", "_bad", ""))
    ends = wilson_interval(good, answers)
    return {
        "surveys_ces_180d": counts["ces_points_now"],
        "surveys_net_easy_180d": 100 * (good - bad) / some(answers),
        "surveys_easy_low_180d": ends.low,
        "surveys_easy_high_180d": ends.high,
        "surveys_ces_trend_180d": counts["ces_points_now"] - counts["ces_points_before"],
    }


def _shrunk(counts: Mapping[str, Numbers], kind: str, peers: Groups) -> SharesOfFew:
    good, bad, answers = (counts[f"{kind}{what}_now"] for what in ("_good", "_bad", ""))
    result = [good, bad, answers - good - bad] if kind == "nps" else [good, answers - good]
    return SharesOfFew(kind, np.stack(result), peers)


@dataclass(frozen=True)
class SharesOfFew(FleetColumns[Answered, Prior]):
    """Shares of good answers, and the NPS with its range, shrunk towards the peers'.

    Attributes
    ----------
    kind : str
        One of `KINDS`.
    counts : array of float, shape = (n_categories, n_accounts)
        Good, (for NPS) bad and other answers.
    groups : Groups
        The peer group of each account.
    """

    kind: str
    counts: npt.NDArray[np.float64]
    groups: Groups

    def share(self) -> Answered:
        """Return the answers of the accounts that gave any."""
        return Answered.of(self.counts, self.groups)

    @staticmethod
    def pooled(shares: Sequence[Answered]) -> Prior:
        """Return the prior estimated from all answers."""
        return Prior.of(shares)

    def columns(self, statistic: Prior) -> dict[str, Numbers]:
        """Return the shrunk metric of each account, NaN without an answer."""
        found = statistic.shrunk(self.counts, self.groups)
        if self.kind != "nps":
            name = {"csat": "csat", "ces": "easy"}[self.kind]
            return {f"surveys_{name}_shrunk_180d": found.shares[0]}
        good, bad, _ = found.shares
        shrunk = 100 * (good - bad)
        # The standard error of the posterior: never 0, as it would be after a single answer.
        reach = 100 * Z_95 * nps_standard_error(good, bad, found.weight + 1)
        if not found.has_peers:
            # With one more answer of each kind, too: two people of one mind do not prove that all
            # are.
            for counts in (self.counts, self.counts + (self.counts.sum(axis=0) > 0)):
                answers = some(counts.sum(axis=0))
                own_good, own_bad, _ = counts / answers
                own = nps_standard_error(own_good, own_bad, answers)
                reach = np.fmax(reach, 100 * Z_95 * own)
        return {
            "surveys_nps_shrunk_180d": shrunk,
            "surveys_nps_low_180d": np.maximum(shrunk - reach, -100),
            "surveys_nps_high_180d": np.minimum(shrunk + reach, 100),
        }
