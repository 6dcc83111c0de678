"""Several labels per example: read, judged class by class, corrected in the layout they came in."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import labelsieve as ls
from labelsieve.cli import main
from labelsieve.core.decision import Decision
from labelsieve.core.errors import UserError
from labelsieve.corrections.several_cells import corrected
from labelsieve.decide.summary import summarise
from labelsieve.evidence import linear_discriminant, panel, several_discriminant, several_panel
from labelsieve.evidence.folds import assign
from labelsieve.page.decisions import decide as decide_on_page
from labelsieve.page.desk import Desk
from labelsieve.page.map import Map
from labelsieve.page.view import Views
from labelsieve.store.journal import Journal

NAMES = ("cat", "dog", "bird")


def drawn(n: int = 300, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features (n, 12) float32 of which each class shifts four, its true labels, and given ones with errors."""
    rng = np.random.default_rng(seed)
    truth = rng.random((n, 3)) < (0.5, 0.3, 0.15)
    x = rng.normal(0, 1, (n, 12)) + np.repeat(3 * truth, 4, axis=1)
    missing, extra = truth & (rng.random(truth.shape) < 0.1), ~truth & (rng.random(truth.shape) < 0.02)
    return x.astype(np.float32), truth, truth ^ missing ^ extra


def lists(given: np.ndarray) -> list[list[str]]:
    return [[name for name, has in zip(NAMES, row, strict=True) if has] for row in given.tolist()]


def test_planted_errors_come_first_on_both_sides_of_each_class():
    x, truth, given = drawn(600)
    found = ls.find(x, labels=lists(given))
    wrong = (np.array(lists(given), object), np.array(lists(truth), object))
    truly = {f"{i}#{name}" for i, (a, b) in enumerate(zip(*wrong, strict=True)) for name in set(a) ^ set(b)}
    first = [finding.id for finding in found.top(len(truly))]
    assert len(truly & set(first)) > 0.8 * len(truly)
    assert "1,800 questions about 600 examples and 3 classes" in repr(found)
    assert {found.classes[c] for c in found.given} == {*NAMES, *(f"not {name}" for name in NAMES)}
    assert abs(found.wrong.count - len(truly)) < 0.5 * len(truly)
    assert found.wrong.low <= len(truly) <= found.wrong.high


def test_one_class_is_trained_as_a_softmax_of_two():
    x, _, given = drawn(200)
    y, fold = given[:, :1], assign(given[:, 0].astype(np.int64), 5)
    x = x.astype(np.float16)
    tracks = [
        panel.Track("probs_gce", panel.loss_weights.gce, delay=1),
        panel.Track("record", held_out=False, record=True),
    ]
    one = several_panel.train(x, y, tracks, fold, epochs=3, batch=32)
    two = panel.train(x, y[:, 0].astype(np.int64), 2, tracks, fold, epochs=3, batch=32)
    assert one.probs["probs_gce"][:, 0] == pytest.approx(two.probs["probs_gce"][:, 1], abs=1e-4)
    for column in ("loss", "margin", "p_y", "argmax"):
        own, other = (np.asarray(getattr(made.records["record"], column)) for made in (one, two))
        assert own == pytest.approx(other, abs=1e-3)


def test_one_covariance_serves_every_class_as_its_own_would():
    x, _, given = drawn(500)
    fold = assign(given[:, 0].astype(np.int64), 5)
    b, a = several_discriminant.fit(several_discriminant.collect(x, given, fold, 5), 0, 0.2)
    for c in range(3):
        statistics = linear_discriminant.collect(x, given[:, c].astype(np.int64), 2, fold)
        z = linear_discriminant.fit(statistics.without(0), 0.2).logits(x)
        slope, offset = np.polyfit(z[:, 1] - z[:, 0], x @ b[:, c] + a[c], 1)
        assert slope == pytest.approx(1, abs=0.1) and offset == pytest.approx(0, abs=0.3)
        assert np.corrcoef(z[:, 1] - z[:, 0], x @ b[:, c] + a[c])[0, 1] > 0.999


