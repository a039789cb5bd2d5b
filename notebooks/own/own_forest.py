"""An estimator of one's own: any classifier with scikit-learn's contract."""

from __future__ import annotations

from sklearn.ensemble import RandomForestClassifier


class Forest(RandomForestClassifier):
    """A random forest that is slow to believe: large leaves, many trees."""

    def __init__(self, n_estimators: int = 100, min_samples_leaf: int = 20, random_state: int = 0):
        super().__init__(
            n_estimators=n_estimators, min_samples_leaf=min_samples_leaf, random_state=random_state
        )
