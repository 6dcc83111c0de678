"""Every public name called with what it cannot use: one sentence each, never an error from deep inside."""

import atexit
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest

import labelsieve as ls

WRONG = {
    "None": None,
    "number": 3,
    "fraction": 0.5,
    "nan": float("nan"),
    "text": "no such thing",
    "bytes": b"x",
    "list": [],
    "texts": ["a", "b"],
    "dict": {},
    "set": {1},
    "object": object(),
    "vector": np.zeros(3),
    "matrix": np.zeros((3, 2)),
    "path": Path("nowhere"),
    "class": int,
    "generator": None,  # a fresh one each time
}
P = np.array([[0.9, 0.1]] * 5 + [[0.2, 0.8]] * 5)
LABELS = ["a"] * 5 + ["b"] * 5
X, Y = np.random.default_rng(0).normal(size=(20, 2)), [0, 1] * 10


def logistic():
    return pytest.importorskip("sklearn.linear_model").LogisticRegression()


def data():
    return ls.load_probabilities(P, LABELS)


def findings():
    return ls.find(data())


def pictures():
    return ls.load(np.zeros((20, 8, 8), np.uint8), labels=Y)


def sieve():
    ls.find(data(), out="r.sieve")
    return "r.sieve"


def answers():
    Path("a.csv").write_text("id,label\n0,b\n")
    return "a.csv"


def page(run=None, **settings):
    return ls.review(sieve() if settings else run, block=False, browser=False, **settings)


def run():
    """A run folder, made once: a wrong value leaves nothing in it."""
    folder = place() / "run.sieve"
    if not folder.exists():
        ls.find(data(), out=folder)
    return folder


def head():
    np.savez(place() / "head.npz", W=np.random.default_rng(1).normal(size=(3, 5)))
    return place() / "head.npz"


def seen():
    np.savez(place() / "seen.npz", features=np.random.default_rng(2).normal(size=(30, 5)), labels=[0, 1, 2] * 10)
    return place() / "seen.npz"


@cache
def place():
    folder = TemporaryDirectory()
    atexit.register(folder.cleanup)
    return Path(folder.name)


