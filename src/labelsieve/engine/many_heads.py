"""Many heads at once: several methods and several seeds share one pass over the features.

Linear heads are independent maps of the same rows, so one product serves all of them, forwards and backwards. Each method runs as it is
written, as a coroutine: the first to ask for the logits of a batch makes those of all, and when each has told its loss, all heads make
their step. Losses bring their slopes along (losses/slope.py), so nothing is differentiated by a graph. A method sees its seeds as one
data set of seeds x n examples, seed after seed: so it must treat every example alone, as a loss does, and as a mixture fitted to all
losses does not. Its optimiser says what to do, rate, momentum and decay, and the sweep does it: stochastic gradient descent.
Differs from one head a run: where the device multiplies bfloat16 itself, features, and weights and slopes in the two products, are rounded
to it; weights, softmax, slopes and steps are float32. On four sets (docs/compare.md) that moved no mean accuracy by more than 0.02 points.
In float32 throughout nothing differs but rounding. Every seed has its own order of rows. No record of training dynamics, no checkpoint.
Cost: a step of M methods and S seeds is one gather of S b rows and, for each seed, two products of (M K, d) by (d, b).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from greenlet import getcurrent, greenlet
from torch import Tensor, nn

from labelsieve.engine import device
from labelsieve.engine.samples import Samples
from labelsieve.engine.session import Session
from labelsieve.losses.slope import Predicted, Sloped
from labelsieve.networks.heads import Linear

Call = Callable[[Samples, Callable[[int], nn.Module], Session], Any]  # a method with its settings
Progress = Callable[[str, int, int], None]


def together(
    samples: Samples,
    calls: Sequence[Call],
    seeds: Sequence[int],
    progress: Progress | None = None,
    *,
    precision: str | None = None,
) -> list[Any]:
    """What each call returned. Its network is a `Heads`; whatever it has for n examples it has for seeds x n, seed after seed.

    Args:
        samples: features of unit variance, on the device.
        calls: functions of (samples, network, session), all with batches of one size; the longest first, so that no product is in vain.
        seeds: of the order of rows.
        precision: of the two products, as `engine.device.precision` names it.

    Raises:
        UserError: a loss is not finite.
    """
    sweep = _Sweep(samples, len(calls), seeds, rounded=device.precision(samples.inputs.device, precision) == "bfloat16")
    stacked = _Stacked(
        samples.inputs, samples.labels.repeat(len(seeds)), samples.classes, samples.mean, samples.std, sweep=sweep
    )
    lanes = [_Lane(sweep, number, len(stacked), progress if number == 0 else None) for number in range(len(calls))]
    running = {lane: greenlet(call) for lane, call in zip(lanes, calls, strict=True)}
    returned: dict[_Lane, Any] = {}
    given = {lane: (stacked, lambda _, number=lane.number: Heads(sweep, number), lane) for lane in lanes}
    with torch.inference_mode():
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
        self.weight, self.bias = nn.Parameter(sweep.weight[:, number]), nn.Parameter(sweep.bias[:, number])
        self._logits = lambda rows: sweep.predicted(rows)[number]

    def forward(self, rows: Tensor) -> Predicted:
        """What the heads say of one batch's rows (S b,)."""
        return self._logits(rows)

    def apart(self) -> list[Linear]:
        """One network for each seed."""
        _, classes, width = self.weight.shape
        nets = [Linear(classes, width).to(self.weight.device) for _ in self.weight]
        for net, weight, bias in zip(nets, self.weight, self.bias, strict=True):
            net.head.load_state_dict({"weight": weight / net.scale, "bias": bias})
        return nets


@dataclass(frozen=True, eq=False)
class _Stacked(Samples):
    """The same features for each seed: row s n + i is example i as seed s sees it. Inputs stay where they are; a batch is its rows."""

    sweep: _Sweep = field(kw_only=True)

    def batches(self, size: int, generator: Any, *, drop_last: bool = False) -> Iterator[Tensor]:
        return generator.epoch(size, drop_last)

    def given(self, rows: Tensor) -> Tensor:
        return self.sweep.given(rows)

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
    """The session of one method.

    Attributes:
        loss: of the step that is asked for.
        settings: learning rate, momentum and weight decay of that step.
    """

    def __init__(self, sweep: _Sweep, number: int, n: int, progress: Progress | None):
        super().__init__(n, progress=progress)
        self.generator, self.numpy = _Order(sweep.orders), None  # type: ignore[assignment]
        self.number, self._main = number, getcurrent()
        self.loss: Sloped
        self.settings: tuple[float, float, float]

    def step(self, loss: Any, optimiser: torch.optim.Optimizer, *, clip: float | None = None) -> None:
        """Leave loss and settings for the sweep, and go on when all heads have made their step."""
        group = optimiser.param_groups[0]
        if clip is not None or not isinstance(optimiser, torch.optim.SGD) or group["nesterov"] or group["dampening"]:
            raise ValueError(
                "Heads that train together step by gradient descent with plain momentum, unclipped; train this method alone."
            )
        if not self._losses:
            optimiser.step()  # no gradient, so nothing moves; but its schedule wants to have seen a step
        self._rate, self.loss = group["lr"], loss
        self.settings = group["lr"], group["momentum"], group["weight_decay"]
        self._main.switch()

    def told(self, mean: Tensor, *, finite: bool) -> None:
        """The mean of the last loss. Raises a UserError if it is not finite."""
        self._losses.append(mean)
        if not finite:
            self._finite()

    def record(self, rows: Tensor, logits: Tensor, labels: Tensor) -> None:
        pass


