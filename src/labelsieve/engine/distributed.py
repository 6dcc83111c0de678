"""Several processes, one training: `torchrun --nproc-per-node 4 -m labelsieve train ...`, on one or several machines.

Every process runs the whole method on the same batches with the same random numbers; only the networks divide their
work. Each process computes a network's features for its own part of the batch, and the parts are joined. So heads,
losses, selections and records see the whole batch in every process, and the methods need no change. Gradients are
averaged in `Session.step`: those of a process's own part are multiplied by the number of processes, those that all
processes compute (of the heads) count once. Batch normalisation sees the whole batch too (`joint_batch_norm`). Differs
from one process: the order of sums.
The machines share no disk: each process reads its part of the inputs (`part`), and the parts are exchanged (`spread`).
Process 0 alone writes the model folder; what it reads there, it tells the others (`by_first`). `engine.watch` ends all
processes when one is lost.
Cost: two all-reduces per step, of the features (b, d) and of the gradients, and two small ones per batch normalisation;
augmentation is not divided.
"""

from __future__ import annotations

import atexit
import os
import socket
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, distributed, nn

from labelsieve.core.errors import UserError, first_line
from labelsieve.engine import joint_batch_norm, watch
from labelsieve.engine.watch import Place, Watch
from labelsieve.engine.wrapped_network import wrap

T = TypeVar("T")
# A step takes seconds, and all processes begin it together. The limit of PyTorch for NCCL.
STEP = timedelta(minutes=10)
# The others wait while process 0 estimates the noise or others encode; `engine.watch` notices those that are lost.
PATIENCE = timedelta(days=7)
_BLOCK = 64 << 20  # bytes that are sent at once

_waiting: Any = None  # the group of all processes that exchanges values and may wait long
_watch: Watch | None = None


def join(device: torch.device) -> torch.device:
    """Connect to the other processes if torchrun started several; return the device of this one.

    Raises:
        UserError: they cannot be reached, or there is no GPU for this process.
    """
    global _waiting, _watch
    if int(os.environ.get("WORLD_SIZE", 1)) == 1:
        return device
    if device.type == "cuda" and device.index in (None, 0):
        own, gpus = int(os.environ.get("LOCAL_RANK", 0)), torch.cuda.device_count()
        if own >= gpus:
            raise UserError(f"This machine has {gpus} GPU for {own + 1} processes or more; start one process per GPU.")
        device = torch.device("cuda", own)
        torch.cuda.set_device(device)
    if not distributed.is_initialized():
        _choose_interface()
        try:
            distributed.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=STEP)
            _waiting = distributed.new_group(backend="gloo", timeout=PATIENCE)
        except (RuntimeError, ValueError) as error:
            raise UserError(
                f"The processes cannot connect to each other ({first_line(error)[:200]}). Start them with torchrun, "
                "and let the machines reach each other on all ports. On a machine with several networks, set "
                "GLOO_SOCKET_IFNAME and NCCL_SOCKET_IFNAME to the interface that reaches the others."
            ) from error
        atexit.register(distributed.destroy_process_group)
        _watch = Watch(exchange(Place.own()), rank(), exchange)
    return device


def size() -> int:
    return distributed.get_world_size() if distributed.is_available() and distributed.is_initialized() else 1


def rank() -> int:
    return distributed.get_rank() if size() > 1 else 0


@contextmanager
def together(*, resumes: bool) -> Iterator[None]:
    """A training of all processes: when one of them stops or is lost, all end. `resumes`: it writes checkpoints."""
    if _watch is None:
        yield
        return
    _watch.begin(resumes=resumes)
    try:
        yield
    except KeyboardInterrupt:
        _watch.stop("it was interrupted; run the same command again on every machine to continue.")
        raise
    except UserError as error:
        _watch.stop(error.for_command_line())
        raise
    except BaseException as error:
        _watch.stop(f"{type(error).__name__}: {first_line(error)}")
        raise
    _watch.end()


def by_first(work: Callable[[], T]) -> T:
    """Process 0 does the work; every process returns its result, or raises its UserError."""
    if size() == 1:
        return work()
    outcome: list[Any] = [None]
    if rank() == 0:
        try:
            outcome = [(work(), None)]
        except UserError as error:
            outcome = [(None, error)]
    with _connected():
        distributed.broadcast_object_list(outcome, 0, group=_waiting)
    result, error = outcome[0]
    if error is not None:
        raise error
    return result


def exchange(value: T) -> list[T]:
    """The values of all processes, in the order of their ranks."""
    if size() == 1:
        return [value]
    values: list[Any] = [None] * size()
    with _connected():
        distributed.all_gather_object(values, value, group=_waiting)
    return values


