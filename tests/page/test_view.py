"""Views: filters, frozen orders, counts, samples, and what blind reviewers do not see."""

import json
import time
from uuid import uuid4

import numpy as np
import pytest

from labelsieve.store import run, sample_files


def keep(client, i, who="ann", pick="ranked", act="keep", **more):
    body = {"batch": str(uuid4()), "pick": pick, "blind": False, "acts": [{"i": i, "act": act, **more}]}
    return client.post("/api/decisions", json=body, headers={"X-Reviewer": who}).json()


def positions(client, query):
    return [item["i"] for item in client.get(f"/api/items?n=500&{query}").json()["items"]]


def test_filters_and_orders_are_those_of_the_columns(page, sieve):
    findings = run.load(sieve)
    assert positions(page, "") == findings.order().tolist()
    cat = findings.classes.index("cat")
    assert positions(page, "given=cat") == [i for i in findings.order() if findings.given[i] == cat]
    assert set(positions(page, "other=dog&pmin=0.2&pmax=0.9")) == set(
        np.flatnonzero(
            (findings.other == findings.classes.index("dog")) & (findings.p_wrong >= 0.2) & (findings.p_wrong <= 0.9)
        )
    )
    assert positions(page, "by=knn_vote") == np.argsort(-findings.scores["knn_vote"], kind="stable").tolist()
    assert [findings.ids[i] for i in positions(page, "by=id")] == sorted(findings.ids)
    assert sorted(positions(page, "by=random")) == list(range(60)) != positions(page, "by=random")
    assert set(positions(page, "duplicates=1")) == {0, 1, 2, 3}
    assert set(positions(page, "state=flagged")) == set(np.flatnonzero(findings.flagged))
    assert (
        all("OWL" in findings.ids[i].upper() for i in positions(page, "q=OwL")) and len(positions(page, "q=OwL")) == 20
    )


def test_a_view_is_frozen_until_it_is_requested_anew(page):
    before = positions(page, "fresh=a")
    keep(page, before[0])
    assert positions(page, "fresh=a") == before
    assert page.get("/api/items?fresh=a&n=1").json()["items"][0]["state"] == "keep"
    assert positions(page, "fresh=b") == before[1:]
    assert page.get(f"/api/where?fresh=a&i={before[5]}").json() == {"at": 5}
    assert page.get(f"/api/where?fresh=b&i={before[0]}").json() == {"at": -1}


def test_counts_follow_the_decisions_at_once(page):
    cells = page.get("/api/view?given=dog&fresh=a").json()
    keep(page, positions(page, "given=dog")[0])
    after = page.get("/api/view?given=dog&fresh=a").json()
    assert after["total"] == cells["total"] == 20
    assert after["counts"] | {"flagged": 0} == {
        "open": 19,
        "decided": 1,
        "later": 0,
        "conflict": 0,
        "flagged": 0,
        "all": 20,
    }
    assert sum(cell["count"] for cell in after["cells"]) == 20 and sum(cell["open"] for cell in after["cells"]) == 19


def test_the_filter_mine_excludes_decisions_of_others(page):
    keep(page, 1, "ann")
    keep(page, 2, "bob")
    left = page.get("/api/items?state=all&mine=1&n=100", headers={"X-Reviewer": "ann"}).json()["items"]
    assert {item["i"] for item in left} == set(range(60)) - {1}


@pytest.mark.parametrize(
    "query", ["given=nothing", "state=nothing", "by=nothing", "pmin=x", "sample=nothing", "sample=../run"]
)
def test_an_invalid_view_gives_a_clear_error(page, query):
    answer = page.get(f"/api/view?{query}")
    assert answer.status_code == 400 and answer.json()["error"].endswith((".", ")."))


def test_rerank_brings_a_new_version(page):
    for i in positions(page, "")[:8]:
        keep(page, i)
    answer = page.post("/api/rerank", json={}).json()
    assert answer["ranking"] == 8 and answer["calibrated"]["reviewed"] == 8
    run_info = page.get("/api/run").json()
    assert (
        run_info["ranking"] == 8
        and run_info["trail"][-1]["reviewed"] == 8
        and run_info["reviewers"][0]["decisions"] == 8
    )


def test_an_acceptance_sample_reveals_nothing(page, sieve):
    findings = run.load(sieve)
    drawn = [9, 4, 30, 17]
    ids = tuple(findings.ids[i] for i in drawn)
    sample_files.save(sieve, sample_files.Sample("accept-june", 0, 4, ids, (0,) * 4, (0.1,) * 4))
    keep(page, 4, "bob")  # the ordinary review does not count for it
    query = "sample=accept-june&by=p&given=cat"
    assert positions(page, query + "&fresh=a") == drawn
    for answer in (
        page.get(f"/api/items?{query}&fresh=b"),
        page.get(f"/api/item/9?{query}"),
        page.get(f"/api/similar/9?{query}"),
    ):
        items = answer.json().get("items", [answer.json()])
        text = json.dumps([list(item.values()) for item in items])
        assert not any(json.dumps(name)[1:-1] in text for name in (*findings.classes, findings.ids[9]))
    item = page.get(f"/api/item/9?{query}").json()
    assert {item[key] for key in ("given", "other", "p", "rank", "reason", "curve", "top")} == {None} and item[
        "neighbours"
    ] == []
    given = findings.classes[findings.given[9]]
    assert keep(page, 9, "ann", "accept-june", "relabel", label=given)["states"] == {"9": "decided"}
    shown = page.get(f"/api/items?{query}&state=all&n=1").json()["items"][0]
    assert shown["state"] == "decided" and shown["mine"] == {"act": "relabel", "label": given}
    row = page.get("/api/item/9").json()["history"][-1]
    assert (row["pick"], row["blind"], row["act"]) == ("accept:accept-june", True, "keep")
    assert positions(page, query + "&fresh=c") == drawn[1:]
    assert page.get("/api/run").json()["samples"] == [{"name": "accept-june", "size": 4, "done": 1}]


