"""Decisions through the server: saved, recognised when sent again, undone, shared between servers."""

import os
from types import SimpleNamespace
from uuid import uuid4

import numpy as np
import pytest

from labelsieve.core.decision import Decision
from labelsieve.page.desk import Desk
from labelsieve.store import run
from labelsieve.store.journal import Journal


def decide(client, i, act="keep", who=None, batch=None, **more):
    acts = [
        {"i": j, "act": act, **({"label": more["label"]} if "label" in more else {})}
        for j in ([i] if isinstance(i, int) else i)
    ]
    body = {
        "batch": batch or str(uuid4()),
        "pick": more.get("pick", "ranked"),
        "blind": more.get("blind", False),
        "acts": acts,
    }
    return client.post("/api/decisions", json=body, headers={"X-Reviewer": who} if who else {})


def back(client, way="undo", who=None, batch=None):
    return client.post(
        f"/api/{way}", json={"batch": batch or str(uuid4())}, headers={"X-Reviewer": who} if who else {}
    ).json()


def rows(sieve):
    journal = Journal(sieve)
    result, _ = journal.read()
    journal.close()
    return result


def test_a_decision_is_saved_before_the_answer(page, sieve):
    item = page.get("/api/items?n=1").json()["items"][0]
    answer = decide(page, item["i"], "relabel", label=item["other"]).json()
    assert answer["saved"] == 1 and answer["states"] == {str(item["i"]): "relabel"}
    [row] = rows(sieve)
    assert (row.id, row.act, row.label, row.reviewer) == (item["id"], "relabel", item["other"], "ann")
    assert row.suggestion == item["other"] and row.p_wrong == item["p"] and row.pick == "ranked"


def test_a_batch_sent_again_is_not_written_again(page, sieve):
    assert decide(page, 3, batch="batch-one").json()["saved"] == 1
    assert decide(page, 3, batch="batch-one").json()["saved"] == 0
    assert decide(page, 4, "exclude", batch="batch-one").json() == decide(page, 3, batch="batch-one").json()
    assert len(rows(sieve)) == 1
    assert decide(page, 3, batch="batch-one", who="bob").status_code == 400


def test_choosing_the_given_class_means_keep(page):
    given = page.get("/api/item/5").json()["given"]
    assert decide(page, 5, "relabel", label=given).json()["states"] == {"5": "keep"}


def test_undo_and_redo_go_back_batch_by_batch_across_restarts(page, serve):
    decide(page, [1, 2, 3], "exclude", batch="first---")
    decide(page, 2, "keep", batch="second--")
    after = serve()  # a new process
    undone = back(after)
    assert undone["undone"] == "second--" and undone["states"] == {"2": "exclude"} and undone["at_item"] == 2
    assert back(after)["states"] == {"1": "open", "2": "open", "3": "open"}
    assert back(after)["undone"] is None
    assert back(page, "redo")["states"] == {"1": "exclude", "2": "exclude", "3": "exclude"}
    assert back(page, "redo")["states"] == {"2": "keep"}
    assert back(page, "redo")["undone"] is None


def test_a_repeated_undo_request_undoes_once(page, sieve):
    decide(page, 1, batch="first---")
    decide(page, 2, batch="second--")
    assert back(page, batch="undo-one")["undone"] == "second--"
    assert back(page, batch="undo-one")["undone"] == "second--"
    assert page.get("/api/item/1").json()["state"] == "keep"
    assert len(rows(sieve)) == 3


def test_undo_affects_only_the_reviewers_own_acts(page):
    decide(page, 1, who="ann", batch="of-ann--")
    decide(page, 2, who="bob", batch="of-bob--")
    assert back(page, who="ann")["undone"] == "of-ann--"
    assert page.get("/api/item/2").json()["state"] == "keep"


