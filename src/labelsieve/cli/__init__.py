"""The command line: parse, call, print. Exit codes: 0 fine, 1 a gate said no, 2 the user's mistake, 130 interrupted."""

from __future__ import annotations

import io
import os
import sys

from labelsieve.core.errors import UserError


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns the exit code. Mistakes are told in one sentence on stderr, never as a stack trace."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal that is not UTF-8 must not stop a run
    try:
        from labelsieve.cli.app import app

        result = app(sys.argv[1:] if arguments is None else arguments)
        sys.stdout.flush()
        return result if isinstance(result, int) else 0
    except UserError as error:
        return _say(str(error), 2)
    except KeyboardInterrupt:
        return _say("interrupted; the same command goes on from there.", 130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # whoever read the output has left
        return 0
    except MemoryError:
        return _say("out of memory; fewer detectors (--detectors consensus) or a smaller --side need less.", 2)
    except Exception as error:
        if type(error).__module__.partition(".")[0] == "cyclopts":  # a wrong option or argument
            return _say(str(error), 2)
        if os.environ.get("LABELSIEVE_DEBUG"):
            raise
        what = f"{type(error).__name__}: {error}".splitlines()[0]
        return _say(f"a fault of Labelsieve itself ({what}). Please report it with the trace that LABELSIEVE_DEBUG=1 shows.", 70)


def _say(sentence: str, code: int) -> int:
    from labelsieve.cli.screen import safe

    print(f"labelsieve: {safe(' '.join(sentence.split()), 2000)}", file=sys.stderr)
    return code