def part(n: int, of: int | None = None, *, unit: int = 1) -> range:
    """The rows, of n, that belong to this process, or to process `of`; units of so many rows stay together."""
    first, units = rank() if of is None else of, -(-n // unit)
    return range(*(min(n, units * process // size() * unit) for process in (first, first + 1)))


def spread(own: np.ndarray, out: np.ndarray, *, unit: int = 1) -> None:
    """Fill `out` (n, ...) in every process from the rows `own` (m, ...) that belong to each (`part`)."""
    n, step = len(out), max(1, _BLOCK // max(1, out[:1].nbytes))
    for sender in range(size()):
        rows = part(n, sender, unit=unit)
        for start in range(rows.start, rows.stop, step):
            stop = min(start + step, rows.stop)
            mine = sender == rank()
            block = np.array(own[start - rows.start : stop - rows.start] if mine else out[start:stop], order="C")
            with _connected():
                distributed.broadcast(torch.from_numpy(block.view(np.uint8)), sender, group=_waiting)
            out[start:stop] = block


def divided(net: nn.Module) -> nn.Module:
    """The network, equal in all processes, which compute its features (or its output, if it has none) together."""
    if size() == 1:
        return net
    with _connected():
        for tensor in net.state_dict().values():
            distributed.broadcast(tensor, 0)
    if all(name.startswith("head.") for name in net.state_dict()):
        return net  # every process computes a head on all of the batch, which costs less than sending features
    joint_batch_norm.join(net)
    return wrap(net, _together)


@contextmanager
def _connected() -> Iterator[None]:
    """Around a collective: its failure as a sentence, if the watch has not ended this process before."""
    try:
        yield
    except RuntimeError as error:
        time.sleep(watch.GRACE)
        raise UserError(
            f"The connection between the processes broke ({first_line(error)[:200]}). Run the same command again on "
            "every machine; training continues after the last epoch that was saved."
        ) from error


def _choose_interface() -> None:
    """Let gloo use the network through which this machine reaches process 0. Its own choice follows the host name,
    which often stands for 127.0.0.1, where no other machine answers."""
    own = watch.toward_first()
    several = os.environ.get("WORLD_SIZE") != os.environ.get("LOCAL_WORLD_SIZE")
    if not several or own.startswith("127.") or "GLOO_SOCKET_IFNAME" in os.environ or not hasattr(socket, "AF_PACKET"):
        return
    import fcntl
    import struct

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        for _, name in socket.if_nameindex():
            try:
                asked = fcntl.ioctl(any_socket, 0x8915, struct.pack("256s", name.encode()[:15]))  # SIOCGIFADDR
            except OSError:  # an interface without an address
                continue
            if socket.inet_ntoa(asked[20:24]) == own:
                os.environ["GLOO_SOCKET_IFNAME"] = name


def average(parameters: Iterable[nn.Parameter]) -> None:
    """Replace the gradients by their mean over the processes."""
    if size() == 1:
        return
    gradients = [p.grad for p in parameters if p.grad is not None]
    _mean(gradients)


def _together(net: Any, compute: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    if len(x) < 2 * size():  # too few to divide: every process computes all
        return compute(x)
    own = slice(part(len(x)).start, part(len(x)).stop)
    with joint_batch_norm.parts(_total):
        out = _Join.apply(compute(x[own]), own, len(x))
    if net.training and (others := joint_batch_norm.other_buffers(net)):
        _mean(others)
    assert isinstance(out, Tensor)
    return out


def _total(own: Tensor) -> Tensor:
    """The sum of the tensors of all processes."""
    with _connected():
        distributed.all_reduce(own)
    return own


class _Join(torch.autograd.Function):
    """Own rows of each process -> all rows in every process."""

    @staticmethod
    def forward(ctx: Any, part: Tensor, own: slice, n: int) -> Tensor:
        ctx.own = own
        out = part.new_zeros(n, *part.shape[1:])
        out[own] = part
        return _total(out)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        return grads[0][ctx.own] * size(), None, None  # `average` divides by it


@torch.no_grad()
def _mean(tensors: list[Tensor]) -> None:
    if not tensors:
        return
    flat = torch.cat([t.flatten() for t in tensors])
    _total(flat).div_(size())
    for tensor, mean in zip(tensors, flat.split([t.numel() for t in tensors]), strict=True):
        # `data`, because autograd keeps running statistics, which no backward pass in training reads
        tensor.data.copy_(mean.view_as(tensor))
