from __future__ import annotations

import numpy as np
import pandas as pd

from models.base.explanations import by_feature


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
