"""Simultaneous requests: each act sees all or nothing of another act."""

import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor

import pytest
from starlette.testclient import TestClient

from labelsieve.core.decision import Decision
from labelsieve.page import view
from labelsieve.page.desk import Desk
from labelsieve.page.server import application
from labelsieve.store.journal import Journal


@pytest.fixture
def slow(sieve):
    """A desk whose journal takes its time to write and to read, and a client of its server."""
    desk = Desk(sieve)
    append, read = desk.journal.append, desk.journal.read

    def slowly(rows):
        time.sleep(0.05)
        return append(rows)

    def reading(after=0):
        result = read(after)
        time.sleep(0.02)
        return result

    desk.journal.append, desk.journal.read = slowly, reading
    with TestClient(application(desk, name="ann"), base_url="http://127.0.0.1:8765") as client:
        yield desk, client


def together(n, send):
    """`send(0)` to `send(n - 1)`, begun at the same moment."""
    gate = threading.Barrier(n)

    def one(k):
        gate.wait()
        return send(k)

    with ThreadPoolExecutor(n) as pool:
        return list(pool.map(one, range(n)))


def keep(client, i, batch, who="ann"):
    body = {"batch": batch, "pick": "ranked", "acts": [{"i": i, "act": "keep"}]}
    return client.post("/api/decisions", json=body, headers={"X-Reviewer": who})


def test_simultaneous_undos_undo_one_batch_each(slow):
    _, client = slow
    for k in range(3):
        assert keep(client, k, f"batch--{k}").status_code == 200
    answers = together(3, lambda k: client.post("/api/undo", json={"batch": f"undo---{k}"}).json())
    assert {answer["undone"] for answer in answers} == {"batch--0", "batch--1", "batch--2"}
    assert [client.get(f"/api/item/{k}").json()["state"] for k in range(3)] == ["open"] * 3


def test_the_second_of_two_acts_on_a_view_is_refused_as_outdated(slow):
    _, client = slow
    n = client.get("/api/view?fresh=a").json()["total"]
    body = {"pick": "view", "view": "fresh=a", "expect": n, "act": "exclude"}
    answers = together(2, lambda k: client.post("/api/decisions", json=body | {"batch": f"whole--{k}"}))
    assert sorted(answer.status_code for answer in answers) == [200, 409]
    assert client.get("/api/run").json()["reviewers"][0]["decisions"] == n


def test_a_batch_sent_by_two_reviewers_belongs_to_one_of_them(slow):
    _, client = slow
    answers = together(2, lambda k: keep(client, k, "one-batch", who="ab"[k]))
    assert sorted(answer.status_code for answer in answers) == [200, 400]
    assert sum(client.get(f"/api/item/{k}").json()["state"] == "keep" for k in range(2)) == 1


def test_simultaneous_readers_get_every_decision_once(slow):
    desk, client = slow
    elsewhere = Journal(desk.folder)  # another server
    ids = [str(desk.findings.ids[i]) for i in range(3)]
    elsewhere.append([Decision(id, "keep", None, "bob", "2026-01-01", f"b {id}") for id in ids])
    elsewhere.close()
    changed = together(4, lambda k: desk.catch_up())
    assert sorted(i for some in changed for i in some) == [0, 1, 2]
    assert [len(desk.fold.history(id)) for id in ids] == [1, 1, 1] and desk.seq == 3
    assert client.get("/api/view?fresh=z").json()["counts"]["decided"] == 3


def test_a_frozen_view_is_built_once_for_all_requests(slow, monkeypatch):
    _, client = slow
    built, build = [], view.Views._build

    def counted(self, query, reviewer):
        built.append(query.fresh)
        return build(self, query, reviewer)

    class Late(Future):
        def __init__(self):
            time.sleep(0.05)
            super().__init__()

    monkeypatch.setattr(view.Views, "_build", counted)
    monkeypatch.setattr(view, "Future", Late)
    answers = together(4, lambda k: client.get("/api/items?fresh=once&n=500").json()["items"])
    assert built == ["once"] and all(answer == answers[0] for answer in answers)


def test_a_desk_writes_one_act_after_the_other(slow):
    """Also where whoever writes does not hold the lock: the connection can have one transaction at a time."""
    desk, _ = slow
    rows = [Decision(str(desk.findings.ids[k]), "keep", None, "ann", "2026-01-01", f"batch--{k}") for k in range(4)]
    writing, append = [], desk.journal.append

    def alone(rows):
        writing.append(1)
        assert len(writing) == 1
        saved = append(rows)
        writing.pop()
        return saved

    desk.journal.append = alone
    assert together(4, lambda k: desk.write([rows[k]])) == [1, 1, 1, 1]
    assert desk.seq == 4
