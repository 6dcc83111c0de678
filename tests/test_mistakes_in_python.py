"""A mistake in a call of Python ends in one sentence that names the argument, in every verb; what is shown of a run is
consistent."""

import json
import urllib.request
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

import labelsieve as ls
from labelsieve.page.server import STATIC

N, NAMES = 60, np.array(["ant", "bee", "cow"])


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Features with string labels in an .npz, a run on them, and a trained model."""
    folder = tmp_path_factory.mktemp("made")
    rng = np.random.default_rng(0)
    labels = np.repeat(NAMES, N // 3)
    features = (np.repeat(np.arange(3) * 3, N // 3)[:, None] + rng.normal(size=(N, 4))).astype(np.float32)
    labels[::10] = np.roll(NAMES, -1)[np.searchsorted(NAMES, labels[::10])]
    np.savez(folder / "data.npz", features=features, labels=labels)
    ls.find(folder / "data.npz", out=folder / "run")
    ls.train(folder / "data.npz", epochs=1, out=folder / "model")
    return folder


@pytest.fixture
def here(made, monkeypatch):
    monkeypatch.chdir(made)
    return made


def refused(call, *words):
    with pytest.raises(ls.UserError) as caught:
        call()
    sentence = str(caught.value)
    assert all(word in sentence for word in words) and "--" not in sentence and "\n" not in sentence, sentence


@pytest.mark.parametrize("bad", ["a\0b", "x" * 300, "folder/" + "é" * 200])
@pytest.mark.parametrize(
    "call",
    [
        ls.open_run,
        ls.report,
        lambda path: ls.apply(path, dry_run=True),
        lambda path: ls.find("data.npz", out=path),
        lambda path: ls.export("run", to="csv", out=path),
        lambda path: ls.train("data.npz", epochs=1, out=path),
        lambda path: ls.repair("model", out=path),
        lambda path: ls.noise("data.npz", rate=0.1, out=path),
    ],
)
def test_what_is_no_path_is_refused(here, call, bad):
    refused(lambda: call(bad), "no path")


@pytest.mark.parametrize(
    "call",
    [
        lambda out: ls.apply("run", out=out, auto=0.9),
        lambda out: ls.export("run", to="csv", out=out),
        lambda out: ls.export("run", to="hf", out=out),
        lambda out: ls.repair("model", out=out),
        lambda out: ls.spectrum("model", "model", out=f"{out}.html"),
        lambda out: ls.report("run", out=out),
        lambda out: ls.noise("data.npz", rate=0.1, out=out),
    ],
)
def test_a_place_that_cannot_be_written_is_named(here, call):
    Path("file").touch()
    refused(lambda: call("/proc/none" if Path("/proc/self").exists() else "file/none"), "none", "cannot be")


def test_frames_without_columns_are_refused_in_a_sentence(here):
    empty, probs = pd.DataFrame(), np.full((N, 3), 1 / 3)
    refused(lambda: ls.load_probabilities(empty, NAMES.repeat(N // 3)), "no columns")
    refused(lambda: ls.find("data.npz", probs=empty), "no columns")
    refused(lambda: ls.load_probabilities(probs, empty), "without columns")
    refused(lambda: ls.flags(probs, empty), "without columns")
    refused(lambda: ls.evaluate("run", empty), "without columns")
    refused(lambda: ls.load(empty), "There are: none.")


@pytest.mark.parametrize("call", [ls.find, ls.gather])
def test_an_unknown_keyword_names_the_function_and_what_was_meant(here, call):
    name = call.__name__
    with pytest.raises(
        TypeError, match=rf"^{name}\(\) got an unexpected keyword argument 'lable'. Did you mean 'label'"
    ):
        call("data.npz", lable="x")
    with pytest.raises(TypeError, match=rf"^{name}\(\) .* 'detector'. Did you mean 'detectors'"):
        call("data.npz", detector=["aum"])


def test_nothing_to_find_with_is_refused_alike(here):
    for nothing in ([], {}):
        refused(lambda nothing=nothing: ls.find("data.npz", detectors=nothing), "detectors is an empty")
        refused(lambda nothing=nothing: ls.detect(ls.gather("data.npz"), detectors=nothing), "detectors is an empty")
    refused(lambda: ls.detect(ls.gather("data.npz"), detectors=["auum"]), "no detector 'auum'", "'aum'")
    refused(lambda: ls.find("data.npz", progress=True), "progress is True", "False")


@pytest.mark.parametrize("bad", [5, object(), {}, b"x", LogisticRegression()])
def test_what_is_no_data_is_named_by_its_type(here, bad):
    shown = "5 cannot" if bad == 5 else f"{type(bad).__name__} cannot"
    refused(lambda: ls.load(bad), shown, "be read as data")
    refused(lambda: ls.train(bad), shown, "be read as data")
    refused(lambda: ls.load([]), "empty list")


def test_values_in_memory_are_not_told_to_name_a_file(here):
    refused(lambda: ls.load(["a", "b"]), "The list of texts has no labels; pass them with labels=.")
    refused(lambda: ls.load(np.zeros((4, 2))), "The array has no labels; pass them with labels=.")
    frame = pd.DataFrame({"body": ["a", "b"] * 4, "label": ["x", "y"] * 4})
    with pytest.raises(ls.UserError) as caught:
        ls.load(frame, text="body", label="label", labels=["x", "y"] * 400)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    ("evidence", "words"),
    [
        ({"labels": None}, "labels"),
        ({"labels": ["ant", "bee"]}, "labels"),
        ({"labels": [0, 5]}, "0 to 2"),
        ({"labels": [0, 1], "n_classes": "x"}, "n_classes"),
        ({"labels": [0, 1, 2], "probs": np.full((2, 3), 1 / 3)}, "probs of the Evidence has shape (2, 3)"),
        ({"labels": [0, 1, 2], "features": np.zeros(3)}, "features of the Evidence"),
    ],
)
def test_evidence_put_together_by_hand_is_checked(evidence, words):
    refused(lambda: ls.detect(ls.Evidence(**{"n_classes": 3, **evidence})), words)


def test_evidence_may_hold_labels_in_a_list():
    probs = np.full((9, 3), 0.1) + 0.7 * np.eye(3)[np.arange(9) % 3]
    scores = ls.detect(ls.Evidence(labels=[0, 1, 2] * 3, n_classes=3, probs=probs))
    assert len(scores.decide()) == 9


def test_settings_of_the_wrong_kind(here):
    refused(lambda: ls.train("data.npz", epochs=1, precision=5), "no precision 5")
    refused(lambda: ls.train("data.npz", epochs=1, logger=5), "logger is 5", "add_scalar")
    refused(lambda: ls.train("data.npz", method="ELR"), "'elr'")
    refused(lambda: ls.export("run", to="CSV", out="x.csv"), "'csv'")
    refused(lambda: ls.evaluate("run", ["ant"] * N, replicates="x"), "replicates")
    refused(lambda: ls.evaluate("run", ["ant"] * N, replicates=-1), "replicates")
    refused(lambda: ls.evaluate("run", ["ant"] * N, seed="x"), "seed")
    refused(lambda: ls.compare("data.npz", epochs=0, seeds=1), "epochs=")
    refused(lambda: ls.compare("data.npz", encoder="fast", seeds=1), "encoder=")
    refused(lambda: ls.accept("run", max_error=5), "max_error= is 5")
    refused(lambda: ls.open_run("run").top(True), "n is True")


def test_noise_leaves_a_folder_of_other_things_alone(here):
    Path("mine").mkdir()
    Path("mine", "notes.txt").touch()
    refused(lambda: ls.noise("data.npz", rate=0.1, out="mine"), "mine is not empty", "out=")
    assert [path.name for path in Path("mine").iterdir()] == ["notes.txt"]
    ls.noise("data.npz", rate=0.1, out="noisy")
    ls.noise("data.npz", rate=0.2, out="noisy")


def decide(page, at, label):
    body = {"batch": f"batch-{at:03}", "acts": [{"i": at, "act": "relabel", "label": label}]}
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(f"{page.url}api/decisions", json.dumps(body).encode(), headers)
    assert json.loads(urllib.request.urlopen(request).read())["saved"] == 1


@pytest.mark.skipif(not (STATIC / "index.html").exists(), reason="the page is not built")
def test_the_page_and_the_open_run_agree_and_a_run_shows_what_findings_show(tmp_path, made):
    findings = ls.find(made / "data.npz", out=tmp_path / "run")
    with ls.review(tmp_path / "run", port=0, block=False, browser=False) as page:
        for i in range(6):
            at = int(np.flatnonzero(findings.rank == i + 1)[0])
            decide(page, at, findings.classes[findings.other[at]])
        while_open = page.reviewed
    run = ls.open_run(tmp_path / "run")
    assert while_open == page.reviewed and while_open.left == run.left and while_open.wrong == 6
    assert all(type(value) is float for value in (run.left.count, run.left.low, run.left.high))
    top = run.top(5)
    assert [one.id for one in top] == run.to_pandas()["id"][:5].tolist() == [one.id for one in run][:5]
    assert [one.p_wrong for one in top] == run.table()["p_wrong"].to_pylist()[:5]
    assert "<table>" in run._repr_html_() and list(run.to_pandas()) == run.table().column_names