def test_two_servers_share_decisions_and_conflicts_can_be_resolved(page, serve):
    second = serve()
    decide(page, 7, "keep", who="ann")
    decide(second, 7, "exclude", who="bob")
    assert page.get("/api/item/7").json()["state"] == "conflict"
    listed = page.get("/api/items?state=conflict").json()["items"]
    assert [item["i"] for item in listed] == [7] and listed[0]["decision"] is None
    assert decide(page, 7, "keep", who="eve", pick="settle").json()["states"] == {"7": "keep"}
    assert second.get("/api/view?state=conflict").json()["counts"]["conflict"] == 0
    stands = [(row["reviewer"], row["act"]) for row in second.get("/api/item/7").json()["history"]]
    assert stands == [("ann", "keep"), ("bob", "exclude"), ("eve", "keep")]


def test_a_whole_view_is_one_batch_and_refused_when_it_has_changed(page, sieve):
    view = "given=cat&fresh=abc"
    n = page.get(f"/api/view?{view}").json()["total"]
    body = {"batch": "whole-view", "pick": "view", "blind": False, "view": view, "expect": n, "act": "exclude"}
    decide(page, page.get(f"/api/items?{view}&n=1").json()["items"][0]["i"])
    assert page.post("/api/decisions", json=body).status_code == 409
    answer = page.post("/api/decisions", json=body | {"expect": n - 1}).json()
    assert answer["saved"] == n - 1 and set(answer["states"].values()) == {"exclude"}
    assert len(back(page)["states"]) == n - 1


def test_accepting_suggestions_of_a_view_changes_only_doubted_examples(page, sieve):
    result = run.load(sieve)
    doubted = set(np.flatnonzero(result.p_wrong > 0.5).tolist())
    view = page.get("/api/view?fresh=abc").json()
    assert view["total"] == view["standing"] == 60 and view["doubted"] == view["suggested"] == len(doubted) > 2
    items = page.get("/api/items?fresh=abc&n=100").json()["items"]
    assert {item["i"] for item in items if item["doubted"]} == doubted
    body = {"batch": "whole-view", "view": "fresh=abc", "expect": 60, "act": "relabel", "label": "suggested"}
    answer = page.post("/api/decisions", json=body).json()
    assert answer["saved"] == len(doubted) and answer["left_alone"] == 60 - len(doubted)
    assert {row.id: row.label for row in rows(sieve)} == {
        result.ids[i]: result.classes[result.other[i]] for i in doubted
    }
    reloaded = page.post("/api/decisions", json=body | {"batch": "whole-again", "expect": 60 - len(doubted)}).json()
    assert reloaded["saved"] == 0 and reloaded["left_alone"] == 60 - len(doubted)
    output = page.get("/api/view?state=doubted&fresh=b").json()  # what was said of ten others may make more doubtful
    assert output["total"] == output["doubted"] == output["progress"]["doubted"]
    wrong = body | {"batch": "whole-third", "expect": 60 - len(doubted), "suggested": output["doubted"] + 1}
    assert page.post("/api/decisions", json=wrong).status_code == 409


def test_only_doubted_examples_have_a_stored_suggestion(page, sieve):
    least = page.get("/api/items?fresh=a&at=59&n=1").json()["items"][0]
    assert least["p"] < 0.5 and least["doubted"] is False
    decide(page, least["i"], "relabel", label=least["other"])
    [row] = rows(sieve)
    assert row.suggestion is None and row.label == least["other"]
    [person] = page.get("/api/run").json()["reviewers"]
    assert person["decisions"] == 1 and person["suggestions_taken"] is None


def test_undo_reports_the_undone_acts(page):
    item = page.get("/api/items?n=1").json()["items"][0]
    decide(page, item["i"], "relabel", label=item["other"])
    output = {"n": 1, "i": item["i"], "id": item["id"], "act": "relabel", "label": item["other"]}
    assert back(page)["what"] == output == back(page, "redo")["what"]
    decide(page, [5, 6], "exclude")
    assert back(page)["what"] | {"id": "", "i": 5} == {"n": 2, "i": 5, "id": "", "act": "exclude", "label": None}
    decide(page, 9, "keep")
    blind = page.post("/api/undo", json={"batch": "undo-blind", "blind": True}).json()["what"]
    assert blind["id"] == "#9" and blind["act"] == "relabel"  # "kept" would tell the given label