class _Sweep:
    """The heads of all methods, in float32: weight (S, M, K, d) of features that are not scaled, and bias (S, M, K)."""

    def __init__(self, samples: Samples, methods: int, seeds: Sequence[int], *, rounded: bool):
        self.orders, self._labels = _Orders(samples, seeds), samples.labels
        self._inputs = (
            samples.inputs.bfloat16() if rounded and samples.inputs.dtype == torch.float32 else samples.inputs
        )
        self.weight = samples.inputs.new_zeros(len(seeds), methods, samples.classes, samples.inputs.shape[1])
        self.bias = samples.inputs.new_zeros(len(seeds), methods, samples.classes)
        self._values = self.weight.flatten(2), self.bias
        self._speeds = torch.zeros_like(self._values[0]), torch.zeros_like(self.bias)
        self._zero = self.bias.new_zeros(())
        self._onehot = torch.eye(samples.classes, dtype=self.bias.dtype, device=self.bias.device)
        self._rows: Tensor | None = None
        self._predicted: list[Predicted] = []
        self._settings: list[tuple[float, float, float]] = []
        self._used = methods

    def given(self, rows: Tensor) -> Tensor:
        """The labels of S b examples: of one batch the same tensor for every method."""
        if rows is not self._rows:
            self._rows, self._at, self._predicted = rows, rows % len(self._inputs), []
            self._y = self._labels.index_select(0, self._at)
        return self._y

    def predicted(self, rows: Tensor) -> list[Predicted]:
        """What the heads of each method say of S b examples; classes first in memory, where a softmax over few is fastest."""
        y = self.given(rows)
        if not self._predicted:
            seeds, _, classes, width = self.weight.shape
            self._x = self._inputs.index_select(0, self._at).view(seeds, -1, width)
            out = torch.bmm(self.weight[:, : self._used].to(self._x.dtype).flatten(1, 2), self._x.mT)
            out = out.view(seeds, self._used, classes, -1) + self.bias[:, : self._used, :, None]
            self._p = out.permute(1, 2, 0, 3).reshape(self._used, classes, -1).softmax(1)
            p_y = self._p.gather(1, y.expand(self._used, 1, -1))[:, 0]
            log_p_y = p_y.clamp_min(torch.finfo(p_y.dtype).tiny).log()
            parts = (part.unbind() for part in (self._p.mT, p_y, log_p_y))
            self._predicted = [Predicted(p, y, *rest) for p, *rest in zip(*parts, strict=True)]
        return self._predicted

    def step(self, lanes: list[_Lane]) -> None:
        """A step of stochastic gradient descent of all heads, each with its lane's loss and settings."""
        means = torch.stack([lane.loss.value for lane in lanes]).mean(1)
        finite = math.isfinite(means.sum())
        for lane, mean in zip(lanes, means.unbind(), strict=True):
            lane.told(mean, finite=finite)
        seeds, b, width = self._x.shape
        settings = [(0.0, 0.0, 0.0)] * self._used
        weights = [self._zero.expand_as(self._y)] * self._used
        for lane in lanes:
            settings[lane.number] = lane.settings
            if lane.loss.weight is not None:
                weights[lane.number] = lane.loss.weight
        slope = (self._p - self._onehot.index_select(1, self._y)).mul_(
            torch.stack(weights).div_(b)[:, None]
        )  # (M, K, S b)
        for lane in lanes:
            if lane.loss.more is not None:
                slope[lane.number].add_(lane.loss.more.T, alpha=1 / b)
        slope = slope.view(self._used, -1, seeds, b).permute(2, 0, 1, 3)
        x_slope = torch.bmm(slope.to(self._x.dtype).flatten(1, 2), self._x).view(seeds, self._used, -1)
        if settings != self._settings:
            rate, momentum, decay = self.bias.new_tensor(settings).T[..., None]
            self._settings, self._factors = settings, ((rate / width, momentum, decay * width), (rate, momentum, decay))
        for whole, whole_speed, own, (rate, momentum, decay) in zip(
            self._values, self._speeds, (x_slope, slope.sum(3)), self._factors, strict=True
        ):
            value, speed = whole[:, : self._used], whole_speed[:, : self._used]
            torch.addcmul(own, speed, momentum, out=speed).addcmul_(value, decay)
            value.addcmul_(speed, rate, value=-1)
        self._rows, self._used = None, max(lane.number for lane in lanes) + 1
