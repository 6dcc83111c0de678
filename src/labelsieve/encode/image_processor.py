"""The settings of an image processor: side, resampling, and how values 0 to 255 become the input of the model.

Hugging Face models carry this in `preprocessor_config.json`, or in `processor_config.json` under the key
`image_processor` (the only file that `Processor.save_pretrained` writes since transformers 5). Every whole picture is
stretched to a square; other steps of a processor (cropping the centre, keeping the aspect ratio) are not applied, and a
note says so.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from labelsieve.core.errors import UserError

FILES = ("preprocessor_config.json", "processor_config.json")
BICUBIC = 3  # PIL.Image.Resampling
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
# `_FOLLOWED`: steps that are applied here, or make no difference to a whole picture stretched to a square.
# not normalised, although their files do not always say so
_NOT_NORMALISED = ("MobileViT", "Swin2SR", "GLPN", "LayoutLMv2")
_FOLLOWED = {"resize", "rescale", "normalize", "center_crop", "flip_channel_order"} | {
    "convert_rgb",
    "pad",
    "reduce_labels",
    "convert_annotations",
}


@dataclass(frozen=True, eq=False)
class ImageProcessor:
    """A picture (side, side, 3) of values 0 to 255 becomes `pixels * scale + shift`, in the order BGR if `flip`.

    Attributes:
        scale, shift: (3,) float32.
        side: pixels, None if unknown.
        resample: a number of `PIL.Image.Resampling`.
        notes: sentences about assumed settings and steps that are not applied.
    """

    scale: np.ndarray
    shift: np.ndarray
    flip: bool
    side: int | None
    resample: int
    notes: tuple[str, ...]

    def key(self) -> str:
        """A hash of the settings that change features, besides weights and side."""
        values = [*np.concatenate([self.scale, self.shift]).tolist(), self.flip, self.resample]
        return hashlib.sha256(json.dumps(values).encode()).hexdigest()[:8]


def assumed(encoder: str, mean: Sequence[float], std: Sequence[float]) -> ImageProcessor:
    """The processor for a model that has none: values 0 to 1, normalised by `mean` and `std`."""
    note = (
        f"{encoder} has no image processor ({' or '.join(FILES)}): values from 0 to 1 with the mean {_shown(mean)} and "
        f"the deviation {_shown(std)} are assumed."
    )
    return ImageProcessor(*_affine(1 / 255, 0, mean, std), False, None, BICUBIC, (note,))


def from_config(config: Mapping[str, Any], encoder: str) -> ImageProcessor:
    """The processor described by its settings.

    Args:
        config: as in the file; a missing `do_...` means that the step is done.
        encoder: named in messages.

    Raises:
        UserError: a setting has an invalid value.
    """
    notes = []
    rescale = config.get("do_rescale", True) is not False
    factor = _number(config.get("rescale_factor", 1 / 255), "rescale_factor", encoder) if rescale else 1.0
    offset = -1.0 if rescale and (config.get("rescale_offset") or config.get("offset")) else 0.0
    mean, std = (0.0,) * 3, (1.0,) * 3
    kind = str(config.get("image_processor_type") or config.get("feature_extractor_type"))
    if config.get("do_normalize", "image_mean" in config or not kind.startswith(_NOT_NORMALISED)):
        mean = _three(config.get("image_mean"), IMAGENET[0], "image_mean", encoder, notes)
        std = _three(config.get("image_std"), IMAGENET[1], "image_std", encoder, notes)
    scale, shift = _affine(factor, offset, mean, std)
    if config.get("include_top") and "EfficientNet" in kind:
        second = np.array(_three(config.get("image_std"), IMAGENET[1], "image_std", encoder, notes), np.float32)
        scale, shift = scale / second, shift / second  # as EfficientNet was trained: divided twice
    crops = _crops(config)
    side, shape = _side(config, crops)
    notes += _not_followed(config, encoder, crops, side, shape)
    resample = config.get("resample")
    resample = int(resample) if isinstance(resample, int | float) and 0 <= resample <= 5 else BICUBIC
    return ImageProcessor(
        scale, shift, bool(config.get("do_flip_channel_order")), side, resample, tuple(dict.fromkeys(notes))
    )


def read(files: Sequence[Path | None], encoder: str) -> dict[str, Any] | None:
    """The settings in the first of `files` that holds an image processor; None if none does.

    Raises:
        UserError: a file cannot be read.
    """
    for file in files:
        if file is None:
            continue
        try:
            config = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise UserError(f"{encoder}: {file} cannot be read as JSON ({error}); repair it or remove it.") from error
        if isinstance(config, dict) and file.name == FILES[1]:
            config = config.get("image_processor")
        if isinstance(config, dict):
            return config
    return None


def _affine(factor: float, offset: float, mean: Sequence[float], std: Sequence[float]) -> tuple[np.ndarray, np.ndarray]:
    middle, spread = np.asarray(mean, np.float64), np.asarray(std, np.float64)
    return (factor / spread).astype(np.float32), ((offset - middle) / spread).astype(np.float32)


def _number(value: Any, name: str, encoder: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not np.isfinite(value) or value == 0:
        raise UserError(f"The image processor of {encoder} has {name} = {value!r}; it should be a number other than 0.")
    return float(value)


def _three(value: Any, usual: Sequence[float], name: str, encoder: str, notes: list[str]) -> tuple[float, ...]:
    """Three numbers, one for each colour; one number is used for all."""
    if value is None:
        notes.append(
            f"The image processor of {encoder} normalises but has no {name}; that of ImageNet ({_shown(usual)}) is "
            "assumed."
        )
        return tuple(usual)
    values = [value] * 3 if isinstance(value, int | float) else value
    values = list(values) * 3 if isinstance(values, list | tuple) and len(values) == 1 else values
    numbers = isinstance(values, list | tuple) and all(isinstance(v, int | float) and np.isfinite(v) for v in values)
    if not numbers or len(values) != 3 or (name == "image_std" and not all(v > 0 for v in values)):
        raise UserError(
            f"The image processor of {encoder} has {name} = {value!r}; it should be three numbers, one for each colour."
        )
    return tuple(float(v) for v in values)


def _crops(config: Mapping[str, Any]) -> bool:
    return config.get("crop_size") is not None and bool(config.get("do_center_crop", True))


def _side(config: Mapping[str, Any], crops: bool) -> tuple[int | None, Any]:
    """The side of the square, and the size in the settings if that is not a square."""
    size = config.get("crop_size") if crops else config.get("size") if config.get("do_resize", True) else None
    if isinstance(size, int):
        return size, None
    if isinstance(size, list | tuple) and len(size) == 2:
        size = {"height": size[0], "width": size[1]}
    if not isinstance(size, Mapping):
        return None, None
    height, width = size.get("height"), size.get("width")
    if height is not None and width is not None and height != width:
        return int(max(height, width)), f"{width} x {height}"
    for name in ("height", "shortest_edge", "longest_edge", "max_height"):
        if isinstance(size.get(name), int):
            return int(size[name]), None
    return None, None


def _not_followed(config: Mapping[str, Any], encoder: str, crops: bool, side: int | None, shape: Any) -> list[str]:
    whole = "here the whole picture is stretched to a square"
    notes = []
    share = config.get("crop_pct")
    if crops or (isinstance(share, int | float) and share < 1 and (side or 0) < 384):
        notes.append(f"The image processor of {encoder} cuts out the centre; {whole}.")
    if shape is not None:
        notes.append(f"The image processor of {encoder} makes pictures of {shape} px; {whole}.")
    if config.get("do_resize", True) is False:
        notes.append(f"The image processor of {encoder} leaves pictures in their own size; {whole}.")
    others = sorted(
        n for n, on in config.items() if n.startswith("do_") and on is True and n.removeprefix("do_") not in _FOLLOWED
    )
    if others:
        notes.append(f"The image processor of {encoder} has {', '.join(others)}, which Labelsieve does not apply.")
    return notes


def _shown(values: Sequence[float]) -> str:
    return ", ".join(f"{value:g}" for value in values) if len(set(values)) > 1 else f"{values[0]:g}"
