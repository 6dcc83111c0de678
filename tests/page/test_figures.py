"""Every figure of the page adds up after every decision and equals the figure of the report."""

import json
from uuid import uuid4

import numpy as np
import pytest

from labelsieve.cli.report import report
from labelsieve.core.decision import Fold
from labelsieve.store import run
from labelsieve.store.journal import Journal


def act(client, rng, n, classes, who):
    """One random act of a random kind on one or several examples, or an undo."""
    if rng.random() < 0.15:
        return client.post("/api/undo", json={"batch": str(uuid4())}, headers={"X-Reviewer": who}).json()
    what = rng.choice(["keep", "relabel", "exclude", "ambiguous", "later"])
    acts = [
        {"i": int(i), "act": what, **({"label": str(rng.choice(classes))} if what == "relabel" else {})}
        for i in rng.choice(n, rng.integers(1, 4), replace=False)
    ]
    body = {"batch": str(uuid4()), "acts": acts, "pick": str(rng.choice(["ranked", "view", "sample"]))}
    return client.post("/api/decisions", json=body, headers={"X-Reviewer": who}).json()


def add_up(answer, view, progress):
    now = answer["calibrated"]
    assert now["found"] + now["left"]["count"] == pytest.approx(now["wrong"]["count"])
    cells = sum(cell["expected"] for cell in answer["cells"]) + answer["cells_rest"]["expected"]
    classes = sum(row["expected"] for row in answer["class_health"]) + answer["class_health_rest"]["expected"]
    assert cells == pytest.approx(now["wrong"]["count"]) and classes == pytest.approx(now["wrong"]["count"])
    assert (
        sum(cell["count"] for cell in answer["cells"]) == sum(row["n"] for row in answer["class_health"]) == answer["n"]
    )
    for step in answer["plan"]:
        assert step["catch"] * now["left"]["count"] - 1e-6 <= step["wrong"] <= now["left"]["count"] + 1e-6
    assert answer["trail"][-1]["count"] == pytest.approx(now["wrong"]["count"])
    states = answer["states"]
    assert sum(states[name] for name in ("keep", "relabel", "exclude", "ambiguous")) == now["reviewed"]
    assert states["relabel"] + states["exclude"] == now["found"]
    counts = view["counts"]
    assert (
        counts["decided"] == now["reviewed"]
        and counts["conflict"] == states["conflict"]
        and counts["later"] == states["later"]
    )
    assert counts["open"] + counts["decided"] + counts["later"] + counts["conflict"] == counts["all"] == answer["n"]
    assert view["doubted"] == now["doubted"] == progress["doubted"]
    assert view["progress"] == now == progress
    for estimate in (now["wrong"], now["left"]):
        assert 0 <= estimate["low"] <= estimate["count"] <= estimate["high"] <= answer["n"]


def test_all_figures_add_up_after_each_decision(page, sieve, capsys):
    rng, classes = np.random.default_rng(4), run.load(sieve).classes
    add_up(page.get("/api/run").json(), page.get("/api/view").json(), page.get("/api/view").json()["progress"])
    for step in range(30):
        assert "error" not in act(page, rng, 60, classes, str(rng.choice(["ann", "bob"])))
        answer, view = page.get("/api/run").json(), page.get("/api/view?state=all").json()
        add_up(answer, view, page.get("/api/view?given=cat").json()["progress"])
        if step % 6 == 5:
            same_in_report(answer, sieve, capsys)


def same_in_report(answer, sieve, capsys):
    capsys.readouterr()
    report(sieve, json=True)
    reported, now = json.loads(capsys.readouterr().out), answer["calibrated"]
    assert (reported["reviewed"], reported["found"], reported["doubted"]) == (
        now["reviewed"],
        now["found"],
        now["doubted"],
    )
    assert reported["now"] == now["wrong"] and reported["left"] == now["left"]
    assert (
        sum(reported["acts"]["answers"].values()) == now["reviewed"]
        and reported["acts"]["conflicts"] == answer["states"]["conflict"]
    )
    classes = {row["label"]: row["expected"] for row in answer["class_health"]}
    assert {row["label"]: row["expected_wrong"] for row in reported["worst_classes"]} == pytest.approx(classes)
    cells = {(cell["given"], cell["other"]): cell["expected"] for cell in answer["cells"]}
    assert all(
        cells[c["given_label"], c["likely_label"]] == pytest.approx(c["expected"]) for c in reported["confusions"]
    )
    assert sum(c["expected"] for c in reported["confusions"]) + reported["confusions_rest"] == pytest.approx(
        now["wrong"]["count"]
    )
    assert [(e["catch"], e["reviews"]) for e in reported["effort"]] == [
        (e["catch"], e["review"]) for e in answer["plan"]
    ]
    assert [[x, y, n] for x, y, _, _, n in reported["reliability"]] == [
        [b["expected"], b["observed"], b["n"]] for b in answer["reliability"]
    ]


