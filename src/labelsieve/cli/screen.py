"""What every command shares: the progress bar on stderr and safe text for terminals."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


@contextmanager
def progress_bar() -> Iterator[object]:
    """A function (stage, done, total) that draws one bar a stage with the time left; silent where stderr is not a terminal."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description:<18}"), BarColumn(bar_width=30), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as progress:
        tasks = {}

        def tell(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = progress.add_task(stage, total=total)
            progress.update(tasks[stage], completed=done, total=total)

        yield tell


def safe(text: str, width: int = 60) -> str:
    """Text for a terminal: control and direction characters shown as escapes, the middle of long text left out."""
    visible = "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text[:4096])
    return visible if len(visible) <= width else f"{visible[: (width - 1) // 2]}…{visible[-(width - 1 - (width - 1) // 2) :]}"
