"""One request as the routes want it, and one answer as the page wants it."""

from __future__ import annotations

import getpass
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from labelsieve.core.errors import UserError
from labelsieve.page.acts import Stale
from labelsieve.page.desk import Desk
from labelsieve.page.query import Query


class Asked:
    """A GET: its path and query parameters, and who asks."""

    def __init__(self, request: Request, desk: Desk, default: str):
        self.said = {**request.query_params, **request.path_params}
        self.who = reviewer(request, default)
        self._desk = desk

    def query(self) -> Query:
        return Query.parse(self.said, self._desk)

    def number(self, name: str, default: int = -1) -> int:
        try:
            return int(self.said.get(name, default))
        except ValueError:
            raise UserError(f"{name} is a whole number.") from None


async def answered(work: Callable[[], Any]) -> Response:
    """The answer of `work`, done in a thread, as JSON; what the client did wrong as a sentence."""
    try:
        said, status = await run_in_threadpool(work), 200
    except Stale as error:
        said, status = {"error": str(error)}, 409
    except PermissionError as error:
        said, status = {"error": str(error)}, 403
    except OSError as error:  # a full disk, a lock: the page asks again until it is saved
        said, status = {"error": error.strerror or str(error)}, 503
    except UserError as error:
        said, status = {"error": str(error)}, 400
    return Response(json.dumps(said, allow_nan=False, separators=(",", ":")), status, media_type="application/json")


def reviewer(request: Request, default: str) -> str:
    """Who asks, as the header X-Reviewer says."""
    name = unquote(request.headers.get("x-reviewer", ""))
    return "".join(c for c in name if c.isprintable()).strip()[:80] or default


def login() -> str:
    """The name of who started the server."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "reviewer"
