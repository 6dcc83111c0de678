"""Every verb from Python does what the command of its name does: the same result, and files that are equal byte for
byte."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

import labelsieve as ls
from labelsieve.cli import main
from labelsieve.core.decision import Decision
from labelsieve.store import sample_files
from labelsieve.store.journal import Journal

N, NAMES = 120, np.array(["ant", "bee", "cow"])


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder with features, test data, a run of `find`, the truth and a head."""
    folder = tmp_path_factory.mktemp("made")
    rng = np.random.default_rng(0)
    true = np.arange(N) % 3
    given = np.where(rng.random(N) < 0.15, (true + 1) % 3, true)
    centres = rng.normal(0, 2, (3, 5))
    np.savez(folder / "f.npz", features=(centres[true] + rng.normal(size=(N, 5))).astype("f4"), labels=NAMES[given])
    np.savez(folder / "test.npz", features=(centres[true] + rng.normal(size=(N, 5))).astype("f4"), labels=NAMES[true])
    np.savez(folder / "head.npz", W=rng.normal(size=(3, 5)), b=np.zeros(3))
    np.savez(folder / "seen.npz", features=rng.normal(size=(60, 5)), labels=np.arange(60) % 3)
    (folder / "truth.csv").write_text("id,label\n" + "".join(f"{i},{NAMES[c]}\n" for i, c in enumerate(true)))
    (folder / "rules.toml").write_text("min_class_size = 30\nno_unreviewed_above = 0.9\n")
    before = os.getcwd()
    os.chdir(folder)
    try:
        ls.find("f.npz", out="run.sieve")
        shutil.copytree("run.sieve", "old.sieve")
        decide(Path("run.sieve"), [("3", "exclude"), ("4", "keep")])
    finally:
        os.chdir(before)
    return folder


@pytest.fixture
def doors(made, tmp_path, monkeypatch, capsys):
    """Calls Python in one copy of the folder and the command in another; returns the result, the printed JSON and both
    copies."""

    def call(python, *command, code=0):
        copies = [shutil.copytree(made, tmp_path / name, dirs_exist_ok=True) for name in ("python", "shell")]
        monkeypatch.chdir(copies[0])
        result = python()
        assert capsys.readouterr().out == ""  # a function prints nothing
        monkeypatch.chdir(copies[1])
        assert main(list(command)) == code, capsys.readouterr().err
        out = capsys.readouterr().out
        return result, (json.loads(out) if "--json" in command else out), *copies

    return call


def decide(run, acts, sample=None):
    journal = Journal(run)
    pick, blind = (f"accept:{sample}", True) if sample else ("ranked", False)
    journal.append([Decision(id, act, reviewer="ana", at="2026", pick=pick, blind=blind) for id, act in acts])
    journal.close()


def equal_files(one, other, *names):
    for name in names:
        a, b = one / name, other / name
        paths = sorted(p.relative_to(a) for p in a.rglob("*") if p.is_file()) if a.is_dir() else [Path()]
        assert paths, name
        if a.is_dir():
            assert paths == sorted(p.relative_to(b) for p in b.rglob("*") if p.is_file())
        for path in paths:
            assert (a / path).read_bytes() == (b / path).read_bytes(), a / path


def test_accept_draws_the_same_sample_and_signs_the_same_report(doors, made, tmp_path):
    drawn, printed, one, other = doors(
        lambda: ls.accept("run.sieve", max_error="10%", size=60, seed=3),
        *("accept", "run.sieve", "--max-error", "10%", "--size", "60", "--seed", "3", "--json"),
        code=1,
    )
    assert drawn.verdict is None and json.loads(json.dumps(drawn.record)) == printed and len(drawn.sample.ids) == 60
    assert repr(drawn) == "BatchVerdict(no answers yet: review 60 rows of 'accept-batch')"
    equal_files(one, other, "run.sieve/samples")
    for copy in (one, other):
        ids = sample_files.load(copy / "run.sieve", "accept-batch").ids
        decide(copy / "run.sieve", [(id, "exclude" if i % 2 else "keep") for i, id in enumerate(ids)], "accept-batch")
    os.chdir(one)
    judged = ls.accept("run.sieve", by="Ana")
    os.chdir(other)
    assert main(["accept", "run.sieve", "--by", "Ana"]) == 1
    reports = [json.loads((copy / "run.sieve" / "accept-batch.json").read_text()) for copy in (one, other)]
    for report in reports:
        report["at"] = ""
    assert reports[0] == reports[1] and judged.verdict == "reject" == reports[0]["verdict"]
    assert judged.report.read_text().startswith("# run.sieve: reject") and judged.result.reviewed == 60
    assert repr(judged).startswith("BatchVerdict(reject: The 95 % interval")


