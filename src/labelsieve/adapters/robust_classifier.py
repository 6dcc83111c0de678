"""`RobustClassifier`: `labelsieve.train` on features as a scikit-learn classifier.

The network is a linear head, a network with one hidden layer, a function that makes a module for a number of classes,
or a skorch net. Of a skorch net only the module is used: the method has its own loss, optimiser and loop. A skorch net
whose criterion is NLLLoss ends in probabilities; their logarithm serves as the logits, which leaves the probabilities
unchanged.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from labelsieve.core.dataset import Dataset
from labelsieve.core.errors import UserError
from labelsieve.training.train import train

try:
    import torch
    from sklearn.base import BaseEstimator, ClassifierMixin, clone
    from sklearn.utils.multiclass import check_classification_targets
    from sklearn.utils.validation import check_is_fitted, validate_data
    from torch import nn
except ImportError as error:
    raise UserError(
        f"RobustClassifier needs PyTorch and scikit-learn 1.6 or newer ({error}); pip install "
        "'labelsieve[sklearn,train]'"
    ) from error

from labelsieve.adapters.label_error_detector import (  # after the error about a missing package
    checked_inputs,
    collect_lazy,
    seed_of,
)


class RobustClassifier(ClassifierMixin, BaseEstimator):
    """A classifier that withstands wrong labels in y.

    Args:
        method: a name of `labelsieve.methods.METHODS`.
        network: "linear", "mlp", a function that makes a module from (b, d) to logits (b, K) for a number of classes,
            or a skorch net.
        epochs, lr, batch: values that replace the method's defaults.
        noise: the share of wrong labels, if known; otherwise a method that needs it estimates it.
        settings: other hyper-parameters of the method by name.
        device: "cpu", "cuda", "mps"; None uses a GPU if there is one.
        random_state: an int is the `seed` of `labelsieve.train`; None is its default seed, so that the same data give
            the same model; a `RandomState` draws a new seed in each fit.

    Attributes:
        classes_: (K,) the sorted class labels, in the dtype of y.
        label_p_wrong_: (n,) float64 in [0, 1], the method's probability that each label of y is wrong; None if it has
            none ("standard").
        model_: the `labelsieve.Model`, with `save`.
        n_features_in_: number of features; `feature_names_in_` too if X is a frame with text as column names.

    >>> X = np.r_[np.random.default_rng(0).normal(-4, 1, (40, 2)), np.random.default_rng(1).normal(4, 1, (40, 2))]
    >>> y = np.repeat(["cat", "dog"], 40)
    >>> y[:8] = "dog"
    >>> RobustClassifier("gce").fit(X, y).predict([[-4, -4], [4, 4]]).tolist()
    ['cat', 'dog']
    """

    def __init__(
        self,
        method: str = "m-dyr-h",
        network: Any = "linear",
        epochs: int | None = None,
        lr: float | None = None,
        batch: int | None = None,
        noise: float | str | None = None,
        settings: dict[str, Any] | None = None,
        device: str | None = None,
        random_state: Any = None,
    ):
        self.method = method
        self.network = network
        self.epochs = epochs
        self.lr = lr
        self.batch = batch
        self.noise = noise
        self.settings = settings
        self.device = device
        self.random_state = random_state

    def fit(self, X: Any, y: Any) -> RobustClassifier:
        """Train.

        Args:
            X: (n, d) features, finite.
            y: (n,) given labels, of at least two classes.

        Raises:
            ValueError: X, y or a setting cannot be used; the message says why.
        """
        X, y = validate_data(self, *checked_inputs(X, y), dtype=[np.float64, np.float32])
        check_classification_targets(y)
        self.classes_, codes = np.unique(y, return_inverse=True)
        self.model_ = train(
            self._dataset(X, codes),
            method=self.method,
            network=maker(self.network),
            epochs=self.epochs,
            lr=self.lr,
            batch=self.batch,
            seed=seed_of(self.random_state),
            device=self.device,
            noise=self.noise,
            settings=self.settings,
            progress=False,
        )
        self.label_p_wrong_ = self.model_.p_wrong
        return self

    def predict_proba(self, X: Any) -> np.ndarray:
        """(n, K) float32, columns as in `classes_`."""
        check_is_fitted(self)
        X = validate_data(self, collect_lazy(X), dtype=[np.float64, np.float32], reset=False)
        return self.model_.probabilities(self._dataset(X, np.zeros(len(X))), device=self.device, progress=False)[1]

    def predict(self, X: Any) -> np.ndarray:
        """(n,) the most probable class, in the dtype of y."""
        probs = self.predict_proba(X)
        return self.classes_[probs.argmax(1)]

    def _dataset(self, X: np.ndarray, codes: np.ndarray) -> Dataset:
        ids = np.arange(len(X)).astype(str).astype(object)
        return Dataset(
            ids, codes.astype(np.int64), tuple(str(label) for label in self.classes_.tolist()), X, "features", "X"
        )


def maker(network: Any) -> str | Callable[[int], nn.Module] | None:
    """The network in the form that `train` accepts: a skorch net becomes a function that makes its module."""
    if not hasattr(network, "initialize_module"):
        return network

    def module(classes: int) -> nn.Module:
        fresh: Any = clone(network)
        fresh = fresh.initialize()
        # skorch makes the criterion from a class, an instance or a partial; check the object that it made.
        return nn.Sequential(fresh.module_, Log()) if isinstance(fresh.criterion_, nn.NLLLoss) else fresh.module_

    return module


class Log(nn.Module):
    """Converts probabilities to logits with the same softmax."""

    def forward(self, probs: torch.Tensor) -> torch.Tensor:
        return probs.clamp_min(1e-12).log()
