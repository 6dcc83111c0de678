"""A network whose features are computed in another way, and which is otherwise itself: same weights, names, head and copies."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn


def around(net: nn.Module, how: Callable[[Any, Callable[[Any, Tensor], Tensor], Tensor], Tensor]) -> nn.Module:
    """The network, whose features (or output, if its class has no such method) for inputs x become how(net, whole, x); whole(net, x) is
    what they were."""
    cls = type(net)
    part = (
        "features" if hasattr(cls, "features") else "forward"
    )  # a submodule of that name is not called with what it needs
    whole = getattr(cls, part)
    net.__class__ = type(
        cls.__name__, (cls,), {part: lambda self, x: how(self, whole, x), "inner": cls}
    )  # so is a copy of it
    return net


def alone(net: nn.Module) -> nn.Module:
    """The network without anything around it."""
    while hasattr(net, "inner"):
        net.__class__ = type(net).inner  # pyright: ignore[reportAttributeAccessIssue]
    return net
