"""Python values as plain NumPy arrays: tensors of every kind and device, masked arrays, long doubles.

Values of Torch, JAX and TensorFlow are recognised by their attributes; none of these packages is imported.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from labelsieve.core.errors import UserError

_SCALARS = (str, bytes, bool, int, float, type(None))


def plain_array(values: Any, what: str) -> np.ndarray:
    """The values as a NumPy array of a type that files and kernels support. Masked values become NaN, bfloat16 float32,
    long double float64. A plain array is returned as it is, so that a memory map stays one.

    Raises:
        UserError: they cannot be read as an array; `what` names the argument.
    """
    try:
        array = np.asanyarray(_host(values))
    except (ValueError, TypeError, RuntimeError) as error:
        reason = str(error).strip().splitlines()[0].rstrip(".") if str(error).strip() else type(error).__name__
        raise UserError(f"{what} cannot be read as an array: {reason}.") from error
    if isinstance(array, np.ma.MaskedArray):
        array = _unmasked(array)
    if isinstance(array, np.matrix):
        array = np.asarray(array)
    if array.dtype.kind == "V" and "float" in array.dtype.name:  # bfloat16 and the 8-bit floats of ml_dtypes
        return array.astype(np.float32)
    if array.dtype.kind == "f" and array.dtype.itemsize > 8:
        return array.astype(np.float64)
    return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))


def plain_labels(values: Any, what: str) -> np.ndarray | list[Any]:
    """One plain label per row. A tensor becomes an array (n,), 0-d tensors and NumPy scalars in a list become plain
    values.

    Raises:
        UserError: they are not a sequence of labels, or a row holds a list, a record or an array.
    """
    if values is None or isinstance(values, str | bytes | dict | set | frozenset | Iterator):
        got = "nothing (None)" if values is None else f"a {type(values).__name__}"
        raise UserError(f"{what}: {got} was given; give a list or array of one label per row.")
    columns = getattr(values, "columns", None)
    if columns is not None and getattr(values, "ndim", 2) == 2:
        listed = ", ".join(map(str, list(columns)[:10]))
        if not len(columns):
            raise UserError(f"{what}: a frame without columns was given; give a list or array of one label per row.")
        raise UserError(
            f"{what}: a frame with the columns {listed} was given; give one of them, as "
            f"frame[{str(list(columns)[-1])!r}]."
        )
    if not isinstance(values, list | tuple):
        if isinstance(values, np.ma.MaskedArray) and values.ndim == 1:
            return [plain_label(value, what, row) for row, value in enumerate(values.tolist())]  # None where masked
        array = plain_array(values, what)
        array = (
            array[:, 0] if array.ndim == 2 and array.shape[1] == 1 else array
        )  # a column, as MedMNIST and Keras have
        if array.ndim != 1:
            raise UserError(
                f"{what} has shape {array.shape}; give one label per row (for one-hot rows: argmax over the last axis)."
            )
        if array.dtype.kind not in "OVc":
            return array
        values = array.tolist()
    return [plain_label(value, what, row) for row, value in enumerate(values)]


def plain_label(value: Any, what: str, row: int) -> Any:
    """One label as a plain value.

    Raises:
        UserError: it is more than one label, or a complex number.
    """
    if isinstance(value, _SCALARS):
        return value
    if not isinstance(value, np.generic) and getattr(value, "shape", None) == ():
        value = plain_array(value, what)[()]
    if isinstance(value, np.generic):
        value = value.item() if not isinstance(value, np.datetime64) else str(value)
    if isinstance(value, list | tuple | dict | set | frozenset | complex) or getattr(value, "shape", ()) != ():
        shown = " ".join(repr(value).split())[:40]
        raise UserError(
            f"{what}: row {row} (from 0) holds {shown}, a {type(value).__name__}; give one plain label per row."
        )
    return value


def _host(values: Any) -> Any:
    """The values in main memory; for a list, each of its tensors."""
    if hasattr(values, "detach") and hasattr(values, "cpu"):  # torch; open files have `detach` too
        values = values.detach().cpu()
        values = values.to_dense() if getattr(values, "is_sparse", False) else values
        narrow = str(values.dtype).removeprefix("torch.")
        return (values.float() if narrow == "bfloat16" or narrow.startswith("float8") else values).numpy()
    if isinstance(values, list | tuple):
        return [_host(value) for value in values] if any(hasattr(value, "detach") for value in values) else values
    if hasattr(values, "toarray") and hasattr(values, "nnz"):  # a sparse matrix of SciPy
        return values.toarray()
    return values


def _unmasked(array: np.ma.MaskedArray) -> np.ndarray:
    if not np.ma.is_masked(array):
        return np.asarray(array)
    return np.ma.filled(array.astype(np.result_type(array.dtype, np.float32)), np.nan)
