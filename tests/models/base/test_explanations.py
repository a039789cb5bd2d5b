from __future__ import annotations

import numpy as np
import pandas as pd

from models.base.explanations import by_family, by_feature


def parts() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "logins": [0.5, -1.0],
            "seats": [0.1, 0.2],
            "tickets": [0.0, 0.3],
            "logins & tickets": [0.2, -0.4],
            "baseline": [-2.0, -2.0],
        }
    )


def test_a_pair_gives_half_to_each_of_its_features() -> None:
    shared = by_feature(parts())
    assert list(shared.columns) == ["logins", "seats", "tickets", "baseline"]
    assert shared["logins"].tolist() == [0.6, -1.2]
    np.testing.assert_allclose(shared["tickets"], [0.1, 0.1])
    np.testing.assert_allclose(shared.sum(axis=1), parts().sum(axis=1))


def test_families_add_up_to_the_same_log_odds() -> None:
    grouped = by_family(parts(), {"logins": "usage", "seats": "usage", "tickets": "tickets"})
    assert list(grouped.columns) == ["usage", "tickets", "baseline"]
    np.testing.assert_allclose(grouped["usage"], [0.7, -1.0])
    np.testing.assert_allclose(grouped.sum(axis=1), parts().sum(axis=1))
    assert "seats" in by_family(parts(), {"logins": "usage"}).columns
