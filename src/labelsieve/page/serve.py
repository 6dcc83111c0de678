"""`labelsieve.review`: the review page in the browser, from Python, a notebook or the command line."""

from __future__ import annotations

import secrets
import sys
import webbrowser
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from html import escape
from pathlib import Path
from threading import Event, Thread, Timer
from typing import TYPE_CHECKING

from labelsieve.core.arguments import require_path, require_text
from labelsieve.core.errors import UserError
from labelsieve.core.findings import Estimate
from labelsieve.page.before_review import draw_sample, require_sample, save_class_meanings, save_known_items
from labelsieve.page.desk import CONFLICT, Desk
from labelsieve.page.listen import address, listen
from labelsieve.page.security import is_loopback
from labelsieve.page.server import STATIC, application
from labelsieve.places.at_addresses import at_addresses, read_from
from labelsieve.places.working_copy import address_in
from labelsieve.store.open_run import Run, open_run
from labelsieve.store.run_copies import write_run

if TYPE_CHECKING:
    from socket import socket

    import uvicorn

OPEN = (
    "Anyone with this address can make decisions. The connection is not encrypted: use a network you trust, "
    "or a proxy with TLS."
)


@dataclass(frozen=True)
class Reviewed:
    """The state of a review.

    Attributes:
        examples: number of examples in the run.
        reviewed: number of examples with a decision.
        wrong: number of reviewed examples whose label was judged wrong.
        left: expected number of wrong labels among the other examples.
        measured: whether reviews measured it, so that its ends are a 95 % interval.
        conflicts: number of examples on which reviewers differ.
    """

    examples: int
    reviewed: int
    wrong: int
    left: Estimate
    measured: bool
    conflicts: int


class ReviewPage:
    """The page of a run while it is served. Every decision is saved at once, so the page may be closed at any time.

    A context manager: leaving the block closes the page.

    Attributes:
        url: the address of the page.
        notes: notes for the reviewer to read before starting.
    """

    def __init__(self, desk: Desk, server: uvicorn.Server, listening: socket, url: str, notes: tuple[str, ...]):
        self.url, self.notes = url, notes
        self._desk, self._server, self._error = desk, server, None
        self.closing = ExitStack()  # uploads the decisions of a run at an address
        self._ended = Event()  # a thread whose `join` was interrupted counts as ended before Python 3.13
        Thread(target=self._serve, args=(listening,), name="labelsieve review", daemon=True).start()

    def _serve(self, listening: socket) -> None:
        try:
            self._server.run(sockets=[listening])
        except BaseException as error:  # raised again in the thread that waits
            self._error = error
        finally:
            self._ended.set()

    def __repr__(self) -> str:
        return f"<ReviewPage {self.url} ({'open' if self.is_open else 'closed'})>"

    def _repr_html_(self) -> str:
        address = escape(self.url)
        return f'<a href="{address}" target="_blank">{address}</a>' if self.is_open else escape(repr(self))

    def __enter__(self) -> ReviewPage:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def is_open(self) -> bool:
        return not self._ended.is_set()

    @property
    def reviewed(self) -> Reviewed:
        """The state of the review, also after the page was closed."""
        desk = self._desk
        if self.is_open:
            desk.latest()
        now = desk.now()
        conflicts = int((desk.state == CONFLICT).sum())
        return Reviewed(len(desk.findings), now.reviewed, now.found, now.left, now.measured, conflicts)

    def wait(self) -> None:
        """Serve until Ctrl-C (in a notebook: until the cell is interrupted) or until another thread calls `close`."""
        with suppress(KeyboardInterrupt):  # the normal end of a review, not a failure
            while not self._ended.wait(0.5):
                pass
        self.close()

    def close(self) -> None:
        """Stop serving. A second call does nothing."""
        if self.is_open:
            self._desk.latest()  # `reviewed` counts every decision also when the journal is closed
        self._server.should_exit = True
        try:
            self._ended.wait()
        except KeyboardInterrupt:  # the user does not wait for open requests
            self._server.force_exit = True
            self._ended.wait()
        if self._error is not None:
            error, self._error = self._error, None
            raise error
        self.closing.close()


