"""LIP on the heads of other libraries: `nn.Linear` and scikit-learn's linear classifiers. The original is not changed.

Features must be the input of the head: for a network, the input of its last layer in eval mode without augmentation;
for a scikit-learn Pipeline, raw rows, which pass through its earlier steps. Two networks of an ensemble have two heads
and two sets of features, so they need one call each.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import numpy as np

from labelsieve.core.errors import UserError
from labelsieve.head_repair.lip import Repair, lip

if TYPE_CHECKING:
    from torch import nn


def repair_linear(layer: nn.Linear, features: Any, labels: Any, **choices: Any) -> tuple[nn.Linear, Repair]:
    """Return a repaired copy of an `nn.Linear` (d -> K), on its device and in its dtype, and the repair.

    Args:
        features: (n, d), array or tensor.
        labels: (n,) given labels, or targets (n, K).
        choices: keyword arguments of `lip`.

    Raises:
        UserError: `layer` is not an `nn.Linear`, or as `lip`.
    """
    import torch

    if not isinstance(layer, torch.nn.Linear):
        raise UserError(
            f"repair_linear takes the head itself, an nn.Linear such as model.fc; got {type(layer).__name__}."
        )
    weight, bias = layer.weight.detach(), layer.bias
    repair = lip(
        _array(weight), _array(features), _array(labels), bias=None if bias is None else _array(bias), **choices
    )
    repaired = copy.deepcopy(layer)
    with torch.no_grad():
        repaired.weight.copy_(torch.from_numpy(repair.weight))
        if repaired.bias is not None and repair.bias is not None:
            repaired.bias.copy_(torch.from_numpy(repair.bias))
    return repaired, repair


def repair_estimator(model: Any, features: Any, labels: Any, **choices: Any) -> tuple[Any, Repair]:
    """Return a repaired copy of a fitted scikit-learn linear model (or a Pipeline that ends in one), and the repair.

    Two classes in one row of coefficients count as two rows of opposite sign and half the size.

    Args:
        labels: given labels, as they were passed to `fit`; for a model fitted to a matrix of targets, that matrix.
    """
    repaired = copy.deepcopy(model)
    last = repaired
    if hasattr(repaired, "steps"):
        features, last = repaired[:-1].transform(features), repaired.steps[-1][1]
    coefficients = getattr(last, "coef_", None)
    if not isinstance(coefficients, np.ndarray):
        raise UserError(f"{type(last).__name__} has no coef_: LIP needs a fitted linear model.")
    intercept = np.broadcast_to(
        np.asarray(getattr(last, "intercept_", 0.0), coefficients.dtype), (len(np.atleast_2d(coefficients)),)
    )
    targets = _targets(last, np.atleast_2d(coefficients), np.asarray(labels))
    single = len(np.atleast_2d(coefficients)) == 1
    weight, bias = (
        (_two_rows(np.atleast_2d(coefficients)), _two_rows(intercept)) if single else (coefficients, intercept)
    )
    features = features.toarray() if hasattr(features, "toarray") else features
    repair = lip(weight, np.asarray(features), targets, bias=bias, **choices)
    new_bias = bias if repair.bias is None else repair.bias
    last.coef_ = (repair.weight[1:] - repair.weight[:1] if single else repair.weight).reshape(coefficients.shape)
    if np.ndim(getattr(last, "intercept_", 0.0)):
        last.intercept_ = new_bias[1:] - new_bias[:1] if single else new_bias
    return repaired, repair


def _targets(model: Any, coefficients: np.ndarray, labels: np.ndarray) -> np.ndarray:
    classes = getattr(model, "classes_", None)
    if classes is None:  # LinearRegression, Ridge: fitted to a matrix of targets
        if labels.ndim != 2 or labels.shape[1] != len(coefficients) or len(coefficients) < 2:
            raise UserError(
                f"{type(model).__name__} predicts {len(coefficients)} number(s) and has no classes; pass the targets "
                "(n, K)."
            )
        return labels
    unknown = labels[~np.isin(labels, classes)]
    if len(unknown):
        raise UserError(
            f"The model was not fitted to the label {unknown[0]}; its classes are {', '.join(map(str, classes[:20]))}."
        )
    return np.searchsorted(classes, labels)


def _two_rows(row: np.ndarray) -> np.ndarray:
    return np.concatenate([-row, row]) / 2


def _array(values: Any) -> np.ndarray:
    if hasattr(values, "detach"):
        values = values.detach().cpu()
        return (values.float() if values.dtype.itemsize == 2 and values.dtype.is_floating_point else values).numpy()
    return np.asarray(values)