@pytest.mark.parametrize(
    "rule", ["prune_by_noise_rate", "prune_by_class", "both", "confident_learning", "predicted_neq_given"]
)
def test_flags_are_those_of_cleanlab(rule: str):
    cleanlab = pytest.importorskip("cleanlab.multilabel_classification.filter")
    rng = np.random.default_rng(3)
    _, truth, given = drawn(400)
    given[:, 2] = rng.random(400) < 0.01  # a rare class
    p = np.clip(truth * 0.6 + 0.2 + rng.normal(0, 0.25, truth.shape), 0, 1)
    sets = [np.flatnonzero(row).tolist() for row in given]
    theirs = cleanlab.find_multilabel_issues_per_class(sets, p, filter_by=rule, n_jobs=1)  # no fork: it can hang
    any_class = cleanlab.find_label_issues(sets, p, filter_by=rule, n_jobs=1)
    found = ls.find(probs=p, labels=given, detectors={"confident_learning": {"rule": rule}})
    ours = found.flags["confident_learning"].reshape(given.shape)
    assert np.array_equal(ours, theirs) and np.array_equal(ours.any(1), any_class) and ours.any()


def decide(run: str | Path, id: str, label: str) -> None:
    journal = Journal(run)
    journal.append([Decision(id, "relabel", label, "ann", "2026-01-02T03:04:05+00:00", f"ann-{id}")])
    journal.close()


def write_table(path: Path, x: np.ndarray, given: np.ndarray, form: str) -> None:
    header = [f"f{i}" for i in range(x.shape[1])]
    rows = x.round(3).tolist()
    if form == "columns":
        header += [f"is_{name}" for name in NAMES]
        rows = [[*row, *map(int, own)] for row, own in zip(rows, given, strict=True)]
    else:
        header.append("tags")
        rows = [[*row, form_of(own, form)] for row, own in zip(rows, lists(given), strict=True)]
    with open(path, "w", newline="") as file:
        csv.writer(file).writerows([header, *rows])


def form_of(names: list[str], form: str) -> str:
    if form == "choices":
        return json.dumps({"choices": names})
    return form.join(names) if form in ("|", "#") and names else json.dumps(names)


@pytest.mark.parametrize("form", ["columns", "json", "choices", "|", "#"])
def test_apply_changes_the_cells_of_the_decided_questions_alone(tmp_path, monkeypatch, form: str):
    x, truth, given = drawn(120)
    monkeypatch.chdir(tmp_path)
    write_table(Path("data.csv"), x, given, form)
    label = ["--label", "is_*"] if form == "columns" else []
    main(["find", "data.csv", "--several", *label])
    what = "is_" if form == "columns" else ""
    i = int(np.flatnonzero(given[:, 0] & given[:, 1])[0])
    j = int(np.flatnonzero(~given[:, 2])[0])
    decide("data.sieve", f"{i}#{what}dog", f"not {what}dog")
    decide("data.sieve", f"{j}#{what}bird", f"{what}bird")
    main(["apply", "data.sieve", "-o", "fixed"])
    now = ls.load("fixed/data.csv", several=True, label="is_*" if form == "columns" else None)
    assert now.questions is not None
    want = given.copy()
    want[i, 1], want[j, 2] = False, True
    order = [now.questions.names.index(what + name) for name in NAMES]
    assert np.array_equal(now.questions.given[:, order], want)
    before, after = (list(csv.reader(open(p))) for p in ("data.csv", "fixed/data.csv"))  # noqa: SIM115
    assert {k for k, (a, b) in enumerate(zip(before, after, strict=True)) if a != b} == {i + 1, j + 1}


def test_cells_keep_their_form():
    answers = {0: {"dog": True}, 1: {"cat": False}, 2: None}
    assert corrected({"a": ["cat", "cat#dog", "dog"]}, answers)["a"] == ["cat#dog", "dog", "dog"]
    assert (
        corrected({"a": ["cat", '{"choices": ["cat", "dog"]}', ""]}, answers)["a"][0] == '{"choices": ["cat", "dog"]}'
    )
    assert corrected({"a": [["cat"], ["cat"], None]}, answers)["a"] == [["cat", "dog"], [], None]
    assert corrected({"cat": ["True", "True", "False"], "dog": ["False"] * 3}, answers) == {
        "cat": ["True", "False", "False"],
        "dog": ["True", "False", "False"],
    }