def test_a_stratified_sample_keeps_the_order_of_its_draw(page, sieve):
    assert page.post("/api/sample", json={"name": "stratified", "size": 12}).json() == {
        "name": "stratified",
        "size": 12,
    }
    assert page.post("/api/sample", json={"name": "stratified", "size": 12}).json()["size"] == 12  # drawn once
    place = {id: i for i, id in enumerate(run.load(sieve).ids)}
    assert positions(page, "sample=stratified") == [place[id] for id in sample_files.load(sieve, "stratified").ids]
    for body in ({"name": "accept-x", "size": 5}, {"name": "a/b", "size": 5}, {"name": "x", "size": 0}, {"name": "x"}):
        assert page.post("/api/sample", json=body).status_code == 400


def test_one_item_with_its_evidence(page, sieve):
    findings = run.load(sieve)
    item = page.get("/api/item/2").json()
    assert (
        item["id"] == findings.ids[2]
        and item["duplicates"] == [0, 1, 3]
        and [n["i"] for n in item["neighbours"]] == [3, 4, 5, 6, 7]
    )
    assert item["scores"][1]["percentile"] == pytest.approx(
        np.mean(findings.scores["knn_vote"] < findings.scores["knn_vote"][2])
    )
    for i in range(8):  # which detectors flag it, and what each would give instead
        mute, speaks = page.get(f"/api/item/{i}").json()["scores"]
        assert (mute["name"], mute["flagged"], mute["suggested"]) == ("consensus", None, None)
        assert speaks["flagged"] == bool(findings.flags["knn_vote"][i])
        assert speaks["suggested"] == findings.classes[findings.suggestions["knn_vote"][i]]
    near = [i["i"] for i in page.get("/api/similar/2?n=7").json()["items"]]
    assert near[:5] == [3, 4, 5, 6, 7] and set(near[5:]) <= {8, 9, 10, 11, 12}
    assert page.get("/api/item/60").status_code == 400 and page.get("/api/similar/60").status_code == 400


def map_of(client):
    for _ in range(200):
        answer = client.get("/api/map").json()
        if answer["state"] != "making":
            return answer
        time.sleep(0.05)
    raise AssertionError("the map is never made")


def test_a_run_without_features_has_no_map(page):
    assert map_of(page)["state"] == "none" and "no features" in map_of(page)["why"]
    assert page.get("/map/points").status_code == 400


def test_the_map_is_made_once_and_a_lasso_on_it_is_a_view(sieve, serve):
    rng = np.random.default_rng(0)
    (sieve / "features").mkdir()
    content = np.ones(61, np.uint64)
    content[5] = 0  # one that could not be encoded
    np.save(sieve / "features" / "features.npy", rng.normal(size=(61, 8)).astype(np.float16))
    np.save(sieve / "features" / "content.npy", content)
    client = serve()
    assert client.get("/api/view?lasso=0,0;1000,0;1000,1000").status_code == 400  # not made yet
    assert map_of(client) == {"state": "ready", "why": "", "n": 60}
    points = np.frombuffer(client.get("/map/points").content, "<f4").reshape(-1, 2)
    assert points.shape == (60, 2) and points.min() >= 0 and points.max() <= 1
    left = set(np.flatnonzero(points[:, 0] < 0.5).tolist())
    assert set(positions(client, "lasso=0,0;500,0;500,1000;0,1000&state=all")) == left and 0 < len(left) < 60
    shades = np.frombuffer(client.get("/map/shades?given=cat").content, np.uint8)
    findings = run.load(sieve)
    assert ((shades > 0) == (findings.given == findings.classes.index("cat"))).all()
    assert set(client.get("/map/shades?given=cat&blind=1").content) <= {0, 1}
    second = serve()  # another server: kept in the run folder
    assert set(positions(second, "lasso=0,0;500,0;500,1000;0,1000&state=all")) == left
    for odd in ("1,2", "a,b;c,d;e,f", "0,0;1,1;nan,0", "0,0,0;1,1,1;2,2,2"):
        assert client.get(f"/api/view?lasso={odd}").status_code == 400


def test_the_map_of_a_read_only_run_is_kept_nowhere(sieve, serve, monkeypatch):
    (sieve / "features").mkdir()
    np.save(sieve / "features" / "features.npy", np.random.default_rng(0).normal(size=(60, 8)).astype(np.float16))
    np.save(sieve / "features" / "content.npy", np.ones(60, np.uint64))
    before = {path.name for path in (sieve / "evidence").iterdir()}
    monkeypatch.setattr("labelsieve.page.desk.os.access", lambda path, mode: False)
    client = serve()
    assert map_of(client)["state"] == "ready" and len(client.get("/map/points").content) == 60 * 8
    assert {path.name for path in (sieve / "evidence").iterdir()} == before


def test_the_histogram_ignores_the_filter_on_p(page, sieve):
    findings = run.load(sieve)
    answer = page.get("/api/histogram?given=cat&pmin=0.5").json()
    mine = findings.p_wrong[findings.given == findings.classes.index("cat")]
    assert answer["left"] == np.histogram(mine, 50, (0, 1))[0].tolist() and sum(answer["reviewed"]) == 0
    keep(page, int(np.flatnonzero(findings.given == findings.classes.index("cat"))[0]))
    after = page.get("/api/histogram?given=cat&state=all").json()
    assert sum(after["left"]) == 19 and sum(after["reviewed"]) == 1
    assert page.get("/api/histogram?blind=1").json() == {"left": [], "reviewed": []}
