"""`RobustClassifier`: scikit-learn's own checks, and behaviour that they do not cover."""

import pickle
from functools import partial

import numpy as np
import pytest

pytest.importorskip("sklearn")
pytest.importorskip("torch")

import torch
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks
from torch import nn

import labelsieve
from labelsieve.adapters.robust_classifier import RobustClassifier
from labelsieve.core.errors import UserError
from labelsieve.training.train import train

WIDTH, NAMES = 6, np.array(["ant", "bee", "cow"])


@parametrize_with_checks([RobustClassifier(), RobustClassifier("standard"), RobustClassifier("gce", network="mlp")])
def test_scikit_learn_estimator_checks_pass(estimator, check):
    check(estimator)


def noisy(n=300, share=0.4, seed=0):
    """Blobs whose labels are wrong with probability `share` * 2/3, and clean ones."""
    rng = np.random.default_rng(seed)
    true, drawn = np.arange(n) % 3, rng.integers(0, 3, n)
    X = rng.normal(size=(n, WIDTH)) + 4 * np.eye(3, WIDTH)[true]
    return X, NAMES[np.where(rng.random(n) < share, drawn, true)], NAMES[true]


def test_predictions_are_better_than_the_given_labels():
    X, given, true = noisy(600)
    classifier = RobustClassifier().fit(X[:300], given[:300])
    assert (classifier.predict(X[300:]) == true[300:]).mean() > 0.95
    wrong = given[:300] != true[:300]
    assert 0.15 < wrong.mean() < 0.4
    p = classifier.label_p_wrong_
    assert p.shape == (300,)
    assert (p[wrong][:, None] > p[~wrong]).mean() > 0.9  # the chance that a wrong label looks worse than a right one


def test_probabilities_are_those_of_the_classes():
    X, given, true = noisy(share=0.1)
    classifier = RobustClassifier("standard").fit(X, given)
    probs = classifier.predict_proba(X)
    np.testing.assert_array_equal(classifier.classes_, NAMES)
    np.testing.assert_allclose(probs.sum(1), 1, atol=1e-6)
    np.testing.assert_array_equal(NAMES[probs.argmax(1)], classifier.predict(X))
    assert (classifier.predict(X) == true).mean() > 0.95
    assert classifier.label_p_wrong_ is None


def test_result_equals_labelsieve_train():
    X, given, _ = noisy()
    classifier = RobustClassifier("gce", epochs=3, lr=0.5, batch=50, settings={"q": 0.4}, random_state=5).fit(X, given)
    data = labelsieve.load(X, labels=given)
    model = train(data, method="gce", epochs=3, lr=0.5, batch=50, settings={"q": 0.4}, seed=5)
    np.testing.assert_array_equal(classifier.predict_proba(X), model.probabilities(data)[1])


def test_random_states():
    X, given, _ = noisy(90)

    def probs(state):
        return clone(RobustClassifier("gce", epochs=2, random_state=state)).fit(X, given).predict_proba(X)

    np.testing.assert_array_equal(probs(None), probs(0))
    np.testing.assert_array_equal(probs(np.random.RandomState(5)), probs(np.random.RandomState(5)))
    assert np.abs(probs(1) - probs(2)).max() > 0


def test_in_a_grid_search_and_pickled():
    X, given, true = noisy(120)
    search = GridSearchCV(
        make_pipeline(StandardScaler(), RobustClassifier("gce")), {"robustclassifier__epochs": [1, 15]}, cv=2
    )
    search.fit(X, given)
    second = pickle.loads(pickle.dumps(search))
    np.testing.assert_array_equal(second.predict_proba(X), search.predict_proba(X))
    assert search.score(X, true) > 0.9


class Net(nn.Module):
    def __init__(self, hidden=8, probabilities=False):
        super().__init__()
        layers = [nn.Linear(WIDTH, hidden), nn.Tanh(), nn.Linear(hidden, 3)]
        self.layers = nn.Sequential(*layers, *([nn.Softmax(1)] if probabilities else []))

    def forward(self, x):
        return self.layers(x)


def test_a_function_that_makes_a_network():
    X, given, true = noisy()
    assert (RobustClassifier("gce", network=lambda classes: Net()).fit(X, given).predict(X) == true).mean() > 0.95