@pytest.mark.parametrize(
    "acts",
    [
        [],
        "x",
        [{"i": 60, "act": "keep"}],
        [{"i": -1, "act": "keep"}],
        [{"i": True, "act": "keep"}],
        [{"i": 1, "act": "undo"}],
        [{"i": 1, "act": "relabel", "label": "nothing"}],
        [{"i": 1, "act": "relabel", "label": ["cat"]}],
        [{"i": 1, "act": "keep"}, {"i": 1, "act": "exclude"}],
        [{"i": 1, "act": "keep"}, 3],
    ],
)
def test_an_invalid_batch_is_refused_as_a_whole(page, sieve, acts):
    answer = page.post("/api/decisions", json={"batch": "bad-batch", "acts": acts})
    assert answer.status_code == 400 and answer.json()["error"].endswith(".")
    assert rows(sieve) == []


def test_a_read_only_folder_can_be_viewed(sieve, serve, monkeypatch):
    decide(serve(), 3)
    monkeypatch.setattr("labelsieve.page.desk.os.access", lambda path, mode: False)
    client = serve()
    assert client.get("/api/run").json()["readonly"] and client.get("/api/item/3").json()["state"] == "keep"
    assert decide(client, 4).status_code == 403 and len(rows(sieve)) == 1


def test_no_request_writes_through_a_read_only_desk(sieve, serve, monkeypatch):
    decide(serve(), 3, batch="batch-one")
    before = {
        path: path.stat().st_size for path in sieve.rglob("*") if path.name.partition("-")[0] != "decisions.sqlite"
    }
    monkeypatch.setattr("labelsieve.page.desk.os.access", lambda path, mode: False)
    client = serve()
    for way, body in (
        ("decisions", {"batch": "batch-two", "acts": [{"i": 4, "act": "keep"}]}),
        ("decisions", {"batch": "batch-two", "view": "fresh=a", "expect": 59, "act": "exclude"}),
        ("undo", {"batch": "undo-one"}),
        ("sample", {"name": "drawn", "size": 5}),
    ):
        answer = client.post(f"/api/{way}", json=body)
        assert answer.status_code == 403 and "read-only" in answer.json()["error"]
    client.get("/thumb/3.webp"), client.get("/api/map")
    assert len(rows(sieve)) == 1 and client.get("/api/item/3").json()["state"] == "keep"
    now = {path: path.stat().st_size for path in sieve.rglob("*") if path.name.partition("-")[0] != "decisions.sqlite"}
    assert now == before


def test_undo_of_any_batch_but_the_last_is_refused(page, sieve):
    for n, who in enumerate(["ann", "bob", "ann", "bob"]):
        decide(page, n, who=who, batch=f"batch--{n}")
    assert back(page, who="ann")["undone"] == "batch--2"
    assert [row.target for row in rows(sieve) if row.act == "undo"] == ["batch--2"]
    assert [page.get(f"/api/item/{i}").json()["state"] for i in range(4)] == ["keep", "keep", "open", "keep"]
    assert back(page, who="bob")["undone"] == "batch--3" and back(page, who="bob")["undone"] == "batch--1"
    assert (
        back(page, "redo", who="bob")["undone"] == "batch--1" and back(page, "redo", who="ann")["undone"] == "batch--2"
    )
    assert [page.get(f"/api/item/{i}").json()["state"] for i in range(4)] == ["keep", "keep", "keep", "open"]


def test_a_read_only_desk_does_not_call_its_journal(sieve, monkeypatch):
    """Where the decisions lie on a server, nothing but the desk itself keeps to it."""
    monkeypatch.setattr("labelsieve.page.desk.os", SimpleNamespace(access=lambda path, mode: False, W_OK=os.W_OK))
    desk = Desk(sieve)
    with pytest.raises(PermissionError, match="is read-only; decisions cannot be saved"):
        desk.write([Decision(str(desk.findings.ids[0]), "keep", None, "ann", "2026-01-01", "batch-one")])
    desk.close()
    assert desk.readonly and rows(sieve) == []
