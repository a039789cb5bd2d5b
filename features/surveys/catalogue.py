"""What the features of surveys say of themselves."""

from __future__ import annotations

from features.definitions.feature import Feature, Unit

_NO_NPS = "no NPS answer in 180 days"
_NO_CSAT = "no satisfaction answer (CSAT) in 180 days"
_NO_CES = "no answer on ease (CES) in 180 days"


def _survey(
    name: str,
    window: int | None,
    unit: Unit,
    direction: int,
    sentence: str,
    zero: str,
    *,
    null: str,
) -> Feature:
    return Feature(
        f"surveys_{name}", "surveys", "surveys", window, unit, direction, null, zero, sentence
    )


_NPS = (
    _survey(
        "nps_latest",
        365,
        "points",
        1,
        "The latest answer to whether they would recommend us: {value} of 10",
        "the latest answer to whether they would recommend us is 0 of 10",
        null="no answer in a year to whether they would recommend us (NPS)",
    ),
    _survey(
        "nps_180d",
        180,
        "points",
        1,
        "NPS over 180 days: {value} (from −100 to 100)",
        "NPS over 180 days: 0, as many promoters as detractors",
        null=_NO_NPS,
    ),
    _survey(
        "nps_shrunk_180d",
        180,
        "points",
        1,
        "NPS over 180 days, few answers drawn towards their peers: {value} (from −100 to 100)",
        "NPS over 180 days, few answers drawn towards their peers: 0",
        null=_NO_NPS,
    ),
    *(
        _survey(
            f"nps_{end}_180d",
            180,
            "points",
            1,
            f"NPS is {words} {{value}} with 95 % certainty (from −100 to 100)",
            f"NPS is {words} 0 with 95 % certainty",
            null=_NO_NPS,
        )
        for end, words in (("low", "at least"), ("high", "at most"))
    ),
    _survey(
        "nps_trend_180d",
        360,
        "points",
        1,
        "Change of NPS against the half-year before: {value}",
        "NPS is the same as in the half-year before",
        null="insufficient history: no NPS answer in 180 days or in the 180 before",
    ),
    _survey(
        "detractors_180d",
        180,
        "count",
        -1,
        "People whose latest answer would not recommend us (0 to 6 of 10): {value}",
        "nobody's latest answer speaks against recommending us",
        null=_NO_NPS,
    ),
    _survey(
        "deciding_detractors_180d",
        180,
        "count",
        -1,
        "People who decide on the contract and would not recommend us: {value}",
        "nobody who decides on the contract speaks against recommending us",
        null="nobody in a deciding role answered in 180 days, or roles are not recorded",
    ),
)
_CSAT = (
    _survey(
        "csat_latest",
        365,
        "points",
        1,
        "The latest satisfaction answer (CSAT): {value} of 5",
        "the latest satisfaction answer (CSAT) is 0 of 5",
        null="no satisfaction answer (CSAT) in a year",
    ),
    _survey(
        "csat_180d",
        180,
        "share",
        1,
        "{value} of the satisfaction answers (CSAT) in 180 days were satisfied",
        "none of the satisfaction answers (CSAT) in 180 days was satisfied",
        null=_NO_CSAT,
    ),
    _survey(
        "csat_shrunk_180d",
        180,
        "share",
        1,
        "{value} satisfied (CSAT) in 180 days, few answers drawn towards their peers",
        "nobody satisfied (CSAT) in 180 days, peers included",
        null=_NO_CSAT,
    ),
    *(
        _survey(
            f"csat_{end}_180d",
            180,
            "share",
            1,
            f"By its own answers alone, {words} {{value}} are satisfied (CSAT) with 95 % certainty",
            f"by its own answers alone, {words} 0 % are satisfied (CSAT) with 95 % certainty",
            null=_NO_CSAT,
        )
        for end, words in (("low", "at least"), ("high", "at most"))
    ),
    _survey(
        "csat_trend_180d",
        360,
        "share",
        1,
        "Change of the satisfied share (CSAT) against the half-year before: {value}",
        "the satisfied share (CSAT) is the same as in the half-year before",
        null="insufficient history: no satisfaction answer (CSAT) in 180 days or in the 180 before",
    ),
)
_CES = (
    _survey(
        "ces_latest",
        365,
        "points",
        1,
        "The latest answer on ease (CES): {value} of 7",
        "the latest answer on ease (CES) is 0 of 7",
        null="no answer on ease (CES) in a year",
    ),
    _survey(
        "ces_180d",
        180,
        "points",
        1,
        "Ease of working with us (CES) over 180 days: {value} of 7",
        "ease of working with us (CES) over 180 days: 0 of 7",
        null=_NO_CES,
    ),
    _survey(
        "net_easy_180d",
        180,
        "points",
        1,
        "Net easy over 180 days: {value} (from −100 to 100)",
        "net easy over 180 days: 0, as many found it easy as hard",
        null=_NO_CES,
    ),
    _survey(
        "easy_shrunk_180d",
        180,
        "share",
        1,
        "{value} found it easy (CES) in 180 days, few answers drawn towards their peers",
        "nobody found it easy (CES) in 180 days, peers included",
        null=_NO_CES,
    ),
    *(
        _survey(
            f"easy_{end}_180d",
            180,
            "share",
            1,
            f"By its own answers alone, {words} {{value}} find it easy (CES) with 95 % certainty",
            f"by its own answers alone, {words} 0 % find it easy (CES) with 95 % certainty",
            null=_NO_CES,
        )
        for end, words in (("low", "at least"), ("high", "at most"))
    ),
    _survey(
        "ces_trend_180d",
        360,
        "points",
        1,
        "Change of ease (CES, of 7) against the half-year before: {value}",
        "ease (CES) is the same as in the half-year before",
        null="insufficient history: no answer on ease (CES) in 180 days or in the 180 before",
    ),
)
_ANSWERING = (
    _survey(
        "days_since_answer",
        None,
        "days",
        -1,
        "Days without an answer to a survey: {value}",
        "answered a survey on the day before",
        null="nobody has ever answered a survey",
    ),
    _survey(
        "response_rate_180d",
        180,
        "share",
        1,
        "{value} of the surveys sent in 180 days were answered",
        "none of the surveys sent in 180 days was answered",
        null="no survey was sent in 180 days",
    ),
    _survey(
        "expectation_gap_180d",
        180,
        "points",
        1,
        "Experience less expectation, in points of ten: {value}",
        "experience is what was expected",
        null="what was expected was not asked in 180 days",
    ),
    _survey(
        "negative_90d",
        90,
        "count",
        -1,
        "Bad answers and ratings in 90 days: {value} (2 stands for more, too)",
        "no bad answer or rating in 90 days",
        null="neither surveys nor ratings are recorded",
    ),
)

FEATURES = (*_NPS, *_CSAT, *_CES, *_ANSWERING)
