"""Which files of a data folder Hugging Face `datasets` reads, and which it ignores without a message.

It reads one kind of file per folder, the most frequent, and sorts by names: as soon as one folder or file has the name
of a split, only files with such names are read. Hidden files and folders are never read.
"""

from __future__ import annotations

import os
from collections import Counter
from typing import Any

from labelsieve.core.errors import UserError
from labelsieve.core.image_names import is_image
from labelsieve.data.class_metadata import coded_columns
from labelsieve.data.class_names import readable
from labelsieve.data.readers import READERS

SHOWN = 3
_MARKS = ("state.json", "dataset_dict.json")  # of a saved data set, which manages its own files
_DATA = (*READERS, ".json", ".txt", ".arrow", ".zip", ".tar", ".wav", ".mp3", ".flac", ".mp4")
_NOT_DATA = {"metadata.csv", "metadata.jsonl", "metadata.parquet", "dataset_infos.json"}


def not_read(folder: str, rows: int) -> tuple[str, ...]:
    """Notes about images or tables in a local folder that are in no split, and images without a row; else ().

    Args:
        rows: the number of rows of all splits together.

    Raises:
        UserError: its Parquet files number their classes differently, which `datasets` does not notice.
    """
    if not os.path.isdir(folder) or any(os.path.exists(os.path.join(folder, mark)) for mark in _MARKS):
        return ()
    read = _read(folder)
    if read is None:
        return ()
    _require_one_numbering(read)
    images = sum(map(is_image, read))
    candidates = [path for path in _files(folder) if (is_image(path) if images else _is_data(path))]
    lost = [os.path.relpath(path, folder) for path in candidates if os.path.realpath(path) not in read]
    notes = (_lost(folder, lost, len(candidates), "images" if images else "files"),) if lost else ()
    if rows < images:
        notes += (
            f"{images - rows:,} of the {images:,} images that `datasets` finds in {folder} are in none of its rows (no "
            "metadata).",
        )
    return notes


def _require_one_numbering(files: set[str]) -> None:
    """`datasets` takes the names of the first file for the numbers of all, so labels of the others would change."""
    from pyarrow import parquet

    first: dict[str, tuple[str, tuple[str, ...]]] = {}
    for path in sorted(path for path in files if path.endswith(".parquet")):
        for column, names in coded_columns(parquet.read_schema(path)).items():
            other, before = first.setdefault(column, (path, names))
            if names != before:
                raise UserError(
                    f"{path} numbers the classes of its column {column!r} differently ({readable(', '.join(names))}) "
                    f"than {other} ({readable(', '.join(before))}), and `datasets` reads all files with the names of "
                    "one, so labels would change; give one file at a time without hf:, or write the files again with "
                    "one order of classes."
                )


def _lost(folder: str, names: list[str], total: int, what: str) -> str:
    by_folder = Counter(name.split(os.sep)[0] if os.sep in name else "the folder itself" for name in names)
    listed = ", ".join(readable(name) for name in names[:SHOWN]) + (", ..." if len(names) > SHOWN else "")
    most = ", ".join(f"{count:,} in {readable(top)}" for top, count in by_folder.most_common(SHOWN))
    return (
        f"{folder} holds {total:,} {what}, and `datasets` reads {total - len(names):,} of them; it does not read "
        f"{len(names):,} ({most}), such as {listed}. It ignores hidden names, some kinds of file, and, if one name is "
        "that of a split, all other names. To read class folders whatever their names, leave out hf: and give the "
        "folder."
    )


def _read(folder: str) -> set[str] | None:
    """The files in all splits; None if unknown."""
    import datasets

    try:
        builder: Any = datasets.load_dataset_builder(folder)
        return {os.path.realpath(str(path)) for paths in (builder.config.data_files or {}).values() for path in paths}
    except Exception:  # any problem was reported when the data were loaded
        return None


def _files(folder: str) -> list[str]:
    """Every file below the folder, including hidden ones, except the copies that macOS makes (._name, __MACOSX)."""
    files = []
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if name not in ("__MACOSX", ".git"))
        files += [os.path.join(place, name) for name in sorted(names) if not name.startswith("._")]
    return files


def _is_data(path: str) -> bool:
    name = os.path.basename(path).lower()
    return name not in _NOT_DATA and os.path.splitext(name.removesuffix(".gz"))[1] in _DATA
