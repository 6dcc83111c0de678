"""Read the tensors of a PyTorch checkpoint with NumPy alone.

Only the legacy format (before PyTorch 1.6) is read: four pickles (magic number, protocol, system information, the
object), the pickled list of storage keys, then every storage as an eight-byte count and raw little-endian numbers. The
unpickler accepts tensors and containers and refuses every other global, so a hostile file cannot run code.
"""

from __future__ import annotations

import pickle
from collections import OrderedDict
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

_MAGIC = 0x1950A86A20F9469CFC6C
_DTYPES = {
    "FloatStorage": np.dtype("<f4"),
    "LongStorage": np.dtype("<i8"),
    "HalfStorage": np.dtype("<f2"),
    "DoubleStorage": np.dtype("<f8"),
}


def load_tensors(path: str | Path) -> dict[str, np.ndarray]:
    """The state dict of a legacy PyTorch checkpoint, name -> array.

    Raises:
        ValueError: the file is not such a checkpoint, or holds anything but named tensors.
    """
    with open(path, "rb") as file:
        try:
            magic, _protocol, _system = (_Unpickler(file).load() for _ in range(3))
            if magic != _MAGIC:
                raise ValueError("wrong magic number")
            storages: dict[str, np.dtype] = {}
            state = _Unpickler(file, storages).load()
            data = {key: _read_storage(file, storages[key]) for key in _Unpickler(file).load()}
        except (pickle.UnpicklingError, EOFError, KeyError, ValueError, TypeError) as error:
            raise ValueError(f"{path} is not a PyTorch checkpoint of named tensors ({error})") from error
    return {name: tensor.resolve(data) for name, tensor in state.items()}


class _Tensor:
    """A view into a storage that is read only after the object that mentions it."""

    def __init__(
        self, storage: tuple[str, np.dtype], offset: int, size: tuple[int, ...], stride: tuple[int, ...], *_: Any
    ):
        self.key, self.dtype = storage
        self.offset, self.size, self.stride = offset, size, stride

    def resolve(self, data: dict[str, np.ndarray]) -> np.ndarray:
        flat = data[self.key][self.offset :]
        if self.size and sum((n - 1) * s for n, s in zip(self.size, self.stride, strict=True)) >= len(flat):
            raise ValueError(f"tensor of shape {self.size} reaches beyond its storage")
        strides = tuple(step * self.dtype.itemsize for step in self.stride)
        return np.lib.stride_tricks.as_strided(flat, self.size, strides).copy()


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: BinaryIO, storages: dict[str, np.dtype] | None = None):
        super().__init__(file)
        self.storages = {} if storages is None else storages

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _Tensor
        if module == "torch" and name in _DTYPES:
            return _DTYPES[name]
        raise pickle.UnpicklingError(f"it asks for {module}.{name}")

    def persistent_load(self, pid: Any) -> tuple[str, np.dtype]:
        _kind, dtype, key, *_ = pid
        self.storages[key] = dtype
        return key, dtype


def _read_storage(file: BinaryIO, dtype: np.dtype) -> np.ndarray:
    count = int.from_bytes(file.read(8), "little")
    raw = file.read(count * dtype.itemsize)
    if len(raw) < count * dtype.itemsize:
        raise ValueError("the file is truncated")
    return np.frombuffer(raw, dtype)
