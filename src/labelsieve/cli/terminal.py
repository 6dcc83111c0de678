"""What the commands share: the printer on stdout, the progress bar on stderr, JSON, and safe text for terminals."""

from __future__ import annotations

import json
import logging
import math
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from labelsieve.core.dataset import Exclusion
from labelsieve.core.errors import UserError
from labelsieve.core.printable import visible as safe
from labelsieve.engine.progress import bars, is_first

__all__ = [
    "blank_table",
    "is_first",
    "is_quiet",
    "level_of",
    "print_json",
    "printer",
    "progress_bar",
    "prose",
    "safe",
    "tell_excluded",
    "tell_notes",
    "telling",
]

LOG = logging.getLogger("labelsieve")
PIPE_WIDTH = 100  # columns where nobody says how wide the output is


class _Stderr(logging.StreamHandler):
    """Writes to stderr as it is at the moment, so that a progress bar there stays whole."""

    def emit(self, record: logging.LogRecord) -> None:
        self.stream = sys.stderr
        super().emit(record)


class _Printer(Console):
    def on_broken_pipe(self) -> None:
        raise BrokenPipeError  # for `main`, like that of print(); rich would exit with 1


def printer() -> Console:
    """The console for results: stdout as it is now, no markup, no guessing at what is a number or a path."""
    width = shutil.get_terminal_size((PIPE_WIDTH, 24)).columns
    return _Printer(file=sys.stdout, width=max(60, min(width, 140)), highlight=False, markup=False, emoji=False)


def prose(console: Console, text: Text | str) -> None:
    """A sentence, folded where somebody looks: on a terminal, or at a width that COLUMNS names. Elsewhere it stays on one line."""
    console.print(text, soft_wrap=not (sys.stdout.isatty() or os.environ.get("COLUMNS")))


def blank_table(title: str = "") -> Table:
    """A table with one line under its header and nothing around it."""
    return Table(
        box=SIMPLE_HEAD, show_edge=False, pad_edge=False, title=title or None, title_justify="left", title_style="bold"
    )


def progress_bar() -> AbstractContextManager[Callable[[str, int, int], None]]:
    """A function (stage, done, total) that draws bars on stderr (`engine.progress`); silent with --quiet."""
    return bars(silent=is_quiet())


def level_of(quiet: bool, verbose: bool, named: str | None) -> int:
    """The level of logging that the options name.

    Raises:
        UserError: they contradict each other.
    """
    given = [
        option
        for option, there in (("--quiet", quiet), ("--verbose", verbose), ("--log-level", named is not None))
        if there
    ]
    if len(given) > 1:
        raise UserError(f"{' and '.join(given)} contradict each other; leave out all but one.")
    return (
        getattr(logging, named.upper())
        if named
        else logging.ERROR
        if quiet
        else logging.INFO
        if verbose
        else logging.WARNING
    )


@contextmanager
def telling(level: int) -> Iterator[None]:
    """What the package logs from this level on goes to stderr."""
    handler = _Stderr()
    handler.setFormatter(logging.Formatter("%(asctime)s %(name)s %(levelname)s: %(message)s", "%H:%M:%S"))
    before = LOG.level
    LOG.setLevel(level)
    LOG.addHandler(handler)
    try:
        yield
    finally:
        LOG.setLevel(before)
        LOG.removeHandler(handler)


def is_quiet() -> bool:
    """Whether only results and errors are wanted."""
    return not LOG.isEnabledFor(logging.WARNING)


def tell_notes(notes: Sequence[str]) -> None:
    """What should be known of how the data were read, on stderr, unless --quiet."""
    for note in () if is_quiet() else notes:
        print(safe(note, 600), file=sys.stderr)


def tell_excluded(excluded: Sequence[Exclusion]) -> None:
    """The first examples that were left out, on stderr, unless --quiet."""
    if is_quiet():
        return
    for item in excluded[:3]:
        print(f"left out: {safe(item.id, 4096)}: {safe(item.reason, 200)}", file=sys.stderr)
    if len(excluded) > 3:
        print(f"left out: {len(excluded) - 3} more", file=sys.stderr)


def print_json(value: Any) -> None:
    """One JSON object on stdout, in ASCII, so that no id can disturb a terminal; what is not a number is null."""
    print(json.dumps(_plain(value), ensure_ascii=True, allow_nan=False))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    return None if isinstance(value, float) and not math.isfinite(value) else value
