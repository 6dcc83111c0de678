"""One request as the routes need it, and the response to it."""

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
from labelsieve.page.decisions import Stale
from labelsieve.page.desk import Desk
from labelsieve.page.query import Query


class GetRequest:
    """A GET: its path and query parameters, and the reviewer."""

    def __init__(self, request: Request, desk: Desk, default: str):
        self.parameters = {**request.query_params, **request.path_params}
        self.reviewer = reviewer_of(request, default)
        self._desk = desk

    def query(self) -> Query:
        return Query.parse(self.parameters, self._desk)

    def number(self, name: str, default: int = -1) -> int:
        try:
            return int(self.parameters.get(name, default))
        except ValueError:
            raise UserError(f"{name} must be a whole number.") from None


async def respond(work: Callable[[], Any]) -> Response:
    """Do `work` in a thread and send its answer as JSON; an error becomes one sentence with a status code."""
    try:
        answer, status = await run_in_threadpool(work), 200
    except Stale as error:
        answer, status = {"error": str(error)}, 409
    except PermissionError as error:
        answer, status = {"error": str(error)}, 403
    except OSError as error:  # a full disk, a lock: the page sends the request again until it is saved
        answer, status = {"error": error.strerror or str(error)}, 503
    except UserError as error:
        answer, status = {"error": str(error)}, 400
    return Response(json.dumps(answer, allow_nan=False, separators=(",", ":")), status, media_type="application/json")


def reviewer_of(request: Request, default: str) -> str:
    """The reviewer that the header X-Reviewer names."""
    name = unquote(request.headers.get("x-reviewer", ""))
    return "".join(c for c in name if c.isprintable()).strip()[:80] or default


def login_name() -> str:
    """The name of the user who started the server."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "reviewer"
