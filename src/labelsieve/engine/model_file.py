"""A model on disk: a folder with `weights.safetensors` and `model.json`.

The weights are in the safetensors format (eight bytes with the length of a JSON header, the header, the numbers), which holds arrays and
text and nothing that could run. The manifest, any JSON object, is kept in the header of the weights, so that one rename replaces both
together; `model.json` is the same text for people and other tools, written after it. What counts is the weights file.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from labelsieve.core.errors import UserError
from labelsieve.core.files import replacing, write_json

WEIGHTS, MANIFEST = "weights.safetensors", "model.json"
_KEY = "labelsieve"  # of the manifest in the header
_DTYPES = {
    "F64": "<f8",
    "F32": "<f4",
    "F16": "<f2",
    "I64": "<i8",
    "I32": "<i4",
    "I16": "<i2",
    "I8": "i1",
    "U8": "u1",
    "BOOL": "?",
}
_NAMES = {np.dtype(code): name for name, code in _DTYPES.items()}
_LONGEST_HEADER = 100_000_000  # bytes; the format's own limit


def save(folder: Path, weights: dict[str, np.ndarray], manifest: dict[str, Any]) -> None:
    """Write a model, whole or not at all; one that stood there before stays until the new one is complete."""
    folder = Path(folder)
    write_safetensors(folder / WEIGHTS, weights, {_KEY: json.dumps(manifest, ensure_ascii=True)})
    write_json(folder / MANIFEST, manifest)


def load(folder: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Weights and manifest of a model folder.

    Raises:
        UserError: no such folder, a training that has not finished, or files that are not what `save` writes.
    """
    folder = Path(folder)
    if not (folder / WEIGHTS).exists() and (folder / MANIFEST).exists():  # what `train` leaves from its beginning on
        raise UserError(
            f"The training in {folder} has not finished; the same `labelsieve train` command continues where it stopped."
        )
    if not (folder / WEIGHTS).is_file():
        what = "is no folder" if not folder.is_dir() else f"holds no {WEIGHTS}"
        raise UserError(f"{folder} {what}; name a model folder that `train` or `repair` wrote.")
    weights, metadata = read_safetensors(folder / WEIGHTS)
    try:
        manifest = json.loads(metadata[_KEY] if _KEY in metadata else (folder / MANIFEST).read_bytes())
    except (OSError, ValueError):
        raise UserError(
            f"{folder} holds weights but no {MANIFEST} that can be read; is it the folder of another program?"
        ) from None
    if not isinstance(manifest, dict):
        raise UserError(f"{folder / MANIFEST} is not a JSON object, so it is not of a model.")
    return weights, manifest


def write_safetensors(path: Path, arrays: dict[str, np.ndarray], metadata: dict[str, str]) -> None:
    """Arrays by name, and text by name, in one file."""
    header: dict[str, Any] = {"__metadata__": metadata} if metadata else {}
    ready, end = [], 0
    for name, array in sorted(
        arrays.items(), key=lambda item: (-item[1].dtype.itemsize, item[0])
    ):  # widest first keeps all aligned
        array = np.ascontiguousarray(array).reshape(np.shape(array))
        code = _NAMES.get(array.dtype.newbyteorder("<"))
        if code is None:
            raise TypeError(f"{name}: arrays of {array.dtype} cannot be written.")
        ready.append(array.astype(_DTYPES[code], copy=False))
        header[name] = {"dtype": code, "shape": list(array.shape), "data_offsets": [end, end + array.nbytes]}
        end += array.nbytes
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with replacing(path) as partial, open(partial, "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for array in ready:
            file.write(array.data if array.size else b"")


def read_safetensors(path: Path) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Arrays by name and metadata; bfloat16 becomes float32, which holds it exactly.

    Raises:
        UserError: the file is truncated, damaged, or of another kind.
    """
    size = Path(path).stat().st_size
    with open(path, "rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if size < 8 or not 2 <= length <= min(size - 8, _LONGEST_HEADER):
            raise UserError(f"{path} is not a safetensors file, or only its beginning.")
        try:
            header = json.loads(file.read(length))
            metadata = dict(header.pop("__metadata__", {}))
            places = {
                name: (str(e["dtype"]), tuple(map(int, e["shape"])), *map(int, e["data_offsets"]))
                for name, e in header.items()
            }
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            raise UserError(f"{path} is not a safetensors file: its header is no list of arrays.") from None
        arrays = {}
        for name, (code, shape, start, end) in places.items():
            dtype = np.dtype("<u2" if code == "BF16" else _DTYPES[code]) if code in {"BF16", *_DTYPES} else None
            if dtype is None:
                raise UserError(f"{path}: {name} holds numbers of the kind {code}, which are not read here.")
            if min(shape, default=1) < 0 or start < 0 or end - start != math.prod(shape) * dtype.itemsize:
                raise UserError(f"{path} is damaged: shape and length of {name} do not agree.")
            if 8 + length + end > size:
                raise UserError(f"{path} is cut short: {name} ends beyond the end of the file. Copy or write it again.")
            file.seek(8 + length + start)
            array = np.fromfile(file, dtype, math.prod(shape)).reshape(shape)
            arrays[name] = (array.astype("<u4") << 16).view("<f4") if code == "BF16" else array
    return arrays, metadata