# What is called with each wrong value, and the wrong values that are right there.
CALLS = {
    "CleanedClassifier": [
        (lambda x: ls.CleanedClassifier(x).fit(X, Y), ()),
        (lambda x: ls.CleanedClassifier(logistic()).fit(x, x), ()),
        (lambda x: ls.CleanedClassifier(logistic(), doubted=x, judge="panel").fit(X, Y), ()),
        (lambda x: ls.CleanedClassifier(logistic(), threshold=x, judge="panel").fit(X, Y), ("fraction",)),
    ],
    "Detected": [],  # what is made by labelsieve, and holds what it is given
    "Evidence": [],
    "encode_shards": [
        (lambda x: ls.encode_shards(x, "s.sieve"), ()),
        (lambda x: ls.encode_shards(pictures(), x), ("text", "path")),
        (lambda x: ls.encode_shards(pictures(), "s.sieve", shard=x), ("None",)),
        (lambda x: ls.encode_shards(pictures(), "s.sieve", encoder=x), ("None",)),
        (lambda x: ls.encode_shards(pictures(), "s.sieve", workers=x), ("None", "number")),
        (lambda x: ls.encode_shards(pictures(), "s.sieve", ray=x), ("None",)),
    ],
    "detect": [
        (lambda x: ls.detect(x), ()),
        (lambda x: ls.detect(ls.gather(data()), detectors=x), ("None", "list")),
    ],
    "gather": [(lambda x: ls.gather(x), ()), (lambda x: ls.gather(data(), seed=x), ("number",))],
    "Dataset": [(lambda x: ls.find(ls.Dataset(x, x, x, x, x)), ())],
    "Estimate": [],  # these four hold what they are given
    "Exclusion": [],
    "Findings": [],
    "Run": [],
    "LabelErrorDetector": [
        (lambda x: ls.LabelErrorDetector().fit(x, x), ()),
        (lambda x: ls.LabelErrorDetector(x).fit(X, Y), ("None", "list")),
    ],
    "Model": [(lambda x: ls.Model.load(x), ())],
    "Record": [(lambda x: ls.Record.load(x), ())],
    "Recorder": [(lambda x: ls.Recorder(x), ("number",)), (lambda x: ls.Recorder(3).update(x, x, x), ())],
    "RobustClassifier": [
        (lambda x: ls.RobustClassifier().fit(x, x), ()),
        (lambda x: ls.RobustClassifier(x).fit(X, Y), ()),
        (lambda x: ls.RobustClassifier("standard", network=x, epochs=1).fit(X, Y), ("None",)),
    ],
    "apply": [
        (lambda x: ls.apply(x, dry_run=True), ()),
        (lambda x: ls.apply(sieve(), out=x), ("text", "path")),
        (lambda x: ls.apply(sieve(), dry_run=True, auto=x), ("None", "fraction")),
        (lambda x: ls.apply(sieve(), dry_run=True, patch=x), ("None",)),
    ],
    "accept": [
        (lambda x: ls.accept(x, max_error=0.1), ()),
        (lambda x: ls.accept(run(), max_error=x), ("fraction",)),
        (lambda x: ls.accept(run(), max_error=0.1, confidence=x), ("None", "fraction")),
        (lambda x: ls.accept(run(), max_error=0.1, plan=x), ("None",)),
        (lambda x: ls.accept(run(), max_error=0.1, size=x), ("None", "number")),
        (lambda x: ls.accept(run(), max_error=0.1, name=x), ()),
        (lambda x: ls.accept(run(), max_error=0.1, seed=x), ("number",)),
        (lambda x: ls.accept(run(), max_error=0.1, by=x), ("text",)),
    ],
    "check": [
        (lambda x: ls.check(x, contract="rules.toml"), ()),
        (lambda x: ls.check(run(), contract=x), ()),
    ],
    "compare": [
        (lambda x: ls.compare(x), ()),
        (lambda x: ls.compare(ls.load(X, labels=Y), test=x), ("None",)),
        (lambda x: ls.compare(ls.load(X, labels=Y), methods=x), ("None",)),
        (lambda x: ls.compare(ls.load(X, labels=Y), seeds=x), ("number",)),
    ],
    "diff": [(lambda x: ls.diff(x, run()), ()), (lambda x: ls.diff(run(), x), ())],
    "evaluate": [(lambda x: ls.evaluate(x, LABELS), ()), (lambda x: ls.evaluate(findings(), x), ())],
    "export": [
        (lambda x: ls.export(x, to="csv", out="x.csv"), ()),
        (lambda x: ls.export(sieve(), to=x, out="x.csv"), ()),
        (lambda x: ls.export(sieve(), to="csv", out=x), ("text", "path")),
    ],
    "find": [
        (lambda x: ls.find(x), ()),
        (lambda x: ls.find(data(), detectors=x), ("None", "list")),
        (lambda x: ls.find(data(), seed=x), ("number",)),
        (lambda x: ls.find(data(), record=x), ("None",)),
        (lambda x: ls.find(probs=P, labels=x), ("texts",)),
        (lambda x: ls.find(data(), progress=x), ("None", "class")),
        (lambda x: ls.find(data(), out=x), ("None", "text", "path")),
        (lambda x: ls.find(pictures(), encoder=x), ("None",)),
        (lambda x: ls.find(pictures(), side=x), ("None", "number")),
        (lambda x: ls.find(pictures(), from_network=x), ("None",)),
    ],
    "flags": [
        (lambda x: ls.flags(x, x), ()),
        (lambda x: ls.flags(np.eye(3), x), ()),
        (lambda x: ls.flags(np.eye(3), [0, 1, 2], rule=x), ()),
    ],
    "add_decisions": [
        (lambda x: ls.add_decisions(x, {}, reviewer="ana"), ()),
        (lambda x: ls.add_decisions(sieve(), x, reviewer="ana"), ("dict",)),
        (lambda x: ls.add_decisions(sieve(), {}, reviewer=x), ("text",)),
        (lambda x: ls.add_decisions(sieve(), {}, reviewer="ana", sample=x), ("None",)),
    ],
    "import_decisions": [
        (lambda x: ls.import_decisions(x, "a.csv", from_="csv"), ()),
        (lambda x: ls.import_decisions(sieve(), x, from_="csv"), ()),
        (lambda x: ls.import_decisions(sieve(), "a.csv", from_=x), ()),
        (lambda x: ls.import_decisions(sieve(), answers(), from_="csv", reviewer=x), ("text",)),
    ],
    "load": [(lambda x: ls.load(x), ())],
    "load_probabilities": [
        (lambda x: ls.load_probabilities(x, x), ()),
        (lambda x: ls.load_probabilities(np.eye(2), x), ("texts",)),
    ],
    "noise": [
        (lambda x: ls.noise(x, rate=0.1), ()),
        (lambda x: ls.noise(ls.load(X, labels=Y), rate=x), ("fraction",)),
        (lambda x: ls.noise(ls.load(X, labels=Y), rate=0.1, kind=x), ()),
        (lambda x: ls.noise(ls.load(X, labels=Y), kind="asymmetric", transition=x), ()),
        (lambda x: ls.noise(ls.load(X, labels=Y), rate=0.1, seed=x), ("number",)),
        (lambda x: ls.noise(ls.load(X, labels=Y), rate=0.1, out=x), ("None", "text", "path")),
    ],
    "open_run": [(lambda x: ls.open_run(x), ())],
    "read_truth": [
        (lambda x: ls.read_truth(x, ["0"], ["a"]), ()),
        (lambda x: ls.read_truth("t.csv", x, ["a"]), ()),
        (lambda x: ls.read_truth("t.csv", ["0"], x), ()),
    ],
    "report": [
        (lambda x: ls.report(x), ()),
        (lambda x: ls.report(sieve(), out=x), ("None", "text", "path")),
        (lambda x: ls.report(sieve(), figures=x), ("None", "text", "path")),
    ],
    "review": [
        (lambda x: page(x), ()),
        (lambda x: page(host=x), ()),
        (lambda x: page(port=x), ("None", "number")),
        (lambda x: page(reviewer=x), ("text",)),
        (lambda x: page(sample=x), ("None", "text")),
        (lambda x: page(known=x), ("None",)),
        (lambda x: page(classes=x), ("None",)),
        (lambda x: page(journal=x), ("None",)),
    ],
    "repair": [
        (lambda x: ls.repair(x, out="new.npz"), ()),
        (lambda x: ls.repair(head(), out=x, features=seen()), ("text", "path")),
        (lambda x: ls.repair(head(), out="new.npz", features=x), ()),
        (lambda x: ls.repair(head(), out="new.npz", features=seen(), keep=x), ("fraction",)),
        (lambda x: ls.repair(head(), out="new.npz", features=seen(), held_out=x), ("None",)),
        (lambda x: ls.repair(head(), out="new.npz", features=seen(), scale=x), ()),
        (lambda x: ls.repair(head(), out="new.npz", features=seen(), head=x), ("None", "list")),
    ],
    "spectrum": [
        (lambda x: ls.spectrum(x, head()), ()),
        (lambda x: ls.spectrum(head(), x), ()),
        (lambda x: ls.spectrum(head(), head(), out=x), ("None",)),
        (lambda x: ls.spectrum(head(), head(), k=x), ("None", "number")),
        (lambda x: ls.spectrum(head(), head(), head=x), ("None",)),
    ],
    "train": [
        (lambda x: ls.train(ls.load(X, labels=Y), run=x), ("None",)),
        (lambda x: ls.train(ls.load(X, labels=Y), epochs=1, settings=x), ("None", "dict")),
        (lambda x: ls.train(x), ()),
        (lambda x: ls.train(ls.load(X, labels=Y), method=x), ()),
        (lambda x: ls.train(ls.load(X, labels=Y), method="standard", epochs=1, seed=x), ("number",)),
        (lambda x: ls.train(ls.load(X, labels=Y), method="standard", epochs=1, out=x), ("None", "text", "path")),
    ],
}


def test_every_public_name_is_here():
    assert set(CALLS) == set(ls.__all__) - {"UserError", "__version__"}


@pytest.mark.parametrize("value", WRONG)
@pytest.mark.parametrize(("name", "number"), [(name, i) for name, calls in CALLS.items() for i in range(len(calls))])
def test_a_wrong_value_is_refused_with_a_message(tmp_path, monkeypatch, name, number, value):
    monkeypatch.chdir(tmp_path)
    call, right = CALLS[name][number]
    if value in right:
        return
    # scikit-learn's own checks raise ValueError and TypeError, as its estimators are bound to.
    own = (
        (ValueError, TypeError)
        if name in ("CleanedClassifier", "LabelErrorDetector", "RobustClassifier")
        else ls.UserError
    )
    with pytest.raises(own) as caught:
        call((i for i in range(3)) if value == "generator" else WRONG[value])
    assert "has no attribute" not in str(caught.value) and "ambiguous" not in str(caught.value)
    assert len(str(caught.value)) > 20
