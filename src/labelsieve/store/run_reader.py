"""Reads a run folder and checks each of its files: keys, types and lengths.

The checks are plain tables: the keys of `run.json`, and the columns of `findings.parquet`. A damaged file raises a
`UserError` with one sentence: which file, what is wrong with it, and what to do.
"""

from __future__ import annotations

import csv
import json
import os
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from labelsieve.core import removed_copies, reused_ids
from labelsieve.core.dataset import KINDS, Exclusion
from labelsieve.core.errors import UserError, cause
from labelsieve.core.evidence import Neighbours
from labelsieve.core.findings import Estimate, Findings
from labelsieve.core.record import Record
from labelsieve.core.run_files import EVIDENCE, EXCLUDED, FINDINGS, MANIFEST
from labelsieve.store import annotator_files

if TYPE_CHECKING:
    import pyarrow as pa

AGAIN = "run the same `labelsieve find` command again; it rewrites the file and keeps the decisions"
AFRESH = "copy decisions.sqlite to a safe place, remove {}, run `labelsieve find` again and copy decisions.sqlite back"


def damaged(path: Path, why: object, then: str) -> NoReturn:
    """Raise the UserError on a damaged file; `then` is what to do."""
    raise UserError(f"{path} is damaged ({why}); {then}.")


# --- run.json
# ---------------------------------------------------------------------------------------------------------------------


def _text(value: Any) -> bool:
    return isinstance(value, str)


def _maybe_text(value: Any) -> bool:
    return value is None or isinstance(value, str)


