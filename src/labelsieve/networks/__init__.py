"""Networks by name. A factory takes the number of classes and the number of channels (or the width of the features).

Our own networks have `.features(x)` and `.head`, an `nn.Linear`, and compute head(features(x)), because detectors and
`repair` use the features in between. The table holds text, so that reading it imports nothing; `timm:NAME` names any
model of timm.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING

from labelsieve.core.errors import UserError, meant

if TYPE_CHECKING:
    from torch import nn

NETWORKS = {
    "resnet18": "labelsieve.networks.resnet:resnet18",
    "resnet34": "labelsieve.networks.resnet:resnet34",
    "preact18": "labelsieve.networks.preact:preact18",
    "o2u-cnn": "labelsieve.networks.o2u_cnn:o2u_cnn",
    "small-cnn": "labelsieve.networks.small_cnn:small_cnn",
    "linear": "labelsieve.networks.heads:linear",
    "mlp": "labelsieve.networks.heads:mlp",
}
HEADS = ("linear", "mlp")  # for features; the others are for images


def network(name: str, *, images: bool, width: int, pretrained: bool = True) -> Callable[[int], nn.Module]:
    """Return a function from K to a new network called `name`, for images of `width` channels or features of that
    width.

    Args:
        pretrained: whether timm may download weights; loading a trained model needs none.

    Raises:
        UserError: there is no network of that name, or it takes another kind of input.
    """
    if name.startswith("timm:") and images:
        from labelsieve.networks.timm_network import timm_model

        return lambda classes: timm_model(name, classes, width, pretrained=pretrained)
    fit = [own for own in NETWORKS if (own in HEADS) != images]
    if name not in fit:
        kind = "images" if images else "features"
        known = ", ".join(fit) + (" or timm:NAME" if images else "")
        raise UserError(f"There is no network {name!r} for {kind}.{meant(name, fit)} Choose from {known}.")
    module, function = NETWORKS[name].split(":")
    factory = getattr(import_module(module), function)
    return lambda classes: factory(classes, width)
