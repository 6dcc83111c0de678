"""`CleanedClassifier`: a scikit-learn classifier that is fitted without doubted labels, or with less weight on them.

Out-of-fold probabilities judge the labels: those of the wrapped classifier itself, or of the panel of
`labelsieve.find`. In other libraries the idea is called "learning with cleaned labels" (Northcutt et al., "Confident
learning", JAIR 2021, section 4.4).
"""

from __future__ import annotations

import warnings
from collections.abc import Sized
from typing import Any, cast

import numpy as np

from labelsieve.core.dataset import Dataset
from labelsieve.core.errors import UserError
from labelsieve.data.frames import row_names
from labelsieve.pipeline import find

try:
    from sklearn.base import BaseEstimator, ClassifierMixin, MetaEstimatorMixin, clone, is_classifier
    from sklearn.model_selection import StratifiedKFold, check_cv, cross_val_predict
    from sklearn.utils import _safe_indexing, get_tags, indexable
    from sklearn.utils.metaestimators import available_if
    from sklearn.utils.multiclass import check_classification_targets
    from sklearn.utils.validation import _num_samples, check_is_fitted, column_or_1d, has_fit_parameter
except ImportError as error:
    raise UserError(
        f"CleanedClassifier needs scikit-learn 1.6 or newer ({error}); pip install 'labelsieve[sklearn]'"
    ) from error

from labelsieve.adapters.label_error_detector import checked_inputs, seed_of  # after the error about a missing package

DOUBTED = ("drop", "weight")
JUDGES = ("estimator", "panel")


def _has_method(method: str):
    """A check whether the wrapped classifier (the fitted one after `fit`) has the method."""

    def check(self: CleanedClassifier) -> bool:
        getattr(getattr(self, "estimator_", self.estimator), method)
        return True

    return check


