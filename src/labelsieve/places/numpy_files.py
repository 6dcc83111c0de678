"""NumPy's files: `.npy` and `.npz`, at local paths and at addresses. Nothing is ever unpickled."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Collection, Mapping

import numpy as np

from labelsieve.core.errors import UserError
from labelsieve.places import paths


def read_npy(path: str) -> np.ndarray:
    """The array in an .npy file; a local one is memory-mapped."""
    try:
        if paths.is_remote(path):
            return np.load(io.BytesIO(paths.read(path)), allow_pickle=False)
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except (Exception, MemoryError) as error:  # as in read_npz
        raise UserError(f"{path} cannot be read as an array: {_reason(error, path)}.") from error


def npz_keys(path: str) -> list[str]:
    """The names of the arrays in an .npz file; [] if it is none."""
    try:
        with paths.opened(path) as file, zipfile.ZipFile(file) as archive:
            return [name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy")]
    except (OSError, zipfile.BadZipFile):
        return []


def read_npz(path: str, keys: Collection[str] | None = None) -> Mapping[str, np.ndarray]:
    """The arrays in an .npz file, or only those called `keys`."""
    try:
        with paths.opened(path) as file:
            archive = np.load(file, allow_pickle=False)
            if isinstance(archive, np.ndarray):
                raise ValueError("it holds a single array, like an .npy file")
            members = {key: archive[key] for key in archive.files if keys is None or key in keys}
            strange = next((k for k, value in members.items() if isinstance(value, bytes) and "." not in k), None)
            if strange is not None:  # NumPy returns members that are not arrays as bytes
                raise ValueError(f"its member {strange!r} is not an array; write the file with numpy.savez")
            return {key: value for key, value in members.items() if isinstance(value, np.ndarray)}
    except (
        Exception,
        MemoryError,
    ) as error:  # a damaged archive or header raises almost anything; the file is at fault
        raise UserError(f"{path} cannot be read as an .npz file: {_reason(error, path)}.") from error


def _reason(error: Exception, path: str) -> str:
    text = str(error).rstrip(".")
    if "Python objects" in text or "allow_pickle" in text or "pickled" in text.lower():
        begins = _beginning(path)
        if begins:
            return (
                f"it is a text file that begins {begins!r}; if it is a table, give it its own suffix (.csv, .tsv, "
                ".jsonl)"
            )
        return (
            "it holds Python objects (or is not a NumPy file); save plain numbers or fixed-width text, as with "
            "array.astype(str)"
        )
    return text or type(error).__name__


def _beginning(path: str) -> str:
    """The first line of a text file, "" for any other file."""
    with paths.opened(path) as file:
        head = file.read(200)
    text = head.decode("utf-8", "ignore")
    first = text.strip().partition("\n")[0].strip()
    return first[:60] if text.replace("\n", "").replace("\r", "").replace("\t", "").isprintable() else ""
