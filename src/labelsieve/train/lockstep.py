"""Many heads at once: several methods and several seeds share one pass over the features.

Linear heads are independent maps of the same rows, so one product serves all of them, forwards and backwards. Each method runs as it is
written, as a coroutine: the first to ask for the logits of a batch makes those of all, and when each has told its loss, all heads make
their step. A method sees its seeds as one data set of seeds x n examples, seed after seed, and its mean loss is that of all of them: so
it must treat every example alone, as a loss does, and as a mixture fitted to all losses does not.
Differs from one head a run: nothing but rounding; every method has its own optimiser, every seed its own order of rows. No record of
training dynamics, no checkpoint.
Cost: a step of M methods and S seeds is one gather of S b rows and, for each seed, two products of (M K, d) by (d, b); for 5 methods, 5
    seeds and 10 classes 5 (d = 1280) to 10 (d = 64) times less than a plain loop for each head (bench/heads.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from greenlet import getcurrent, greenlet
from torch import Tensor, nn

from labelsieve.models.heads import Linear
from labelsieve.train.samples import Samples
from labelsieve.train.session import Session

Call = Callable[[Samples, Callable[[int], nn.Module], Session], Any]  # a method with its settings
Progress = Callable[[str, int, int], None]


def together(samples: Samples, calls: Sequence[Call], seeds: Sequence[int], progress: Progress | None = None) -> list[Any]:
    """What each call returned. Its network is a `Heads`; whatever it has for n examples it has for seeds x n, seed after seed.

    Args:
        samples: features, on the device.
        calls: functions of (samples, network, session), all with batches of one size; the longest first, so that no product is in vain.
        seeds: of the order of rows.

    Raises:
        UserError: a loss is not finite.
    """
    sweep = _Sweep(samples, len(calls), seeds)
    stacked = _Stacked(samples.inputs, samples.labels.repeat(len(seeds)), samples.classes, samples.mean, samples.std)
    lanes = [_Lane(sweep, number, len(stacked), progress if number == 0 else None) for number in range(len(calls))]
    running = {lane: greenlet(call) for lane, call in zip(lanes, calls, strict=True)}
    returned: dict[_Lane, Any] = {}
    given = {lane: (stacked, lambda _, number=lane.number: Heads(sweep, number), lane) for lane in lanes}
    while running:
        for lane, coroutine in list(running.items()):
            out = coroutine.switch(*given.pop(lane, ()))
            if coroutine.dead:
                returned[lane] = out
                del running[lane]
        if running:
            sweep.step(list(running))
    return [returned[lane] for lane in lanes]


class Heads(nn.Module):
    """The heads of one method, one for each seed, called with rows instead of features.

    Attributes:
        weight, bias: (S, K, d) and (S, K), parts of the tensors that hold the heads of all methods; so are their gradients.
    """

    def __init__(self, sweep: _Sweep, number: int):
        super().__init__()
        part = slice(number * sweep.classes, (number + 1) * sweep.classes)
        self.weight, self.bias = nn.Parameter(sweep.weight[:, part]), nn.Parameter(sweep.bias[:, part])
        self.weight.grad, self.bias.grad = sweep.weight_slope[:, part], sweep.bias_slope[:, part]
        self._logits = lambda rows: sweep.logits(rows)[number]

    def forward(self, rows: Tensor) -> Tensor:
        """Logits (S b, K) of one batch's rows (S b,)."""
        return self._logits(rows)

    def apart(self) -> list[Linear]:
        """One network for each seed."""
        _, classes, width = self.weight.shape
        nets = [Linear(classes, width).to(self.weight.device) for _ in self.weight]
        for net, weight, bias in zip(nets, self.weight, self.bias, strict=True):
            net.head.load_state_dict({"weight": weight, "bias": bias})
        return nets


@dataclass(frozen=True, eq=False)
class _Stacked(Samples):
    """The same features for each seed: row s n + i is example i as seed s sees it. Inputs stay where they are; a batch is its rows."""

    def batches(self, size: int, generator: Any, *, drop_last: bool = False) -> Iterator[Tensor]:
        return generator.epoch(size, drop_last)

    def weak(self, rows: Tensor, generator: Any) -> Tensor:
        return rows


