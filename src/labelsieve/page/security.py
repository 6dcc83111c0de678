"""Who may use the server: loopback by default; from other machines only clients with the token.

- Host: only names of this server, so that a foreign site cannot rebind its own name to this address.
- Origin: a request that changes something must come from the page itself, and must be JSON, which no form can send.
- Token: in the URL of the first page, then in a cookie that scripts cannot read and other sites cannot send.
- Every answer forbids scripts, styles, frames and connections from other sites, and guessing of types.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import socket
from http.cookies import CookieError, SimpleCookie
from urllib.parse import urlsplit

from starlette.datastructures import URL, Headers, MutableHeaders
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

BODY = 32 << 20  # bytes; 100,000 acts with long class names
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach the address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


class Guard:
    """The outermost layer of the application.

    Args:
        app: the application that answers.
        host: the address that the server listens on.
        token: the secret that a client must send, or None for loopback.
    """

    def __init__(self, app: ASGIApp, host: str, token: str | None):
        self._app, self._token = app, token
        self._hosts = {"localhost", "127.0.0.1", "::1", host.strip("[]").lower()}
        self._any_address = token is not None  # a site with a rebound name does not have the token
        if token is not None:
            self._hosts |= {socket.gethostname().lower(), socket.getfqdn().lower()}
        self._cookie = f"labelsieve-{hashlib.sha256((token or '').encode()).hexdigest()[:8]}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return await self._app(scope, receive, send)
        if scope["type"] != "http":
            return None

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        answer = self._refusal(scope) or self._welcome(scope)
        await (answer or self._app)(scope, receive, guarded)

    def _refusal(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        if not self._is_ours(headers.get("host", "")):
            return _error(403, "This server does not have that name.")
        if scope["method"] not in ("GET", "HEAD", "POST"):
            return _error(405, "Only GET and POST are answered.")
        if scope["method"] == "POST":
            origin = headers.get("origin")
            if origin is not None and urlsplit(origin).netloc.lower() != headers["host"].lower():
                return _error(403, "This was not sent by the page of this server.")
            if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
                return _error(403, "This was not sent by the page of this server.")
            if headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
                return _error(415, "Send JSON (Content-Type: application/json).")
            length = headers.get("content-length", "0")
            if not length.isdigit() or int(length) > BODY:
                return _error(413, f"A body may have at most {BODY >> 20} MiB.")
        return None

    def _is_ours(self, host: str) -> bool:
        try:
            name = (urlsplit(f"//{host}").hostname or "").lower()
        except ValueError:
            return False
        if name in self._hosts:
            return True
        try:
            return self._any_address and bool(ipaddress.ip_address(name))
        except ValueError:
            return False

    def _welcome(self, scope: Scope) -> Response | None:
        """None for a client with the token. A first page with the token in its URL is redirected to the URL without it,
        with a cookie."""
        if self._token is None:
            return None
        headers, url = Headers(scope=scope), URL(scope=scope)
        token = next((part[6:] for part in url.query.split("&") if part.startswith("token=")), "")
        if scope["method"] == "GET" and self._matches(token):
            query = "&".join(part for part in url.query.split("&") if not part.startswith("token="))
            path = "/" + url.path.lstrip("/")  # "//elsewhere" would be another site
            answer = RedirectResponse(path + (f"?{query}" if query else ""), 303)
            answer.set_cookie(self._cookie, self._token, httponly=True, samesite="strict", path="/")
            return answer
        if self._matches(headers.get("x-token", "")) or self._matches(_cookie(headers.get("cookie", ""), self._cookie)):
            return None
        return _error(401, "Open the page with the address that `labelsieve review` printed; it contains the token.")

    def _matches(self, token: str) -> bool:
        return self._token is not None and hmac.compare_digest(token.encode(), self._token.encode())


def _cookie(header: str, name: str) -> str:
    try:
        cookie = SimpleCookie(header).get(name)
    except CookieError:
        return ""
    return "" if cookie is None else cookie.value


def _error(status: int, sentence: str) -> Response:
    return JSONResponse({"error": sentence}, status)
