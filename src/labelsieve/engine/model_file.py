"""A model on disk: a folder with `weights.safetensors` and `model.json`.

The weights are in the safetensors format, which holds arrays and text and nothing that could run. The manifest, any
JSON object, is also in the header of the weights, so that one rename replaces both together. `model.json` is a copy for
people and other tools, written afterwards; the weights file is authoritative.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, deserialize, safe_open
from safetensors import numpy as numbers

from labelsieve.core.errors import UserError, first_line
from labelsieve.core.files import replacing, write_json

WEIGHTS, MANIFEST = "weights.safetensors", "model.json"
_KEY = "labelsieve"  # key of the manifest in the header
_KINDS = ("F64", "F32", "F16", "BF16", "I64", "I32", "I16", "I8", "U64", "U32", "U16", "U8", "BOOL")


def save(folder: Path, weights: dict[str, np.ndarray], manifest: dict[str, Any]) -> None:
    """Write a model, whole or not at all; an earlier model stays until the new one is complete."""
    folder = Path(folder)
    write_safetensors(folder / WEIGHTS, weights, {_KEY: json.dumps(manifest, ensure_ascii=True)})
    write_json(folder / MANIFEST, manifest)


def load(folder: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Return weights and manifest of a model folder.

    Raises:
        UserError: the folder does not exist, its training has not finished, or `save` did not write its files.
    """
    folder = Path(folder)
    if not (folder / WEIGHTS).exists() and (folder / MANIFEST).exists():  # `train` writes the manifest at its beginning
        raise UserError(
            f"The training in {folder} has not finished; run the same `labelsieve train` command again to continue it."
        )
    if not (folder / WEIGHTS).is_file():
        what = "is not a folder" if not folder.is_dir() else f"holds no {WEIGHTS}"
        raise UserError(f"{folder} {what}; choose a model folder that `train` or `repair` wrote.")
    weights, metadata = read_safetensors(folder / WEIGHTS)
    try:
        manifest = json.loads(metadata[_KEY] if _KEY in metadata else (folder / MANIFEST).read_bytes())
    except (OSError, ValueError):
        raise UserError(
            f"{folder} holds weights but no readable {MANIFEST}; it may be the folder of another program."
        ) from None
    if not isinstance(manifest, dict):
        raise UserError(f"{folder / MANIFEST} is not a JSON object, so it does not belong to a model.")
    return weights, manifest


def write_safetensors(path: Path, arrays: dict[str, np.ndarray], metadata: dict[str, str]) -> None:
    """Write arrays and texts, each with a name, into one file."""
    ready = {name: np.ascontiguousarray(array).reshape(np.shape(array)) for name, array in arrays.items()}
    whole = numbers.save(ready, metadata or None)
    # not with `save_file` of the package, which raises its own error for a full disk
    with replacing(path) as partial, open(partial, "wb") as file:
        file.write(whole)


def read_safetensors(path: Path) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Return arrays by name and the metadata; bfloat16 becomes float32, which represents it exactly.

    Raises:
        UserError: the file is truncated or damaged, or is not a safetensors file.
    """
    try:
        with safe_open(path, framework="numpy") as file:
            kinds = {name: file.get_slice(name).get_dtype() for name in file.keys()}  # noqa: SIM118
            for name, kind in kinds.items():
                if kind not in _KINDS:
                    raise UserError(f"{path}: {name} holds numbers of the type {kind}, which is not supported.")
            arrays = {name: file.get_tensor(name) for name, kind in kinds.items() if kind != "BF16"}
            metadata = dict(file.metadata() or {})
        if len(arrays) < len(kinds):
            parts = deserialize(path.read_bytes())
            arrays |= {name: _widened(part) for name, part in parts if part["dtype"] == "BF16"}
    except SafetensorError as error:
        raise UserError(f"{path} is cut short, damaged, or not a safetensors file ({first_line(error)}).") from None
    return arrays, metadata


def _widened(part: Any) -> np.ndarray:
    """The float32 values of bfloat16 bytes, for which NumPy has no type."""
    return (np.frombuffer(part["data"], "<u2").astype("<u4") << 16).view("<f4").reshape(part["shape"])
