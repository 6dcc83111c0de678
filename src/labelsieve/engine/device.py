"""The device of tensors, the precision of their products, and the memory layout of images.

Networks multiply in bfloat16 if the device supports it natively: NVIDIA from Ampere on, processors with AVX-512 BF16 or
AMX (AMD from Zen 4, Intel's Cooper Lake and Sapphire Rapids). Weights, heads, losses and optimisers use float32, and so
does a linear head on features. Images have their channels innermost in memory, except on Apple's GPU.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from labelsieve.core.errors import UserError, meant
from labelsieve.engine.wrapped_network import wrap

AMPERE = (8, 0)  # the first with native bfloat16
DEVICES = ("cpu", "cuda", "mps", "xpu")
LONGEST_REASON = 100
PRECISIONS = ("float32", "bfloat16")


def pick(name: str | None = None) -> torch.device:
    """Return the device called `name`; None is the GPU if there is one, else the CPU.

    Raises:
        UserError: there is no such device.
    """
    if name is None:
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    if str(name).partition(":")[0] not in DEVICES:
        raise UserError(f"There is no device {name!r}; choose cpu, cuda, cuda:1 or mps.")
    try:
        return torch.zeros(1, device=name).device
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0].split(". ")[0]  # PyTorch lists all its backends after that
        if len(reason) > LONGEST_REASON:
            reason = "PyTorch has no such device"
        raise UserError(f"The device {name!r} is not available ({reason}); leave it out, or choose cpu.") from error


def precision(device: torch.device, name: str | None = None) -> str:
    """Return the precision called `name`; None is bfloat16 if the device supports it natively, else float32.

    Raises:
        UserError: there is no precision of that name.
    """
    if name is None:
        if device.type == "cuda":
            return PRECISIONS[torch.cuda.get_device_capability(device) >= AMPERE]
        native = getattr(torch.cpu, "_is_avx512_bf16_supported", bool)  # processors with AMX have it too
        return PRECISIONS[device.type == "cpu" and native()]
    if name not in PRECISIONS:
        raise UserError(f"There is no precision {name!r}.{meant(str(name), PRECISIONS)} Choose float32 or bfloat16.")
    return name


def autocast(device: torch.device, name: str | None = None) -> AbstractContextManager[Any]:
    """A context in which products have a precision, named as in `precision`."""
    if precision(device, name) == "float32":
        return nullcontext()
    return torch.autocast(device.type, torch.bfloat16)


def placed(net: nn.Module, device: torch.device, *, images: bool, name: str | None = None) -> nn.Module:
    """The network on the device; a network for images gets the memory layout that is best for its convolutions.

    Its features (or its output, if it has none) are computed in the precision `name` and returned in float32; a linear
    head, whose features are its input, uses float32 throughout."""
    net = net.to(device)
    if images:
        net = net.to(memory_format=layout(device))  # pyright: ignore[reportCallIssue]
    name = precision(device, name)

    def mixed(net: Any, part: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
        with autocast(x.device, name):
            return part(x).float()

    return net if name == "float32" else wrap(net, mixed)


def layout(device: torch.device) -> torch.memory_format:
    """The memory layout of a network for images: channels innermost, which is fastest on a CPU or an NVIDIA GPU."""
    return torch.contiguous_format if device.type == "mps" else torch.channels_last


def has_room(device: torch.device, size: int) -> bool:
    """Whether `size` bytes of inputs leave half of the device's free memory for the network."""
    return device.type != "cuda" or size <= torch.cuda.mem_get_info(device)[0] // 2
