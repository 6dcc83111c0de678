"""`CleanedClassifier`: scikit-learn's own checks, and behaviour that they do not cover."""

import pickle

import numpy as np
import pytest

pytest.importorskip("sklearn")

from sklearn.base import clone
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils.estimator_checks import parametrize_with_checks

import labelsieve as ls
from labelsieve import CleanedClassifier

NAMES = np.array(["ant", "bee", "cow"])


@parametrize_with_checks(
    [
        CleanedClassifier(LogisticRegression()),
        CleanedClassifier(GaussianNB(), doubted="weight"),
        CleanedClassifier(LinearSVC(), judge="panel"),
    ]
)
def test_scikit_learn_estimator_checks_pass(estimator, check):
    check(estimator)


def planted(n=240, wrong=40, seed=0):
    """Blobs; the first `wrong` labels are wrong."""
    rng = np.random.default_rng(seed)
    true = np.arange(n) % 3
    X = rng.normal(size=(n, 4)) + 4 * np.eye(3, 4)[true]
    given = true.copy()
    given[:wrong] = (given[:wrong] + 1) % 3
    return X, NAMES[given], NAMES[true]


@pytest.mark.parametrize("doubted", ["drop", "weight"])
def test_a_tree_no_longer_learns_the_wrong_labels(doubted):
    X, given, true = planted()
    fresh, _, truth = planted(seed=1)
    tree = DecisionTreeClassifier(min_weight_fraction_leaf=0.01, random_state=0)
    plain = clone(tree).fit(X, given).score(fresh, truth)
    cleaned = CleanedClassifier(tree, doubted=doubted, judge="panel").fit(X, given)
    assert cleaned.score(fresh, truth) > plain + 0.02
    np.testing.assert_array_equal(cleaned.doubted_, cleaned.p_wrong_ > 0.5)
    assert (given != true)[cleaned.doubted_].mean() > 0.9 and cleaned.doubted_[:40].mean() > 0.8
    assert isinstance(cleaned.findings_, ls.Findings) and cleaned.classes_.tolist() == ["ant", "bee", "cow"]


def test_drop_fits_on_the_rest_and_weight_fits_with_weights():
    X, given, _ = planted()
    drop = CleanedClassifier(LogisticRegression()).fit(X, given)
    rest = ~drop.doubted_
    np.testing.assert_allclose(drop.estimator_.coef_, LogisticRegression().fit(X[rest], given[rest]).coef_)
    own = np.linspace(0.5, 1.5, len(X))
    weigh = CleanedClassifier(LogisticRegression(), doubted="weight").fit(X, given, sample_weight=own)
    weight = own * np.where(weigh.doubted_, 1 - weigh.p_wrong_, 1)
    expected = LogisticRegression().fit(X, given, sample_weight=weight)
    np.testing.assert_allclose(weigh.estimator_.coef_, expected.coef_)
    dropped = CleanedClassifier(LogisticRegression()).fit(X, given, sample_weight=own)
    rest = ~dropped.doubted_
    expected = LogisticRegression().fit(X[rest], given[rest], sample_weight=own[rest])
    np.testing.assert_allclose(dropped.estimator_.coef_, expected.coef_)


def test_a_lower_threshold_doubts_more_labels():
    X, given, _ = planted()
    few, many = (CleanedClassifier(LogisticRegression(), threshold=t).fit(X, given).doubted_ for t in (0.99, 0.05))
    assert few.sum() < many.sum() and not (few & ~many).any()
    assert not CleanedClassifier(LogisticRegression(), threshold=1).fit(X, given).doubted_.any()


def test_in_a_pipeline_and_a_grid_search():
    X, given, true = planted()
    pipe = make_pipeline(StandardScaler(), CleanedClassifier(LogisticRegression(), cv=3))
    grid = {"cleanedclassifier__doubted": ["drop", "weight"], "cleanedclassifier__estimator__C": [0.1, 1.0]}
    search = GridSearchCV(pipe, grid, cv=2).fit(X, given)
    assert (search.predict(X) == true).mean() > 0.95
    assert search.best_estimator_[-1].doubted_.shape == (240,)
    assert cross_val_score(clone(search.best_estimator_), X, true, cv=2).mean() > 0.9
    second = pickle.loads(pickle.dumps(search.best_estimator_))
    np.testing.assert_array_equal(second.predict_proba(X), search.predict_proba(X))