class _Orders:
    """The batches of all seeds, epoch by epoch; drawn for the method that comes first, the same tensors for the others."""

    def __init__(self, samples: Samples, seeds: Sequence[int]):
        self._samples = samples
        self._generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        self._offset = len(samples) * torch.arange(len(seeds), device=samples.labels.device)[:, None]
        self._drawn: dict[int, list[Tensor]] = {}
        self._asked: tuple[int, bool] | None = None

    def draw(self, number: int, size: int, drop_last: bool) -> list[Tensor]:
        """Rows (S b,) of each batch of epoch `number`, asked for in order."""
        self._asked = self._asked or (size, drop_last)
        if self._asked != (size, drop_last):
            raise ValueError("Methods that train together take batches of one size.")
        if number not in self._drawn:
            self._drawn.pop(number - 2, None)  # no method is more than one epoch behind
            each = (self._samples.batches(size, generator, drop_last=drop_last) for generator in self._generators)
            self._drawn[number] = [(torch.stack(rows) + self._offset).flatten() for rows in zip(*each, strict=True)]
        return self._drawn[number]


class _Order:
    """What a method has for a random generator: orders of rows and nothing else, so that any other draw fails."""

    def __init__(self, orders: _Orders):
        self._orders, self._epochs = orders, 0

    def epoch(self, size: int, drop_last: bool) -> Iterator[Tensor]:
        self._epochs += 1
        return iter(self._orders.draw(self._epochs - 1, size, drop_last))


class _Lane(Session):
    """The session of one method."""

    def __init__(self, sweep: _Sweep, number: int, n: int, progress: Progress | None):
        super().__init__(n, progress=progress)
        self.generator, self.numpy = _Order(sweep.orders), None  # type: ignore[assignment]
        self.number, self._main = number, getcurrent()
        self.told: tuple[Tensor, torch.optim.Optimizer]

    def step(self, loss: Tensor, optimiser: torch.optim.Optimizer, *, clip: float | None = None) -> None:
        """Leave loss and optimiser for the sweep, and go on when all have made their step."""
        if clip is not None:
            raise ValueError("The norm of one head's gradient is not known here; a method that clips trains alone.")
        self._losses.append(loss.detach())
        self.told = loss, optimiser
        self._main.switch()

    def check(self) -> None:
        """Raises a UserError if the last loss is not finite."""
        self._finite()

    def record(self, rows: Tensor, logits: Tensor, labels: Tensor) -> None:
        pass


class _Sweep:
    """The heads of all methods: weight (S, M K, d), bias (S, M K), and their gradients."""

    def __init__(self, samples: Samples, methods: int, seeds: Sequence[int]):
        first = Linear(samples.classes, samples.inputs.shape[1]).to(samples.inputs.device)
        self.weight = first.head.weight.detach().repeat(len(seeds), methods, 1)
        self.bias = first.head.bias.detach().repeat(len(seeds), methods)
        self.weight_slope, self.bias_slope = torch.zeros_like(self.weight), torch.zeros_like(self.bias)
        self.scale, self.classes, self.seeds = first.scale, samples.classes, len(seeds)
        self.orders, self._inputs = _Orders(samples, seeds), samples.inputs
        self._rows: Tensor | None = None
        self._used = methods

    def logits(self, rows: Tensor) -> list[Tensor]:
        """(S b, K) for each method; leaves of the graph, classes first in memory, where a softmax over few classes is fastest."""
        if rows is not self._rows:
            used = self._used * self.classes
            self._rows = rows
            self._x = self._inputs.index_select(0, rows % len(self._inputs)).view(self.seeds, -1, self._inputs.shape[1])
            out = torch.baddbmm(self.bias[:, :used, None], self.weight[:, :used], self._x.mT, alpha=self.scale)  # (S, M K, b)
            out = out.view(self.seeds, self._used, self.classes, -1).permute(1, 2, 0, 3).reshape(self._used, self.classes, -1)
            self._leaves = [part.requires_grad_() for part in out.mT.unbind()]
        return self._leaves

    def step(self, lanes: list[_Lane]) -> None:
        """The gradients of all heads, and a step of each lane's optimiser."""
        if not torch.isfinite(torch.stack([lane.told[0].detach() for lane in lanes])).all():
            for lane in lanes:
                lane.check()
        slopes = iter(torch.autograd.grad([lane.told[0] for lane in lanes], [self._leaves[lane.number] for lane in lanes]))
        live = {lane.number for lane in lanes}
        each = [next(slopes).T if number in live else self._leaves[number].detach().T * 0 for number in range(self._used)]
        slope = torch.cat(each).view(len(each) * self.classes, self.seeds, -1).transpose(0, 1)  # (S, M K, b)
        used = slope.shape[1]
        alpha = self.seeds * self.scale  # a head has the mean of its own seed's batch, not of all
        self.weight_slope[:, :used].baddbmm_(slope, self._x, beta=0, alpha=alpha)
        torch.sum(slope, 2, out=self.bias_slope[:, :used]).mul_(self.seeds)
        for lane in lanes:
            lane.told[1].step()
        self._rows, self._used = None, max(lane.number for lane in lanes) + 1
