"""svmlight and libsvm files: one example per line, `label index:value ...`, perhaps with a comment after `#`.

Features that a line does not name are 0. A line may have a `qid`, which makes a group. Lines that are not changed keep
their bytes.
"""

from __future__ import annotations

import io
import os
import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from labelsieve.core.errors import UserError
from labelsieve.core.extras import need
from labelsieve.formats import named_arrays
from labelsieve.formats.content import Content
from labelsieve.formats.new_labels import new_labels
from labelsieve.places import paths

SUFFIXES = (".svmlight", ".libsvm", ".svm")
_LINE = re.compile(rb"\s*([-+.\deE]+)((?:\s+(?:qid|\d+):[-+.\deEnaif]+)+)\s*(?:#.*)?")


def recognises(place: str) -> bool:
    """A file with the usual suffix, or with none or `.txt`, whose first line is such an example."""
    suffix = paths.suffix(place)
    if suffix not in (*SUFFIXES, "", ".txt", ".t", ".tr", ".val", ".scale") or place.endswith(".gz"):
        return False
    if not paths.is_file(place):
        return False
    with paths.opened(place) as file:
        lines = file.read(1 << 16).split(b"\n")
    first = next((line for line in lines if line.strip() and not line.lstrip().startswith(b"#")), b"")
    return suffix in SUFFIXES or bool(_LINE.fullmatch(first))


def read(place: str) -> Content:
    datasets = need("sklearn.datasets", f"{place} is in svmlight format, which", "arrays", "scikit-learn")
    raw = paths.read(place)
    try:
        features, labels, queries = datasets.load_svmlight_file(io.BytesIO(raw), query_id=True, dtype=np.float32)
    except Exception as error:  # a line that is not one raises whatever its parser meets
        numbered = enumerate(raw.split(b"\n"), 1)
        bad, line = next(
            ((i, line) for i, line in numbered if _is_example(line) and not _LINE.fullmatch(line)), (0, b"")
        )
        where = f"line {bad} is not one of `label index:value ...`" if bad else str(error).rstrip(".")
        several = " (several labels per line are not read)" if b"," in line.split(b":")[0] else ""
        raise UserError(f"{place} cannot be read as svmlight: {where}{several}.") from error
    whole = labels.astype(np.int64) if np.equal(labels, labels.astype(np.int64)).all() else labels
    n, d = features.shape
    share = features.nnz / max(1, n * d)
    note = f"Features that a line of {place} does not name are 0: {1 - share:.0%} of them all."
    return Content(
        None,
        whole,
        named_arrays.dense(features, place),
        "features",
        groups=[str(query) for query in queries] if b"qid:" in raw else None,
        notes=(note,) if share < 1 else (),
    )


def write(place: str, content: Content, changes: Mapping[str, str | None], out: Path) -> tuple[str, ...]:
    new = new_labels(content, changes, place)
    lines, i, written = paths.read(place).split(b"\n"), -1, []
    spelling = {}
    for line in lines:
        if _is_example(line):
            spelling.setdefault(float(line.split(None, 1)[0]), line.split(None, 1)[0])  # `+1` stays `+1`
    for line in lines:
        i += _is_example(line)
        if not _is_example(line) or (new.keep[i] and i not in new.changed):
            written.append(line)
        elif new.keep[i]:
            label = spelling.get(float(new.changed[i]), str(new.changed[i]).encode())
            written.append(label + line.lstrip()[len(line.split(None, 1)[0]) :])
    (out / os.path.basename(place)).write_bytes(b"\n".join(written))
    return ()


def _is_example(line: bytes) -> bool:
    return bool(line.partition(b"#")[0].strip())
