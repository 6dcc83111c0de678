"""The function that makes the network to train: by name or from the user, tried out before hours of training."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from labelsieve.core.errors import UserError
from labelsieve.networks import network as find_network

if TYPE_CHECKING:
    from torch import nn

    from labelsieve.engine.samples import Samples


def require_maker(network: Any) -> None:
    """Raise a UserError unless the network is None, a name or a function."""
    is_made = hasattr(network, "state_dict") and not isinstance(network, type)
    if is_made or not (network is None or isinstance(network, str) or callable(network)):
        what = "a finished network" if is_made else repr(network)
        raise UserError(
            f"The network is {what}; pass a name, or a function that takes the number of classes and makes a new "
            "network."
        )


def maker(network: Any, take: dict[str, Any], device: Any, precision: str) -> tuple[str, Callable[[int], nn.Module]]:
    """The name of a network, and the function that makes it on the device."""
    from labelsieve.engine.device import placed
    from labelsieve.engine.distributed import divided

    images = take["kind"] == "image"
    if network is None:
        network = "linear" if not images else "resnet18" if device.type == "cuda" else "small-cnn"
    name = network if isinstance(network, str) else getattr(network, "__name__", type(network).__name__)
    make = find_network(network, images=images, width=take["width"]) if isinstance(network, str) else network
    return name, lambda classes: divided(placed(_module(make(classes), name), device, images=images, name=precision))


def _module(made: Any, name: str) -> Any:
    if not hasattr(made, "state_dict"):
        raise UserError(f"The function {name!r} makes a {type(made).__name__}; it should make a torch.nn.Module.")
    return made


def try_out(make: Callable[[int], nn.Module], name: str, ready: Samples) -> None:
    """Raise a UserError unless the network from `make` returns (b, K) logits for these inputs."""
    import torch

    from labelsieve.engine.wrapped_network import has_features, unwrap

    x = ready.plain(torch.arange(min(2, len(ready)), device=ready.labels.device))
    shape, expected = tuple(x.shape), (len(x), ready.classes)
    try:
        with torch.no_grad():
            made = make(ready.classes)
            out = made.eval()(x)
            plain = not has_features(made) or _ends_in_its_head(unwrap(made).train(), x)
    except UserError:  # a sentence already
        raise
    except Exception as error:  # whatever the user's code raises
        raise UserError(
            f"The network {name!r} cannot take inputs of shape {shape} ({type(error).__name__}: {error})."
        ) from error
    if tuple(out.shape) != expected:
        raise UserError(
            f"The network {name!r} returns {tuple(out.shape)} for inputs of shape {shape}; it should return logits "
            f"{expected}."
        )
    if not plain:
        raise UserError(
            f"The network {name!r} has features(x) and head, but its forward does not return head(features(x)). Make "
            "forward return that, or rename one of the two."
        )


def _ends_in_its_head(net: Any, x: Any) -> bool:
    """Whether the network returns head(features(x)), also in training mode, where a dropout between the two would
    show."""
    import torch

    def seeded(part: Callable[[Any], Any]) -> Any:
        with torch.random.fork_rng():
            torch.manual_seed(0)
            return part(x)

    return torch.allclose(seeded(net), seeded(lambda x: net.head(net.features(x))))
