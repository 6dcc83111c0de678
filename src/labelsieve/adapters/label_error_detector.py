"""`LabelErrorDetector`: `labelsieve.find` as a scikit-learn estimator.

A label can only be judged together with the data that it belongs to, so there is no `predict` for new examples. `fit`
judges the labels of its data, and `fit_predict` returns the verdicts in the convention of scikit-learn's outlier
detectors (1 fine, -1 wrong). Put it last in a `Pipeline` and call the pipeline's `fit_predict(X, y)`, or read the
attributes after `fit`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from labelsieve.core.arguments import require_one_order
from labelsieve.core.dataset import Dataset
from labelsieve.core.errors import UserError
from labelsieve.core.plain_values import plain_array
from labelsieve.data.frames import row_names
from labelsieve.data.labels import is_missing
from labelsieve.pipeline import find

try:
    from sklearn.base import BaseEstimator
    from sklearn.utils import check_random_state
    from sklearn.utils.multiclass import check_classification_targets
    from sklearn.utils.validation import validate_data
except ImportError as error:
    raise UserError(
        f"LabelErrorDetector needs scikit-learn 1.6 or newer ({error}); pip install 'labelsieve[sklearn]'"
    ) from error


class LabelErrorDetector(BaseEstimator):
    """Finds the wrong labels in y.

    Args:
        detectors: names from `labelsieve.detectors.DETECTORS`, or a dict of name -> settings; None uses all.
        random_state: seed of folds, panel and neighbours. An int is the `seed` of `labelsieve.find`; None is its
            default seed, so that the same data give the same findings; a `RandomState` draws a new seed in each fit.

    Attributes:
        classes_: (K,) the sorted class labels, in the dtype of y.
        p_wrong_: (n,) float64 in [0, 1], the estimated probability that the given label is wrong.
        suggested_: (n,) the likely label, in the dtype of y; the given label where it seems right.
        flagged_: (n,) bool, the labels flagged as wrong.
        findings_: the whole `labelsieve.Findings`: ranks, a score per detector, the estimated number of wrong labels.
        n_features_in_: number of features; `feature_names_in_` too if X is a frame with text as column names.

    >>> X = np.r_[np.random.default_rng(0).normal(-4, 1, (40, 2)), np.random.default_rng(1).normal(4, 1, (40, 2))]
    >>> y = np.repeat(["cat", "dog"], 40)
    >>> y[7] = "dog"
    >>> detector = LabelErrorDetector().fit(X, y)
    >>> np.flatnonzero(detector.flagged_), str(detector.suggested_[7])
    (array([7]), 'cat')
    """

    def __init__(
        self, detectors: Sequence[str] | Mapping[str, Mapping[str, Any]] | None = None, random_state: Any = None
    ):
        self.detectors = detectors
        self.random_state = random_state

    def fit(self, X: Any, y: Any) -> LabelErrorDetector:
        """Judge the labels.

        Args:
            X: (n, d) features, finite.
            y: (n,) given labels, of at least two classes.

        Raises:
            ValueError: X or y cannot be used, or a detector is unknown; the message says why.
        """
        index = row_names(X)
        X, y = validate_data(self, *checked_inputs(X, y), dtype=[np.float64, np.float32])
        check_classification_targets(y)
        self.classes_, codes = np.unique(y, return_inverse=True)
        ids = np.arange(len(y)).astype(str).astype(object) if index is None else index
        names = tuple(str(label) for label in self.classes_.tolist())
        data = Dataset(ids, codes.astype(np.int64), names, X, "features", "y")
        self.findings_ = find(data, detectors=self.detectors, seed=seed_of(self.random_state), progress=False)
        self.p_wrong_ = self.findings_.p_wrong
        self.suggested_ = self.classes_[self.findings_.suggested]
        self.flagged_ = self.findings_.flagged
        return self

    def fit_predict(self, X: Any, y: Any) -> np.ndarray:
        """`fit`, then (n,) int64: -1 where the label is flagged as wrong, 1 elsewhere."""
        return np.where(self.fit(X, y).flagged_, -1, 1)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        return tags


def checked_inputs(X: Any, y: Any) -> tuple[Any, Any]:
    """X and y, ready for scikit-learn's checks: tensors as arrays, lazy frames collected.

    Raises:
        UserError: X is None, a label is missing, or the indexes of X and y have different orders.
    """
    if X is None:
        raise UserError("X is None; pass the features, (n, d).")
    require_one_order(X, y, "X", "y")
    X, y = collect_lazy(X), collect_lazy(y)
    X, y = (plain_array(value, name) if hasattr(value, "detach") else value for name, value in (("X", X), ("y", y)))
    kind = getattr(getattr(y, "dtype", None), "kind", "O")
    if y is None or not hasattr(y, "__len__") or kind not in "O":
        return X, y
    gaps = [row for row, value in enumerate(y) if is_missing(value)]
    if gaps:
        raise UserError(
            f"y has no label in {len(gaps)} of its {len(y)} rows, the first is row {gaps[0]} (from 0); "
            "leave those rows out of X and y."
        )
    return X, y


def collect_lazy(values: Any) -> Any:
    """The rows of a Polars LazyFrame, which are not computed yet; other values unchanged."""
    return values.collect() if type(values).__name__ == "LazyFrame" and hasattr(values, "collect") else values


def seed_of(random_state: Any) -> int:
    if random_state is None:
        return 0
    if isinstance(random_state, (int, np.integer)):
        return int(random_state)
    return int(check_random_state(random_state).randint(2**31 - 1))