def test_labels_in_memory_are_kept_and_corrected(tmp_path):
    x, truth, given = drawn(150)
    p = np.clip(truth * 0.8 + 0.1, 0, 1)
    for k, data in enumerate(({"data": x, "labels": given.astype(int)}, {"probs": p, "labels": given})):
        found = ls.find(out=tmp_path / f"{k}.sieve", **data)
        run = tmp_path / f"{k}.sieve"
        ls.report(run, out=tmp_path / f"{k}.html")
        assert "450 questions about 150 " in (tmp_path / f"{k}.html").read_text()
        top = found.top(1)[0]
        decide(run, top.id, top.other_label)
        done = ls.apply(run, out=tmp_path / f"fixed{k}")
        assert done.relabelled == 1 and not done.conflicts and "labels.parquet" in done.files


def test_mistakes_are_told(tmp_path):
    x, truth, given = drawn(60)
    table = tmp_path / "t.csv"
    write_table(table, x, given, "columns")
    table.write_text(table.read_text().replace(",0,0,0\n", ",0,0,0.7\n", 1))
    with pytest.raises(UserError, match="is_bird.*'0.7'.*0 and 1"):
        ls.load(str(table), several=True, label="is_*")
    with pytest.raises(UserError, match="4 columns.*3 classes"):
        ls.load(x, labels=given.astype(int), probs=np.full((60, 4), 0.5))
    with pytest.raises(UserError, match="logits or percentages"):
        ls.load(x, labels=given.astype(int), probs=np.full((60, 3), 4.5))
    with pytest.raises(UserError, match="order of the classes"):  # names sort as bird, cat, dog
        ls.load(x, labels=lists(given), probs=np.clip(truth * 0.8 + 0.1, 0, 1))
    with pytest.raises(UserError, match="several"):
        ls.find(x, labels=lists(given), from_network="small-cnn")
    with pytest.raises(UserError, match="several"):
        ls.train(ls.load(x, labels=lists(given)))


def test_p_wrong_of_each_side_adds_up(tmp_path):
    x, _, given = drawn(300)
    found = ls.find(x, labels=lists(given))
    assert math.isclose(float(found.p_wrong.sum()), found.wrong.count, rel_tol=1e-6)


def test_an_answer_to_another_question_is_refused(tmp_path):
    x, _, given = drawn(60)
    found = ls.find(x, labels=lists(given), out=tmp_path / "run.sieve")
    desk = Desk(tmp_path / "run.sieve")
    i = found.ids.tolist().index("5#dog")
    act = {"i": i, "act": "relabel", "label": "cat"}
    with pytest.raises(UserError, match="'5#dog' asks about 'dog'; answer 'dog' or 'not dog'"):
        decide_on_page(desk, Views(desk, Map(desk)), {"batch": "some-batch", "acts": [act]}, "ann")
    j = int(desk.neighbours.index[i, 0])  # the same question about another example
    assert found.ids[j].endswith("#dog") and found.ids[j] != "5#dog"
    decide(tmp_path / "run.sieve", "5#dog", "cat")  # by hand: told, and not applied
    done = ls.apply(tmp_path / "run.sieve", out=tmp_path / "fixed")
    assert not done.relabelled and "asks about 'dog'" in done.conflicts[0].reason


def test_label_studio_gets_one_task_per_example_with_all_its_classes(tmp_path):
    texts = [f"{'cat ' * (i % 2)}{'dog ' * (i % 3 > 0)}on the road {i}" for i in range(40)]
    given = np.array([[i % 2 > 0, i % 3 > 0] for i in range(40)])
    probs = np.where(given, 0.9, 0.1)
    given[4] = (True, False)  # truly a dog alone
    ls.find(texts, labels=[[n for n, h in zip(("cat", "dog"), row, strict=True) if h] for row in given], probs=probs,
            out=tmp_path / "run.sieve")  # fmt: skip
    decide(tmp_path / "run.sieve", "4#dog", "dog")
    done = ls.export(tmp_path / "run.sieve", to="label-studio", out=tmp_path / "tasks.json")
    tasks = json.loads((tmp_path / "tasks.json").read_text())
    assert len(tasks) == 40 and 'choice="multiple"' in done.files[-1].read_text()
    by_id = {task["data"]["labelsieve_id"]: task for task in tasks}
    assert by_id["4"]["predictions"][0]["result"][0]["value"] == {"choices": ["dog"]}
    assert by_id["4"]["annotations"][0]["result"][0]["value"] == {"choices": ["cat", "dog"]}
    assert [key for key, task in by_id.items() if "annotations" in task] == ["4"]
    with pytest.raises(UserError, match="csv and label-studio, not to coco"):
        ls.export(tmp_path / "run.sieve", to="coco", out=tmp_path / "coco")


