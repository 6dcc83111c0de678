"""EfficientNet-Lite on a GPU: the same ONNX graph, carried out by PyTorch in bfloat16 and channels_last.

The graph is the one that `efficientnet_lite.build` makes in float, so both runtimes share one set of folded weights and
one definition of the networks. Only the eight operations that occur in it are implemented. It runs at the requested
precision: float32 on a CPU agrees with ONNX Runtime up to rounding.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from labelsieve.encode import efficientnet_lite
from labelsieve.encode.encoder import require


class LiteTorch:
    """EfficientNet-Lite0, Lite2 or both through PyTorch; arguments as in `efficientnet_lite.build`."""

    kind, batch = "image", 256

    def __init__(
        self,
        name: str,
        networks: Sequence[str],
        side: int,
        *,
        pooled: Sequence[int] = (),
        device: str = "cuda",
        dtype: str = "bfloat16",
    ):
        torch = require("torch", name, "train")
        model = efficientnet_lite.build(networks, pooled=pooled)
        self.option, self.side = name, side
        self.name = f"{name}-{side}-{dtype}-{hashlib.sha256(model).hexdigest()[:12]}-{device}"
        self._device, self._dtype = torch.device(device), {"bfloat16": torch.bfloat16, "float32": torch.float32}[dtype]
        self.width, self._graph, self._constants = self._read(model)

    def _read(self, model: bytes) -> tuple[int, Any, dict[str, Any]]:
        import onnx
        import torch

        graph = onnx.load_from_string(model).graph
        constants = {}
        for item in graph.initializer:
            tensor = torch.from_numpy(onnx.numpy_helper.to_array(item).copy()).to(self._device, self._dtype)
            constants[item.name] = tensor.contiguous(memory_format=torch.channels_last) if tensor.ndim == 4 else tensor
        steps = [
            (
                node.op_type,
                list(node.input),
                node.output[0],
                {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute},
            )
            for node in graph.node
        ]
        return graph.output[0].type.tensor_type.shape.dim[1].dim_value, steps, constants

    def __call__(self, batch: np.ndarray) -> np.ndarray:
        import torch

        with torch.inference_mode():
            values = {**self._constants, "images": torch.from_numpy(batch).to(self._device)}
            for kind, inputs, output, attributes in self._graph:
                values[output] = self._step(kind, [values[name] for name in inputs], attributes)
            return values["features"].float().cpu().numpy()

    def _step(self, kind: str, x: list[Any], attributes: dict[str, Any]) -> Any:
        import torch

        match kind:
            case "DequantizeLinear":
                return (x[0].to(self._dtype) - x[2]) * x[1]
            case "Add":
                return x[0] + x[1]
            case "Transpose":
                return x[0].permute(attributes["perm"])  # from (n, h, w, c): the strides are channels_last already
            case "Conv":
                stride, groups = attributes["strides"][0], attributes["group"]
                return torch.nn.functional.conv2d(
                    _same_upper(x[0], x[1].shape[-1], stride), x[1], x[2], stride, groups=groups
                )
            case "Clip":
                return torch.clamp(x[0], 0, 6)
            case "GlobalAveragePool":
                return x[0].float().mean((2, 3))
            case "Flatten":
                return x[0].flatten(1)
            case "Concat":
                return torch.cat(x, attributes["axis"])
        raise NotImplementedError(kind)


def _same_upper(x: Any, kernel: int, stride: int) -> Any:
    """The padding that ONNX calls SAME_UPPER: output length ceil(n / stride), the odd pixel at the end."""
    from torch.nn.functional import pad

    sides = []
    for length in (x.shape[3], x.shape[2]):
        total = max((-(-length // stride) - 1) * stride + kernel - length, 0)
        sides += [total // 2, total - total // 2]
    return pad(x, sides)
