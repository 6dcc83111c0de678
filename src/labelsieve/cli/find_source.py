"""The input of `labelsieve find`: the data, the meaning of the classes, and the default run folder."""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath

from labelsieve.core.class_meaning import Meaning
from labelsieve.core.dataset import KINDS, Dataset
from labelsieve.core.errors import UserError
from labelsieve.places import paths

FAST = "--fast finds fewer wrong labels than the default encoder, which takes 2.6 times as long."
_SUFFIXES = (".gz", ".csv", ".tsv", ".parquet", ".jsonl", ".json", ".arrow", ".feather", ".npz", ".npy")


def require_fast(fast: bool, encoder: str | None, side: int | None, from_network: str | None) -> None:
    """Raise a UserError if `--fast` contradicts another option."""
    if fast and (encoder or side):
        raise UserError("--fast is an encoder with its own side; leave out --encoder and --side, or leave out --fast.")
    if fast and from_network:
        raise UserError("--fast selects an encoder, and --from-network replaces the encoder; leave out one of them.")


def read_source(
    source: str | None,
    probs: str | None,
    labels: str | None,
    fast: bool,
    columns: dict[str, str | None],
    background: int | None,
    several: bool = False,
) -> Dataset:
    """The data set that the arguments name.

    Raises:
        UserError: the arguments name no data, or options that have no effect on these data.
    """
    from labelsieve.data import load, load_probabilities

    if source:
        crops = "auto" if background is None and not several else background
        data = load(source, labels=labels, probs=probs, background=crops, several=several, **columns)
    elif probs is None:
        raise UserError("Pass the data: labelsieve find photos/, or --probs probs.npy --labels labels.csv.")
    elif labels is None:
        raise UserError(
            "--probs needs the data that they belong to, or --labels, a file of the given labels "
            "(id,label, or one label per row)."
        )
    else:
        unused = [
            f"--{name}"
            for name in ("image", "text", "group", "annotator", "votes", "time", "format", "split")
            if columns[name] is not None
        ]
        unused += [] if background is None else ["--background"]
        if unused:
            raise UserError(f"--probs without data has no columns; leave out {', '.join(unused)}, or name the data.")
        data = load_probabilities(probs, labels, label=columns["label"], id=columns["id"], several=several)
    if fast and data.kind != "image":
        what = data.source or "the data"
        raise UserError(f"--fast is for images, but {what} holds {KINDS[data.kind]}; leave it out.")
    return data


def read_classes(file: str | None, data: Dataset) -> dict[str, Meaning] | None:
    """The meaning of each class from a table; notes on rows that do not fit go to stderr. None without a table."""
    from labelsieve.cli.terminal import print_notes
    from labelsieve.data.class_table import read_class_table

    if file is None:
        return None
    meanings, notes = read_class_table(file, data.classes, data.ids)
    print_notes(notes)
    return meanings


def default_folder(source: str) -> Path:
    """photos/ -> photos.sieve, s3://bucket/reviews.parquet -> reviews.sieve, hf:ag_news:test -> ag_news-test.sieve."""
    plain = source.removeprefix("hf:").replace(os.sep, "/")
    if paths.is_remote(source):  # of an archive as a whole its name
        plain = paths.name(source) or plain.rpartition("::")[2].removesuffix(".zip")
    name = PurePosixPath(plain.rstrip("/")).name.replace(":", "-")
    if not os.path.isdir(source):
        for suffix in _SUFFIXES:
            name = name.removesuffix(suffix)
    if name in ("", ".", ".."):
        name = Path(source).resolve().name
    return Path(f"{name or 'data'}.sieve")
