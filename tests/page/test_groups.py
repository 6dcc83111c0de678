"""Groups of duplicates, typical examples and comments in the answers of the server."""

from dataclasses import replace
from uuid import uuid4

import numpy as np

from labelsieve.store import run


def send(client, acts, who="ann"):
    body = {"batch": str(uuid4()), "pick": "view", "blind": False, "acts": acts}
    return client.post("/api/decisions", json=body, headers={"X-Reviewer": who}).json()


def test_a_group_disagrees_by_its_current_labels(page, sieve):
    findings = run.load(sieve)
    labels = [findings.classes[findings.given[i]] for i in range(4)]
    assert len(set(labels)) == 1  # one group of four of one class
    answer = page.get("/api/groups").json()
    assert answer["all"] == answer["total"] == 1 and answer["disagree"] == 0
    assert answer["items"][0]["rows"] == [0, 1, 2, 3] and answer["items"][0]["disagree"] is False
    other = next(name for name in findings.classes if name != labels[0])
    send(page, [{"i": 2, "act": "relabel", "label": other}])
    answer = page.get("/api/groups?duplicates=disagree").json()
    assert answer["total"] == answer["disagree"] == 1 and answer["items"][0]["disagree"] is True
    send(page, [{"i": i, "act": "relabel", "label": other} for i in range(4)])
    assert page.get("/api/groups").json()["disagree"] == 0
    send(page, [{"i": 1, "act": "keep"}], "bob")  # a conflict is a difference
    assert page.get("/api/groups").json()["disagree"] == 1
    blind = page.get("/api/groups?blind=1").json()
    assert blind["disagree"] is None and blind["items"][0]["disagree"] is None
    assert all(member["given"] is None for member in blind["items"][0]["members"])


def test_typical_examples_are_the_least_doubted_one_of_each_group(page, sieve):
    findings = run.load(sieve)
    answer = page.get("/api/gallery?each=30").json()
    assert answer["total"] == 3 and [row["label"] for row in answer["items"]] == list(findings.classes)
    for row in answer["items"]:
        shown = [item["i"] for item in row["examples"]]
        p = findings.p_wrong[shown]
        assert (np.diff(p) >= 0).all() and (p <= 0.5).all()
        assert all(findings.classes[findings.given[i]] == row["label"] for i in shown)
        assert len({0, 1, 2, 3} & set(shown)) <= 1
    one = page.get("/api/gallery?label=cat&each=2").json()["items"]
    assert [row["label"] for row in one] == ["cat"] and len(one[0]["examples"]) == 2
    send(page, [{"i": one[0]["examples"][0]["i"], "act": "exclude"}])
    second = page.get("/api/gallery?label=cat&each=2").json()["items"][0]["examples"]
    assert one[0]["examples"][0]["i"] not in [item["i"] for item in second]
    assert page.get("/api/gallery?blind=1").status_code == page.get("/api/gallery?label=nothing").status_code == 400


def test_a_comment_stays_until_it_is_changed(page):
    send(page, [{"i": 5, "act": "keep", "note": "odd light"}])
    assert page.get("/api/item/5").json()["note"] == "odd light"
    send(page, [{"i": 5, "act": "exclude"}])
    assert page.get("/api/item/5").json()["note"] == "odd light"
    assert page.get("/api/item/5", headers={"X-Reviewer": "bob"}).json()["note"] == ""
    send(page, [{"i": 5, "act": "exclude", "note": ""}])
    assert page.get("/api/item/5").json()["note"] == ""
    assert [row["note"] for row in page.get("/api/item/5").json()["history"]] == ["odd light", "odd light", ""]


def test_groups_in_several_splits_and_one_split_alone(sieve, serve):
    findings = run.load(sieve)
    split = np.array(["train", "test", "train", "train"] + ["train"] * 30 + ["valid"] * 26, object)
    run.save(replace(findings, extra={**findings.extra, "split": split}), sieve)
    page = serve()
    overview = page.get("/api/run").json()
    assert overview["splits"] == ["train", "test", "valid"]
    assert overview["leaks"] == ["1 example of test is also in train (1 near copy)"]
    answer = page.get("/api/groups?duplicates=leak").json()
    assert answer["total"] == answer["leaks"] == 1 and answer["items"][0]["leaks"] is True
    assert [member["split"] for member in answer["items"][0]["members"]] == ["train", "test", "train", "train"]
    shown = page.get("/api/items?split=valid&state=all&n=60").json()["items"]
    assert sorted(item["i"] for item in shown) == list(range(34, 60))
    leaking = page.get("/api/items?duplicates=leak&state=all&n=60").json()["items"]
    assert sorted(item["i"] for item in leaking) == [0, 1, 2, 3]
    assert page.get("/api/items?blind=1&state=all&n=1").json()["items"][0]["split"] is None
    assert page.get("/api/items?split=tset").status_code == 400
