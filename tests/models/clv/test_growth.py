from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from models import PeerGrowth
from models.base.inputs import ModelInputError
from models.clv.growth import surviving_pairs
from models.survival.peer_survival import DAYS_PER_MONTH


def pairs(n: int, net: float, seed: int = 0, group: str = "large") -> pd.DataFrame:
    """Account-months in which a few accounts buy 20 % more, so that MRR grows by `net`."""
    rng = np.random.default_rng(seed)
    before = rng.uniform(50, 150, n)
    grows = rng.random(n) < net / 0.2
    return pd.DataFrame(
        {
            "account_id": np.arange(n) % (n // 10),
            "group": group,
            "mrr_before": before,
            "mrr_after": before * np.where(grows, 1.2, 1.0),
            "days_between": DAYS_PER_MONTH,
        }
    )


def fit(frame: pd.DataFrame, **options: float) -> PeerGrowth:
    return PeerGrowth(**options).fit(
        frame["mrr_before"],
        frame["mrr_after"],
        frame["days_between"],
        groups=frame["group"],
        accounts=frame["account_id"],
    )


def test_growth_of_a_large_group_is_found() -> None:
    model = fit(pairs(40_000, 0.01))
    assert model.rates_.loc["large", "net"] == pytest.approx(0.01, rel=0.1)
    index = model.index(["large"], [1, 12])
    assert index.shape == (1, 2)
    assert index[0, 1] == pytest.approx(index[0, 0] ** 12)
    assert model.rates_.loc["large", "contraction"] == 0


def test_a_small_group_is_drawn_to_all() -> None:
    frame = pd.concat([pairs(20_000, 0.01), pairs(40, 0.2, group="tiny")])
    model = fit(frame)
    pooled, tiny = model.rates_.loc["", "net"], model.rates_.loc["tiny", "net"]
    assert pooled < tiny < 0.03
    assert fit(frame, prior_months=1.0).rates_.loc["tiny", "net"] > 0.15
    assert model.index(["new group"], [12])[0, 0] == pytest.approx((1 + pooled) ** 12)
    assert model.net_sd(["tiny"])[0] > 0


def test_contraction_lowers_the_path() -> None:
    frame = pairs(20_000, 0.01)
    frame = frame.assign(mrr_before=frame["mrr_after"], mrr_after=frame["mrr_before"])
    assert fit(frame).index(["large"], [24])[0, 0] < 0.92


def test_growth_is_not_extrapolated_beyond_a_year() -> None:
    found = fit(pairs(4000, 0.09)).index(["large"], [6.0, 12.0, 36.0])[0]
    assert found[1] == pytest.approx(found[0] ** 2)
    assert found[2] == found[1]


def test_who_left_is_no_contraction() -> None:
    days = pd.to_datetime(["2025-01-05", "2025-02-02", "2025-03-02"])
    history = pd.DataFrame(
        {
            "account_id": ["A", "A", "A", "B"],
            "as_of": [*days, days[0]],
            "mrr": [100.0, 110.0, 99.0, 50.0],
            "group": "g",
        }
    )
    found = surviving_pairs(history)
    assert found["account_id"].tolist() == ["A", "A"]
    assert found["mrr_after"].tolist() == [110.0, 99.0]
    assert found["days_between"].tolist() == [28.0, 28.0]
    with pytest.raises(ModelInputError, match="1 pairs"):
        PeerGrowth().fit([10.0], [0.0], [28.0])


def test_shrunk_growth_keeps_a_share_and_the_model_itself() -> None:
    model = fit(pairs(40_000, 0.01))
    half = model.shrunk(0.5)
    assert half.net(["large"])[0] == pytest.approx(model.net(["large"])[0] / 2)
    assert half.account_sd(["large"])[0] == model.account_sd(["large"])[0] > 0
    assert half.share_ == 0.5
    assert model.share_ == 1.0
    assert model.shrunk(0.0).index(["large"], [6.0])[0, 0] == 1.0
    with pytest.raises(ModelInputError):
        model.shrunk(1.5)
