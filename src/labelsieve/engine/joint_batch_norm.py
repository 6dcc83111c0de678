"""Batch normalisation over a batch whose parts are in several processes: mean and variance are those of the whole.

Formulae: Ioffe and Szegedy, "Batch normalization", ICML 2015. Cost: one all-reduce of 2 C + 1 numbers in the forward
pass, one of 2 C in the backward pass.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

Sum = Callable[[Tensor], Tensor]  # a tensor -> the sum of those of all processes
_sum: list[Sum] = []  # the last is in use, while a network computes its part


@contextmanager
def parts(total: Sum) -> Iterator[None]:
    """Inside, each process gives the networks its part of a batch."""
    _sum.append(total)
    try:
        yield
    finally:
        _sum.pop()


def join(net: nn.Module) -> None:
    """Let the batch normalisations of PyTorch in the network see the whole batch inside `parts`."""
    for module in net.modules():
        if type(module) in _JOINT:
            module.__class__ = _JOINT[type(module)]


def apart(net: nn.Module) -> None:
    """The reverse of `join`."""
    plain = {joint: usual for usual, joint in _JOINT.items()}
    for module in net.modules():
        if type(module) in plain:
            module.__class__ = plain[type(module)]


def other_buffers(net: nn.Module) -> list[Tensor]:
    """The floating-point buffers of other modules, which know only a part of each batch."""
    modules = [module for module in net.modules() if not isinstance(module, _Joint)]
    return [b for module in modules for b in module.buffers(recurse=False) if b.is_floating_point()]


class _Joint(nn.modules.batchnorm._BatchNorm):
    """What `join` makes of a batch normalisation."""

    def forward(self, input: Tensor) -> Tensor:
        if not (self.training and _sum):
            return super().forward(input)
        self._check_input_dim(input)
        channels = self.num_features
        near = torch.zeros(channels, device=input.device) if self.running_mean is None else self.running_mean.clone()
        weight = torch.ones(channels, device=input.device) if self.weight is None else self.weight
        bias = torch.zeros(channels, device=input.device) if self.bias is None else self.bias
        out, mean, variance, n = _Normalise.apply(input, weight, bias, near, self.eps, _sum[-1])
        if self.running_mean is not None and self.running_var is not None and self.num_batches_tracked is not None:
            with torch.no_grad():
                self.num_batches_tracked.add_(1)
                rate = 1 / int(self.num_batches_tracked) if self.momentum is None else self.momentum
                # `data`, because autograd keeps running statistics, which no backward pass in training reads
                self.running_mean.data.lerp_(mean, rate)
                self.running_var.data.lerp_(variance * (n / (n - 1).clamp_min(1)), rate)
        return out


class _Normalise(torch.autograd.Function):
    """Own part (m, C, ...), weight and bias (C,) -> normalised part; mean, variance (C,) and number of the whole."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, near: Tensor, eps: float, total: Sum) -> Any:
        over, shape = _layout(x)
        shifted = x.float() - near.view(shape)  # near the mean, so that the difference of squares is exact enough
        own = torch.cat([shifted.sum(over), shifted.square().sum(over), shifted.new_tensor([x.numel() / len(near)])])
        every = total(own)
        n = every[-1]
        shift, square = every[:-1].view(2, -1) / n
        variance = (square - shift.square()).clamp_min_(0)
        mean, scale = near + shift, (variance + eps).rsqrt()
        ctx.save_for_backward(x, mean, scale, weight, n)
        ctx.total = total
        normal = (x.float() - mean.view(shape)) * scale.view(shape)
        out = (normal * weight.view(shape) + bias.view(shape)).to(x.dtype)
        ctx.mark_non_differentiable(mean, variance, n)
        return out, mean, variance, n

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        x, mean, scale, weight, n = ctx.saved_tensors
        over, shape = _layout(x)
        out = grads[0].float()
        normal = (x.float() - mean.view(shape)) * scale.view(shape)
        of_bias, of_weight = out.sum(over), (out * normal).sum(over)
        all_bias, all_weight = ctx.total(torch.cat([of_bias, of_weight])).view(2, -1) / n
        back = out - all_bias.view(shape) - normal * all_weight.view(shape)
        return (back * (scale * weight).view(shape)).to(x.dtype), of_weight, of_bias, None, None, None


def _layout(x: Tensor) -> tuple[list[int], list[int]]:
    """The dimensions of x (m, C, ...) without C, and the shape of (C,) beside it."""
    over = [dim for dim in range(x.ndim) if dim != 1]
    return over, [1, -1, *[1] * (x.ndim - 2)]


class _Joint1d(_Joint, nn.BatchNorm1d):
    pass


class _Joint2d(_Joint, nn.BatchNorm2d):
    pass


class _Joint3d(_Joint, nn.BatchNorm3d):
    pass


_JOINT: dict[type, type] = {nn.BatchNorm1d: _Joint1d, nn.BatchNorm2d: _Joint2d, nn.BatchNorm3d: _Joint3d}
