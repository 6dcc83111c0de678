"""The command line: parse, call, print. Exit codes: 0 success, 1 a check failed, 2 a user error, 130 interrupted."""

from __future__ import annotations

import errno
import io
import os
import signal
import sys
import time
from contextlib import suppress

from labelsieve.core.errors import UserError

_INTERRUPTED = "interrupted; run the same command again to continue."
# Errors of the machine, not of Labelsieve: no permission, a full or read-only disk, an impossible path.
_MACHINE = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO}
_MACHINE |= {errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENAMETOOLONG}
_WAIT = 3  # seconds; the first process of a machine reports first, and torchrun ends all when one has ended


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns the exit code. Mistakes become one sentence on stderr, never a stack trace."""
    _prepare_streams()
    try:
        call = sys.argv[1:] if arguments is None else arguments
        _require_values(call)
        app, console = _load_app()
        result = app.meta(call, console=console)
        sys.stdout.flush()
        return result if isinstance(result, int) else 0
    except UserError as error:
        return _print_error(error.for_command_line(), 2)
    except KeyboardInterrupt:
        return _print_error(_INTERRUPTED, 130)
    except BrokenPipeError:
        _drop_output()  # the reader of the output has closed it
        return 0
    except MemoryError:
        return _print_error("out of memory; use fewer detectors (--detectors consensus) or a smaller --side.", 2)
    except Exception as error:
        return _print_unexpected(error)


def _require_values(arguments: list[str]) -> None:
    """Refuse empty values, which an unset shell variable leaves behind.

    Raises:
        UserError: a value is empty; the message names the option.
    """
    for preceding, argument in zip(["", *arguments], arguments, strict=False):
        name, equals, value = argument.partition("=")
        option = (
            name
            if argument.startswith("-") and equals
            else preceding
            if preceding.startswith("-") and "=" not in preceding
            else ""
        )
        if argument.strip() and (value.strip() or not (argument.startswith("-") and equals)):
            continue
        unset = "A shell variable that is not set leaves an empty value."
        if not option:
            raise UserError(f"One of the arguments is empty. Pass the data or the run folder. {unset}")
        give = "name a folder" if option in ("--out", "-o") else "give it a value"
        raise UserError(f"The value of {option} is empty; {give}, or leave the option out. {unset}")


def run() -> None:
    """`main` for a separate process, which exits at once.

    Threads of Arrow may still hold Python files, and the interpreter would abort if one were released during its
    shutdown.
    """
    os.environ.setdefault(
        "PYTORCH_ENABLE_MPS_FALLBACK", "1"
    )  # the CPU runs what Apple's GPU does not support; torch reads it once
    code = main()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


def _prepare_streams() -> None:
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # closed by the parent process
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal that is not UTF-8 must not stop a run


def _load_app():
    """All commands, and the console for help.

    No work has started yet, so Ctrl-C may stop the imports at once; some of them would turn it into another error.
    """
    previous = None
    with suppress(ValueError):  # only the main thread gets signals
        previous = signal.signal(
            signal.SIGINT, lambda *_: (os.write(2, f"labelsieve: {_INTERRUPTED}\n".encode()), os._exit(130))
        )
    try:
        from labelsieve.cli.app import app
        from labelsieve.cli.terminal import printer

        return app, printer()
    finally:
        if previous is not None:
            signal.signal(signal.SIGINT, previous)


def _print_unexpected(error: Exception) -> int:
    if type(error).__module__.partition(".")[0] == "cyclopts":  # a wrong option or argument
        from labelsieve.cli.wrong_call import sentence

        return _print_error(sentence(error), 2)
    if isinstance(error, OSError) and error.errno in _MACHINE:
        if error.filename is None:
            _drop_output()
            return _print_error(f"the output cannot be written: {error.strerror}.", 2)
        return _print_error(f"{error.filename} cannot be read or written: {error.strerror}.", 2)
    if os.environ.get("LABELSIEVE_DEBUG"):
        raise error
    what = f"{type(error).__name__}: {error}".splitlines()[0]
    return _print_error(
        f"a bug in Labelsieve ({what}). Please report it with the trace that LABELSIEVE_DEBUG=1 shows.", 70
    )


def _drop_output() -> None:
    """Discard what is left in the buffer of stdout, on which the interpreter would fail at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _print_error(message: str, code: int) -> int:
    """Print an error; of several processes only the first of each machine prints, unless the error occurred in another
    one alone."""
    from labelsieve.cli.terminal import is_first_here, safe

    if not is_first_here() and code == 130:
        return code
    if not is_first_here() or (
        code == 70 and "WORLD_SIZE" in os.environ
    ):  # the error may only mean that another process has ended
        time.sleep(_WAIT)
    print(f"labelsieve: {safe(' '.join(message.split()), 2000)}", file=sys.stderr)
    return code
