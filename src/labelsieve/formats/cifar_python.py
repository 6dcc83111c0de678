"""CIFAR-10 and CIFAR-100 in their Python version (cs.toronto.edu/~kriz/cifar.html), and Datumaro's `cifar`.

`data_batch_1` to `data_batch_5`, `test_batch` and `batches.meta`, or `train`, `test` and `meta`: pickles of a dict with
`data` (n, 3 * side * side) and `labels`, or `fine_labels` and `coarse_labels`, of which the fine ones are read. Nothing
in a pickle is run: it may hold dicts, lists, texts, numbers and arrays, and is refused if it asks for anything else.
"""

from __future__ import annotations

import io
import math
import pickle
import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from labelsieve.core.errors import UserError, first_line
from labelsieve.formats.content import Content
from labelsieve.places import paths

_METAS = {"batches.meta": "label_names", "meta": "fine_label_names"}  # file of names -> their key
_LABELS = ("fine_labels", "labels")
_FILE = re.compile(r"(data_batch_\d+|test_batch|[A-Za-z]\w*)")
_PICKLED = (b"\x80", b"(dp", b"}")


@dataclass(frozen=True, eq=False)
class _Batch:
    """One file: its bytes, the dict in it, and what its examples are."""

    raw: bytes
    value: dict[str, Any]
    labels: str

    @property
    def pictures(self) -> np.ndarray:
        """(n, side, side, 3) uint8."""
        data = self.value["data"]
        side = math.isqrt(data.shape[1] // 3)
        return data.reshape(-1, 3, side, side).transpose(0, 2, 3, 1)


def recognises(place: str) -> bool:
    return bool(_METAS.keys() & _entries(place)) and bool(_names(place))


def read(place: str) -> Content:
    classes, batches = _opened(place)
    ids, labels, unusable = [], [], {}
    for name, batch in batches.items():
        for i, label in enumerate(batch.value[batch.labels]):
            several = isinstance(label, list | tuple)
            if several and len(label) > 1:
                unusable[len(ids)] = "it has several labels"
            label = (label[0] if label else None) if several else label
            ids.append(f"{name}/{i}")
            labels.append(-1 if label is None else int(label))
    if max(labels) >= len(classes):
        raise UserError(f"{place} has the label {max(labels)}, but only {len(classes)} classes have names.")
    shapes = {batch.pictures.shape[1:] for batch in batches.values()}
    if len(shapes) > 1:
        raise UserError(f"The files of {place} hold pictures of different sizes: {', '.join(map(str, shapes))}.")
    pictures = np.ascontiguousarray(np.concatenate([batch.pictures for batch in batches.values()]))
    splits = ["train" if key.startswith("data_batch") else key.partition("/")[0].removesuffix("_batch") for key in ids]
    return Content(ids, np.array(labels), pictures, "image", tuple(classes), splits, unusable=unusable)


def write(place: str, content: Content, changes: Mapping[str, str | None], out: Path) -> tuple[str, ...]:
    """Only files with changes are written anew; the coarse labels of CIFAR-100 stay. A new class is added to the
    names."""
    classes, batches = _opened(place)
    known = len(classes)
    classes += [name for name in dict.fromkeys(changes.values()) if name and name not in classes]
    coarse = False
    for name in _entries(place):
        raw = paths.read(paths.join(place, name))
        if name in batches:
            batch = batches[name]
            n = len(batch.value[batch.labels])
            new = {i: changes[f"{name}/{i}"] for i in range(n) if f"{name}/{i}" in changes}
            coarse = coarse or ("coarse_labels" in batch.value and any(new.values()))
            raw = _dumped(_corrected(batch, new, classes), raw) if new else raw
        elif name in _METAS and len(classes) > known:
            value = _loaded(raw, name)
            value[_METAS[name]] = classes
            raw = _dumped(value, raw)
        (out / name).write_bytes(raw)
    return ("The coarse labels are unchanged.",) if coarse else ()


def _corrected(batch: _Batch, new: Mapping[int, str | None], classes: list[str]) -> dict[str, Any]:
    old = batch.value[batch.labels]
    labels: list[Any] = list(old)
    for i, name in new.items():
        if name is not None:
            code = classes.index(name)
            labels[i] = [code] if isinstance(old[i], list) else code
    keep = [i for i in range(len(old)) if new.get(i, "") is not None]
    value: dict[str, Any] = {**batch.value, batch.labels: labels}
    for key, rows in value.items():
        if isinstance(rows, list | np.ndarray) and len(rows) == len(old):
            value[key] = rows[keep] if isinstance(rows, np.ndarray) else [rows[i] for i in keep]
    return value


def _opened(place: str) -> tuple[list[str], dict[str, _Batch]]:
    """The class names, and the batches by the names of their files."""
    meta = next((name for name in _METAS if name in _entries(place)), None)
    if meta is None or not (names := _names(place)):
        raise UserError(f"{place} holds no CIFAR in its Python version: batches.meta beside data_batch_1, or train.")
    classes = _loaded(paths.read(paths.join(place, meta)), paths.join(place, meta)).get(_METAS[meta])
    if not isinstance(classes, list):
        raise UserError(f"{paths.join(place, meta)} holds no {_METAS[meta]}.")
    batches = {}
    for name in names:
        path = paths.join(place, name)
        raw = paths.read(path)
        value = _loaded(raw, path)
        labels = next((key for key in _LABELS if isinstance(value.get(key), list)), None)
        data = value.get("data")
        if labels is None or not isinstance(data, np.ndarray) or data.shape[:1] != (len(value[labels]),):
            raise UserError(f"{path} is not a file of CIFAR: it needs labels and data of as many rows.")
        if data.ndim != 2 or data.dtype != np.uint8 or 3 * math.isqrt(data.shape[1] // 3) ** 2 != data.shape[1]:
            raise UserError(f"{path} holds pictures that are not square, of three colours and of 8 bits.")
        batches[name] = _Batch(raw, value, labels)
    return [str(name) for name in classes], batches


def _names(place: str) -> list[str]:
    """The files of batches: training data first."""
    names = [name for name in _entries(place) - _METAS.keys() if _FILE.fullmatch(name) and _is_pickle(place, name)]
    return sorted(names, key=lambda name: (name.startswith("test"), name))


def _is_pickle(place: str, name: str) -> bool:
    with paths.opened(paths.join(place, name)) as file:
        return file.read(3).startswith(_PICKLED)


def _entries(place: str) -> set[str]:
    return {one.name for one in paths.entries(place) if one.is_file} if paths.is_folder(place) else set()


def _loaded(raw: bytes, path: str) -> dict[str, Any]:
    """The dict in a pickle; texts of Python 2 are read as Latin-1, arrays are those of NumPy.

    Raises:
        UserError: it is damaged, or asks for anything but plain values and arrays.
    """
    try:
        value = _Unpickler(io.BytesIO(raw), encoding="latin1").load()
        if not isinstance(value, dict):
            raise ValueError("it holds no dict")
        return {str(key): one.value() if isinstance(one, _Array) else one for key, one in value.items()}
    except (pickle.UnpicklingError, EOFError, ValueError, TypeError, LookupError, AttributeError) as error:
        raise UserError(f"{path} is not a file of CIFAR that can be read: {first_line(error)}.") from error


class _Dtype:
    """Stands for `numpy.dtype` while a pickle is read."""

    def __init__(self, code: Any = "", *_: Any):
        self.code, self.order = code, "|"

    def __setstate__(self, state: Any) -> None:
        self.order = state[1]

    def value(self) -> np.dtype:
        if not re.fullmatch(r"[uif]\d", self.code):
            raise ValueError(f"it holds an array of type {self.code}")
        return np.dtype(self.order + self.code)


class _Array:
    """Stands for `numpy.ndarray` while a pickle is read."""

    def __init__(self, *_: Any):
        self.state: Any = None

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def value(self) -> np.ndarray:
        _, shape, dtype, by_columns, content = self.state
        if isinstance(content, list):  # of objects: Datumaro writes one for each number
            numbers = np.array(content)
            if numbers.dtype.kind != "i" or numbers.min(initial=0) < 0 or numbers.max(initial=0) > 255:
                raise ValueError("it holds an array that is not made of bytes")
            return numbers.astype(np.uint8).reshape(shape)
        raw = content.encode("latin1") if isinstance(content, str) else content
        return np.frombuffer(raw, dtype.value()).reshape(shape, order="F" if by_columns else "C")


def _from_buffer(raw: bytes, dtype: _Dtype, shape: tuple[int, ...], order: str) -> _Array:
    array = _Array()
    array.state = 1, shape, dtype, order == "F", raw
    return array


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        known = {
            ("numpy", "ndarray"): _Array,
            ("numpy", "dtype"): _Dtype,
            ("numpy.multiarray", "_reconstruct"): _Array,
            ("numpy.numeric", "_frombuffer"): _from_buffer,
            ("_codecs", "encode"): str.encode,
        }
        plain = module.replace("numpy.core.", "numpy.").replace("numpy._core.", "numpy.")
        if (plain, name) not in known:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which is neither a plain value nor an array")
        return known[plain, name]


class _Python2(pickle._Pickler):  # pyright: ignore[reportAttributeAccessIssue]
    """Writes texts and bytes as the plain strings of Python 2, which readers decode as they choose."""

    def _save_string(self, value: str | bytes) -> None:
        raw = value.encode("latin1") if isinstance(value, str) else value
        self.write(pickle.BINSTRING + struct.pack("<i", len(raw)) + raw)  # pyright: ignore[reportAttributeAccessIssue]
        self.memoize(value)  # pyright: ignore[reportAttributeAccessIssue]

    dispatch = {**pickle._Pickler.dispatch, str: _save_string, bytes: _save_string}  # pyright: ignore


def _dumped(value: dict[str, Any], before: bytes) -> bytes:
    """A pickle in the protocol that the file had; NumPy of any version reads its arrays."""
    if before[:1] == b"\x80" and before[1] > 2:
        return pickle.dumps(value, min(before[1], 4))
    file = io.BytesIO()
    _Python2(file, 2).dump(value)
    return file.getvalue().replace(b"cnumpy._core.multiarray\n", b"cnumpy.core.multiarray\n")