def test_texts_and_a_pipeline_inside():
    rng = np.random.default_rng(0)
    words = {"cat": ["purr", "whiskers", "mouse"], "dog": ["bark", "bone", "leash"]}
    true = np.array(["cat", "dog"] * 60)
    texts = [" ".join(rng.choice(words[label], 5)) for label in true]
    given = true.copy()
    given[:8] = np.where(true[:8] == "cat", "dog", "cat")
    for doubted in ("drop", "weight"):
        inner = make_pipeline(TfidfVectorizer(), LogisticRegression())
        model = CleanedClassifier(inner, doubted=doubted).fit(texts, given)
        assert model.doubted_[:8].all() and not model.doubted_[8:].any()
        assert model.predict(["bark bark bone"]).tolist() == ["dog"]


@pytest.mark.parametrize("frames", ["pandas", "polars"])
def test_frames_with_labels_that_are_text(frames):
    frame = pytest.importorskip(frames)
    X, given, true = planted()
    table = frame.DataFrame({f"f{j}": X[:, j] for j in range(4)})
    y = frame.Series(given.tolist())
    if frames == "pandas":
        table.index = y.index = [f"row-{i}" for i in range(len(X))]
    model = CleanedClassifier(LogisticRegression()).fit(table, y)
    assert model.feature_names_in_.tolist() == ["f0", "f1", "f2", "f3"] and model.n_features_in_ == 4
    assert (model.predict(table) == true).mean() > 0.95
    assert model.findings_.ids[0] == ("row-0" if frames == "pandas" else "0")


def test_methods_are_available_if_the_estimator_has_them():
    X, given, _ = planted(60, 6)
    logistic = CleanedClassifier(LogisticRegression()).fit(X, given)
    assert logistic.predict_proba(X).shape == logistic.decision_function(X).shape == (60, 3)
    neighbours = CleanedClassifier(KNeighborsClassifier(3)).fit(X, given)
    assert hasattr(neighbours, "predict_proba") and not hasattr(neighbours, "decision_function")
    support = CleanedClassifier(LinearSVC(), judge="panel").fit(X, given)
    assert hasattr(support, "decision_function") and not hasattr(support, "predict_proba")


def test_each_class_keeps_at_least_one_label():
    X, given, true = planted(120, 0)
    given = true.astype(object)
    given[:3] = "dodo"  # three labels of a class that nothing supports
    model = CleanedClassifier(LogisticRegression(), judge="panel", threshold=0.0).fit(X, given)
    assert model.estimator_.classes_.tolist() == ["ant", "bee", "cow", "dodo"]
    assert (~model.doubted_).sum() == 4


def test_the_same_seed_gives_the_same_model():
    X, given, _ = planted()
    one, two = (CleanedClassifier(LogisticRegression(), random_state=3).fit(X, given).p_wrong_ for _ in range(2))
    np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: CleanedClassifier(LogisticRegression), "pass an instance"),
        (lambda: CleanedClassifier(StandardScaler()), "wraps a scikit-learn classifier"),
        (lambda: CleanedClassifier(None), "wraps a scikit-learn classifier"),
        (
            lambda: CleanedClassifier(LogisticRegression(), doubted="keep"),
            "doubted is 'keep'; choose from drop, weight",
        ),
        (lambda: CleanedClassifier(LogisticRegression(), judge="me"), "judge is 'me'; choose from estimator, panel"),
        (lambda: CleanedClassifier(LogisticRegression(), threshold=2), "threshold is 2; it must be between 0 and 1"),
        (lambda: CleanedClassifier(LogisticRegression(), threshold="x"), "threshold is 'x'; give a number"),
        (lambda: CleanedClassifier(LogisticRegression(), cv=1), "cv is 1; give two folds or more"),
        (
            lambda: CleanedClassifier(KNeighborsClassifier(), doubted="weight"),
            "KNeighborsClassifier does not accept sample_weight",
        ),
        (lambda: CleanedClassifier(LinearSVC()), "LinearSVC has no predict_proba"),
    ],
)
def test_wrong_settings_give_a_clear_error(make, message):
    X, given, _ = planted(60, 6)
    with pytest.raises(ls.UserError, match=message):
        make().fit(X, given)


def test_a_missing_label_is_named():
    X, given, _ = planted(60, 6)
    y = given.astype(object)
    y[7] = None
    with pytest.raises(ls.UserError, match="y has no label in 1 of its 60 rows, the first is row 7"):
        CleanedClassifier(LogisticRegression()).fit(X, y)
