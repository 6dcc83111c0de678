"""LIP on nn.Linear and on scikit-learn's linear models: same answer as the NumPy function, the original untouched."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge, RidgeClassifier, SGDClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from labelsieve.core.errors import UserError
from labelsieve.head_repair.lip import lip
from labelsieve.head_repair.other_libraries import repair_estimator, repair_linear


def data(k=4, n=200, d=6):
    rng = np.random.default_rng(0)
    labels = rng.integers(k, size=n)
    return rng.normal(size=(n, d)) + 2 * rng.normal(size=(k, d))[labels], labels


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_linear_layer(bias, dtype):
    features, labels = data()
    layer = torch.nn.Linear(6, 4, bias=bias).to(dtype)
    before = layer.weight.detach().clone()
    repaired, repair = repair_linear(layer, torch.from_numpy(features), torch.from_numpy(labels), keep=0.5)
    assert torch.equal(layer.weight, before) and repaired.weight.dtype == dtype and (repaired.bias is not None) == bias
    wide = before.double().numpy() if dtype == torch.float64 else before.float().numpy()
    expected = lip(wide, features, labels, keep=0.5).weight
    torch.testing.assert_close(repaired.weight.detach(), torch.from_numpy(expected).to(dtype))
    assert repair.kept == 2
    assert torch.equal(repair_linear(layer, features, labels, keep=1.0)[0].weight, before)


def test_two_networks_of_an_ensemble_are_two_calls():
    features, labels = data()
    nets = [torch.nn.Linear(6, 4) for _ in range(2)]
    inputs = [features, features[:, ::-1].copy()]
    repaired = [repair_linear(net, x, labels, keep=0.5)[0] for net, x in zip(nets, inputs, strict=True)]
    for net, x, new in zip(nets, inputs, repaired, strict=True):
        np.testing.assert_allclose(
            new.weight.detach(), lip(net.weight.detach().numpy(), x, labels, keep=0.5).weight, rtol=1e-6
        )


@pytest.mark.parametrize(
    "model", [LogisticRegression(), SGDClassifier(random_state=0), RidgeClassifier()], ids=lambda m: type(m).__name__
)
@pytest.mark.parametrize("k", [2, 4])
def test_classifiers_with_their_own_labels(model, k):
    features, labels = data(k)
    names = np.array(["ant", "bee", "cow", "dog"])[labels]
    model.fit(features, names)
    before = model.coef_.copy()
    same, _ = repair_estimator(model, features, names, keep=1.0)
    np.testing.assert_allclose(same.coef_, before, rtol=1e-12)
    np.testing.assert_allclose(same.intercept_, model.intercept_, rtol=1e-12)
    repaired, repair = repair_estimator(model, features, names, keep=0.5)
    assert np.array_equal(model.coef_, before) and repaired.coef_.shape == before.shape
    assert (repaired.predict(features) == names).mean() > 0.5
    if k == 4:
        np.testing.assert_allclose(repaired.coef_, lip(before, features, labels, keep=0.5).weight)
    assert repair.kept == len(repair.diagonal) // 2


def test_two_classes_in_one_row_keep_their_margin():
    features, labels = data(2)
    model = LogisticRegression().fit(features, labels)
    repaired, repair = repair_estimator(model, features, labels, keep=0.0)
    two = repair.weight
    np.testing.assert_allclose(repaired.coef_[0], two[1] - two[0])
    # One direction, one number: it stays parallel to the old row.
    assert np.linalg.matrix_rank(np.stack([repaired.coef_[0], model.coef_[0]]), tol=1e-8) == 1


def test_pipeline_passes_features_through_its_steps():
    features, labels = data()
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(features, labels)
    repaired, _ = repair_estimator(model, features, labels, keep=0.5)
    expected = lip(model[-1].coef_, model[0].transform(features), labels, keep=0.5).weight
    np.testing.assert_allclose(repaired[-1].coef_, expected)


@pytest.mark.parametrize("model", [LinearRegression(), Ridge(5.0)], ids=lambda m: type(m).__name__)
def test_regression_on_a_matrix_of_targets(model):
    features, labels = data()
    targets = np.eye(4)[labels]
    model.fit(features, targets)
    repaired, _ = repair_estimator(model, features, targets, keep=0.5)
    np.testing.assert_allclose(repaired.coef_, lip(model.coef_, features, labels, keep=0.5).weight)
    with pytest.raises(UserError, match=r"targets \(n, K\)"):
        repair_estimator(model, features, labels)


def test_what_is_no_linear_model_is_told():
    features, labels = data()
    with pytest.raises(UserError, match="no coef_"):
        repair_estimator(DecisionTreeClassifier().fit(features, labels), features, labels)
    with pytest.raises(UserError, match="no coef_"):
        repair_estimator(LogisticRegression(), features, labels)
    with pytest.raises(UserError, match="not fitted to the label 9"):
        repair_estimator(LogisticRegression().fit(features, labels), features, np.where(labels == 0, 9, labels))


def test_a_layer_that_is_no_linear_one_is_told():
    with pytest.raises(UserError, match="takes the head itself, an nn.Linear such as model.fc; got Sequential"):
        repair_linear(torch.nn.Sequential(torch.nn.Linear(6, 4)), *data())
