"""The types of `labelsieve.page.api` match the real answers, and the page's TypeScript types are generated from
them."""

from __future__ import annotations

import csv
import importlib.util
import shutil
import subprocess
import time
import types
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, NotRequired, Union, get_args, get_origin, get_type_hints, is_typeddict
from uuid import uuid4

import numpy as np
import pytest
from drawn_boxes import drawn
from starlette.testclient import TestClient

import labelsieve as ls
from labelsieve.core.decision import Decision
from labelsieve.decide.count import HARD
from labelsieve.page import api
from labelsieve.page.desk import Desk
from labelsieve.page.server import Routes, application
from labelsieve.store import run
from labelsieve.store.journal import Journal

WEB = Path(__file__).resolve().parents[2] / "web"
LOST = {
    "Batch.i",
    "Batch.id",
}  # null only if the journal has a decision on an example that no row of the findings matches


def mismatches(value: Any, hint: Any, at: str, seen: dict[str, set[str]]) -> list[str]:
    """Where a JSON value differs from its type; `seen` collects which fields were null, and which were not."""
    origin, args = get_origin(hint), get_args(hint)
    if hint is Any:
        return []
    if is_typeddict(hint):
        if not isinstance(value, dict):
            return [f"{at} is no object"]
        hints = get_type_hints(hint, include_extras=True)
        optional = {name for name, part in hints.items() if get_origin(part) is NotRequired}
        wrong = [f"{at}.{name} is not in {hint.__name__}" for name in value.keys() - hints.keys()]
        wrong += [f"{at}.{name} is missing" for name in hints.keys() - optional - value.keys()]
        for name, part in hints.items():
            field = f"{hint.__name__}.{name}"
            if name in optional:
                seen[field].add("present" if name in value else "absent")
            if name in value:
                if type(None) in get_args(part):
                    seen[field].add("null" if value[name] is None else "value")
                wrong += mismatches(value[name], part, f"{at}.{name}", seen)
        return wrong
    if origin is NotRequired:
        return mismatches(value, args[0], at, seen)
    if origin is list:
        if not isinstance(value, list):
            return [f"{at} is no list"]
        return [line for k, part in enumerate(value) for line in mismatches(part, args[0], f"{at}[{k}]", seen)]
    if origin is dict:
        if not isinstance(value, dict):
            return [f"{at} is no object"]
        return [line for key, part in value.items() for line in mismatches(part, args[1], f"{at}[{key!r}]", seen)]
    if origin in (Union, types.UnionType):
        options = [mismatches(value, option, at, seen) for option in args if fits(value, option)]
        return min(options, key=len) if options else [f"{at} is {value!r}, not {hint}"]
    return [] if fits(value, hint) else [f"{at} is {value!r}, not {hint}"]


