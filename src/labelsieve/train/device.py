"""Where tensors live, in which precision they are multiplied, and how images lie in memory.

CPU: float32, images with their colours innermost. NVIDIA from Ampere on: the same with bfloat16 products. Apple: float32, images as they
come, and what its backend lacks goes to the CPU.
"""

from __future__ import annotations

import os
from contextlib import AbstractContextManager, nullcontext

os.environ.setdefault("PYTORCH_ENABLE_MPS_FALLBACK", "1")  # read when torch is imported

import torch

from labelsieve.core.errors import UserError

AMPERE = (8, 0)  # the first that multiplies bfloat16 itself


def pick(name: str | None = None) -> torch.device:
    """The device called `name`; None is the GPU if there is one, else the CPU.

    Raises:
        UserError: there is no such device.
    """
    if name is None:
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        return torch.zeros(1, device=name).device
    except (RuntimeError, AssertionError) as error:
        raise UserError(f"There is no device {name!r} here ({str(error).splitlines()[0]}); leave it out, or name cpu.") from error


def autocast(device: torch.device) -> AbstractContextManager:
    """bfloat16 products on a GPU that has them; float32 elsewhere."""
    if device.type == "cuda" and torch.cuda.get_device_capability(device) >= AMPERE:
        return torch.autocast("cuda", torch.bfloat16)
    return nullcontext()


def layout(device: torch.device) -> torch.memory_format:
    """How the weights of a network for images lie: colours innermost, which convolutions on a CPU or an NVIDIA GPU want."""
    return torch.contiguous_format if device.type == "mps" else torch.channels_last


def has_room(device: torch.device, size: int) -> bool:
    """Whether `size` bytes of inputs leave half of the device's free memory to the network."""
    return device.type != "cuda" or size <= torch.cuda.mem_get_info(device)[0] // 2
