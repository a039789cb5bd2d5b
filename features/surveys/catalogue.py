"""The features of surveys: their names, windows and sentences."""

from __future__ import annotations

from features.definitions.feature import FeatureFamily

_NO_NPS = "no NPS answer in 180 days"
_NO_CSAT = "no satisfaction answer (CSAT) in 180 days"
_NO_CES = "no answer on ease (CES) in 180 days"


#: An interval of the account's own answers, which the adjusted share may be outside of.
_OWN_ANSWERS = (
    ("low", "at least"),
    ("high", "at most"),
)
_SURVEYS = FeatureFamily(name="surveys", table="surveys", prefix="surveys_")

_NPS = (
    _SURVEYS.feature(
        name="nps_latest",
        unit="points",
        sentence="Latest NPS answer: {value} of 10",
        zero_means="the latest NPS answer is 0 of 10",
        window_days=365,
        null_means="no NPS answer in a year",
    ),
    _SURVEYS.feature(
        name="nps_180d",
        unit="points",
        sentence="NPS over 180 days: {value} (from −100 to 100)",
        zero_means="NPS over 180 days: 0, as many promoters as detractors",
        window_days=180,
        null_means=_NO_NPS,
    ),
    _SURVEYS.feature(
        name="nps_shrunk_180d",
        unit="points",
        sentence="NPS over 180 days, adjusted for few answers: {value} (from −100 to 100)",
        zero_means="NPS over 180 days, adjusted for few answers: 0",
        window_days=180,
        null_means=_NO_NPS,
    ),
    *(
        _SURVEYS.feature(
            name=f"nps_{end}_180d",
            unit="points",
            sentence=f"With 95 % confidence, NPS is {words} {{value}} (from −100 to 100)",
            zero_means=f"with 95 % confidence, NPS is {words} 0",
            window_days=180,
            null_means=_NO_NPS,
        )
        for end, words in (("low", "at least"), ("high", "at most"))
    ),
    _SURVEYS.feature(
        name="nps_trend_180d",
        unit="points",
        sentence="Change in NPS from the previous half-year: {value}",
        zero_means="NPS is the same as in the previous half-year",
        window_days=360,
        null_means="insufficient history: no NPS answer in 180 days or in the 180 before",
    ),
    _SURVEYS.feature(
        name="detractors_180d",
        unit="count",
        sentence="Detractors (people whose latest NPS answer is 0 to 6 of 10): {value}",
        zero_means="no detractor in 180 days",
        window_days=180,
        direction=-1,
        null_means=_NO_NPS,
    ),
    _SURVEYS.feature(
        name="deciding_detractors_180d",
        unit="count",
        sentence="Detractors who decide on the contract: {value}",
        zero_means="nobody who decides on the contract is a detractor",
        window_days=180,
        direction=-1,
        null_means="nobody in a deciding role answered in 180 days, or roles are not recorded",
    ),
)
_CSAT = (
    _SURVEYS.feature(
        name="csat_latest",
        unit="points",
        sentence="Latest satisfaction answer (CSAT): {value} of 5",
        zero_means="the latest satisfaction answer (CSAT) is 0 of 5",
        window_days=365,
        null_means="no satisfaction answer (CSAT) in a year",
    ),
    _SURVEYS.feature(
        name="csat_180d",
        unit="share",
        sentence="{value} of CSAT answers in the last 180 days were satisfied",
        zero_means="no CSAT answer in the last 180 days was satisfied",
        window_days=180,
        null_means=_NO_CSAT,
    ),
    _SURVEYS.feature(
        name="csat_shrunk_180d",
        unit="share",
        sentence="{value} satisfied (CSAT) in the last 180 days, adjusted for few answers",
        zero_means="nobody satisfied (CSAT) in the last 180 days, adjusted for few answers",
        window_days=180,
        null_means=_NO_CSAT,
    ),
    *(
        _SURVEYS.feature(
            name=f"csat_{end}_180d",
            unit="share",
            sentence=f"From its own answers alone, {words} {{value}} are satisfied (CSAT, 95 %)",
            zero_means=f"from its own answers alone, {words} 0 % are satisfied (CSAT, 95 %)",
            window_days=180,
            null_means=_NO_CSAT,
        )
        for end, words in _OWN_ANSWERS
    ),
    _SURVEYS.feature(
        name="csat_trend_180d",
        unit="share",
        sentence="Change in the satisfied share (CSAT) from the previous half-year: {value}",
        zero_means="the satisfied share (CSAT) is the same as in the previous half-year",
        window_days=360,
        null_means="insufficient history: no CSAT answer in 180 days or in the 180 before",
    ),
)
_CES = (
    _SURVEYS.feature(
        name="ces_latest",
        unit="points",
        sentence="Latest answer on ease (CES): {value} of 7",
        zero_means="the latest answer on ease (CES) is 0 of 7",
        window_days=365,
        null_means="no answer on ease (CES) in a year",
    ),
    _SURVEYS.feature(
        name="ces_180d",
        unit="points",
        sentence="Ease of working with us (CES) over 180 days: {value} of 7",
        zero_means="ease of working with us (CES) over 180 days: 0 of 7",
        window_days=180,
        null_means=_NO_CES,
    ),
    _SURVEYS.feature(
        name="net_easy_180d",
        unit="points",
        sentence="Net easy over 180 days: {value} (from −100 to 100)",
        zero_means="net easy over 180 days: 0, as many found it easy as hard",
        window_days=180,
        null_means=_NO_CES,
    ),
    _SURVEYS.feature(
        name="easy_shrunk_180d",
        unit="share",
        sentence="{value} found it easy (CES) in the last 180 days, adjusted for few answers",
        zero_means="nobody found it easy (CES) in the last 180 days, adjusted for few answers",
        window_days=180,
        null_means=_NO_CES,
    ),
    *(
        _SURVEYS.feature(
            name=f"easy_{end}_180d",
            unit="share",
            sentence=f"From its own answers alone, {words} {{value}} find it easy (CES, 95 %)",
            zero_means=f"from its own answers alone, {words} 0 % find it easy (CES, 95 %)",
            window_days=180,
            null_means=_NO_CES,
        )
        for end, words in _OWN_ANSWERS
    ),
    _SURVEYS.feature(
        name="ces_trend_180d",
        unit="points",
        sentence="Change in ease (CES, of 7) from the previous half-year: {value}",
        zero_means="ease (CES) is the same as in the previous half-year",
        window_days=360,
        null_means="insufficient history: no answer on ease (CES) in 180 days or in the 180 before",
    ),
)
_ANSWERING = (
    _SURVEYS.feature(
        name="days_since_answer",
        unit="days",
        sentence="Days since the last survey answer: {value}",
        zero_means="answered a survey on the day before",
        direction=-1,
        null_means="nobody has ever answered a survey",
    ),
    _SURVEYS.feature(
        name="response_rate_180d",
        unit="share",
        sentence="{value} of surveys sent in the last 180 days were answered",
        zero_means="no survey sent in the last 180 days was answered",
        window_days=180,
        null_means="no survey was sent in 180 days",
    ),
    _SURVEYS.feature(
        name="expectation_gap_180d",
        unit="points",
        sentence="Experience compared with expectation, on a scale of ten: {value}",
        zero_means="experience matches expectation",
        window_days=180,
        null_means="expectation was not asked about in 180 days",
    ),
    _SURVEYS.feature(
        name="negative_90d",
        unit="count",
        sentence="Bad answers and ratings in the last 90 days: {value} (2 means 2 or more)",
        zero_means="no bad answer or rating in the last 90 days",
        window_days=90,
        direction=-1,
        null_means="neither surveys nor ratings are recorded",
    ),
)

FEATURES = (*_NPS, *_CSAT, *_CES, *_ANSWERING)
