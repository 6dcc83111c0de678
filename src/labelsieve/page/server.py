"""The server of the review page: the routes over one desk. Blocking work runs in threads; decisions hold the desk's
lock."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import anyio
import anyio.to_thread
import numpy as np
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from labelsieve.core.errors import UserError
from labelsieve.core.sample import ACCEPT
from labelsieve.page.decisions import decide, estimates, progress, take_back
from labelsieve.page.desk import Desk
from labelsieve.page.duplicate_groups import DuplicateGroups
from labelsieve.page.gallery import Gallery
from labelsieve.page.item import Items
from labelsieve.page.map import Map
from labelsieve.page.media import FULL, LARGE, WORKERS, Media, Picture
from labelsieve.page.open_sample import draw_open
from labelsieve.page.overview import overview
from labelsieve.page.request import GetRequest, login_name, respond, reviewer_of
from labelsieve.page.security import BODY, Guard
from labelsieve.page.view import Views
from labelsieve.store import sample_files

STATIC = Path(__file__).parent / "static"
WINDOW, CLASSES = 500, 200  # most items and classes in one answer
PAGES = ("/", "/grid", "/focus", "/overview", "/end", "/duplicates", "/classes", "/map")
LISTENERS = 64  # event streams
TICK = 0.5  # seconds between two checks for decisions of others
NOT_BUILT = (
    "<!doctype html><title>Labelsieve</title><p>The review page is not built in this checkout: run "
    "<code>make web</code> (needs Node), or install the wheel, which contains it."
)


def application(desk: Desk, *, name: str = "", host: str = "127.0.0.1", token: str | None = None) -> Starlette:
    """The ASGI application.

    Args:
        desk: the run under review; closed when the application ends.
        name: the reviewer of requests without a name.
        host: the address to listen on.
        token: the secret that clients must send; None on loopback.
    """
    routes = Routes(desk, name or login_name())

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        yield
        routes.map.close()
        desk.close()

    app = Starlette(routes=routes.all(), lifespan=lifespan, middleware=[Middleware(Guard, host=host, token=token)])
    app.state.stopping = lambda: False  # replaced by the caller, so that open event streams end with the server
    refused: Any = lambda request, error: JSONResponse({"error": error.detail}, error.status_code)  # noqa: E731
    app.add_exception_handler(HTTPException, refused)
    app.add_exception_handler(
        500, lambda request, error: JSONResponse({"error": "An internal error of Labelsieve; see the terminal."}, 500)
    )
    return app


class Routes:
    """The routes, and what they share."""

    def __init__(self, desk: Desk, reviewer: str):
        self.desk, self.reviewer = desk, reviewer
        self.map = Map(desk)
        self.views, self.items, self.media = Views(desk, self.map), Items(desk), Media(desk)
        self.groups, self.gallery = DuplicateGroups(desk, self.items), Gallery(desk, self.items)
        self.decoding = anyio.CapacityLimiter(WORKERS)
        self.assets = {path.name: path for path in (STATIC / "assets").glob("*") if path.is_file()}
        self.listeners = 0

    def all(self) -> list[Route]:
        get, post = self._get, self._post
        return [
            get("/api/run", lambda request: overview(self.desk, self.views, self.reviewer)),
            get("/api/view", self.view),
            get("/api/items", self.window),
            get("/api/where", self.where),
            get(
                "/api/item/{i:int}",
                lambda request: self.items.whole(request.number("i"), request.reviewer, request.query()),
            ),
            get("/api/similar/{i:int}", self.similar),
            get("/api/classes", self.classes),
            get("/api/histogram", lambda request: self.views.histogram(request.query(), request.reviewer)),
            get("/api/map", lambda request: self.map.status()),
            Route("/map/points", self.points),
            Route("/map/shades", self.shades),
            get("/api/gallery", self.typical),
            get(
                "/api/groups",
                lambda request: self.groups.answer(
                    request.query(), request.reviewer, request.number("at", 0), request.number("n", 20)
                ),
            ),
            post("/api/decisions", lambda body, reviewer: decide(self.desk, self.views, body, reviewer)),
            post("/api/undo", lambda body, reviewer: take_back(self.desk, "undo", body, reviewer)),
            post("/api/redo", lambda body, reviewer: take_back(self.desk, "redo", body, reviewer)),
            post("/api/rerank", self.rerank),
            post("/api/sample", self.sample),
            Route("/thumb/{i:int}.webp", self.thumb),
            Route("/image/{i:int}", self.image),
            Route("/api/events", self.events),
            Route("/assets/{name}", self.asset),
            *(Route(path, self.page) for path in PAGES),
        ]

    def view(self, request: GetRequest) -> dict:
        query, desk = request.query(), self.desk
        desk.latest()
        rows = self.views.rows(query, request.reviewer)
        with desk.lock:
            figures = {
                **self.views.counts(query, request.reviewer),
                **self.views.outlook(query, request.reviewer),
                "progress": progress(desk),
            }
        return {"total": len(rows), **figures, "pace": desk.paces.of(request.reviewer), "seq": desk.seq}

    def window(self, request: GetRequest) -> dict:
        query = request.query()
        rows = self.views.rows(query, request.reviewer)
        at, n = max(0, request.number("at", 0)), min(max(1, request.number("n", 60)), WINDOW)
        return {"total": len(rows), "at": at, "items": self.items.window(rows[at : at + n], request.reviewer, query)}

    def where(self, request: GetRequest) -> dict:
        """The position of an example in a view, -1 if it is not in it; with `on=1` then the position of the first one
        after it."""
        query, i = request.query(), request.number("i")
        at = self.views.at(query, request.reviewer, i)
        return {
            "at": self.views.after(query, request.reviewer, i) if at < 0 and request.parameters.get("on") == "1" else at
        }

    def similar(self, request: GetRequest) -> dict:
        query, i = request.query(), request.number("i")
        if i >= len(self.desk.findings):
            raise UserError(f"There is no example {i}; the findings have {len(self.desk.findings)}.")
        return {
            "items": self.items.window(
                self.items.similar(i, min(request.number("n", 60), WINDOW)), request.reviewer, query
            )
        }

    def classes(self, request: GetRequest) -> list[dict]:
        q, names = request.parameters.get("q", "").casefold(), self.desk.findings.classes
        count = np.bincount(self.desk.findings.given, minlength=len(names))
        plain = [self.desk.guide[name].name.casefold() if name in self.desk.guide else "" for name in names]
        matches = [c for c, name in enumerate(names) if q in name.casefold() or q in plain[c]]
        matches.sort(
            key=lambda c: (not (names[c].casefold().startswith(q) or plain[c].startswith(q or "\0")), -count[c])
        )
        return [{"label": names[c], "n": int(count[c])} for c in matches[:CLASSES]]

    def typical(self, request: GetRequest) -> dict:
        label, at, n, each = (
            request.parameters.get("label", ""),
            request.number("at", 0),
            request.number("n", 20),
            request.number("each", 12),
        )
        return self.gallery.answer(request.query(), request.reviewer, label, at, n, each)

    def rerank(self, body: dict, reviewer: str) -> dict:
        ranking = self.desk.rerank()
        return {"ranking": ranking.version, "calibrated": estimates(self.desk.now())}

    def sample(self, body: dict, reviewer: str) -> dict:
        name, size = body.get("name"), body.get("size")
        if not isinstance(name, str) or not isinstance(size, int) or isinstance(size, bool) or size < 1:
            raise UserError("A sample needs a name and a size.")
        if name.startswith(ACCEPT):
            raise UserError("Samples for acceptance are drawn by `labelsieve accept`.")
        if name in sample_files.names(self.desk.folder):
            return {"name": name, "size": len(sample_files.load(self.desk.folder, name).ids)}
        return {"name": name, "size": len(draw_open(self.desk, name, size).ids)}

    async def thumb(self, request: Request) -> Response:
        return await self._picture(request, self.media.thumb)

    async def image(self, request: Request) -> Response:
        side = FULL if request.query_params.get("full") == "1" else LARGE
        make = self.media.whole if request.query_params.get("whole") == "1" else self.media.single
        return await self._picture(request, lambda i: make(i, side))

    async def _picture(self, request: Request, make: Callable[[int], Picture]) -> Response:
        i = request.path_params["i"]
        if i >= len(self.desk.findings) or self.desk.findings.settings.get("kind") != "image":
            return JSONResponse({"error": "There is no such picture."}, 404)
        made = await anyio.to_thread.run_sync(make, i, limiter=self.decoding)
        if made.broken is not None:
            return Response(made.data, media_type=made.type, headers={"X-Broken": quote(made.broken[:500])})
        return Response(
            made.data, media_type=made.type, headers={"Cache-Control": "private, max-age=31536000, immutable"}
        )

    async def points(self, request: Request) -> Response:
        """The position of each example: x and y, little-endian float32."""
        return await self._numbers(lambda: self.map.place().astype("<f4").tobytes())

    async def shades(self, request: Request) -> Response:
        """One byte per example: whether it is in the view, and its shade."""
        parsed = GetRequest(request, self.desk, self.reviewer)

        def shades() -> bytes:
            self.desk.catch_up()
            query = parsed.query()
            return self.map.shades(self.views.contains(replace(query, lasso=()), parsed.reviewer), query.blind)

        return await self._numbers(shades)

    async def _numbers(self, make: Callable[[], bytes]) -> Response:
        try:
            return Response(
                await run_in_threadpool(make),
                media_type="application/octet-stream",
                headers={"Cache-Control": "no-store"},
            )
        except UserError as error:
            return JSONResponse({"error": str(error)}, 400)

    async def events(self, request: Request) -> Response:
        if self.listeners >= LISTENERS:
            return JSONResponse({"error": "Too many pages are open."}, 503)
        return StreamingResponse(self._changes(request), media_type="text/event-stream")

    async def _changes(self, request: Request) -> AsyncIterator[str]:
        self.listeners += 1
        try:
            sent = None
            while not request.app.state.stopping() and not await request.is_disconnected():
                if self.desk.change == sent:
                    await run_in_threadpool(self.desk.catch_up)
                if self.desk.change != sent:
                    sent = self.desk.change
                    yield f"data: {json.dumps({'seq': sent[0]})}\n\n"
                await asyncio.sleep(TICK)
        finally:
            self.listeners -= 1

    async def asset(self, request: Request) -> Response:
        path = self.assets.get(
            request.path_params["name"]
        )  # exact names from the directory listing, never a path from the client
        if path is None:
            return JSONResponse({"error": "There is no such file."}, 404)
        return FileResponse(path, headers={"Cache-Control": "private, max-age=31536000, immutable"})

    async def page(self, request: Request) -> Response:
        index = STATIC / "index.html"
        return (
            HTMLResponse(await run_in_threadpool(index.read_bytes)) if index.exists() else HTMLResponse(NOT_BUILT, 503)
        )

    def _get(self, path: str, answer: Callable[[GetRequest], Any]) -> Route:
        async def endpoint(request: Request) -> Response:
            parsed = GetRequest(request, self.desk, self.reviewer)

            def work() -> Any:
                self.desk.catch_up()
                return answer(parsed)

            return await respond(work)

        return Route(path, endpoint)

    def _post(self, path: str, answer: Callable[[dict, str], Any]) -> Route:
        async def endpoint(request: Request) -> Response:
            body = bytearray()
            async for chunk in request.stream():
                body += chunk
                if len(body) > BODY:
                    return JSONResponse({"error": f"A body may have at most {BODY >> 20} MiB."}, 413)
            try:
                parsed = json.loads(bytes(body) or b"{}")
            except (ValueError, RecursionError):
                return JSONResponse({"error": "The body is not JSON."}, 400)
            if not isinstance(parsed, dict):
                return JSONResponse({"error": "The body is not a JSON object."}, 400)
            reviewer = reviewer_of(request, self.reviewer)
            return await respond(lambda: answer(parsed, reviewer))

        return Route(path, endpoint, methods=["POST"])