class CleanedClassifier(MetaEstimatorMixin, ClassifierMixin, BaseEstimator):
    """A classifier that is fitted on the labels that can be trusted.

    `fit` judges y first, then fits a clone of `estimator`. It works in a `Pipeline` and in a `GridSearchCV`, where the
    labels of each training split are judged separately; scores are measured on the given labels.

    Args:
        estimator: any classifier. With `judge="estimator"` it needs `predict_proba`.
        doubted: "drop" leaves doubted labels out; "weight" keeps them with the weight 1 - p_wrong. For that the `fit`
            of the estimator must accept `sample_weight`.
        threshold: labels with p_wrong above it are doubted; between 0 and 1.
        judge: "estimator" uses out-of-fold probabilities of clones of the estimator; "panel" uses `labelsieve.find` on
            X, which must hold features. Use the panel if the estimator's probabilities are all near 0 and 1, as those
            of a single tree.
        cv: with `judge="estimator"`, the number of folds, or a splitter; an int means stratified, shuffled folds.
        random_state: seed of folds and panel, as in `LabelErrorDetector`; the estimator keeps its own seed.

    Attributes:
        estimator_: the fitted clone.
        classes_: (K,) the sorted class labels, in the dtype of y.
        p_wrong_: (n,) float64 in [0, 1], the estimated probability that each label of y is wrong.
        doubted_: (n,) bool, the labels that were dropped or weigh less. If all labels of a class are doubted, the one
            with the lowest p_wrong is kept, so that no class is lost.
        findings_: the whole `labelsieve.Findings`: suggestions, ranks, the estimated number of wrong labels.
        n_features_in_, feature_names_in_: those of the fitted clone, if it has them.

    >>> from sklearn.linear_model import LogisticRegression
    >>> X = np.r_[np.random.default_rng(0).normal(-4, 1, (40, 2)), np.random.default_rng(1).normal(4, 1, (40, 2))]
    >>> y = np.repeat(["cat", "dog"], 40)
    >>> y[:3] = "dog"
    >>> classifier = CleanedClassifier(LogisticRegression()).fit(X, y)
    >>> np.flatnonzero(classifier.doubted_).tolist(), classifier.predict([[-4, -4]]).tolist()
    ([0, 1, 2], ['cat'])
    """

    def __init__(
        self,
        estimator: Any,
        *,
        doubted: str = "drop",
        threshold: float = 0.5,
        judge: str = "estimator",
        cv: Any = 5,
        random_state: Any = None,
    ):
        self.estimator = estimator
        self.doubted = doubted
        self.threshold = threshold
        self.judge = judge
        self.cv = cv
        self.random_state = random_state

    def fit(self, X: Any, y: Any, **fit_params: Any) -> CleanedClassifier:
        """Judge the labels, then fit a clone of the estimator.

        Args:
            X: n rows of any input that the estimator accepts: features, sparse or not, a frame, a list of texts for a
                pipeline.
            y: (n,) given labels, of at least two classes.
            fit_params: passed on to the estimator's `fit`; values with n rows, such as `sample_weight`, are reduced to
                the same rows as X.

        Raises:
            ValueError: X, y or a setting cannot be used; the message says why.
        """
        self._require_settings()
        if y is None:
            raise UserError(f"{type(self).__name__} requires y to be passed, but the target y is None")
        X, y = checked_inputs(X, y)
        names = row_names(X)
        X = indexable(X)[0]
        y = column_or_1d(y, warn=True)
        check_classification_targets(y)
        if _num_samples(X) != len(y):
            raise UserError(f"X has {_num_samples(X)} rows and y {len(y)} labels (inconsistent numbers of samples).")
        self.classes_, codes = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise UserError(
                f"{type(self).__name__} can't train when only one class is present: y holds {y[0]!r} alone."
                if len(y)
                else f"{type(self).__name__} needs labels, and y holds none (0 samples)."
            )
        self.findings_ = self._judged(X, y, codes, names, fit_params)
        self.p_wrong_ = self.findings_.p_wrong
        self.doubted_ = self._doubted(codes)
        self.estimator_: Any = clone(self.estimator)
        if self.doubted == "drop":
            rows = np.flatnonzero(~self.doubted_)
            self.estimator_.fit(_safe_indexing(X, rows), y[rows], **_select_rows(fit_params, rows, len(y)))
        else:
            name = _weight_parameter(self.estimator) or "sample_weight"
            weight = np.where(self.doubted_, 1 - self.p_wrong_, 1.0)
            own = fit_params.get(name)
            weight = weight if own is None else weight * np.asarray(own)
            self.estimator_.fit(X, y, **{**fit_params, name: weight})
        return self

    def _require_settings(self) -> None:
        if not hasattr(self.estimator, "fit") or isinstance(self.estimator, type) or not is_classifier(self.estimator):
            raise UserError(
                f"CleanedClassifier wraps a scikit-learn classifier, but the estimator is {self.estimator!r}; "
                "pass an instance, such as LogisticRegression()."
            )
        for setting, value, allowed in (("doubted", self.doubted, DOUBTED), ("judge", self.judge, JUDGES)):
            if not isinstance(value, str) or value not in allowed:
                raise UserError(f"{setting} is {value!r}; choose from {', '.join(allowed)}.")
        if isinstance(self.threshold, bool) or not isinstance(self.threshold, (int, float, np.number)):
            raise UserError(f"threshold is {self.threshold!r}; give a number between 0 and 1.")
        if not 0 <= self.threshold <= 1:
            raise UserError(f"threshold is {self.threshold}; it must be between 0 and 1.")
        kind = type(self.estimator).__name__
        if self.doubted == "weight" and _weight_parameter(self.estimator) is None:
            raise UserError(f"The fit of {kind} does not accept sample_weight; use doubted='drop'.")
        if self.judge == "estimator" and not hasattr(self.estimator, "predict_proba"):
            raise UserError(
                f"{kind} has no predict_proba, so it cannot judge labels; use judge='panel', "
                "or wrap it in CalibratedClassifierCV."
            )

    def _judged(self, X: Any, y: np.ndarray, codes: np.ndarray, names: Any, fit_params: dict[str, Any]) -> Any:
        """The findings on y."""
        ids = np.arange(len(y)).astype(str).astype(object) if names is None else names
        classes = tuple(str(label) for label in self.classes_.tolist())
        seed = seed_of(self.random_state)
        if self.judge == "panel":
            from sklearn.utils.validation import check_array

            data = Dataset(
                ids,
                codes.astype(np.int64),
                classes,
                cast(Any, check_array)(X, dtype=[np.float64, np.float32]),
                "features",
                "y",
            )
        else:
            data = Dataset(
                ids, codes.astype(np.int64), classes, self._out_of_fold(X, y, codes, seed, fit_params), "probs", "y"
            )
        return find(data, seed=seed, progress=False)

    def _out_of_fold(
        self, X: Any, y: np.ndarray, codes: np.ndarray, seed: int, fit_params: dict[str, Any]
    ) -> np.ndarray:
        """(n, K) probabilities of clones that never saw the row."""
        folds: Any = self.cv
        if isinstance(folds, (int, np.integer)) and not isinstance(folds, bool):
            most = int(np.bincount(codes).max())
            if folds < 2:
                raise UserError(f"cv is {folds}; give two folds or more.")
            if most < 2:
                raise UserError(f"Each of the {len(self.classes_)} classes has only one example (n_samples={len(y)}).")
            folds = StratifiedKFold(min(int(folds), most), shuffle=True, random_state=seed)
        with warnings.catch_warnings():  # about classes with few examples; `find` reports what it cannot judge
            warnings.filterwarnings("ignore", "The least populated class")
            warnings.filterwarnings("ignore", "Number of classes in training fold")
            probs = cross_val_predict(
                self.estimator,
                X,
                y,
                cv=check_cv(folds, y, classifier=True),
                method="predict_proba",
                params=fit_params or None,
            )
        probs = np.asarray(probs, np.float64)
        if not np.isfinite(probs).all():
            row = int(np.flatnonzero(~np.isfinite(probs).all(1))[0])
            raise UserError(
                f"predict_proba of {type(self.estimator).__name__} gave NaN or infinity for row {row} (from 0)."
            )
        return probs

    def _doubted(self, codes: np.ndarray) -> np.ndarray:
        doubted = self.p_wrong_ > self.threshold
        for c in np.flatnonzero(np.bincount(codes, ~doubted) == 0).tolist():
            rows = np.flatnonzero(codes == c)
            doubted[rows[np.argmin(self.p_wrong_[rows])]] = False
        return doubted

    def predict(self, X: Any) -> np.ndarray:
        """(n,) predictions of the fitted classifier."""
        check_is_fitted(self)
        return self.estimator_.predict(X)

    @available_if(_has_method("predict_proba"))
    def predict_proba(self, X: Any) -> np.ndarray:
        """(n, K) probabilities of the fitted classifier, columns as in `classes_`."""
        check_is_fitted(self)
        return self.estimator_.predict_proba(X)

    @available_if(_has_method("predict_log_proba"))
    def predict_log_proba(self, X: Any) -> np.ndarray:
        """(n, K) logarithms of the probabilities."""
        check_is_fitted(self)
        return self.estimator_.predict_log_proba(X)

    @available_if(_has_method("decision_function"))
    def decision_function(self, X: Any) -> np.ndarray:
        """The decision function of the fitted classifier."""
        check_is_fitted(self)
        return self.estimator_.decision_function(X)

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """The score of the fitted classifier on the given labels."""
        check_is_fitted(self)
        return self.estimator_.score(X, y, **({} if sample_weight is None else {"sample_weight": sample_weight}))

    @property
    def n_features_in_(self) -> int:
        return self._of_estimator("n_features_in_")

    @property
    def feature_names_in_(self) -> np.ndarray:
        return self._of_estimator("feature_names_in_")

    def _of_estimator(self, name: str) -> Any:
        if "estimator_" not in vars(self):
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r} before it is fitted")
        return getattr(self.estimator_, name)

    def __sklearn_is_fitted__(self) -> bool:
        return "estimator_" in vars(self)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        own = get_tags(self.estimator)
        tags.input_tags = own.input_tags
        if self.judge == "panel":
            tags.input_tags.sparse = tags.input_tags.allow_nan = False
        if own.classifier_tags is not None:
            tags.classifier_tags.multi_class = own.classifier_tags.multi_class
        tags.target_tags.multi_output = False
        return tags


def _weight_parameter(estimator: Any) -> str | None:
    """The weight argument of the estimator's `fit` (of the last step in a pipeline), or None if it has none."""
    steps = getattr(estimator, "steps", None)
    if steps:
        inner = _weight_parameter(steps[-1][1])
        return inner and f"{steps[-1][0]}__{inner}"
    return "sample_weight" if has_fit_parameter(estimator, "sample_weight") else None


def _select_rows(params: dict[str, Any], rows: np.ndarray, n: int) -> dict[str, Any]:
    """The fit parameters for some of n rows: values with n rows are reduced to these rows, the others stay."""

    def one(value: Any) -> Any:
        per_row = isinstance(value, Sized) and not isinstance(value, str | bytes | dict) and _num_samples(value) == n
        return _safe_indexing(value, rows) if per_row else value

    return {name: one(value) for name, value in params.items()}
