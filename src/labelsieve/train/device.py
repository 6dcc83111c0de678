"""Where tensors live and in which precision they are multiplied."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch

from labelsieve.core.errors import UserError


def pick(name: str | None = None) -> torch.device:
    """The device called `name`; None is the GPU if there is one, else the CPU."""
    if name is None:
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        return torch.zeros(1, device=name).device
    except (RuntimeError, AssertionError) as error:
        raise UserError(f"There is no device {name!r} here ({str(error).splitlines()[0]}); leave it out, or name cpu.") from error


def autocast(device: torch.device) -> AbstractContextManager:
    """bfloat16 products on a GPU; float32 elsewhere."""
    return torch.autocast("cuda", torch.bfloat16) if device.type == "cuda" else nullcontext()
