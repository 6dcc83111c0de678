"""The socket of the review page, which accepts connections before its address is shown, and that address."""

from __future__ import annotations

import socket
from urllib.parse import urlencode

from labelsieve.core.arguments import require_whole
from labelsieve.core.errors import UserError

PORT = 8765  # used if it is free
BACKLOG = 2048  # connections that may wait for an answer


def listen(host: str, port: int | None) -> socket.socket:
    """A listening socket on `port`; None is 8765, or any free port if that is in use.

    Raises:
        UserError: it is not a port, or the address cannot be used.
    """
    if port is not None and not 0 <= require_whole(port, "The port") < 65536:
        raise UserError("<port> is not a port; give a number from 0 (any free port) to 65535.", port=port)
    failure: Exception = OSError()
    for candidate in (PORT, 0) if port is None else (port,):
        try:
            candidates = socket.getaddrinfo(host.strip("[]"), candidate, type=socket.SOCK_STREAM)
            family, kind, protocol, _, address = candidates[0]
            sock = socket.socket(family, kind, protocol)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind(address)
            sock.listen(BACKLOG)  # before the address is shown; two servers that only bind would share the port
            return sock
        except (OSError, OverflowError, UnicodeError) as error:
            failure = error
    raise UserError(
        f"{host}:{PORT if port is None else port} cannot be used as an address ({failure}); choose another <port> or "
        "<host>.",
        port="",
        host="",
    )


def address(host: str, port: int, *, sample: str | None = None, token: str | None = None) -> str:
    """The address for the browser; a wildcard becomes this machine's name. A sample opens blind in the focus view."""
    named = {"sample": sample, "blind": "1" if sample else None, "token": token}
    query = urlencode({key: value for key, value in named.items() if value})
    return f"http://{_shown(host)}:{port}/{'focus' if sample else ''}{'?' if query else ''}{query}"


def _shown(host: str) -> str:
    if host in ("0.0.0.0", "::", "[::]"):
        return socket.gethostname()
    return f"[{host}]" if ":" in host and not host.startswith("[") else host
