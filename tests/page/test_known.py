"""Known examples planted in the queue, and how a reviewer did on them."""

import json

import pytest

from labelsieve.core.errors import UserError
from labelsieve.page.before_review import save_known_items
from labelsieve.store import known_items, run
from labelsieve.store.journal import Journal
from labelsieve.store.open_run import open_run


@pytest.fixture
def planted(sieve, tmp_path):
    """Three known examples from the end of the queue: two as given, one wrong."""
    findings = run.load(sieve)
    last = findings.order()[-3:]
    classes = {findings.ids[i]: findings.classes[findings.given[i]] for i in last}
    classes[findings.ids[last[0]]] = findings.classes[(findings.given[last[0]] + 1) % 3]
    (tmp_path / "known.csv").write_text(
        "id,label\n" + "".join(f'"{key}","{label}"\n'.replace("&'\"owl", '&\'""owl') for key, label in classes.items())
    )
    save_known_items(open_run(sieve), tmp_path / "known.csv")
    return last.tolist(), classes


def queue(client, who="ann", query=""):
    return [item["i"] for item in client.get(f"/api/items?n=500&{query}", headers={"X-Reviewer": who}).json()["items"]]


def answer(client, i, act="keep", who="ann", batch="batch-name", **more):
    body = {"batch": f"{batch}-{i}-{who}", "pick": "ranked", "blind": False, "acts": [{"i": i, "act": act, **more}]}
    return client.post("/api/decisions", json=body, headers={"X-Reviewer": who}).json()


def test_every_twenty_queue_items_contain_one_known_example(planted, sieve, serve):
    last, _ = planted
    rows = queue(serve())
    order = run.load(sieve).order().tolist()
    assert sorted(rows) == list(range(60))
    assert [i for i in rows if i not in last] == [i for i in order if i not in last]
    assert [sum(i in last for i in rows[at : at + 21]) for at in (0, 21, 42)] == [1, 1, 1]


def test_other_views_are_left_alone(planted, sieve, serve):
    findings = run.load(sieve)
    assert queue(serve(), query="given=cat") == [
        i for i in findings.order() if findings.classes[findings.given[i]] == "cat"
    ]


def test_decisions_of_others_on_known_examples_are_hidden(planted, serve):
    client, (last, _) = serve(), planted
    answer(client, last[0], "exclude")
    seen = client.get(f"/api/item/{last[0]}", headers={"X-Reviewer": "bob"}).json()
    assert (seen["state"], seen["decision"], seen["history"]) == ("open", None, [])
    assert last[0] in queue(client, "bob", "fresh=b") and last[0] not in queue(client, "ann", "fresh=b")
    answer(client, last[0], "keep", "bob")
    assert client.get(f"/api/item/{last[0]}", headers={"X-Reviewer": "bob"}).json()["state"] == "conflict"


def test_answers_on_known_examples_are_counted_for_their_reviewer(planted, sieve, serve):
    client, (last, classes) = serve(), planted
    for i in last:
        answer(client, i)
    answer(client, 0)
    output = client.get("/api/run").json()
    [ann] = output["reviewers"]
    assert (output["known"], ann["planted"], ann["planted_right"], ann["decisions"]) == (3, 3, 2, 4)
    journal = Journal(sieve)
    assert {row.id for row in journal.read()[0] if row.pick == "planted"} == set(classes)


def test_known_examples_opened_directly_do_not_count_as_planted(planted, sieve, serve):
    client, (last, _) = serve(), planted
    body = {"batch": "of-a-view", "pick": "view", "blind": False, "acts": [{"i": last[1], "act": "keep"}]}
    assert client.post("/api/decisions", json=body).json()["saved"] == 1
    journal = Journal(sieve)
    assert [row.pick for row in journal.read()[0]] == ["view"]
    journal.close()
    assert client.get("/api/run").json()["reviewers"][0]["planted"] == 0


def test_unknown_classes_or_a_damaged_file_are_an_error(sieve, tmp_path):
    (tmp_path / "k.csv").write_text("id,label\nnobody,cat\n")
    with pytest.raises(UserError, match="for any of the 60"):
        save_known_items(open_run(sieve), tmp_path / "k.csv")
    (sieve / "known.json").write_text("[")
    with pytest.raises(UserError, match="known.json is damaged"):
        known_items.load(sieve)
    (sieve / "known.json").write_text(json.dumps({"a": "b"}))
    assert known_items.load(sieve) == {"a": "b"}
