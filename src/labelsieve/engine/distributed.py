"""Several processes, one training run: `torchrun --nproc-per-node 4 -m labelsieve train ...`.

Every process runs the whole method on the same batches with the same random numbers; only the networks divide their
work. Each process computes a network's features for its own part of the batch, and the parts are joined. So heads,
losses, selections and records see the whole batch in every process, and the methods need no change. Gradients are
averaged in `Session.step`: those of a process's own part are multiplied by the number of processes, those that all
processes compute (of the heads) count once. Process 0 writes files and progress. Differs from one process: the order of
sums; batch normalisation sees a process's own part, as in PyTorch's DistributedDataParallel.
Cost: two all-reduces per
step, of the features (b, d) and of the gradients; augmentation is not divided.
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

# The others wait while process 0 encodes; torchrun, not this limit, ends processes that have lost the others.
PATIENCE = timedelta(days=7)


def join(device: torch.device) -> torch.device:
    """Connect to the other processes if torchrun started several; return the device of this one."""
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
    """Process 0 runs the body first, then the others, which can read what it wrote."""
    if rank() > 0:
        distributed.barrier()
    yield
    if size() > 1 and rank() == 0:
        distributed.barrier()


def divided(net: nn.Module) -> nn.Module:
    """The network, equal in all processes, which compute its features (or its output, if it has none) together."""
    if size() == 1:
        return net
    for tensor in net.state_dict().values():
        distributed.broadcast(tensor, 0)
    return wrap(net, _together)


def average(parameters: Iterable[nn.Parameter]) -> None:
    """Replace the gradients by their mean over the processes."""
    if size() == 1:
        return
    gradients = [p.grad for p in parameters if p.grad is not None]
    _mean(gradients)


def _together(net: Any, part: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    if len(x) < 2 * size():  # too few to divide: every process computes all
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
        # `data`, because autograd keeps running statistics, which no backward pass in training reads
        tensor.data.copy_(mean.view_as(tensor))
