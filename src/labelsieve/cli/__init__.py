"""The command line: parse, call, print. Exit codes: 0 fine, 1 a gate said no, 2 the user's mistake, 130 interrupted."""

from __future__ import annotations

import errno
import io
import os
import signal
import sys
import time
from contextlib import suppress

from labelsieve.core.errors import UserError

_INTERRUPTED = "interrupted; the same command continues from what was saved."
# Errors of the machine, not of Labelsieve: no right to write, a full or read-only disk, a path that cannot be one.
_MACHINE = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO}
_MACHINE |= {errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENAMETOOLONG}
_PATIENCE = 3  # seconds that a process leaves to the first of those under torchrun, and to torchrun, which ends all when one has ended


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns the exit code. Mistakes are told in one sentence on stderr, never as a stack trace."""
    _prepare_streams()
    try:
        given = sys.argv[1:] if arguments is None else arguments
        _require_values(given)
        app, console = _load()
        result = app.meta(given, console=console)
        sys.stdout.flush()
        return result if isinstance(result, int) else 0
    except UserError as error:
        return _say(error.for_command_line(), 2)
    except KeyboardInterrupt:
        return _say(_INTERRUPTED, 130)
    except BrokenPipeError:
        _drop_output()  # whoever read the output has left
        return 0
    except MemoryError:
        return _say("out of memory; fewer detectors (--detectors consensus) or a smaller --side need less.", 2)
    except Exception as error:
        return _unexpected(error)


def _require_values(arguments: list[str]) -> None:
    """No value is empty: an unset shell variable leaves such a value, and nobody means it.

    Raises:
        UserError: one is; the sentence names the option.
    """
    for before, argument in zip(["", *arguments], arguments, strict=False):
        name, equals, value = argument.partition("=")
        option = (
            name
            if argument.startswith("-") and equals
            else before
            if before.startswith("-") and "=" not in before
            else ""
        )
        if argument.strip() and (value.strip() or not (argument.startswith("-") and equals)):
            continue
        unset = "A shell variable that is not set leaves an empty value."
        if not option:
            raise UserError(f"One of the arguments is empty. Name the data, or the run folder, that you mean. {unset}")
        give = "name a folder" if option in ("--out", "-o") else "give it a value"
        raise UserError(f"The value of {option} is empty; {give}, or leave the option out. {unset}")


def run() -> None:
    """`main` as a process of its own, which ends at once: threads of Arrow may still hold Python files, and the interpreter would abort
    on those that let go of one while it shuts down."""
    os.environ.setdefault(
        "PYTORCH_ENABLE_MPS_FALLBACK", "1"
    )  # what Apple's GPU lacks, the CPU does; torch reads it once
    code = main()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


def _prepare_streams() -> None:
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # closed by whoever started us
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal that is not UTF-8 must not stop a run


def _load():
    """All commands, and the console for help. Nothing has begun yet, so that Ctrl-C may stop the imports, some of which would turn it
    into an error of their own, at once."""
    before = None
    with suppress(ValueError):  # only the main thread gets signals
        before = signal.signal(
            signal.SIGINT, lambda *_: (os.write(2, f"labelsieve: {_INTERRUPTED}\n".encode()), os._exit(130))
        )
    try:
        from labelsieve.cli.app import app
        from labelsieve.cli.terminal import printer

        return app, printer()
    finally:
        if before is not None:
            signal.signal(signal.SIGINT, before)


def _unexpected(error: Exception) -> int:
    if type(error).__module__.partition(".")[0] == "cyclopts":  # a wrong option or argument
        from labelsieve.cli.wrong_call import sentence

        return _say(sentence(error), 2)
    if isinstance(error, OSError) and error.errno in _MACHINE:
        if error.filename is None:
            _drop_output()
            return _say(f"the output cannot be written: {error.strerror}.", 2)
        return _say(f"{error.filename} cannot be read or written: {error.strerror}.", 2)
    if os.environ.get("LABELSIEVE_DEBUG"):
        raise error
    what = f"{type(error).__name__}: {error}".splitlines()[0]
    return _say(
        f"a fault of Labelsieve itself ({what}). Please report it with the trace that LABELSIEVE_DEBUG=1 shows.", 70
    )


def _drop_output() -> None:
    """What is still in the buffer of stdout goes nowhere, or the interpreter would fail on it when it ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _say(sentence: str, code: int) -> int:
    """Tell it once: of several processes the first does, unless only another met what is to be told."""
    from labelsieve.cli.terminal import is_first, safe

    if not is_first() and code == 130:
        return code
    if not is_first() or (
        code == 70 and "WORLD_SIZE" in os.environ
    ):  # a fault may be no more than that another process has ended
        time.sleep(_PATIENCE)
    print(f"labelsieve: {safe(' '.join(sentence.split()), 2000)}", file=sys.stderr)
    return code
