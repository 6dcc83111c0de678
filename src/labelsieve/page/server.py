"""The server of the review page: about fifteen routes over one desk. What blocks runs in threads, each act under the desk's lock."""

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
from labelsieve.page.acts import decide, estimates, progress, take_back
from labelsieve.page.asking import Asked, answered, login, reviewer
from labelsieve.page.desk import Desk
from labelsieve.page.drawing import draw_open
from labelsieve.page.gallery import Gallery
from labelsieve.page.groups import Groups
from labelsieve.page.item import Items
from labelsieve.page.map import Map
from labelsieve.page.media import WORKERS, Media, Picture
from labelsieve.page.overview import overview
from labelsieve.page.query import ACCEPT
from labelsieve.page.security import BODY, Guard
from labelsieve.page.view import Views
from labelsieve.store import sample_files

STATIC = Path(__file__).parent / "static"
WINDOW, CLASSES = 500, 200  # most items and classes in one answer
PAGES = ("/", "/grid", "/focus", "/overview", "/end", "/duplicates", "/classes", "/map")
LISTENERS = 64  # event streams
TICK = 0.5  # seconds between two looks at what others decided
NOT_BUILT = (
    "<!doctype html><title>Labelsieve</title><p>The review page is not built in this checkout: run <code>make web</code> (needs Node), "
    "or install the wheel, which holds it."
)


def application(desk: Desk, *, name: str = "", host: str = "127.0.0.1", token: str | None = None) -> Starlette:
    """The ASGI application.

    Args:
        desk: the run under review; closed when the application ends.
        name: of the reviewer who does not say one.
        host: the address listened on.
        token: what clients must know; None on loopback.
    """
    house = House(desk, name or login())

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        yield
        house.map.close()
        desk.close()

    app = Starlette(routes=house.routes(), lifespan=lifespan, middleware=[Middleware(Guard, host=host, token=token)])
    app.state.leaving = lambda: False  # whoever runs the server says when it ends, so that open event streams end too
    refused: Any = lambda request, error: JSONResponse({"error": error.detail}, error.status_code)  # noqa: E731
    app.add_exception_handler(HTTPException, refused)
    app.add_exception_handler(
        500, lambda request, error: JSONResponse({"error": "A fault of Labelsieve itself; see the terminal."}, 500)
    )
    return app