def test_check_writes_the_same_files(doors):
    verdict, printed, one, other = doors(
        lambda: ls.check("run.sieve", contract="rules.toml", junit="j.xml", markdown="t.md"),
        *("check", "run.sieve", "--contract", "rules.toml", "--junit", "j.xml", "--markdown", "t.md", "--json"),
        code=1,
    )
    assert verdict.holds is printed["holds"] is False
    assert [rule.sentence for rule in verdict.rules] == [rule["sentence"] for rule in printed["rules"]]
    assert repr(verdict) == "ContractCheck(run.sieve: broken: no_unreviewed_above)"
    equal_files(one, other, "j.xml", "t.md")


def test_diff_gives_the_same_difference(doors):
    found, printed, *_ = doors(lambda: ls.diff("old.sieve", "run.sieve"), "diff", "old.sieve", "run.sieve", "--json")
    assert found.removed.tolist() == printed["removed"] == ["3"]
    assert repr(found) == "Difference(0 added, 1 removed, 0 relabelled)"


def test_evaluate_measures_the_same_from_a_folder_findings_or_a_list(doors, made):
    result, printed, one, _ = doors(
        lambda: ls.evaluate("run.sieve", "truth.csv"),
        *("evaluate", "run.sieve", "--truth", "truth.csv", "--json"),
    )
    assert result.measures["AUPRC"].value == printed["measures"]["AUPRC"]["value"] > 0.8
    findings = ls.open_run(one / "run.sieve").findings
    labels = ls.read_truth(one / "truth.csv", findings.ids, findings.classes)
    assert ls.evaluate(findings, labels) == ls.evaluate(findings, one / "truth.csv") == result


def test_noise_writes_the_same_folder(doors):
    made, printed, one, other = doors(
        lambda: ls.noise("f.npz", rate="20%", out="noisy", kind="pair", seed=4),
        *("noise", "f.npz", "--rate", "20%", "-o", "noisy", "--kind", "pair", "--seed", "4"),
    )
    equal_files(one, other, "noisy")
    assert repr(made) == "Noise(pair, 20.00 % of 120 labels wrong)".replace(" %", "%") and "20.00%" in printed
    assert made.ids.tolist() == [str(i) for i in range(N)]
    matrix = np.roll(np.eye(3), 1, axis=1)
    np.savetxt(one / "m.csv", matrix, delimiter=",")
    data = ls.load(one / "f.npz")
    both = [ls.noise(data, kind="asymmetric", transition=given).labels for given in (matrix, one / "m.csv")]
    assert both[0].tolist() == both[1].tolist() == ((data.labels + 1) % 3).tolist()


def test_train_predict_and_score_leave_the_same(doors):
    pytest.importorskip("torch")
    model, printed, one, other = doors(
        lambda: ls.train("f.npz", method="gce", epochs=3, settings={"q": 0.5}, seed=2, device="cpu", out="m"),
        *("train", "f.npz", "--method", "gce", "--epochs", "3", "--set", "q=0.5", "--seed", "2"),
        *("--device", "cpu", "-o", "m", "--json"),
    )
    equal_files(one, other, "m")
    assert printed == {"model": "m", **model.manifest, "excluded": 0}
    os.chdir(one)
    found, scored = model.predict("test.npz", out="p.csv"), model.score("test.npz")
    os.chdir(other)
    assert main(["predict", "m", "test.npz", "-o", "p.csv"]) == 0
    equal_files(one, other, "p.csv")
    assert (found.labels == NAMES[np.arange(N) % 3]).mean() == scored.accuracy > 0.7
    assert (
        found.table().column("id").to_pylist() == found.ids.tolist()
        and repr(found) == "Predictions(120 examples, 3 classes)"
    )
    assert scored.classes["bee"].n == 40 and repr(scored) == f"Score(accuracy {scored.accuracy:.4f} on 120 examples)"


def test_the_settings_of_a_method_have_one_name_in_both_doors(made, monkeypatch, capsys):
    pytest.importorskip("torch")
    monkeypatch.chdir(made)
    printed = []
    for option in ("--settings", "--set"):
        assert (
            main(["train", "f.npz", "--method", "gce", "--epochs", "1", option, "q=0.5", "-o", f"m{option}", "--json"])
            == 0
        )
        printed.append(json.loads(capsys.readouterr().out)["settings"])
    assert printed[0] == printed[1] and printed[0]["q"] == 0.5


def test_compare_ranks_the_same(doors):
    pytest.importorskip("torch")
    found, printed, *_ = doors(
        lambda: ls.compare("f.npz", test="test.npz", methods=["gce", "standard"], seeds=2, epochs=2, device="cpu"),
        *("compare", "f.npz", "--test", "test.npz", "--methods", "gce,standard", "--seeds", "2", "--epochs", "2"),
        *("--device", "cpu", "--json"),
    )
    assert [(row.method, list(row.each)) for row in found.rows] == [(r["method"], r["each"]) for r in printed["rows"]]
    best = found.rows[0]
    assert repr(found) == f"Comparison(2 methods; {best.method} is best: {best.accuracy:.4f} on 120 examples)"


