"""Whether this processor adds products of 8-bit numbers exactly.

x86 processors without VNNI add two products of uint8 and int8 in 16 bits, where 255 * 127 * 2 does not fit: the sum is
cut off without a word, and features computed in int8 are worse than they should be. Which instruction ONNX Runtime
takes depends on the processor and on its version, so a convolution whose answer is known is the test.
Cost: a few milliseconds.
"""

from __future__ import annotations

import os

import numpy as np

from labelsieve.core.errors import UserError

_CHANNELS, _EXPECTED = 64, 200


def why_float() -> str | None:
    """Why encoders stay in float here; None where int8 suits.

    Raises:
        UserError: LABELSIEVE_INT8 is set to something other than 0 or 1.
    """
    setting = os.environ.get("LABELSIEVE_INT8", "")
    if setting not in ("", "0", "1"):
        raise UserError(f"LABELSIEVE_INT8 is {setting!r}; it must be 0 (always float) or 1 (int8 where it suits).")
    if setting == "0":
        return "LABELSIEVE_INT8=0 is set"
    return None if (_largest_products() == _EXPECTED).all() else "this processor cuts off sums of 8-bit products"


def _largest_products() -> np.ndarray:
    """What the quantised convolution makes of the largest inputs and weights; `_EXPECTED` everywhere if it is exact."""
    from onnx import TensorProto, helper, numpy_helper

    from labelsieve.encode.onnx_encoder import session

    constants = {
        "one": np.float32(1),
        "scale": np.float32(_CHANNELS * 255 * 127 / _EXPECTED),
        "zero": np.uint8(0),
        "signed zero": np.int8(0),
        "weights": np.full((16, _CHANNELS, 1, 1), 127, np.int8),
    }
    inputs = ["pixels", "one", "zero", "weights", "one", "signed zero", "scale", "zero"]
    graph = helper.make_graph(
        [helper.make_node("QLinearConv", inputs, ["sums"])],
        "largest_products",
        [helper.make_tensor_value_info("pixels", TensorProto.UINT8, [1, _CHANNELS, 4, 4])],
        [helper.make_tensor_value_info("sums", TensorProto.UINT8, [1, 16, 4, 4])],
        [numpy_helper.from_array(np.array(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    pixels = np.full((1, _CHANNELS, 4, 4), 255, np.uint8)
    return session(model.SerializeToString(), "the test of int8 sums").run(None, {"pixels": pixels})[0]