@pytest.mark.parametrize("probabilities", [False, True])
def test_the_module_of_a_skorch_net_is_trained(probabilities):
    skorch = pytest.importorskip("skorch")
    criterion = nn.NLLLoss if probabilities else nn.CrossEntropyLoss  # skorch takes the logarithm for NLLLoss itself
    net = skorch.NeuralNetClassifier(Net, module__hidden=5, module__probabilities=probabilities, criterion=criterion)
    X, given, true = noisy()
    classifier = clone(RobustClassifier("gce", network=net)).fit(X, given)
    assert (classifier.predict(X) == true).mean() > 0.95
    assert sum(p.numel() for p in classifier.model_.nets[0].parameters()) == (WIDTH + 1) * 5 + 6 * 3
    probs = classifier.predict_proba(X)
    module = classifier.model_.nets[0] if not probabilities else classifier.model_.nets[0][0]
    scaled = torch.from_numpy(((X - X.mean(0)) / X.std(0)).astype(np.float32))
    with torch.inference_mode():
        own = module(scaled) if probabilities else module(scaled).softmax(1)
    np.testing.assert_allclose(probs, own.numpy(), atol=1e-5)
    assert not hasattr(net, "module_")  # the user's net is left as it was


def criteria():
    """Forms of a criterion that skorch accepts, and whether the module returns probabilities."""
    return [
        (nn.CrossEntropyLoss(), False),
        (nn.CrossEntropyLoss(label_smoothing=0.1), False),
        (partial(nn.CrossEntropyLoss, label_smoothing=0.1), False),
        (nn.NLLLoss(), True),
        (partial(nn.NLLLoss, reduction="mean"), True),
        (partial(partial(nn.NLLLoss), reduction="mean"), True),
    ]


@pytest.mark.parametrize(("criterion", "probabilities"), criteria())
def test_a_skorch_criterion_may_be_an_instance_or_a_partial(criterion, probabilities):
    skorch = pytest.importorskip("skorch")
    net = skorch.NeuralNetClassifier(Net, module__probabilities=probabilities, criterion=criterion)
    X, given, true = noisy()
    classifier = RobustClassifier("standard", network=net, epochs=5).fit(X, given)
    assert isinstance(classifier.model_.nets[0], nn.Sequential) == probabilities
    assert (classifier.predict(X) == true).mean() > 0.7


def test_a_lazy_frame_is_read():
    polars = pytest.importorskip("polars")
    X, given, true = noisy()
    frame = polars.DataFrame({f"c{i}": X[:, i] for i in range(WIDTH)})
    lazy = RobustClassifier("standard", epochs=5).fit(frame.lazy(), given)
    np.testing.assert_array_equal(
        lazy.predict(frame.lazy()), RobustClassifier("standard", epochs=5).fit(frame, given).predict(frame)
    )
    detector = labelsieve.LabelErrorDetector(["knn_vote"])
    p_wrong = detector.fit(frame, given).p_wrong_
    np.testing.assert_array_equal(detector.fit(frame.lazy(), given).p_wrong_, p_wrong)


def test_find_judges_with_a_skorch_net():
    skorch = pytest.importorskip("skorch")
    X, given, true = noisy(share=0.15)
    codes = np.searchsorted(NAMES, given)
    net = skorch.NeuralNetClassifier(
        Net, criterion=nn.CrossEntropyLoss, lr=0.5, max_epochs=20, train_split=None, verbose=0
    )
    torch.manual_seed(0)
    probs = cross_val_predict(net, X.astype(np.float32), codes, cv=5, method="predict_proba")
    findings = labelsieve.find(labelsieve.load_probabilities(probs, given))
    wrong = given != true
    assert (findings.flagged == wrong).mean() > 0.95


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"method": "magic"}, "no method 'magic'"),
        ({"network": "resnet18"}, "no network 'resnet18' for features"),
        ({"settings": {"quux": 1}}, "no setting 'quux'"),
        ({"batch": 1000}, "larger than the data"),
    ],
)
def test_mistakes_are_value_errors(settings, message):
    X, given, _ = noisy()
    with pytest.raises(UserError, match=message):
        RobustClassifier(**settings).fit(X, given)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda X, y: (X, np.full(len(y), "x")), "only one class"),
        (lambda X, y: (X, np.arange(len(y)) + 0.5), "Unknown label type"),
        (lambda X, y: (np.where(np.arange(len(y))[:, None] == 5, np.nan, X), y), "NaN"),
    ],
)
def test_unusable_data_are_value_errors(change, message):
    with pytest.raises(ValueError, match=message):
        RobustClassifier("gce").fit(*change(*noisy()[:2]))
