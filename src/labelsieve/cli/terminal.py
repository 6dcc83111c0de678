"""Output that the commands share: the printer on stdout, the progress bar on stderr, JSON, safe text for terminals."""

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
from labelsieve.engine.progress import bars, is_first, is_first_here

__all__ = [
    "blank_table",
    "is_first",
    "is_first_here",
    "is_quiet",
    "level_of",
    "log_to_stderr",
    "print_excluded",
    "print_json",
    "print_notes",
    "printer",
    "progress_bar",
    "prose",
    "safe",
]

LOG = logging.getLogger("labelsieve")
PIPE_WIDTH = 100  # columns if the width of the output is unknown


class _Stderr(logging.StreamHandler):
    """Writes to the current stderr, so that a progress bar there stays intact."""

    def emit(self, record: logging.LogRecord) -> None:
        self.stream = sys.stderr
        super().emit(record)


class _Printer(Console):
    def on_broken_pipe(self) -> None:
        raise BrokenPipeError  # as print() does, for `main`; rich would exit with 1


def printer() -> Console:
    """The console for results: the current stdout, no markup, no automatic highlighting of numbers or paths."""
    width = shutil.get_terminal_size((PIPE_WIDTH, 24)).columns
    return _Printer(file=sys.stdout, width=max(60, min(width, 140)), highlight=False, markup=False, emoji=False)


def prose(console: Console, text: Text | str) -> None:
    """Print a sentence, folded on a terminal or if COLUMNS sets a width; elsewhere it stays on one line."""
    console.print(text, soft_wrap=not (sys.stdout.isatty() or os.environ.get("COLUMNS")))


def blank_table(title: str = "") -> Table:
    """A table with one line under its header and nothing around it."""
    return Table(
        box=SIMPLE_HEAD, show_edge=False, pad_edge=False, title=title or None, title_justify="left", title_style="bold"
    )


def progress_bar() -> AbstractContextManager[Callable[[str, int, int], None]]:
    """A function (stage, done, total) that draws bars on stderr (`engine.progress`); silent with --quiet."""
    return bars(silent=is_quiet())


def level_of(quiet: bool, verbose: bool, level: str | None) -> int:
    """The log level that the options select.

    Raises:
        UserError: they contradict each other.
    """
    used = [
        option
        for option, is_used in (("--quiet", quiet), ("--verbose", verbose), ("--log-level", level is not None))
        if is_used
    ]
    if len(used) > 1:
        raise UserError(f"{' and '.join(used)} contradict each other; use only one of them.")
    return (
        getattr(logging, level.upper())
        if level
        else logging.ERROR
        if quiet
        else logging.INFO
        if verbose
        else logging.WARNING
    )


@contextmanager
def log_to_stderr(level: int) -> Iterator[None]:
    """Print the package's log messages from this level on to stderr."""
    handler = _Stderr()
    handler.setFormatter(logging.Formatter("%(asctime)s %(name)s %(levelname)s: %(message)s", "%H:%M:%S"))
    previous = LOG.level
    LOG.setLevel(level)
    LOG.addHandler(handler)
    try:
        yield
    finally:
        LOG.setLevel(previous)
        LOG.removeHandler(handler)


def is_quiet() -> bool:
    """Whether to print only results and errors."""
    return not LOG.isEnabledFor(logging.WARNING)


def print_notes(notes: Sequence[str]) -> None:
    """Print notes on how the data were read to stderr, unless --quiet."""
    for note in () if is_quiet() else notes:
        print(safe(note, 600), file=sys.stderr)


def print_excluded(excluded: Sequence[Exclusion]) -> None:
    """Print the first examples that were left out to stderr, unless --quiet."""
    if is_quiet():
        return
    for item in excluded[:3]:
        print(f"left out: {safe(item.id, 4096)}: {safe(item.reason, 200)}", file=sys.stderr)
    if len(excluded) > 3:
        print(f"left out: {len(excluded) - 3} more", file=sys.stderr)


def print_json(value: Any) -> None:
    """Print one JSON object to stdout, in ASCII, so that no id can disturb a terminal; NaN and infinity become null."""
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
