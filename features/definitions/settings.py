"""Settings of the features; each has a default."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from features.definitions.requests import DEFAULT_REQUESTS, RequestPhrases
from features.definitions.stages import DEFAULT_STAGES, StageRules
from features.definitions.text_models import TextModels

PositiveInt = Annotated[int, Field(gt=0)]


class FirstValue(BaseModel):
    """When an account has received value for the first time.

    Attributes
    ----------
    events : tuple of str
        Events that count; if empty, every event does.
    times : int
        First value is reached after this many uses (the sum of their quantity).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    events: tuple[str, ...] = ()
    times: PositiveInt = 1


class Milestone(BaseModel):
    """A step of adoption: an event used this many times since the start.

    Attributes
    ----------
    event : str or None
        The event; if absent, every event counts.
    times : int
        Number of uses (the sum of their quantity) that reach it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    event: str | None = None
    times: PositiveInt = 1


class FeatureSettings(BaseModel):
    """Settings of the feature families.

    Attributes
    ----------
    peer_group : str
        The account attribute that defines peers; without it, all accounts are peers.
    grace_days : int
        A shorter pause in paying is not churn.
    deciding_roles : tuple of str
        Roles of survey respondents who decide on the contract; case is ignored.
    first_value : FirstValue
        What counts as the first value.
    milestones : tuple of Milestone
        The steps; by default the 1st, 10th, 100th and 1,000th use.
    active_order_days : int
        Without subscriptions, an account is active for this many days after an order.
    stages : StageRules
        The rules that name the lifecycle stage.
    requests : tuple of (str, RequestPhrases)
        Languages with their phrases of requests.
    request_labels : RequestPhrases
        Reason codes of tickets and answers that are requests.
    text_models : TextModels or None
        What reads sentiment and themes; without it, these features are NaN.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)

    peer_group: str = "segment"
    grace_days: PositiveInt = 30
    deciding_roles: tuple[str, ...] = (
        "admin",
        "buyer",
        "champion",
        "decision maker",
        "economic buyer",
        "executive",
        "owner",
        "sponsor",
    )
    first_value: FirstValue = FirstValue()
    milestones: tuple[Milestone, ...] = tuple(Milestone(times=n) for n in (1, 10, 100, 1_000))
    active_order_days: PositiveInt = 365
    stages: StageRules = DEFAULT_STAGES
    requests: tuple[tuple[str, RequestPhrases], ...] = tuple(DEFAULT_REQUESTS.items())
    request_labels: RequestPhrases = RequestPhrases()
    text_models: TextModels | None = None


DEFAULT_SETTINGS = FeatureSettings()