@at_addresses(known=read_from, classes=read_from)
def review(
    run: str | Path | Run,
    *,
    host: str = "127.0.0.1",
    port: int | None = None,
    reviewer: str = "",
    sample: str | None = None,
    known: str | Path | None = None,
    classes: str | Path | None = None,
    journal: str | None = None,
    browser: bool = True,
    block: bool = True,
) -> ReviewPage:
    """Review findings in the browser: keep, relabel or exclude with one key; every decision is saved at once.

    Args:
        run: a run folder, or an open run.
        host: address to listen on; any address but loopback needs the token that is part of the page's address.
        port: None is 8765, or any free port if that is in use.
        reviewer: your name in the journal; "" is the name of the user who is logged in.
        sample: name of a random sample to open for blind review; drawn if the run has no sample of this name.
        known: table with id,label of examples whose class is known, to plant in the queue.
        classes: table with the meaning of each class: class,name,guideline,example.
        journal: "postgresql://..." to share the decisions; None keeps them in the run folder.
        browser: open the page in a browser.
        block: serve until interrupted; False returns at once, and the page is served until it is closed.

    Returns:
        The page, with its address and the state of the review.

    Raises:
        UserError: the run, the sample or a table cannot be used, the address is in use, or the page is not built.

    Example:
        >>> ls.review("photos.sieve")                       # ends with Ctrl-C, or when the notebook's cell is
        interrupted
        >>> with ls.review("photos.sieve", block=False) as page:
        ...     print(page.url)
    """
    if not (STATIC / "index.html").exists():
        raise UserError(
            "The review page is not built in this checkout; run `make web` (it needs Node), or install the wheel."
        )
    require_text(host, "The host")
    require_text(reviewer, "The reviewer")
    address_of_run = address_in(run)
    with ExitStack() as copy:
        folder = run if address_of_run is None else copy.enter_context(write_run(address_of_run))
        page = _opened(folder, host, port, reviewer, sample, known, classes, journal)
        page.closing = copy.pop_all()
    if browser:
        Timer(0.5, webbrowser.open, [page.url]).start()
    if block:
        sys.stderr.write("\n".join([f"Open for review at {page.url}  (Ctrl-C ends it)", *page.notes, ""]))
        page.wait()
    return page


def _opened(
    run: str | Path | Run,
    host: str,
    port: int | None,
    reviewer: str,
    sample: str | None,
    known: str | Path | None,
    classes: str | Path | None,
    journal: str | None,
) -> ReviewPage:
    run = open_run(run)
    if sample is not None:
        require_sample(run.path, require_text(sample, "The sample"))
    notes = () if known is None else save_known_items(run, require_path(known, "The table of known examples"))
    notes += () if classes is None else save_class_meanings(run, require_path(classes, "The table of classes"))
    desk = Desk(run.path, journal=None if journal is None else require_text(journal, "The journal"))
    try:
        notes += () if sample is None else (draw_sample(desk, sample),)
        listening = listen(host, port)
    except BaseException:
        desk.close()
        raise
    token = None if is_loopback(host) else secrets.token_urlsafe(24)
    notes += () if token is None else (OPEN,)
    url = address(host, listening.getsockname()[1], sample=sample, token=token)
    server = _server(desk, reviewer, host, token)
    return ReviewPage(desk, server, listening, url, tuple(filter(None, notes)))


def _server(desk: Desk, reviewer: str, host: str, token: str | None) -> uvicorn.Server:
    import uvicorn

    app = application(desk, name=reviewer, host=host, token=token)
    config = uvicorn.Config(
        app,
        log_config=None,  # uvicorn's own would close the handlers of the program that serves the page
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=2,
    )
    server = uvicorn.Server(config)
    app.state.stopping = lambda: server.should_exit
    return server