def fits(value: Any, hint: Any) -> bool:
    """Whether the kind of a value is that of the type; of a union of objects, whether its code is."""
    if get_origin(hint) is Literal:
        return value in get_args(hint)
    if hint is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool)
    if is_typeddict(hint):
        code = get_type_hints(hint).get("code")
        return isinstance(value, dict) and (code is None or value.get("code") in get_args(code))
    return isinstance(value, get_origin(hint) or hint)


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    """A run on a table with a missing value, a note, splits, duplicates, and hard classes: a sample comes first."""
    folder, rng = tmp_path_factory.mktemp("api"), np.random.default_rng(1)
    labels = rng.integers(0, 3, 300)
    features = rng.normal(size=(300, 4)) + 1.2 * np.eye(3, 4)[labels]
    features[200:203] = features[0]
    with open(folder / "rows.csv", "w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(("id", "a", "b", "c", "d", "label", "note", "split"))
        table.writerows(
            (f"r{i}", *row, "xyz"[label], f"n{i}", "test" if i > 201 else "train")
            for i, (row, label) in enumerate(zip(features, labels, strict=True))
        )
    ls.find(str(folder / "rows.csv"), label="label", id="id", out=folder / "rows.sieve", detectors=["knn_vote", "aum"])
    return folder / "rows.sieve"


@pytest.fixture(scope="module")
def probs(tmp_path_factory):
    """A run on probabilities of one's own."""
    folder, rng = tmp_path_factory.mktemp("probs"), np.random.default_rng(0)
    labels = rng.integers(0, 4, 120)
    values = rng.dirichlet(np.ones(4), 120) + 2 * np.eye(4)[labels]
    np.save(folder / "probs.npy", values / values.sum(1, keepdims=True))
    (folder / "labels.csv").write_text("label\n" + "\n".join("abcd"[c] for c in labels) + "\n")
    ls.find(ls.load_probabilities(str(folder / "probs.npy"), str(folder / "labels.csv")), out=folder / "probs.sieve")
    return folder / "probs.sieve"


def opened(folder):
    return TestClient(application(Desk(folder), name="ann"), base_url="http://127.0.0.1:8765")


def decide(client, i, act, who="ann", **more):
    body = {"batch": str(uuid4()), "acts": [{"i": i, "act": act, **more}]}
    return client.post("/api/decisions", json=body, headers={"X-Reviewer": who}).json()


def answers(client, n) -> list[tuple[str, Any]]:
    """(route, answer) of every route in many situations."""
    got: list[tuple[str, Any]] = []

    def get(route: str, rest: str = "") -> Any:
        got.append((route, client.get(route.partition("{")[0] + rest).raise_for_status().json()))
        return got[-1][1]

    def post(route: str, body: dict) -> None:
        got.append((route, client.post(route, json={"batch": str(uuid4()), **body}).raise_for_status().json()))

    def look() -> None:
        get("/api/run")
        for query in ("", "?state=all", "?state=all&blind=1", "?by=random", "?state=doubted"):
            get("/api/view", query)
            get("/api/items", query)
            get("/api/histogram", query)
            get("/api/groups", query)
        for i in (0, 1, 2, 3, 4, 5, n - 1):
            get("/api/item/{i}", str(i))
            get("/api/item/{i}", f"{i}?blind=1")
        get("/api/similar/{i}", "0")
        get("/api/gallery")
        get("/api/classes")
        get("/api/where", "?i=3")
        get("/api/map")

    look()
    post("/api/undo", {})
    post("/api/sample", {"name": "one", "size": 5})
    for i, act in enumerate(("keep", "exclude", "ambiguous", "later")):
        got.append(("/api/decisions", decide(client, i, act, note="odd")))
    classes = get("/api/run")["classes"]
    got.append(("/api/decisions", decide(client, 4, "relabel", label=classes[0])))
    for i in range(6):
        decide(client, i, "relabel", "bob", label=classes[-1])
    for i in range(5, 12):
        decide(client, i, "keep", "eve")
    post("/api/rerank", {})
    look()
    post("/api/decisions", {"acts": [{"i": n - 1, "act": "exclude"}, {"i": 0, "act": "keep"}]})
    post("/api/undo", {})
    post("/api/undo", {"blind": True})
    post("/api/redo", {})
    look()
    return got


@pytest.fixture
def odd(tmp_path, make_findings):
    """A run on texts with rare cases: few neighbours, values that are not finite, a decision on a lost example."""
    with open(tmp_path / "odd.csv", "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("id", "text", "label"), *((f"t{i}", f"text {i}", "ab"[i % 2]) for i in range(12))])
    result = make_findings(ls.load(str(tmp_path / "odd.csv"), text="text", label="label"))
    result.scores["knn_vote"][3] = np.nan
    result.extra["p_given"][3] = np.nan
    result.extra.update(neighbours_agree=np.full(12, 0.5), neighbours=np.full(12, 4))
    (tmp_path / "odd.sieve" / "evidence").mkdir(parents=True)
    np.save(
        tmp_path / "odd.sieve" / "evidence" / "neighbours.npy", ((np.arange(12)[:, None] + (1, 2)) % 12).astype("<i4")
    )
    np.save(tmp_path / "odd.sieve" / "evidence" / "similarity.npy", np.tile(np.array([0.9, np.nan], "<f4"), (12, 1)))
    run.save(replace(result, notes=(HARD,)), tmp_path / "odd.sieve")
    journal = Journal(tmp_path / "odd.sieve")
    journal.append([Decision("lost", "keep", None, "zoe", "2026-01-01T00:00:00+00:00", "batch-of-zoe")])
    journal.close()
    return tmp_path / "odd.sieve"


def rare(folder) -> list[tuple[str, Any]]:
    """(route, answer) in rare situations of the run `odd`, and after its data are gone."""
    with opened(folder) as client:
        lost = client.post("/api/undo", json={"batch": str(uuid4())}, headers={"X-Reviewer": "zoe"}).json()
        got = [("/api/undo", lost), *(("/api/item/{i}", client.get(f"/api/item/{i}").json()) for i in range(12))]
        got.append(("/api/run", client.get("/api/run").json()))
        for i in range(0, 12, 2):  # all of one class: there is no agreement beyond chance
            for who in ("ann", "bob"):
                decide(client, i, "keep", who)
        got.append(("/api/run", client.get("/api/run").json()))
        for i in range(1, 12, 2):
            decide(client, i, "keep")
        got.append(("/api/run", client.get("/api/run").json()))
    (folder.parent / "odd.csv").unlink()
    with opened(folder) as client:
        client.get("/api/items")
        time.sleep(0.3)  # the data are opened in the background
        got.append(("/api/run", client.get("/api/run").json()))
    return got


def of_a_question(tmp_path) -> list[tuple[str, Any]]:
    """A question about an example with several labels."""
    x = np.random.default_rng(0).normal(size=(40, 3))
    ls.find(x, labels=(x > 0).astype(int), out=tmp_path / "questions.sieve", detectors=["knn_vote"])
    with opened(tmp_path / "questions.sieve") as client:
        return [
            ("/api/items", client.get("/api/items").json()),
            ("/api/item/{i}", client.get("/api/item/4").json()),
        ]


def of_boxes(tmp_path) -> list[tuple[str, Any]]:
    """The run of a set of boxes with crops beside them."""
    place, _ = drawn(tmp_path / "boxes", pictures=12)
    ls.find(place, out=tmp_path / "boxes.sieve", side=64, background=2, detectors=["gce", "placement"])
    with opened(tmp_path / "boxes.sieve") as client:
        return [("/api/run", client.get("/api/run").json()), ("/api/item/{i}", client.get("/api/item/0").json())]


def without_first_row(folder) -> list[tuple[str, Any]]:
    """The first example after its row was removed from the table."""
    table = folder.parent / "rows.csv"
    lines = table.read_text(encoding="utf-8").splitlines(keepends=True)
    table.write_text("".join([lines[0], *lines[2:]]), encoding="utf-8")
    with opened(folder) as client:
        return [("/api/item/{i}", client.get("/api/item/0").json())]


def test_every_answer_has_exactly_its_type_and_every_nullable_field_is_seen_both_ways(
    rows, probs, sieve, odd, tmp_path
):
    seen: dict[str, set[str]] = defaultdict(set)
    got: list[tuple[str, Any]] = []
    for folder, n in ((rows, 300), (probs, 120), (sieve, 60)):
        with opened(folder) as client:
            got += answers(client, n)
    got += rare(odd) + without_first_row(rows) + of_a_question(tmp_path) + of_boxes(tmp_path)
    wrong = [line for route, answer in got for line in mismatches(answer, api.ANSWERS[route], route, seen)]
    assert wrong == []
    assert {route for route, _ in got} == api.ANSWERS.keys() - {"/api/events"}
    one_way = [f"{field}: only {ways}" for field, ways in sorted(seen.items()) if len(ways) < 2 and field not in LOST]
    assert one_way == []


def test_every_route_has_a_type(sieve):
    desk = Desk(sieve)
    routes = {route.path.replace(":int", "") for route in Routes(desk, "ann").all() if route.path.startswith("/api/")}
    desk.close()
    assert routes == api.ANSWERS.keys()


def test_the_typescript_types_are_generated_from_the_server_types():
    spec = importlib.util.spec_from_file_location("api_types", WEB / "api_types.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.TARGET.read_text(encoding="utf-8") == module.text(), "run `python web/api_types.py`"


@pytest.mark.slow
def test_the_page_uses_only_what_the_server_sends():
    """Checks the page's source against the written types, as an editor does."""
    if not (WEB / "node_modules" / "svelte-check").is_dir() or shutil.which("npm") is None:
        pytest.skip("svelte-check is not installed (`npm ci` in web/)")
    check = subprocess.run(["npm", "run", "--silent", "check"], cwd=WEB, capture_output=True, text=True, check=False)
    assert check.returncode == 0, check.stdout