class House:
    """The routes, and what they share."""

    def __init__(self, desk: Desk, reviewer: str):
        self.desk, self.reviewer = desk, reviewer
        self.map = Map(desk)
        self.views, self.items, self.media = Views(desk, self.map), Items(desk), Media(desk)
        self.groups, self.gallery = Groups(desk, self.items), Gallery(desk, self.items)
        self.lane = anyio.CapacityLimiter(WORKERS)  # of picture decoding
        self.assets = {path.name: path for path in (STATIC / "assets").glob("*") if path.is_file()}
        self.listening = 0

    def routes(self) -> list[Route]:
        get, post = self._get, self._post
        return [
            get("/api/run", lambda asked: overview(self.desk, self.views, self.reviewer)),
            get("/api/view", self.view),
            get("/api/items", self.window),
            get("/api/where", self.where),
            get("/api/item/{i:int}", lambda asked: self.items.whole(asked.number("i"), asked.who, asked.query())),
            get("/api/similar/{i:int}", self.similar),
            get("/api/classes", self.classes),
            get("/api/histogram", lambda asked: self.views.histogram(asked.query(), asked.who)),
            get("/api/map", lambda asked: self.map.standing()),
            Route("/map/points", self.points),
            Route("/map/shades", self.shades),
            get("/api/gallery", self.typical),
            get(
                "/api/groups",
                lambda asked: self.groups.answer(
                    asked.query(), asked.who, asked.number("at", 0), asked.number("n", 20)
                ),
            ),
            post("/api/decisions", lambda said, who: decide(self.desk, self.views, said, who)),
            post("/api/undo", lambda said, who: take_back(self.desk, "undo", said, who)),
            post("/api/redo", lambda said, who: take_back(self.desk, "redo", said, who)),
            post("/api/rerank", self.rerank),
            post("/api/sample", self.sample),
            Route("/thumb/{i:int}.webp", self.thumb),
            Route("/image/{i:int}", self.image),
            Route("/api/events", self.events),
            Route("/assets/{name}", self.asset),
            *(Route(path, self.page) for path in PAGES),
        ]

    def view(self, asked: Asked) -> dict:
        query, desk = asked.query(), self.desk
        desk.latest()
        rows = self.views.rows(query, asked.who)
        with desk.lock:
            told = {
                **self.views.counts(query, asked.who),
                **self.views.outlook(query, asked.who),
                "progress": progress(desk),
            }
        return {"total": len(rows), **told, "pace": desk.paces.of(asked.who), "seq": desk.seq}

    def window(self, asked: Asked) -> dict:
        query = asked.query()
        rows = self.views.rows(query, asked.who)
        at, n = max(0, asked.number("at", 0)), min(max(1, asked.number("n", 60)), WINDOW)
        return {"total": len(rows), "at": at, "items": self.items.window(rows[at : at + n], asked.who, query)}

    def where(self, asked: Asked) -> dict:
        """The place of an example in a view, -1 where the view does not hold it; with `on=1` then the place of the first one after it."""
        query, i = asked.query(), asked.number("i")
        at = self.views.at(query, asked.who, i)
        return {"at": self.views.after(query, asked.who, i) if at < 0 and asked.said.get("on") == "1" else at}

    def similar(self, asked: Asked) -> dict:
        query, i = asked.query(), asked.number("i")
        if i >= len(self.desk.findings):
            raise UserError(f"There is no example {i}; the findings have {len(self.desk.findings)}.")
        return {"items": self.items.window(self.items.similar(i, min(asked.number("n", 60), WINDOW)), asked.who, query)}

    def classes(self, asked: Asked) -> list[dict]:
        q, names = asked.said.get("q", "").casefold(), self.desk.findings.classes
        count = np.bincount(self.desk.findings.given, minlength=len(names))
        plain = [self.desk.guide[name].name.casefold() if name in self.desk.guide else "" for name in names]
        found = [c for c, name in enumerate(names) if q in name.casefold() or q in plain[c]]
        found.sort(key=lambda c: (not (names[c].casefold().startswith(q) or plain[c].startswith(q or "\0")), -count[c]))
        return [{"label": names[c], "n": int(count[c])} for c in found[:CLASSES]]

    def typical(self, asked: Asked) -> dict:
        label, at, n, each = (
            asked.said.get("label", ""),
            asked.number("at", 0),
            asked.number("n", 20),
            asked.number("each", 12),
        )
        return self.gallery.answer(asked.query(), asked.who, label, at, n, each)

    def rerank(self, said: dict, who: str) -> dict:
        ranking = self.desk.rerank()
        said = estimates(self.desk.now())
        return {"ranking": ranking.version, "calibrated": said, **said}

    def sample(self, said: dict, who: str) -> dict:
        name, size = said.get("name"), said.get("size")
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
        return await self._picture(
            request, self.media.full if request.query_params.get("full") == "1" else self.media.large
        )

    async def _picture(self, request: Request, make: Callable[[int], Picture]) -> Response:
        i = request.path_params["i"]
        if i >= len(self.desk.findings) or self.desk.findings.settings.get("kind") != "image":
            return JSONResponse({"error": "There is no such picture."}, 404)
        made = await anyio.to_thread.run_sync(make, i, limiter=self.lane)
        if made.broken is not None:
            return Response(made.data, media_type=made.type, headers={"X-Broken": quote(made.broken[:500])})
        return Response(
            made.data, media_type=made.type, headers={"Cache-Control": "private, max-age=31536000, immutable"}
        )

    async def points(self, request: Request) -> Response:
        """Where the examples lie: x and y of each, little-endian float32."""
        return await self._numbers(lambda: self.map.place().astype("<f4").tobytes())

    async def shades(self, request: Request) -> Response:
        """One byte for each example: whether it is in the view, and its shade."""
        asked = Asked(request, self.desk, self.reviewer)

        def made() -> bytes:
            self.desk.catch_up()
            query = asked.query()
            return self.map.shades(self.views.here(replace(query, lasso=()), asked.who), query.blind)

        return await self._numbers(made)

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
        if self.listening >= LISTENERS:
            return JSONResponse({"error": "Too many pages listen."}, 503)
        return StreamingResponse(self._news(request), media_type="text/event-stream")

    async def _news(self, request: Request) -> AsyncIterator[str]:
        self.listening += 1
        try:
            told = None
            while not request.app.state.leaving() and not await request.is_disconnected():
                if self.desk.heard == told:
                    await run_in_threadpool(self.desk.catch_up)
                if self.desk.heard != told:
                    told = self.desk.heard
                    yield f"data: {json.dumps({'seq': told[0]})}\n\n"
                await asyncio.sleep(TICK)
        finally:
            self.listening -= 1

    async def asset(self, request: Request) -> Response:
        path = self.assets.get(request.path_params["name"])  # exact names from the listing, never a path of the client
        if path is None:
            return JSONResponse({"error": "There is no such file."}, 404)
        return FileResponse(path, headers={"Cache-Control": "private, max-age=31536000, immutable"})

    async def page(self, request: Request) -> Response:
        index = STATIC / "index.html"
        return (
            HTMLResponse(await run_in_threadpool(index.read_bytes)) if index.exists() else HTMLResponse(NOT_BUILT, 503)
        )

    def _get(self, path: str, answer: Callable[[Asked], Any]) -> Route:
        async def endpoint(request: Request) -> Response:
            asked = Asked(request, self.desk, self.reviewer)
            return await answered(lambda: (self.desk.catch_up(), answer(asked))[1])

        return Route(path, endpoint)

    def _post(self, path: str, answer: Callable[[dict, str], Any]) -> Route:
        async def endpoint(request: Request) -> Response:
            body = bytearray()
            async for chunk in request.stream():
                body += chunk
                if len(body) > BODY:
                    return JSONResponse({"error": f"A body has at most {BODY >> 20} MiB."}, 413)
            try:
                said = json.loads(bytes(body) or b"{}")
            except (ValueError, RecursionError):
                return JSONResponse({"error": "The body is no JSON."}, 400)
            if not isinstance(said, dict):
                return JSONResponse({"error": "The body is no JSON object."}, 400)
            who = reviewer(request, self.reviewer)
            return await answered(lambda: answer(said, who))

        return Route(path, endpoint, methods=["POST"])
