"""`labelsieve accept` through its command function: the plan, the sample, the verdict, the signed report."""

import json

import numpy as np
import pytest

import labelsieve
from labelsieve.cli.accept import accept
from labelsieve.core.decision import Decision
from labelsieve.core.errors import UserError
from labelsieve.core.findings import Estimate, Findings
from labelsieve.store import sample_files
from labelsieve.store.journal import Journal
from labelsieve.store.run import save

N = 2000


@pytest.fixture
def run(tmp_path):
    p = np.where(np.arange(N) < 20, 0.8, 0.002)
    given = np.arange(N) % 2
    result = Findings(
        ids=np.array([f"img|{i}" for i in range(N)], object),
        classes=("cat", "d|og"),
        given=given,
        other=1 - given,
        p_wrong=p,
        rank=np.arange(1, N + 1),
        flagged=p > 0.5,
        scores={},
        extra={},
        wrong=Estimate(20, 10, 40),
        settings={"source": "batch"},
    )
    save(result, tmp_path / "batch.sieve")
    return tmp_path / "batch.sieve"


def review(run, name="accept-batch", wrong=(), blind=True, part=None):
    ids = sample_files.load(run, name).ids[:part]
    journal = Journal(run)
    act = {id: "exclude" if id in wrong else "keep" for id in ids}
    pick = f"accept:{name}" if blind else "ranked"
    journal.append(
        [
            Decision(id, act[id], reviewer="ada", at="2026-01-01", batch=f"b{i}", pick=pick, blind=blind)
            for i, id in enumerate(ids)
        ]
    )
    journal.close()


def test_plan_then_accept_then_a_signed_report(run, capsys):
    assert accept(run, max_error="3%", confidence="95%") == 1
    assert "--sample accept-batch" in capsys.readouterr().out
    sample = sample_files.load(run, "accept-batch")
    chance = dict(zip(sample.stratum, sample.chance, strict=True))
    for h, p in chance.items():
        assert p == pytest.approx(sample.stratum.count(h) / (20 if h == max(chance) else N - 20))
    review(run)
    assert accept(run, by="Ada | Lovelace") == 0
    assert "ACCEPT" in capsys.readouterr().out
    record = json.loads((run / "accept-batch.json").read_text())
    assert (record["verdict"], record["signed_by"]) == ("accept", "Ada | Lovelace")
    assert record["result"]["wrong"]["high"] <= 60
    text = (run / "accept-batch.md").read_text()
    assert (
        record["data_sha256"] in text
        and record["decisions_sha256"] in text
        and "d\\|og" in text
        and "Ada \\| Lovelace" in text
    )


def test_a_bad_batch_is_rejected(run, capsys):
    accept(run, max_error="0.03")
    review(run, wrong=set(sample_files.load(run, "accept-batch").ids[::2]))
    capsys.readouterr()
    assert accept(run, json=True) == 1
    printed = json.loads(capsys.readouterr().out)
    assert printed["verdict"] == "reject" and printed["result"]["wrong"]["low"] > 60


def test_answers_that_saw_the_label_do_not_count(run, capsys):
    accept(run, max_error="3%")
    review(run, blind=False)
    capsys.readouterr()
    assert accept(run) == 1
    assert "Review them blind" in " ".join(capsys.readouterr().out.split())


def test_few_answers_continue_and_a_larger_sample_keeps_its_rows(run, capsys):
    accept(run, max_error="3%", size=100)
    before = sample_files.load(run, "accept-batch").ids
    review(run, part=20)
    assert accept(run, size=150) == 1
    assert "GO ON" in capsys.readouterr().out
    after = sample_files.load(run, "accept-batch").ids
    assert after[:100] == before and len(set(after)) == 150


@pytest.mark.parametrize("kind", ["single", "double"])
def test_single_and_double_plans(run, kind):
    accept(run, max_error="3%", plan=kind, aql="0.5%", name=kind)
    counts = sample_files.load(run, f"accept-{kind}").plan["counts"]
    review(run, f"accept-{kind}", part=counts["first"])
    assert accept(run, name=kind) == 0


def test_mistakes_are_reported(run):
    with pytest.raises(UserError, match="max_error='3%'"):
        accept(run)
    with pytest.raises(UserError, match="three"):
        accept(run, max_error="three")
    with pytest.raises(UserError, match="belong to the sequential plan"):
        accept(run, max_error="3%", plan="single", reviewer_error="1%")
    accept(run, max_error="3%")
    with pytest.raises(UserError, match="a plan cannot change"):
        accept(run, max_error="5%")


def test_results_per_annotator_if_the_data_name_them(tmp_path, capsys):
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 300)
    who = np.array([f"annotator {i % 3}" for i in range(300)])
    np.savez(tmp_path / "batch.npz", features=rng.normal(size=(300, 4)).astype(np.float32), labels=labels, groups=who)
    data = labelsieve.load(tmp_path / "batch.npz")
    p = np.where(who == "annotator 1", 0.3, 0.01)
    settings = {"source": data.source, "kind": data.kind, "recipe": data.recipe, "folder": str(tmp_path)}
    folder = tmp_path / "batch.sieve"
    folder.mkdir()
    wrong = Estimate(float(p.sum()), 0.0, 300.0)
    result = Findings(
        data.ids,
        data.classes,
        data.labels,
        (data.labels + 1) % 3,
        p,
        np.arange(1, 301),
        p > 0.5,
        {"consensus": p},
        {},
        wrong,
        settings=settings,
    )
    save(result, folder)
    assert accept(folder, max_error="20%", size=300) == 1
    bad = [key for key, name in zip(data.ids, who, strict=True) if name == "annotator 1"][::3]
    review(folder, wrong=bad)
    assert accept(folder, json=True) == 0
    groups = {part["name"]: part for part in json.loads(capsys.readouterr().out.splitlines()[-1])["result"]["groups"]}
    assert {name: (part["rows"], part["wrong"]["low"]) for name, part in groups.items()} == {
        "annotator 0": (100, 0), "annotator 1": (100, 34), "annotator 2": (100, 0),
    }  # fmt: skip
    assert groups["annotator 1"]["wrong"]["high"] == 34
