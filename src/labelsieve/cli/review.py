"""labelsieve review: look at the findings in a browser, one key per decision."""

from __future__ import annotations

import secrets
import socket
import webbrowser
from contextlib import suppress
from pathlib import Path
from threading import Timer
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlencode

from cyclopts import Parameter

from labelsieve.core.errors import UserError

if TYPE_CHECKING:
    from labelsieve.page.desk import Desk

PORT = 8765  # taken if it is free
BACKLOG = 2048  # connections that may wait until they are answered


def review(
    run: Annotated[Path, Parameter(help="A run folder that `find` wrote.")],
    /,
    *,
    host: Annotated[
        str, Parameter(help="Address to listen on; any but loopback needs the token that is printed.")
    ] = "127.0.0.1",
    port: Annotated[int | None, Parameter(help="Port; default: 8765, or a free one.")] = None,
    reviewer: Annotated[str, Parameter(help="Your name in the journal; default: who is logged in.")] = "",
    sample: Annotated[
        str | None, Parameter(help="Open a random sample for blind review; drawn if the run has none so named.")
    ] = None,
    known: Annotated[
        Path | None, Parameter(help="Table with id,label of examples whose class is known, to plant in the queue.")
    ] = None,
    classes: Annotated[
        str | None, Parameter(help="Table of what the classes mean: class,name,guideline,example.")
    ] = None,
    journal: Annotated[
        str | None, Parameter(help="postgresql://... to share the decisions; default: in the run folder.")
    ] = None,
    no_browser: Annotated[bool, Parameter(help="Only print the address.", negative="")] = False,
) -> int:
    """Review findings in the browser: keep, relabel or exclude with one key; every decision is saved at once."""
    import uvicorn

    from labelsieve.page.desk import Desk
    from labelsieve.page.security import is_loopback
    from labelsieve.page.server import STATIC, application

    if not (STATIC / "index.html").exists():
        raise UserError(
            "The review page is not built in this checkout; run `make web` (it needs Node), or install the wheel."
        )
    if sample is not None:
        _check_sample(run, sample)
    if known is not None:
        _keep_known(run, known)
    if classes is not None:
        _keep_meanings(run, classes)
    desk = Desk(run, journal=journal)
    drawn = "" if sample is None else _draw(desk, sample)
    token = None if is_loopback(host) else secrets.token_urlsafe(24)
    listening = _listen(host, port)
    said = {"sample": sample, "blind": "1" if sample else None, "token": token}
    query = urlencode({key: value for key, value in said.items() if value})
    url = f"http://{_shown(host)}:{listening.getsockname()[1]}/{'focus' if sample else ''}{'?' if query else ''}{query}"
    lines = [f"{run} is open for review at {url}  (Ctrl+C ends it; decisions are saved as they are made)", drawn]
    if token is not None:
        lines.append(
            "Anyone with this address can decide. It is not encrypted: use a network you trust, or put TLS before it."
        )
    with suppress(KeyboardInterrupt):  # Ctrl-C is how a review ends, no failure
        print("\n".join(filter(None, lines)), flush=True)
        if not no_browser:
            Timer(0.5, webbrowser.open, [url]).start()
        app = application(desk, name=reviewer, host=host, token=token)
        config = uvicorn.Config(
            app, log_level="warning", access_log=False, server_header=False, timeout_graceful_shutdown=2
        )
        server = uvicorn.Server(config)
        app.state.leaving = lambda: server.should_exit
        server.run(sockets=[listening])
    _farewell(desk)
    return 0


def _check_sample(run: Path, name: str) -> None:
    """Refuse a sample that can neither be opened nor drawn, before anything starts."""
    from labelsieve.store import sample_files

    if name in sample_files.names(run) or name.startswith("accept-"):
        sample_files.load(run, name)
    sample_files.require_name(name)


def _draw(desk: Desk, name: str) -> str:
    """Draw the sample `name` from what is not decided, unless the run has it; returns a sentence that says so."""
    from labelsieve.decide.next_steps import SIZE
    from labelsieve.page.drawing import draw_open
    from labelsieve.store import sample_files

    if name in sample_files.names(desk.folder):
        return ""
    try:
        drawn = draw_open(desk, name, SIZE)
    except OSError as error:
        raise UserError(f"The sample {name!r} cannot be kept ({error.strerror or error}).") from error
    return f"{len(drawn.ids):,} examples were drawn at random as the sample {name!r}, to be judged blind."


def _farewell(desk: Desk) -> None:
    """Where the review stands, and what to do with it."""
    from rich.text import Text

    from labelsieve.cli.terminal import printer
    from labelsieve.core.wording import quoted
    from labelsieve.decide.next_steps import Step, next_steps
    from labelsieve.page.desk import CONFLICT

    console, now, n = printer(), desk.now(), len(desk.findings)
    left = f"about {now.left.count:,.0f} ({now.left.low:,.0f} to {now.left.high:,.0f})"
    console.print(f"\nReviewed: {now.reviewed:,} of {n:,}, {now.found:,} of them found wrong.")
    if now.reviewed < n:
        console.print(f"Wrong labels still hidden among the other {n - now.reviewed:,}: {left}.")
    conflicts = int((desk.state == CONFLICT).sum())
    if conflicts:
        console.print(f"Conflicts that wait to be settled: {conflicts:,}.")
    console.print("Every decision is saved. Next:")
    for step in (
        *([] if now.reviewed == n else [Step(f"labelsieve review {quoted(desk.folder)}", "go on")]),
        *next_steps(desk.folder),
    ):
        console.print(Text.assemble("  ", (step.command, "cyan"), f"  {step.why}"), soft_wrap=True)


def _keep_known(run: Path, file: Path) -> None:
    from labelsieve.data.truth import contradiction, read_truth_with_notes
    from labelsieve.store import known_items
    from labelsieve.store.run import load

    findings = load(run)
    labels, notes = read_truth_with_notes(
        file, findings.ids, findings.classes, {item.id for item in findings.excluded}, findings
    )
    found = {key: label for key, label in zip(findings.ids.tolist(), labels, strict=True) if label is not None}
    known_items.save(run, found, findings)
    for note in (*notes, *contradiction(labels, findings)):
        print(note)


def _keep_meanings(run: Path, file: str) -> None:
    from labelsieve.cli.find import read_meanings
    from labelsieve.store import class_guide
    from labelsieve.store.run import load

    findings = load(run)
    class_guide.save(run, read_meanings(file, findings.classes, findings.ids), findings)


def _listen(host: str, port: int | None) -> socket.socket:
    """A listening socket, on the wished port or, if none was wished, on 8765 or any free one."""
    if port is not None and not 0 <= port < 65536:
        raise UserError(f"--port {port} is no port; it is a number from 0 (a free one) to 65535.")
    why: Exception = OSError()
    for candidate in (PORT, 0) if port is None else (port,):
        try:
            family, kind, proto, _, address = socket.getaddrinfo(host.strip("[]"), candidate, type=socket.SOCK_STREAM)[
                0
            ]
            sock = socket.socket(family, kind, proto)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind(address)
            sock.listen(BACKLOG)  # before the address is told; two that only bind would also share the port
            return sock
        except (OSError, OverflowError) as error:
            why = error
    raise UserError(
        f"{host}:{PORT if port is None else port} cannot be listened on ({why}); choose another --port or --host."
    )


def _shown(host: str) -> str:
    """The address for the browser: a wildcard is this machine's name."""
    if host in ("0.0.0.0", "::", "[::]"):
        return socket.gethostname()
    return f"[{host}]" if ":" in host and not host.startswith("[") else host
