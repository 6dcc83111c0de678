"""`LabelErrorDetector`: scikit-learn's own checks, and behaviour that they do not cover."""

import numpy as np
import pytest

pytest.importorskip("sklearn")

from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from labelsieve.adapters.label_error_detector import LabelErrorDetector
from labelsieve.core.errors import UserError
from labelsieve.pipeline import find

QUICK = ["gce"]


@parametrize_with_checks([LabelErrorDetector()])
def test_scikit_learn_estimator_checks_pass(estimator, check):
    check(estimator)


def planted(names=("x", "y", "z"), n=150, seed=0):
    """Separable blobs; the labels of the first ten are wrong."""
    true = np.arange(n) % len(names)
    X = np.random.default_rng(seed).normal(size=(n, 4)) + 6 * np.eye(len(names), 4)[true]
    given = true.copy()
    given[:10] = (true[:10] + 1) % len(names)
    return X, np.array(names)[given], np.array(names)[true]


@pytest.mark.parametrize("names", [("10", "9", "x"), (-7, 30, 4), (2.0, 0.0, 1.0)])
def test_finds_planted_errors_in_the_labels_of_the_user(names):
    X, given, true = planted(names)
    detector = LabelErrorDetector(QUICK)
    verdict = detector.fit_predict(X, given)
    np.testing.assert_array_equal(verdict, np.where(given == true, 1, -1))
    np.testing.assert_array_equal(detector.flagged_, given != true)
    np.testing.assert_array_equal(detector.suggested_, true)
    assert detector.suggested_.dtype == given.dtype == detector.classes_.dtype
    assert detector.p_wrong_[:10].min() > 0.5 > detector.p_wrong_[10:].max()


def test_objects_as_labels_stay_objects():
    X, given, true = planted()
    detector = LabelErrorDetector(QUICK).fit(X, given.astype(object))
    assert detector.suggested_.dtype == object
    np.testing.assert_array_equal(detector.suggested_, true)


def test_result_equals_labelsieve_find():
    X, given, _ = planted()
    findings = find(X, labels=given, seed=3)
    detector = LabelErrorDetector(random_state=3).fit(X, given)
    np.testing.assert_array_equal(detector.p_wrong_, findings.p_wrong)
    np.testing.assert_array_equal(detector.findings_.table()["suggested_label"], findings.table()["suggested_label"])
    assert set(detector.findings_.scores) == set(findings.scores)


def test_random_states():
    rng = np.random.default_rng(1)
    X, y = rng.normal(size=(60, 3)), rng.integers(0, 3, 60)

    def p_wrong(state):
        return clone(LabelErrorDetector(QUICK, random_state=state)).fit(X, y).p_wrong_

    np.testing.assert_array_equal(p_wrong(None), p_wrong(0))
    np.testing.assert_array_equal(p_wrong(np.random.RandomState(5)), p_wrong(np.random.RandomState(5)))
    assert np.abs(p_wrong(np.random.RandomState(5)) - p_wrong(np.random.RandomState(6))).max() > 0


def test_last_step_of_a_pipeline():
    X, given, true = planted()
    verdict = make_pipeline(StandardScaler(), LabelErrorDetector(QUICK)).fit_predict(X, given)
    np.testing.assert_array_equal(verdict == -1, given != true)


def test_a_data_frame_is_accepted():
    X, given, true = planted()
    pandas = pytest.importorskip("pandas")
    detector = LabelErrorDetector(QUICK).fit(pandas.DataFrame(X, columns=list("abcd")), pandas.Series(given))
    assert list(detector.feature_names_in_) == list("abcd")
    np.testing.assert_array_equal(detector.suggested_, true)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda X, y: (X, np.full(len(y), "x")), "only one class"),
        (lambda X, y: (X, np.arange(len(y)) + 0.5), "Unknown label type"),
        (lambda X, y: (np.where(np.arange(len(y))[:, None] == 5, np.nan, X), y), "NaN"),
        (lambda X, y: (X, y[:-1]), "inconsistent numbers of samples"),
        (lambda X, y: (X, None), "requires y to be passed"),
    ],
)
def test_mistakes_are_value_errors(change, message):
    with pytest.raises(ValueError, match=message):
        LabelErrorDetector(QUICK).fit(*change(*planted()[:2]))


def test_detectors_may_have_settings():
    x, y = np.random.default_rng(0).normal(size=(60, 3)), np.arange(60) % 2
    fitted = LabelErrorDetector({"o2u": {"forget_rate": 0.1}}).fit(x, y)
    assert fitted.findings_.flags["o2u"].sum() == 6


def test_an_unknown_detector_is_named():
    with pytest.raises(UserError, match="no detector 'crystal ball'"):
        LabelErrorDetector(["crystal ball"]).fit(*planted()[:2])


def test_different_index_orders_of_x_and_y_are_refused():
    pd = pytest.importorskip("pandas")
    X = pd.DataFrame({"a": np.arange(40.0), "b": np.arange(40.0) % 3})
    with pytest.raises(ValueError, match="indexes of X and y hold the same names in different orders"):
        LabelErrorDetector().fit(X, pd.Series(np.arange(40) % 2).sample(frac=1, random_state=0))