def _finite(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and -1e300 < value < 1e300  # NaN is not


def _number(value: Any) -> bool:
    return _finite(value) and value >= 0


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _texts(value: Any) -> bool:
    return isinstance(value, list) and all(map(_text, value))


def _names(value: Any) -> bool:
    return _texts(value) and len(set(value)) == len(value)


def _estimate(value: Any) -> bool:
    if not isinstance(value, dict) or set(value) != {"count", "low", "high"} or not all(map(_number, value.values())):
        return False
    slack = 1e-6 * (1 + value["high"])
    return value["low"] - slack <= value["count"] <= value["high"] + slack


def _dict_of(check: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, dict) and all(map(check, value.values()))


def _levels(value: Any) -> bool:
    """Whether it is what `Levels.plain` returns, or null."""
    if value is None:
        return True
    if not isinstance(value, dict) or not set(value) <= {"whole", "decimal", "bands"}:
        return False
    bands = value.get("bands", [1])
    if not isinstance(bands, list) or not all(_whole(band) and band > 0 for band in bands):
        return False
    pairs = [pair for name, pair in value.items() if name != "bands"]
    return all(
        isinstance(pair, list) and len(pair) == 2 and all(map(_finite, pair)) and pair[0] < pair[1] for pair in pairs
    )


def _plain_dict(value: Any) -> bool:
    return isinstance(value, dict) and all(
        one is None or isinstance(one, bool | int | float | str) for one in value.values()
    )


Check = tuple[Callable[[Any], bool], str]
_CLASSES: Check = (lambda value: _names(value) and bool(value), "a list of different class names")
_KEYS: dict[str, Check] = {
    "classes": _CLASSES,
    "wrong": (_estimate, "count, low and high, numbers of wrong labels"),
    "notes": (_texts, "a list of sentences"),
    "scores": (_names, "a list of detector names"),
    "extra": (_names, "a list of column names"),
    "settings": (lambda value: isinstance(value, dict), "names and values"),
}
_LATER: dict[str, Check] = {  # runs of earlier versions do not have them
    "flags": (_names, "a list of detector names"),
    "suggestions": (_names, "a list of detector names"),
    "examples": (_whole, "a whole number of rows"),
    "excluded": (_whole, "a whole number of rows"),
}
_SETTINGS: dict[str, Check] = {
    "source": (_text, "a path or an address"),
    "kind": (lambda value: value == "" or (_text(value) and value in KINDS), f"one of {', '.join(KINDS)}"),
    "encoder": (_maybe_text, "a name or null"),
    "network": (_maybe_text, "a name or null"),
    "loss": (_maybe_text, "a name or null"),
    "detector_settings": (_dict_of(_plain_dict), "names of detectors with their settings"),
    "detectors": (_names, "a list of detector names"),
    "seed": (_whole, "a whole number"),
    "data_hash": (lambda value: _text(value) and bool(value), "a hash"),
    "seconds": (_dict_of(_number), "seconds of each stage"),
    "recipe": (lambda value: value is None or (_dict_of(_text)(value) and bool(value)), "names and texts, or null"),
    "folder": (lambda value: _text(value) and bool(value), "a folder"),
    "columns": (lambda value: value is None or _texts(value), "the names of the feature columns, or null"),
    "levels": (_levels, "whole and decimal, black and white of each, bands, or null"),
    "versions": (lambda value: _dict_of(_text)(value) and bool(value), "the version of each package"),
    "named": (lambda value: isinstance(value, bool), "true or false"),
    reused_ids.SETTING: (reused_ids.sound, "the ids that stood for other examples before"),
    removed_copies.SETTING: (
        removed_copies.sound,
        "contents of examples, with the time when some of their copies had gone",
    ),
}
_OF_FIND = tuple(
    name
    for name in _SETTINGS
    if name
    not in (
        "network",
        "loss",
        "detector_settings",
        "columns",
        "levels",
        "named",
        reused_ids.SETTING,
        removed_copies.SETTING,
    )
)  # `find` writes them all; findings made in Python may have fewer


def require_manifest(folder: Path) -> None:
    """Refuse a run folder whose `run.json` is missing; other folders pass."""
    if (folder / FINDINGS).exists() and not (folder / MANIFEST).exists():
        damaged(folder / MANIFEST, f"it is missing, but {FINDINGS} exists", AFRESH.format(folder))


def read_manifest(folder: Path) -> dict[str, Any]:
    """The content of `run.json`; that of a run that has only begun has the keys `finished` and `settings` alone.

    Raises:
        UserError: it is damaged.
    """
    path = folder / MANIFEST
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        damaged(path, cause(error), AFRESH.format(folder))
    settings = manifest.get("settings") if isinstance(manifest, dict) else None
    if not isinstance(settings, dict) or not _text(settings.get("source")):
        damaged(path, "settings.source, the data of the run, is missing", AFRESH.format(folder))
    return manifest


def _checked(manifest: dict[str, Any], path: Path) -> None:
    """Refuse a manifest of a finished run that lacks a key or has a value of the wrong type."""
    _check(manifest, _KEYS, path, "", _KEYS)
    _check(manifest, _LATER, path, "", ())
    settings = manifest["settings"]
    _check(settings, _SETTINGS, path, "settings.", _OF_FIND if "versions" in settings else ("source",))
    if "versions" in settings and not settings["kind"]:
        damaged(path, f"settings.kind should be {_SETTINGS['kind'][1]}", AGAIN)


def _check(values: dict[str, Any], checks: dict[str, Check], path: Path, prefix: str, needed: Any) -> None:
    for name, (sound, expected) in checks.items():
        if name not in values:
            if name in needed:
                damaged(path, f"it lacks {prefix}{name}", AGAIN)
        elif not sound(values[name]):
            damaged(path, f"{prefix}{name} should be {expected}", AGAIN)


# --- findings.parquet
# -------------------------------------------------------------------------------------------------------------

_LABELS = ("given_label", "suggested_label", "other_label")
_FLOATS = ("p_wrong", "p_given", "p_other", "p_consensus", "neighbours_agree")
_INTS = ("rank", "duplicate_group", "neighbours", "votes", "votes_for_given")
_BOOLS = ("flagged", "judges_agree", "duplicate_conflict")
_PAIRS = (("p_given", "p_other"), ("duplicate_group", "duplicate_conflict"))


def _read_table(path: Path) -> pa.Table:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        # a Python file would be closed by a thread of Arrow's, maybe too late
        with pa.OSFile(os.fsencode(path)) as file:
            table = pq.read_table(file, page_checksum_verification=True)
        table.validate(full=True)
    except PermissionError:
        raise
    except FileNotFoundError:
        damaged(path, "it is missing", AGAIN)
    except (pa.ArrowException, OSError, ValueError, MemoryError, OverflowError) as error:
        damaged(path, cause(error), AGAIN)
    return table


class _Columns:
    """The columns of `findings.parquet`, each as an array of its required type."""

    def __init__(self, table: pa.Table, path: Path):
        self._table, self._path = table, path
        if len(set(table.column_names)) < table.num_columns:
            self.refuse("two columns have one name")

    def refuse(self, why: str) -> NoReturn:
        damaged(self._path, why, AGAIN)

    def _column(self, name: str) -> pa.ChunkedArray:
        if name not in self._table.column_names:
            self.refuse(f"it lacks the column {name}")
        column = self._table[name]
        if column.null_count:
            self.refuse(f"the column {name} has {column.null_count:,} empty values")
        return column

    def texts(self, name: str) -> pa.Array:
        """Any of Arrow's types of text, as a dictionary array."""
        import pyarrow as pa

        column = self._column(name)
        inner = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
        if inner not in (pa.string(), pa.large_string(), pa.string_view()):
            self.refuse(f"the column {name} should hold texts, not {column.type}")
        whole = (
            column.combine_chunks()
            if pa.types.is_dictionary(column.type)
            else column.cast(pa.large_string()).combine_chunks()
        )
        return whole if pa.types.is_dictionary(whole.type) else whole.dictionary_encode()

    def numbers(self, name: str, kinds: str, dtype: type | None, expected: str) -> np.ndarray:
        values = self._column(name).to_numpy()
        if values.dtype.kind not in kinds:
            self.refuse(f"the column {name} should hold {expected}, not {self._table[name].type}")
        return values if dtype is None else values.astype(dtype, copy=False)

    def ids(self) -> np.ndarray:
        coded = self.texts("id")
        names = np.array(coded.dictionary.to_pylist(), object)
        ids = names[coded.indices.to_numpy()] if len(names) else np.empty(0, object)
        several = np.bincount(coded.indices.to_numpy(), minlength=len(names)) > 1 if len(names) else np.empty(0, bool)
        if several.any():
            self.refuse(f"the id {names[several][0][:80]!r} occurs more than once")
        return ids

    def labels(self, name: str, classes: tuple[str, ...]) -> np.ndarray:
        position = {label: i for i, label in enumerate(classes)}
        coded = self.texts(name)
        used = coded.dictionary.to_pylist()
        strange = next((label for label in used if label not in position), None)
        if strange is not None:
            self.refuse(f"the column {name} has the label {strange[:80]!r}, which is not a class of {MANIFEST}")
        return (
            np.array([position[label] for label in used], np.int64)[coded.indices.to_numpy()]
            if used
            else np.empty(0, np.int64)
        )

    def content(self) -> np.ndarray | None:
        """(n,) uint64; None if an older version wrote the run."""
        if "content" not in self._table.column_names:
            return None
        written = self.texts("content")
        names = written.dictionary.to_pylist()
        if not (set(map(len, names)) <= {16} and re.fullmatch("[0-9a-f]*", "".join(names))):
            self.refuse("the column content should hold 16 hex digits")
        known = np.frombuffer(bytes.fromhex("".join(names)), ">u8").astype(np.uint64)
        return known[written.indices.to_numpy()] if len(known) else np.empty(0, np.uint64)

    def named(self, name: str) -> np.ndarray:
        """A column by its name, with the type that the name requires; any plain type if the name is not one of ours."""
        if name in _BOOLS or name.startswith("flag_"):
            return self.numbers(name, "b", None, "true or false")
        if name in _INTS:
            return self.numbers(name, "iu", np.int64, "whole numbers")
        if name in _FLOATS or name.startswith("score_"):
            values = self.numbers(name, "fiu", np.float64, "numbers")
            unknown = np.isnan(values) & (name != "p_wrong")  # no neighbour, or no model to judge it
            if name in _FLOATS and not ((values >= -1e-6) & (values <= 1 + 1e-6) | unknown).all():
                self.refuse(f"the column {name} has values outside 0 to 1")
            return values
        if name == "split":
            coded = self.texts(name)
            names = np.array(coded.dictionary.to_pylist(), object)
            return names[coded.indices.to_numpy()] if len(names) else np.empty(0, object)
        if name not in self._table.column_names:
            self.refuse(f"it lacks the column {name}")
        return self._table[name].to_numpy(zero_copy_only=False)


def _findings(table: pa.Table, manifest: dict[str, Any], excluded: tuple[Exclusion, ...], path: Path) -> Findings:
    columns, classes, n = _Columns(table, path), tuple(manifest["classes"]), table.num_rows
    if manifest.get("examples", n) != n:
        columns.refuse(f"it has {n:,} rows where {MANIFEST} says {manifest['examples']:,}")
    for several in _PAIRS if "versions" in manifest["settings"] else ():
        if len([name for name in several if name in manifest["extra"]]) == 1:
            damaged(path.with_name(MANIFEST), f"extra should list {' and '.join(several)} together", AGAIN)
    ours = {*_FLOATS, *_INTS, *_BOOLS} - {"p_wrong", "rank", "flagged"}
    per_detector = {"score_": "scores", "flag_": "flags", "suggested_": "suggestions"}
    of_detectors = {key: manifest.get(key, []) for key in per_detector.values()}
    known = {prefix + name for prefix, key in per_detector.items() for name in of_detectors[key]}
    for name in table.column_names:
        ours_too = name.startswith(tuple(per_detector)) and name != "suggested_label"
        if (ours_too or name in ours) and not (name in known or name in manifest["extra"]):
            damaged(path.with_name(MANIFEST), f"it does not list the column {name} of {FINDINGS}", AGAIN)
    labels = {name: columns.labels(name, classes) for name in _LABELS}
    rank = columns.named("rank")
    if n and (rank.min() < 1 or not np.diff(np.sort(rank)).all()):
        columns.refuse("the column rank should hold different numbers, 1 = most suspicious")
    groups = {name: columns.named(name) for name in manifest["extra"]}
    many = n + len(excluded)  # rows that were excluded later may still be in the estimate
    if (wrong := manifest["wrong"])["count"] > many + 1e-6 * (1 + many):
        damaged(path.with_name(MANIFEST), f"wrong counts {wrong['count']:,.0f} labels of {n:,}", AGAIN)
    return Findings(
        ids=columns.ids(),
        classes=classes,
        given=labels["given_label"],
        other=labels["other_label"],
        p_wrong=columns.named("p_wrong"),
        rank=rank,
        flagged=columns.named("flagged"),
        scores={name: columns.named(f"score_{name}") for name in manifest["scores"]},
        extra=groups,
        wrong=Estimate(**manifest["wrong"]),
        excluded=excluded,
        notes=tuple(manifest["notes"]),
        settings=manifest["settings"],
        content=columns.content(),
        flags={name: columns.named(f"flag_{name}") for name in of_detectors["flags"]},
        suggestions={name: columns.labels(f"suggested_{name}", classes) for name in of_detectors["suggestions"]},
    )


# --- excluded.csv and the whole
# ---------------------------------------------------------------------------------------------------


def read_excluded(path: Path, many: int | None = None, then: str = AGAIN) -> tuple[Exclusion, ...]:
    """Return what was left out. `many` is the expected number of rows, if known; `then` is what to do about a damaged
    file.

    Raises:
        UserError: the file is missing or damaged.
    """
    try:
        with open(path, newline="", encoding="utf-8", errors="surrogateescape") as file:
            header, *rows = list(csv.reader(file, strict=True)) or [[]]
    except FileNotFoundError:
        damaged(path, "it is missing", then)
    except (csv.Error, ValueError, IsADirectoryError) as error:
        damaged(path, cause(error), then)
    if header != ["id", "reason"] or any(len(row) != 2 for row in rows):
        damaged(path, "it should have the columns id and reason", then)
    if many is not None and len(rows) != many:
        damaged(path, f"it has {len(rows):,} rows where {MANIFEST} says {many:,}", then)
    return tuple(Exclusion(*row) for row in rows)


def read(folder: str | Path) -> Findings:
    """Return the findings of a finished run, with every file checked.

    Raises:
        UserError: the folder is not a run, the run has not finished, or a file is damaged.
    """
    import pyarrow as pa

    folder = Path(folder)
    path = folder / MANIFEST
    if not path.exists():
        require_manifest(folder)
        beside = folder.with_name(f"{folder.name.partition('.')[0]}.sieve") if folder.name else folder
        meant = f" Did you mean {beside}?" if (beside / MANIFEST).exists() else ""
        raise UserError(
            f"{folder} is not a run folder of Labelsieve (it has no {MANIFEST}); make one with `labelsieve "
            f"find`.{meant}"
        )
    manifest = read_manifest(folder)
    if manifest.get("finished") is False:
        raise UserError(
            f"The run in {folder} has not finished; run the same `labelsieve find` command again to continue it."
        )
    if manifest.get("finished") is not True:
        damaged(path, "finished should be true or false", AGAIN)
    _checked(manifest, path)
    excluded = read_excluded(folder / EXCLUDED, manifest.get("excluded"))
    table = _read_table(folder / FINDINGS)
    try:
        findings = _findings(table, manifest, excluded, folder / FINDINGS)
        return replace(findings, annotators=annotator_files.read(folder))
    except (pa.ArrowException, UnicodeDecodeError) as error:  # a type that Arrow reads but cannot convert to an array
        damaged(folder / FINDINGS, cause(error), AGAIN)


# --- evidence/
# --------------------------------------------------------------------------------------------------------------------


def read_neighbours(folder: Path, n: int) -> tuple[Neighbours | None, str]:
    """The nearest examples of each of the n examples, or None; then why they cannot be shown, "" if the run has
    none."""
    return _evidence(
        folder / EVIDENCE / "neighbours.npy", "Neighbours", lambda: _sound_neighbours(folder / EVIDENCE, n)
    )


def read_record(folder: Path, n: int) -> tuple[Record | None, str]:
    """The training dynamics of the n examples, or None; then why they cannot be shown, "" if the run has none."""
    place = folder / EVIDENCE / "record"
    return _evidence(place / "loss.npy", "Losses while learning", lambda: _sound_record(place, n))


def _evidence(path: Path, what: str, load: Callable[[], Any]) -> tuple[Any, str]:
    if not path.parent.exists() or not (path.exists() or any(path.parent.glob("*.npy"))):
        return None, ""
    try:
        return load(), ""
    except (OSError, ValueError, EOFError, MemoryError, SyntaxError) as error:
        return None, f"{what} are not shown: {path} is damaged ({cause(error)}); {AGAIN}."


def _sound_neighbours(folder: Path, n: int) -> Neighbours:
    loaded = Neighbours.load(folder)
    index, similarity = loaded.index, loaded.similarity
    if index.ndim != 2 or len(index) != n or index.dtype.kind not in "iu":
        raise ValueError(
            f"it should have {n:,} rows of whole numbers, but has the shape {index.shape} of {index.dtype}"
        )
    if similarity.shape != index.shape or similarity.dtype.kind != "f":
        raise ValueError(f"similarity.npy beside it has the shape {similarity.shape}, not {index.shape}")
    for start in range(0, n, 1 << 16):
        block = index[start : start + (1 << 16)]
        if block.size and (block.min() < 0 or block.max() >= n):
            raise ValueError("it has row numbers that do not exist")
    return loaded


def _sound_record(folder: Path, n: int) -> Record:
    loaded = Record.load(folder)
    if loaded.loss.ndim != 2 or loaded.loss.shape[1] != n or loaded.loss.dtype.kind != "f":
        raise ValueError(
            f"it should have {n:,} columns of numbers, but has the shape {loaded.loss.shape} of {loaded.loss.dtype}"
        )
    return loaded
