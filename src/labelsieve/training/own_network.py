"""What makes the network to be trained: a name's, or a function of the user's, tried before it costs anybody hours."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from labelsieve.core.errors import UserError
from labelsieve.networks import network as find_network

if TYPE_CHECKING:
    from torch import nn

    from labelsieve.engine.samples import Samples


def require_maker(network: Any) -> None:
    """Raises a UserError unless the network is None, a name or a function."""
    made = hasattr(network, "state_dict") and not isinstance(network, type)
    if made or not (network is None or isinstance(network, str) or callable(network)):
        what = "a network that is made already" if made else repr(network)
        raise UserError(
            f"The network is {what}; it should be a name, or a function of the number of classes that makes a new one."
        )


def maker(wanted: Any, take: dict[str, Any], device: Any, precision: str) -> tuple[str, Callable[[int], nn.Module]]:
    """The name of a network and what makes it, on the device."""
    from labelsieve.engine.device import placed
    from labelsieve.engine.distributed import divided

    images = take["kind"] == "image"
    if wanted is None:
        wanted = "linear" if not images else "resnet18" if device.type == "cuda" else "small-cnn"
    name = wanted if isinstance(wanted, str) else getattr(wanted, "__name__", type(wanted).__name__)
    make = find_network(wanted, images=images, width=take["width"]) if isinstance(wanted, str) else wanted
    return name, lambda classes: divided(placed(_module(make(classes), name), device, images=images, name=precision))


def _module(made: Any, name: str) -> Any:
    if not hasattr(made, "state_dict"):
        raise UserError(f"The network {name!r} makes a {type(made).__name__}; it should make a torch.nn.Module.")
    return made


def try_out(make: Callable[[int], nn.Module], name: str, ready: Samples) -> None:
    """Raises a UserError unless the network that `make` makes gives (b, K) logits of these inputs."""
    import torch

    from labelsieve.engine.wrapped_network import has_features, unwrap

    x = ready.plain(torch.arange(min(2, len(ready)), device=ready.labels.device))
    shape, wanted = tuple(x.shape), (len(x), ready.classes)
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
    if tuple(out.shape) != wanted:
        raise UserError(
            f"The network {name!r} gives {tuple(out.shape)} for inputs of shape {shape}; it should give logits {wanted}."
        )
    if not plain:
        raise UserError(
            f"The network {name!r} has features(x) and head, and gives something else than head(features(x)); let its forward "
            "return that, or call one of the two something else."
        )


def _ends_in_its_head(net: Any, x: Any) -> bool:
    """Whether the network gives head(features(x)), in training too, where a dropout between the two would show."""
    import torch

    def seeded(part: Callable[[Any], Any]) -> Any:
        with torch.random.fork_rng():
            torch.manual_seed(0)
            return part(x)

    return torch.allclose(seeded(net), seeded(lambda x: net.head(net.features(x))))
