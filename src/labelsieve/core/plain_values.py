"""Values handed over in Python as plain NumPy: tensors that require grad, lie on a GPU or are bfloat16, masked arrays,
long doubles.

Torch, JAX and TensorFlow are known by what their values can do; none of them is imported.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from labelsieve.core.errors import UserError

_SCALARS = (str, bytes, bool, int, float, type(None))


def plain_array(values: Any, what: str) -> np.ndarray:
    """The values as a NumPy array of a type that files and kernels know: what is masked is NaN, bfloat16 is float32, a
    long double float64. An array that is plain already comes back as it is, so that a memory map stays one.

    Raises:
        UserError: they are no array; `what` says what they were meant to be.
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
    """One plain label a row: a tensor as an array (n,), a list with 0-d tensors and NumPy scalars turned into what they
    hold.

    Raises:
        UserError: they are no row of labels, or a row holds a list, a record or an array.
    """
    if values is None or isinstance(values, str | bytes | dict | set | frozenset | Iterator):
        given = "nothing (None)" if values is None else f"a {type(values).__name__}"
        raise UserError(f"{what}: {given} was given; give a list or array of one label per row.")
    columns = getattr(values, "columns", None)
    if columns is not None and getattr(values, "ndim", 2) == 2:
        listed = ", ".join(map(str, list(columns)[:10]))
        raise UserError(
            f"{what}: a frame with the columns {listed} was given; give one of them, as "
            f"frame[{str(list(columns)[-1])!r}]."
        )
    if not isinstance(values, list | tuple):
        if isinstance(values, np.ma.MaskedArray) and values.ndim == 1:
            return [plain_label(value, what, row) for row, value in enumerate(values.tolist())]  # None where masked
        array = plain_array(values, what)
        if array.ndim != 1:
            do = (
                "call .ravel()"
                if array.ndim == 2 and array.shape[1] == 1
                else "for one-hot rows: argmax over the last axis"
            )
            raise UserError(f"{what} has shape {array.shape}; give one label per row ({do}).")
        if array.dtype.kind not in "OVc":
            return array
        values = array.tolist()
    return [plain_label(value, what, row) for row, value in enumerate(values)]


def plain_label(value: Any, what: str, row: int) -> Any:
    """One label, out of whatever holds it.

    Raises:
        UserError: it is several, or a complex number.
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
    """The values in the memory of the processor; of a list, each of its tensors."""
    if hasattr(values, "detach") and hasattr(values, "cpu"):  # torch; open files can detach too
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