def test_before_a_calibration_is_done_the_figures_follow_and_add_up(page, monkeypatch):
    """Where a calibration takes long it is made aside; until then the decisions count with the last probabilities."""
    monkeypatch.setattr("labelsieve.page.desk.PATIENCE", -1.0)
    monkeypatch.setattr("labelsieve.page.desk.rank", lambda *_: pytest.fail("nothing is calibrated here"))
    before = page.get("/api/view").json()["progress"]
    item = page.get("/api/items?n=1").json()["items"][0]
    body = {"batch": str(uuid4()), "acts": [{"i": item["i"], "act": "exclude"}]}
    after = page.post("/api/decisions", json=body).json()["progress"]
    assert (after["reviewed"], after["found"]) == (1, 1)
    assert after["left"]["count"] == pytest.approx(before["left"]["count"] - item["p"])
    assert after["wrong"]["count"] == pytest.approx(before["wrong"]["count"] + 1 - item["p"])


def test_reviewed_means_the_same_everywhere(page, sieve, capsys):
    from labelsieve.store.open_run import open_run

    for i, what, who in [
        (1, "keep", "ann"),
        (2, "ambiguous", "ann"),
        (3, "later", "ann"),
        (4, "keep", "ann"),
        (4, "exclude", "bob"),
    ]:
        body = {"batch": str(uuid4()), "acts": [{"i": i, "act": what}]}
        page.post("/api/decisions", json=body, headers={"X-Reviewer": who})
    ids = run.load(sieve).ids
    answer = page.get("/api/run").json()
    assert (
        answer["calibrated"]["reviewed"] == 2 and answer["states"]["conflict"] == 1 and answer["states"]["later"] == 1
    )
    assert {item["i"] for item in page.get("/api/items?state=decided").json()["items"]} == {1, 2}
    opened = open_run(sieve)
    assert set(ids[opened.now.reviewed]) == {ids[1], ids[2]}
    assert opened.left.count == pytest.approx(answer["calibrated"]["left"]["count"])
    report(sieve, json=True)
    reported = json.loads(capsys.readouterr().out)
    assert reported["reviewed"] == 2 and reported["acts"]["conflicts"] == 1


def test_decided_examples_keep_their_position_in_the_order(page, sieve):
    order = [item["i"] for item in page.get("/api/items?n=60&fresh=a").json()["items"]]
    for i in order[:5]:
        page.post("/api/decisions", json={"batch": str(uuid4()), "acts": [{"i": i, "act": "keep"}]})
    assert page.get(f"/api/where?fresh=b&i={order[7]}").json() == {"at": 2}
    assert page.get(f"/api/where?fresh=b&i={order[2]}").json() == {"at": -1}
    assert page.get(f"/api/where?fresh=b&i={order[2]}&on=1").json() == {"at": 0}
    assert page.get(f"/api/where?fresh=c&i={order[2]}&on=1&given=cat").json()["at"] >= 0
    journal = Journal(sieve)
    assert len(Fold(journal.read()[0]).ids()) == 5
    journal.close()


def test_the_plan_of_the_page_names_the_fewest_reviews_for_each_share(page, sieve):
    p = np.sort(run.load(sieve).p_wrong)[::-1]
    for step in page.get("/api/run").json()["plan"]:
        assert p[: step["review"]].sum() >= step["catch"] * p.sum() - 1e-9 > p[: step["review"] - 1].sum() - 2e-9
        assert step["wrong"] == pytest.approx(p[: step["review"]].sum())
