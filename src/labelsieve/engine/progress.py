"""The progress of long work on stderr: bars in a terminal, one line in a notebook, nothing elsewhere."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, Literal, ParamSpec, TypeVar

from labelsieve.core.arguments import shown
from labelsieve.core.errors import UserError
from labelsieve.core.progress_callback import Progress

P = ParamSpec("P")
T = TypeVar("T")
WIDTH = 30  # characters of the bar in a notebook


def is_first() -> bool:
    """Whether this process is alone, or the first of those that torchrun started."""
    return os.environ.get("RANK", "0") == "0"


def is_first_here() -> bool:
    """Whether this process is alone, or the first of those that torchrun started on this machine."""
    return os.environ.get("LOCAL_RANK", "0") == "0"


@contextmanager
def reporting(progress: Progress | Literal[False] | None) -> Iterator[Progress | None]:
    """Handle a `progress` argument: a function is called; None draws bars in a terminal and in a notebook, and nothing
    elsewhere; False draws nothing.

    Raises:
        UserError: it is none of these.
    """
    if progress is False:
        yield None
        return
    if progress is not None and not callable(progress):
        raise UserError(
            f"progress is {shown(progress)}; give a function, None for a bar in a terminal and a notebook, or False."
        )
    if progress is not None:
        yield progress
    elif not is_first():
        yield None
    elif _in_notebook():
        with _line() as tell:
            yield tell
    elif sys.stderr is not None and sys.stderr.isatty():
        with bars() as tell:
            yield tell
    else:
        yield None


def with_progress(function: Callable[P, T]) -> Callable[P, T]:
    """Handle the keyword `progress` of a function with `reporting`; inside, it is a function to call, or None."""

    @wraps(function)
    def run(*args: P.args, **keywords: P.kwargs) -> T:
        argument: Any = keywords.pop("progress", None)
        with reporting(argument) as report:
            keywords["progress"] = report
            return function(*args, **keywords)

    return run


@contextmanager
def bars(*, silent: bool = False) -> Iterator[Progress]:
    """A function (stage, done, total) that draws one bar per stage, with the time left, in a terminal. Text after a
    colon in the stage describes the same stage."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    console = Console(stderr=True, highlight=False)
    columns = (
        TextColumn("{task.description:<12}"),
        BarColumn(bar_width=30),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    off = silent or not (console.is_terminal and is_first())
    with Bars(*columns, console=console, disable=off, transient=True) as shown:
        tasks = {}

        def tell(stage: str, done: int, total: int) -> None:
            name = stage.partition(":")[0]
            if name not in tasks:
                tasks[name] = shown.add_task(stage, total=total)
            shown.update(tasks[name], description=stage, completed=done, total=total)

        yield tell


def _in_notebook() -> bool:
    """Whether this is the kernel of a notebook, whose stderr is visible although it is not a terminal."""
    shell = sys.modules.get("IPython")
    shell = None if shell is None else shell.get_ipython()
    return shell is not None and hasattr(shell, "kernel")


@contextmanager
def _line() -> Iterator[Progress]:
    """As `bars`, but one line that is overwritten, which every notebook can show, and cleared at the end."""
    last = 0

    def tell(stage: str, done: int, total: int) -> None:
        nonlocal last
        full = WIDTH * min(done, total) // max(total, 1)
        text = f"{stage:<12} {'━' * full}{'╌' * (WIDTH - full)} {done:,}/{total:,}"
        sys.stderr.write("\r" + text.ljust(last))
        sys.stderr.flush()
        last = len(text)

    try:
        yield tell
    finally:
        sys.stderr.write("\r" + " " * last + "\r")
        sys.stderr.flush()
