"""Several processes, one training run: `torchrun --nproc-per-node 4 -m labelsieve train ...`.

Every process runs the whole method on the same batches with the same random numbers; only the networks divide their work. A network's
features are computed for a process's own part of the batch and put together, so that heads, losses, selections and records see the whole
batch everywhere, and no method knows of it. Gradients are averaged in `Session.step`: what a process's own part gives counts as many
times as there are processes, what all compute alike (the heads) once. Process 0 writes and tells.
Differs from one process: the order of sums; batch normalisation sees a process's own part, as in PyTorch's DistributedDataParallel.
Cost: two all-reduces a step, of the features (b, d) and of the gradients; augmentation is not divided.
"""

from __future__ import annotations

import atexit
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import torch
from torch import Tensor, distributed, nn

from labelsieve.engine.wrapped_network import wrap

PATIENCE = timedelta(
    days=7
)  # while process 0 encodes; torchrun, not the clock, ends processes that have lost the others


def join(device: torch.device) -> torch.device:
    """Meet the other processes that torchrun started, if it did; the device of this one."""
    if int(os.environ.get("WORLD_SIZE", 1)) == 1:
        return device
    if device.type == "cuda" and device.index in (None, 0):
        device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0)))
        torch.cuda.set_device(device)
    if not distributed.is_initialized():
        distributed.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=PATIENCE)
        atexit.register(distributed.destroy_process_group)
    return device


def size() -> int:
    return distributed.get_world_size() if distributed.is_available() and distributed.is_initialized() else 1


def rank() -> int:
    return distributed.get_rank() if size() > 1 else 0


@contextmanager
def in_turn() -> Iterator[None]:
    """Process 0 first, then the others, which find what it wrote."""
    if rank() > 0:
        distributed.barrier()
    yield
    if size() > 1 and rank() == 0:
        distributed.barrier()


def divided(net: nn.Module) -> nn.Module:
    """The network, the same in all processes, whose features (or output, if it has none) are computed by all of them together."""
    if size() == 1:
        return net
    for tensor in net.state_dict().values():
        distributed.broadcast(tensor, 0)
    return wrap(net, _together)


def average(parameters: Iterable[nn.Parameter]) -> None:
    """Gradients become their mean over the processes."""
    if size() == 1:
        return
    gradients = [p.grad for p in parameters if p.grad is not None]
    _mean(gradients)


def _together(net: Any, part: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    if len(x) < 2 * size():  # too few to divide: everybody does all
        return part(x)
    mine = torch.arange(len(x)).tensor_split(size())[rank()]
    own = slice(int(mine[0]), int(mine[-1]) + 1)
    out = _Join.apply(part(x[own]), own, len(x))
    if net.training:
        _mean([b for b in net.buffers() if b.is_floating_point()])
    assert isinstance(out, Tensor)
    return out


class _Join(torch.autograd.Function):
    """Own rows of each process -> all rows in every process."""

    @staticmethod
    def forward(ctx: Any, part: Tensor, own: slice, n: int) -> Tensor:
        ctx.own = own
        out = part.new_zeros(n, *part.shape[1:])
        out[own] = part
        distributed.all_reduce(out)
        return out

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        return grads[0][ctx.own] * size(), None, None  # `average` divides by it


@torch.no_grad()
def _mean(tensors: list[Tensor]) -> None:
    if not tensors:
        return
    flat = torch.cat([t.flatten() for t in tensors])
    distributed.all_reduce(flat)
    flat /= size()
    for tensor, mean in zip(tensors, flat.split([t.numel() for t in tensors]), strict=True):
        tensor.data.copy_(
            mean.view_as(tensor)
        )  # autograd keeps running statistics, which no backward pass in training reads
