"""Rows of arrays in HDF5 files, read when they are needed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np

from labelsieve.core.errors import UserError
from labelsieve.core.extras import need
from labelsieve.formats.named_arrays import Pair
from labelsieve.formats.new_labels import NewLabels

_AT_ONCE = 256  # images that are read in one pass
_CACHE = 64 << 20  # bytes of unpacked chunks that stay in memory
_BLOCK = 1 << 26  # bytes that are copied at a time


def opened(place: str, mode: str = "r") -> Any:
    """The h5py.File.

    Raises:
        UserError: h5py is not installed, or the file is damaged.
    """
    h5py = need("h5py", f"{place} is an HDF5 file, which", "arrays")
    try:
        return h5py.File(place, mode, rdcc_nbytes=_CACHE)
    except OSError as error:
        if mode == "r" and "lock" in str(error):  # another program writes to it, or its disk has no locks
            with suppress(OSError):
                return h5py.File(place, mode, rdcc_nbytes=_CACHE, locking=False)
        raise UserError(f"{place} cannot be read as an HDF5 file: {str(error).strip().rstrip('.')}.") from error


def arrays_in(file: Any) -> dict[str, Any]:
    """All arrays of a file by their paths, in the order of the file."""
    import h5py

    found: dict[str, Any] = {}

    def visit(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset) and item.shape and not name.startswith("#"):  # MATLAB's own are in #refs#
            found[name] = item

    file.visititems(visit)
    return found


def values_of(file: Any, array: Any) -> np.ndarray:
    """The values of an array; texts of any length as objects."""
    import h5py

    if h5py.check_string_dtype(array.dtype) is not None and array.dtype.kind == "O":
        return array.asstr(errors="backslashreplace")[()]
    return array[()]


def is_text(dtype: np.dtype) -> bool:
    import h5py

    return h5py.check_string_dtype(dtype) is not None


def holds_bytes(dtype: np.dtype) -> bool:
    """Whether each value is some bytes, such as an encoded picture."""
    import h5py

    inner = h5py.check_vlen_dtype(dtype)
    return (dtype.kind == "V" and not dtype.names) or (inner is not None and np.dtype(inner) in (np.uint8, np.int8))


@dataclass(frozen=True, eq=False)
class Rows:
    """The examples of an array as (n, ...), of which slices are read.

    Attributes:
        place, name: the file and the array.
        axis: of the examples, in the file.
        rest: the other axes in the order that one example has.
        stored: the shape in the file.
        dtype: of the values.
    """

    place: str
    name: str
    axis: int
    rest: tuple[int, ...]
    stored: tuple[int, ...]
    dtype: np.dtype

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.stored[self.axis], *(self.stored[i] for i in self.rest))

    def __len__(self) -> int:
        return self.stored[self.axis]

    def __getitem__(self, rows: slice) -> np.ndarray:
        with opened(self.place) as file:
            return self.read(file, rows)

    def read(self, file: Any, rows: slice) -> np.ndarray:
        """Some examples from the open file."""
        block = file[self.name][(slice(None),) * self.axis + (rows,)]
        return np.transpose(block, (self.axis, *self.rest))

    def mapped(self) -> np.ndarray | None:
        """The examples as a map (n, d) of the file; None if they do not lie there as one block of plain numbers."""
        with opened(self.place) as file:
            array = file[self.name]
            offset = array.id.get_offset() if array.chunks is None and not array.external else None
            begin = file.userblock_size
        if (
            offset is None
            or begin
            or self.axis
            or self.dtype.kind != "f"
            or not self.dtype.isnative
            or len(self.stored) != 2
        ):
            return None
        return np.memmap(self.place, self.dtype, "r", offset, self.stored)


@dataclass(frozen=True, eq=False)
class Images(Sequence):
    """Images in arrays of HDF5 files, one array after the other.

    Attributes:
        parts: the arrays, all of one file.
        order: of the axes of one example, so that it is (H, W) or (H, W, C); None: each is an encoded picture.
        rows: (n,) int64 positions in all parts; None: all of them.
    """

    parts: tuple[Rows, ...]
    order: tuple[int, ...] | None
    rows: np.ndarray | None = None
    row_bytes = 0  # only the positions travel

    def __len__(self) -> int:
        return sum(map(len, self.parts)) if self.rows is None else len(self.rows)

    def __getitem__(self, i: int) -> np.ndarray | bytes:
        return next(self.many([int(i)]))

    def many(self, positions: Sequence[int], again: bool = False) -> Iterator[np.ndarray | bytes]:
        """As `core.read_many`; what lies side by side is read at once."""
        starts = np.cumsum([0, *map(len, self.parts)])
        with opened(self.parts[0].place) as file:
            for begin in range(0, len(positions), _AT_ONCE):
                at = np.asarray(positions[begin : begin + _AT_ONCE], np.int64)
                at = at if self.rows is None else self.rows[at]
                read: dict[int, np.ndarray | bytes] = {}
                wanted = np.unique(at)
                for run in np.split(wanted, np.flatnonzero(np.diff(wanted) > 1) + 1):
                    for part, first in zip(self.parts, starts[:-1].tolist(), strict=True):
                        low, high = max(run[0], first), min(run[-1] + 1, first + len(part))
                        if low < high:
                            block = part.read(file, slice(low - first, high - first))
                            read |= {low + i: self._image(value) for i, value in enumerate(block)}
                yield from (read[i] for i in at.tolist())

    def _image(self, value: Any) -> np.ndarray | bytes:
        if self.order is None:
            return np.asarray(value).reshape(-1)[0].tobytes() if np.ndim(value) > 1 else value.tobytes()
        image = np.ascontiguousarray(value.transpose(self.order))
        return image[..., 0] if image.ndim == 3 and image.shape[2] == 1 else image

    def part(self, rows: np.ndarray) -> Images:
        """As `core.input_parts`."""
        return Images(self.parts, self.order, rows if self.rows is None else self.rows[rows])


def rewritten(
    file: Any, copy: Any, arrays: Mapping[str, Any], found: Sequence[Pair], new: NewLabels, place: str, first: int = 0
) -> None:
    """Put the new labels, whose codes count from `first`, into the copy of a file; take out rows that are left out."""
    start = 0
    for pair in found:
        labels = values_of(file, arrays[pair.labels])
        axis = int(np.argmax(labels.shape)) if labels.size == max(labels.shape) else 0
        n = labels.shape[axis]
        keep = new.keep[start : start + n]
        corrected = new.into(labels, start, f"{place}, {pair.labels}", first)
        _replaced(copy, pair.labels, np.compress(keep, corrected, axis))
        if not keep.all():
            others = {pair.inputs, pair.ids} - {""}
            if len(found) == 1:  # whatever has one row per example
                others |= {name for name, array in arrays.items() if array.shape[0] == n} - {pair.classes, pair.labels}
            for name in sorted(others):
                _filtered(arrays[name], copy, name, keep)
        start += n


def _replaced(copy: Any, name: str, values: np.ndarray) -> None:
    """Write an array anew, in place if its shape and type are the same."""
    import h5py

    old = copy[name]
    texts = h5py.check_string_dtype(old.dtype) is not None and old.dtype.kind == "O"
    if old.shape == values.shape and (texts or old.dtype == values.dtype):
        old[...] = values
        return
    _create(copy, name, values.shape, old.dtype if texts else values.dtype)[...] = values


def _filtered(array: Any, copy: Any, name: str, keep: np.ndarray) -> None:
    """The array without some examples, which are on its first axis, else on its last."""
    axis = 0 if array.shape[0] == len(keep) else array.ndim - 1
    if array.shape[axis] != len(keep):
        return
    shape = tuple(int(keep.sum()) if i == axis else size for i, size in enumerate(array.shape))
    target = _create(copy, name, shape, array.dtype)
    step, at = max(1, _BLOCK // max(1, array.dtype.itemsize * array.size // max(1, len(keep)))), 0
    for start in range(0, len(keep), step):
        some = keep[start : start + step]
        before = (slice(None),) * axis
        block = np.compress(some, array[(*before, slice(start, start + step))], axis)
        target[(*before, slice(at, at + block.shape[axis]))] = block
        at += block.shape[axis]


def _create(copy: Any, name: str, shape: tuple[int, ...], dtype: Any) -> Any:
    """A new array in place of an old one, with its attributes and, if it is packed, with all its filters."""
    import h5py

    old = copy[name]
    attributes, chunks, limits = dict(old.attrs), old.chunks, old.maxshape
    settings = old.id.get_create_plist()
    if chunks is None:
        del copy[name]
        made = copy.create_dataset(name, shape, dtype)
    else:
        limits = tuple(None if most is None else max(most, n) for most, n in zip(limits, shape, strict=True))
        settings.set_chunk(
            tuple(c if most is None else max(1, min(c, most)) for c, most in zip(chunks, limits, strict=True))
        )
        space = h5py.h5s.create_simple(shape, tuple(h5py.h5s.UNLIMITED if most is None else most for most in limits))
        parent, _, last = name.rpartition("/")
        del copy[name]
        holder = copy[parent] if parent else copy
        kind = h5py.h5t.py_create(np.dtype(dtype), logical=True)
        h5py.h5d.create(holder.id, last.encode(), kind, space, settings)
        made = copy[name]
    made.attrs.update(attributes)
    return made
