"""In blind mode the answers do not depend on the labels, suggestions, flags and scores of the examples."""

import json
from dataclasses import replace

import numpy as np
import pytest
from starlette.testclient import TestClient

from labelsieve.core.sample import Sample
from labelsieve.page.desk import Desk
from labelsieve.page.server import application
from labelsieve.store import run, sample_files
from labelsieve.store.journal import Journal

DRAWN = [9, 4, 30, 17, 0, 59, 41, 22]


def opened(folder):
    return TestClient(application(Desk(folder), name="ann"), base_url="http://127.0.0.1:8765")


def permutation(seed):
    return np.random.default_rng(seed).permutation(60)


def tells(findings, turn):
    """Whether the sample has other counts of each kind after the permutation, so that a count would tell."""
    return (findings.flagged[DRAWN].sum() != findings.flagged[turn][DRAWN].sum()) and all(
        np.bincount(column[DRAWN], minlength=3).tolist() != np.bincount(column[turn][DRAWN], minlength=3).tolist()
        for column in (findings.given, findings.other)
    )


def plain(answer):
    """The JSON of an answer; sums of the same numbers in another order are the same."""
    return json.loads(answer.text, parse_float=lambda number: round(float(number), 9))


@pytest.fixture
def two(sieve, tmp_path):
    """Two runs on the same pictures with the same sample, with labels, suggestions, flags and scores permuted.

    Every total is the same, but nothing about a single example.
    """
    findings = run.load(sieve)
    pairs = np.where(np.arange(60) < 12, np.arange(60) // 2, -1)  # six groups of duplicates
    findings = replace(findings, extra=findings.extra | {"duplicate_group": pairs, "duplicate_conflict": pairs >= 0})
    run.save(findings, sieve)
    turn = next(turn for turn in map(permutation, range(100)) if tells(findings, turn))
    other = replace(
        findings,
        given=findings.given[turn],
        other=findings.other[turn],
        p_wrong=findings.p_wrong[turn],
        rank=findings.rank[turn],
        flagged=findings.flagged[turn],
        scores={name: score[turn] for name, score in findings.scores.items()},
        flags={name: flag[turn] for name, flag in findings.flags.items()},
        suggestions={name: suggestion[turn] for name, suggestion in findings.suggestions.items()},
        extra={
            name: column if name.startswith("duplicate") else column[turn] for name, column in findings.extra.items()
        },
    )
    (tmp_path / "other" / "evidence").mkdir(parents=True)
    for path in (sieve / "evidence").iterdir():
        (tmp_path / "other" / "evidence" / path.name).write_bytes(path.read_bytes())
    run.save(other, tmp_path / "other")
    ids = tuple(str(findings.ids[i]) for i in DRAWN)
    for folder in (sieve, tmp_path / "other"):
        sample_files.save(folder, Sample("accept-june", 0, len(DRAWN), ids, (0,) * len(DRAWN), (0.1,) * len(DRAWN)))
    return sieve, tmp_path / "other"


SAMPLE = "sample=accept-june&fresh=a"
ASKED = [
    f"/api/view?{SAMPLE}",
    f"/api/view?{SAMPLE}&state=all",
    f"/api/view?{SAMPLE}&state=flagged",
    f"/api/view?{SAMPLE}&state=doubted",
    f"/api/view?{SAMPLE}&given=cat",
    f"/api/view?{SAMPLE}&other=dog&pmin=0.5",
    f"/api/view?{SAMPLE}&q=cat",
    f"/api/items?{SAMPLE}&n=60",
    f"/api/items?{SAMPLE}&n=60&by=p&state=all",
    f"/api/items?{SAMPLE}&n=60&by=consensus",
    f"/api/items?{SAMPLE}&n=60&duplicates=disagree",
    f"/api/histogram?{SAMPLE}",
    f"/api/where?{SAMPLE}&i=17&on=1&by=p",
    f"/api/groups?{SAMPLE}",
    f"/api/groups?{SAMPLE}&duplicates=disagree",
    f"/api/gallery?{SAMPLE}",
    f"/api/gallery?{SAMPLE}&label=cat",
    f"/api/similar/17?{SAMPLE}",
    "/api/classes?q=",
    *(f"/api/item/{i}?{SAMPLE}" for i in DRAWN),
    *(f"/api/item/{i}?blind=1" for i in DRAWN),
    "/api/histogram?blind=1",
    "/api/groups?blind=1",
    "/api/gallery?blind=1&label=cat",
]


def test_no_answer_depends_on_hidden_data(two):
    with opened(two[0]) as one, opened(two[1]) as other:
        for client in (one, other):
            client.get("/api/run")
        differ = {path: (plain(one.get(path)), plain(other.get(path))) for path in ASKED}
    assert {path: answers for path, answers in differ.items() if answers[0] != answers[1]} == {}


def send(client, way, **body):
    return plain(client.post(f"/api/{way}", json=body))


def test_answers_after_blind_decisions_do_not_depend_on_the_label(two):
    """The figures of the whole run aside: the page shows none but the count of reviewed ones to who judges blind."""
    output = []
    for folder in two:
        with opened(folder) as client:
            answers = []
            for n, i in enumerate(DRAWN[:4]):
                acts = [{"i": i, "act": "relabel", "label": "cat"}]
                answers.append(
                    send(client, "decisions", batch=f"batch--{n}", pick="accept-june", blind=True, acts=acts)
                )
            answers.append(send(client, "undo", batch="undo-one", blind=True))
            answers.append(send(client, "redo", batch="redo-one", blind=True))
            answers += [
                plain(client.get(f"/api/items?{SAMPLE}&n=60&state={state}")) for state in ("all", "open", "decided")
            ]
            answers += [plain(client.get(f"/api/item/{i}?{SAMPLE}")) for i in DRAWN]
            view = client.get(f"/api/view?{SAMPLE}&state=all").json()
            output.append(
                (
                    answers,
                    view["counts"],
                    view["doubted"],
                    view["cells"],
                    view["standing"],
                    view["suggested"],
                    view["stop"],
                )
            )
            for answer in answers:
                answer.pop("progress", None)
        journal = Journal(folder)
        rows = [row for row in journal.read()[0] if row.id]
        journal.close()
        assert {row.suggestion for row in rows} == {None} and all(row.blind for row in rows)
    assert output[0] == output[1]


def test_a_blind_tile_contains_only_the_example(two):
    with opened(two[0]) as client:
        findings = run.load(two[0])
        for item in (
            *client.get(f"/api/items?{SAMPLE}&n=60").json()["items"],
            client.get(f"/api/item/9?{SAMPLE}").json(),
        ):
            shown = {key for key, value in item.items() if value}
            assert shown <= {"i", "id", "state"} and item["id"] == f"#{item['i']}" and item["state"] == "open"
        view = client.get(f"/api/view?{SAMPLE}").json()
        assert (
            view["counts"]["flagged"] is view["doubted"] is view["suggested"] is view["stop"] is None
            and view["cells"] == []
        )
        open_ = client.get("/api/view?state=all").json()  # who does not judge blind sees them
        assert open_["counts"]["flagged"] == int(findings.flagged.sum()) and open_["doubted"] > 0 and open_["cells"]


def test_blind_mode_hides_decisions_of_others(two):
    with opened(two[0]) as client:
        for n, (i, act) in enumerate([(9, "keep"), (4, "exclude"), (30, "ambiguous"), (17, "later")]):
            body = {"batch": f"of-bob-{n}", "pick": "ranked", "acts": [{"i": i, "act": act, "note": "look at it"}]}
            assert client.post("/api/decisions", json=body, headers={"X-Reviewer": "bob"}).status_code == 200
        for query in (SAMPLE + "&state=all", "blind=1&state=all"):
            for item in client.get(f"/api/items?{query}&n=60").json()["items"]:
                assert (item["state"], item["mine"], item["decision"]) == ("open", None, None)
            for i in (9, 4, 30, 17):
                whole = client.get(f"/api/item/{i}?{query}").json()
                assert (whole["state"], whole["mine"], whole["note"], whole["history"]) == ("open", None, "", [])
        own = client.get("/api/item/9?blind=1", headers={"X-Reviewer": "bob"}).json()
        assert own["state"] == "decided" and own["mine"]["act"] == "relabel" and own["note"] == "look at it"


def test_nobody_decides_blind_on_a_whole_view(page, sieve):
    n = page.get("/api/view?given=cat&fresh=a&blind=1").json()["total"]
    body = {"batch": "whole-view", "view": "given=cat&fresh=a&blind=1", "expect": n, "act": "exclude"}
    answer = page.post("/api/decisions", json=body)
    assert answer.status_code == 400 and "In blind mode, decide on each example by itself." in answer.json()["error"]
    assert page.post("/api/decisions", json=body | {"view": "given=cat&fresh=a"}).json()["saved"] == n > 1
