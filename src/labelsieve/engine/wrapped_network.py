"""A network around another that computes its features differently: in bfloat16, or divided over processes.

The names of the state dict are those of the network inside, so that a checkpoint fits both.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

Compute = Callable[[Any, Callable[[Tensor], Tensor], Tensor], Tensor]


class Wrapped(nn.Module):
    """A network without features whose output is computed differently.

    Attributes:
        net: the network inside.
        compute: (net, part of it, inputs) -> the value to use for part(inputs).
    """

    def __init__(self, net: nn.Module, compute: Compute):
        super().__init__()
        self.net, self.compute = net, compute

    def forward(self, x: Tensor) -> Tensor:
        return self.compute(self.net, self.net, x)

    def state_dict(self, *args: Any, **settings: Any) -> Any:
        return self.net.state_dict(*args, **settings)

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *others: Any) -> None:
        """Add the prefix `net.`, which `nn.Module` expects for the network inside."""
        for name in [name for name in state_dict if name.startswith(prefix)]:
            state_dict[f"{prefix}net.{name.removeprefix(prefix)}"] = state_dict.pop(name)
        super()._load_from_state_dict(state_dict, prefix, *others)


class WrappedFeatures(Wrapped):
    """A network that computes head(features(x)): its features are computed differently, its head is unchanged."""

    net: Any

    @property
    def head(self) -> nn.Module:
        return self.net.head

    def features(self, x: Tensor) -> Tensor:
        return self.compute(self.net, self.net.features, x)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.features(x))


def has_features(net: nn.Module) -> bool:
    """Whether it has a method `features` and a `head`. A submodule called `features` does not count, because only its
    network knows its inputs."""
    return hasattr(type(net), "features") and hasattr(net, "head")


def wrap(net: nn.Module, compute: Compute) -> Wrapped:
    return WrappedFeatures(net, compute) if has_features(net) else Wrapped(net, compute)


def unwrap(net: nn.Module) -> nn.Module:
    """The network inside."""
    while isinstance(net, Wrapped):
        net = net.net
    return net