def test_repair_and_spectrum_write_the_same(doors, made):
    done, printed, one, other = doors(
        lambda: ls.repair("head.npz", out="new.npz", features="seen.npz", keep=0.5),
        *("repair", "head.npz", "-o", "new.npz", "--features", "seen.npz", "--keep", "0.5", "--json"),
    )
    (head,) = done.heads
    assert printed["heads"][0]["new_values"] == head.new_values.tolist() and head.kept == 2
    assert repr(head) == "RepairedHead(W: 2 of 3 components stay)"
    with np.load(one / "new.npz") as new, np.load(other / "new.npz") as same:
        assert new["W"].tolist() == same["W"].tolist() != np.load(one / "head.npz")["W"].tolist()
    shutil.copy(one / "new.npz", made / "new.npz")
    found, printed, one, other = doors(
        lambda: ls.spectrum("head.npz", "new.npz", out="s.html", k=1),
        *("spectrum", "head.npz", "new.npz", "-o", "s.html", "--k", "1", "--json"),
    )
    equal_files(one, other, "s.html")
    assert found.first.tolist() == printed["first"] and repr(found).startswith("Spectrum(3 components, effective rank")


MISTAKES = {
    "a share that is none": (lambda: ls.accept("run.sieve", max_error="three"), "max_error= is 'three'"),
    "no limit": (lambda: ls.accept("run.sieve"), "for example max_error='3%'"),
    "a plan that is none": (lambda: ls.accept("run.sieve", max_error=0.1, plan="triple"), "plan= is 'triple'"),
    "a confidence below a half": (lambda: ls.accept("run.sieve", max_error=0.1, confidence=0.4), "at least 50%"),
    "a term of another plan": (lambda: ls.accept("run.sieve", max_error=0.1, aql=0.01), "aql= belongs to plan="),
    "no sample at all": (lambda: ls.accept("run.sieve", max_error=0.1, size=0), "size= is 0"),
    "no such contract": (lambda: ls.check("run.sieve", contract="no.toml"), r"no\.toml cannot be read"),
    "against without a rule": (
        lambda: ls.check("run.sieve", contract="rules.toml", against="old.sieve"),
        "against= is not used.*leave out against=",
    ),
    "no run": (lambda: ls.diff("run.sieve", "nowhere"), "nowhere"),
    "a method that is none": (lambda: ls.compare("f.npz", methods="gze"), "gze"),
    "no method": (lambda: ls.compare("f.npz", methods=[]), "methods= is empty"),
    "a head that has no name": (lambda: ls.repair("head.npz", out="x.npz", head=3), "head is 3"),
    "a scale that is none": (lambda: ls.repair("head.npz", out="x.npz", scale="no"), "scale= is 'no'"),
    "no HTML": (
        lambda: ls.spectrum("head.npz", "head.npz", out="x.txt"),
        "name an .html file for the figures with out=",
    ),
    "columns of loaded data": (lambda: ls.noise(ls.load("f.npz"), rate=0.1, label="y"), "loaded already, so label"),
    "a rate that is none": (lambda: ls.noise("f.npz", rate=20), "write 20% if you mean percent"),
    "flags of no run": (lambda: ls.train("f.npz", drop_flagged=True), "drop_flagged=True leaves out"),
    "onnx without a folder": (lambda: ls.train("f.npz", onnx=True), "onnx=True writes into the model folder.* out="),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_one_sentence_in_the_words_of_python(made, monkeypatch, mistake):
    if "train" in MISTAKES[mistake][1] or "methods" in mistake:
        pytest.importorskip("torch")
    monkeypatch.chdir(made)
    call, sentence = MISTAKES[mistake]
    with pytest.raises(ls.UserError, match=sentence) as caught:
        call()
    assert "--" not in str(caught.value)


def test_the_same_mistake_names_the_option_on_the_command_line(made, monkeypatch, capsys):
    monkeypatch.chdir(made)
    for command, sentence in (
        (["accept", "run.sieve"], "for example --max-error 3%."),
        (["accept", "run.sieve", "--max-error", "10%", "--aql", "1%"], "--aql belongs to --plan single or double"),
        (["check", "run.sieve", "--contract", "rules.toml", "--against", "old.sieve"], "leave out --against."),
        (["spectrum", "head.npz", "head.npz", "-o", "x.txt"], "name an .html file for the figures with --out."),
    ):
        assert main(command) == 2
        assert sentence in capsys.readouterr().err
