"""Everything that decides a health score, in one object with a hash."""

from __future__ import annotations

import hashlib
import json
from typing import Literal

from health.settings.scorecard import Scorecard
from health.settings.section import Section
from health.settings.stages import DEFAULT_STAGE_CONFIG, StageConfig

PeerGroup = Literal["segment", "industry", "region"]


class ScoreSettings(Section):
    """Everything that turns features into health scores; stored with each run so it can be reused.

    Attributes
    ----------
    scorecard : Scorecard
        Measures, rules, bands, profiles.
    stages : StageConfig
        Rules of the lifecycle stages that profiles refer to.
    peer_group : str
        Attribute whose groups percentiles are computed in.
    """

    scorecard: Scorecard = Scorecard()
    stages: StageConfig = DEFAULT_STAGE_CONFIG
    peer_group: PeerGroup = "segment"

    @property
    def hash(self) -> str:
        """Hash of all of it; every published score carries it as `scorecard_hash`."""
        text = json.dumps(self.model_dump(mode="json"), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @property
    def features(self) -> tuple[str, ...]:
        """Every feature that a score needs."""
        card = self.scorecard
        rules = [rule for one in card.cards for rule in one.rules]
        asked = [c for rule in rules for c in rule.when]
        asked += [c for profile in card.profiles for c in profile.when]
        if any(profile.stage for profile in card.profiles):
            asked += [c for rule in self.stages.rules for c in rule.when]
        return tuple(dict.fromkeys([*card.measures, *(c.feature for c in asked)]))

    @property
    def columns(self) -> tuple[str, ...]:
        """Every feature and attribute that a score needs."""
        return tuple(dict.fromkeys([*self.features, self.peer_group, "segment"]))