def test_a_table_beside_pictures_is_matched_by_their_names_and_corrected_in_place(tmp_path):
    (tmp_path / "photos").mkdir()
    rng = np.random.default_rng(0)
    names = [f"{i:02}.png" for i in range(30)]
    for name in names:
        Image.fromarray(rng.integers(0, 255, (24, 24, 3), np.uint8)).save(tmp_path / "photos" / name)
    given = rng.random((30, 3)) < 0.5
    given[0] = (True, False, True)
    order = rng.permutation(30)
    with open(tmp_path / "tags.csv", "w", newline="") as file:
        csv.writer(file).writerows([["file", *NAMES], *([names[i], *map(int, given[i])] for i in order)])
    probs = np.where(given, 0.9, 0.1)
    found = ls.find(
        tmp_path / "photos", labels=str(tmp_path / "tags.csv"), several=True, probs=probs, out=tmp_path / "r"
    )
    assert found.ids[1] == "00.png#dog" and (found.given.reshape(30, 3) % 2 == given).all()
    decide(tmp_path / "r", "00.png#dog", "dog")
    ls.apply(tmp_path / "r", out=tmp_path / "fixed")
    rows = {row["file"]: row for row in csv.DictReader((tmp_path / "fixed" / "tags.csv").read_text().splitlines())}
    assert list(rows) == [names[i] for i in order]
    assert [rows["00.png"][name] for name in NAMES] == ["1", "1", "1"]
    assert [[int(rows[name][c]) for c in NAMES] for name in names[1:]] == given[1:].astype(int).tolist()


def test_copies_are_counted_by_example_not_by_question(tmp_path):
    texts = [f"the text number {i} about animals" for i in range(40)]
    texts[30:33] = texts[:3]  # of train, again in test
    given = np.array([[i % 2 > 0, i % 3 > 0, i % 5 > 0] for i in range(40)])
    given[30:33] = given[:3]
    given[31, 0] ^= True
    splits = ["train"] * 30 + ["test"] * 10
    cells = (json.dumps(names) for names in lists(given))
    with open(tmp_path / "t.csv", "w", newline="") as file:
        csv.writer(file).writerows([("text", "split", "tags"), *zip(texts, splits, cells, strict=True)])
    run = tmp_path / "t.sieve"
    probs = np.where(given, 0.9, 0.1)[:, [2, 0, 1]]  # names sort as bird, cat, dog
    found = ls.find(tmp_path / "t.csv", several=True, probs=probs, out=run)
    (leak,) = found.leaks.pairs
    assert (leak.examples, leak.exact, leak.disagree) == (3, 3, 1)
    table = {row["id"]: row for row in csv.DictReader((run / "leaks.csv").read_text().splitlines())}
    assert sorted(map(int, table)) == [0, 1, 2, 30, 31, 32]
    assert [key for key, row in table.items() if row["labels_agree"] == "false"] == ["1", "31"]
    assert (table["0"]["given_label"], table["1"]["given_label"]) == ("", "bird, cat, dog")
    duplicates = summarise(found).duplicates
    assert duplicates is not None and (duplicates.groups, duplicates.conflicting) == (3, 1)
    (tmp_path / "c.toml").write_text("max_leaks = 2\n")
    (rule,) = ls.check(run, contract=tmp_path / "c.toml").rules
    assert (rule.value, rule.holds) == (3, False)


def test_evaluate_says_questions(tmp_path, capsys):
    x, truth, given = drawn(120)
    write_table(tmp_path / "d.csv", x, given, "columns")
    write_table(tmp_path / "t.csv", x, truth, "columns")
    ls.find(tmp_path / "d.csv", several=True, label="is_*", out=tmp_path / "d.sieve")
    main(["evaluate", str(tmp_path / "d.sieve"), "--truth", str(tmp_path / "t.csv")])
    assert "360 questions" in capsys.readouterr().out
