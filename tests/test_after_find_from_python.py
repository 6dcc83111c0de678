"""`review`, `report`, `apply`, `export` and `import_decisions` from Python do what the commands of their names do, byte
for byte."""

import builtins
import io
import json
import logging
import os
import re
import shutil
import signal
import subprocess
import sys
import urllib.request
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import labelsieve as ls
from labelsieve.cli import main
from labelsieve.core.decision import Decision
from labelsieve.page.server import STATIC
from labelsieve.store.journal import Journal

N, NAMES = 24, ("ant", "bee")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Texts and pictures, a run on each with three decisions, and a table of answers."""
    folder = tmp_path_factory.mktemp("made")
    before = os.getcwd()
    os.chdir(folder)
    rng = np.random.default_rng(0)
    labels = [NAMES[i % 2] for i in range(N)]
    probs = np.where(np.arange(N)[:, None] % 2 == np.arange(2), 0.8, 0.2) + rng.uniform(0, 0.1, (N, 1)) * [1, -1]
    probs[:2] = probs[:2, ::-1]
    rows = "".join(f"k{i},a text of number {i},{label}\n" for i, label in enumerate(labels))
    Path("t.csv").write_text("id,body,label\n" + rows)
    for i, label in enumerate(labels):
        Path("photos", label).mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 255, (6, 6, 3), np.uint8)).save(f"photos/{label}/{i:02}.png")
    Path("answers.csv").write_text("id,label\nk5,ant\nk6,ant\nk99,ant\n")
    Path("patch.csv").write_text("id,old,new\nk3,bee,ant\nk4,bee,ant\n")
    Path("known.csv").write_text("id,label\nk20,ant\n")
    try:
        ls.find("t.csv", probs=probs, out="t.sieve", text="body")
        order = [labels.index(name) + 2 * i for name in NAMES for i in range(N // 2)]
        ls.find("photos", probs=probs[order], out="photos.sieve")
        decide("t.sieve", ("k0", "relabel", "bee"), ("k1", "keep", None), ("k2", "exclude", None))
        decide("photos.sieve", ("ant/00.png", "relabel", "bee"), ("bee/03.png", "exclude", None))
    finally:
        os.chdir(before)
    return folder


def decide(run, *acts):
    journal = Journal(Path(run))
    journal.append(
        [Decision(key, act, label, "ana", "2026-01-02T03:04:05+00:00", f"of-{key}") for key, act, label in acts]
    )
    journal.close()


@pytest.fixture
def doors(made, tmp_path, monkeypatch, capsys):
    """Calls Python in one copy of the folder and the command in another; returns the result, the printed JSON and both
    copies."""

    def call(python, command):
        copies = [shutil.copytree(made, tmp_path / name, dirs_exist_ok=True) for name in ("python", "shell")]
        monkeypatch.chdir(copies[0])
        result = python()
        assert capsys.readouterr() == ("", "")  # a function prints nothing
        monkeypatch.chdir(copies[1])
        assert main(command.split()) == 0
        return result, json.loads(capsys.readouterr().out), *copies

    return call


def contents(root, *without):
    """Every file below the folder (or the one file), without what tells the time."""
    files = [root] if root.is_file() else sorted(path for path in root.rglob("*") if path.is_file())
    clean = re.compile(rb"20\d\d-\d\d-\d\d \d\d:\d\d UTC")
    return {path.relative_to(root).as_posix(): clean.sub(b"", path.read_bytes()) for path in files}


def as_json(result):
    return json.loads(json.dumps(asdict(result), default=os.fspath))


EXPORTS = [("t", "csv", "x.csv"), ("t", "label-studio", "x.json"), ("t", "hf", "x"), ("photos", "coco", "x")]
EXPORTS += [("photos", "fiftyone", "x"), ("photos", "label-studio", "x.json"), ("photos", "hf", "x")]


@pytest.mark.parametrize(("data", "to", "out"), EXPORTS)
def test_export(doors, data, to, out):
    if to == "hf":
        pytest.importorskip("datasets")
    call = lambda: ls.export(f"{data}.sieve", to=to, out=out)  # noqa: E731
    done, printed, one, other = doors(call, f"export {data}.sieve --to {to} --out {out} --json")
    assert as_json(done) == printed
    assert (done.examples, done.decided, done.files[0]) == (N, 3 if data == "t" else 2, Path(out))
    assert contents(one / out) and contents(one / out) == contents(other / out)
    assert "left_out" not in repr(done) and f"examples={N}" in repr(done)


def test_import_decisions(doors):
    call = lambda: ls.import_decisions("t.sieve", "answers.csv", from_="csv", reviewer="bob")  # noqa: E731
    done, printed, one, other = doors(call, "import t.sieve answers.csv --from csv --reviewer bob --json")
    assert as_json(done) == printed
    assert (done.read, done.new, done.nothing_new, done.reviewers) == (3, 1, 1, ("bob",))
    assert [conflict.id for conflict in done.conflicts] == ["k99"]
    output = [
        [(row.id, row.act, row.label, row.reviewer) for row in ls.open_run(place / "t.sieve").decisions]
        for place in (one, other)
    ]
    assert output[0] == output[1] and ("k5", "relabel", "ant", "bob") in output[0]
    again = ls.import_decisions(one / "t.sieve", one / "answers.csv", from_="csv", reviewer="bob")
    assert (again.new, again.nothing_new) == (0, 2)


def test_report(doors):
    call = lambda: ls.report("photos.sieve", out="r.html", figures="f")  # noqa: E731
    done, printed, one, other = doors(call, "report photos.sieve --out r.html --figures f --json")
    assert printed.pop("report") == "r.html" and done.file == Path("r.html")
    output = json.loads(json.dumps(done.facts))
    assert {**output, "made": ""} == {**printed, "made": ""} and output["found"] == 2
    assert contents(one / "r.html") == contents(other / "r.html") and contents(one / "f") == contents(other / "f")
    assert done.bytes == (one / "r.html").stat().st_size and len(done.figures) == len(contents(one / "f")) > 1
    assert repr(done).startswith("Report(file=") and len(repr(done)) < 400
    assert ls.report(one / "photos.sieve").file == one / "photos.sieve" / "report.html"


APPLIED = {
    "a table": (lambda: ls.apply("t.sieve", out="clean"), "t.sieve --out clean", (1, 1, 0)),
    "a folder": (lambda: ls.apply("photos.sieve", out="clean"), "photos.sieve --out clean", (1, 1, 0)),
    "suggestions": (
        lambda: ls.apply("t.sieve", out="clean", auto="60%", dry_run=True),
        "t.sieve --auto 60% --dry-run",
        None,
    ),
    "a patch on a run": (
        lambda: ls.apply("t.sieve", out="clean", patch="patch.csv"),
        "t.sieve --out clean --patch patch.csv",
        (1, 0, 0),
    ),
    "a patch on data": (
        lambda: ls.apply("t.csv", out=Path("clean"), patch=Path("patch.csv"), text="body"),
        "t.csv --out clean --patch patch.csv --text body",
        (1, 0, 0),
    ),
}


@pytest.mark.parametrize("kind", APPLIED)
def test_apply(doors, kind):
    call, command, counts = APPLIED[kind]
    done, printed, one, other = doors(call, f"apply {command} --json")
    output = as_json(done)
    assert {name: output[name] for name in printed if name != "changes"} == {
        k: v for k, v in printed.items() if k != "changes"
    }
    strip = lambda rows: [{**row, "when": ""} for row in rows]  # noqa: E731
    assert strip(output["changes"]) == strip(printed["changes"]) and done.examples == N
    if counts is None:
        assert done.out is None and not (one / "clean").exists()
        return
    assert (done.relabelled, done.left_out, done.automatic) == counts
    assert contents(one / "clean") == contents(other / "clean") != {}
    assert len(done.conflicts) == ("patch" in kind) and "changes" not in repr(done)


def test_an_open_run_serves_with_the_decisions_of_now(made, tmp_path, monkeypatch):
    monkeypatch.chdir(shutil.copytree(made, tmp_path / "x"))
    run = ls.open_run("t.sieve")
    assert len(run.decisions) == 3
    decide("t.sieve", ("k7", "relabel", "ant"))
    assert ls.apply(run, dry_run=True).relabelled == 2
    assert ls.export(run, to="csv", out="x.csv").decided == 4
    assert ls.report(run, out="r.html").facts["reviewed"] == 4
    assert ls.import_decisions(run, "answers.csv", from_="csv", reviewer="bob").new == 1
    assert ls.export(run, to="csv", out="y.csv").decided == 5


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet", "npz"])
def test_apply_reads_the_source_once_to_match_and_once_to_copy(tmp_path, monkeypatch, kind):
    import pyarrow as pa
    import pyarrow.parquet as pq

    source = tmp_path / f"rows.{kind}"
    rows = [{"id": f"r{i}", "a": i % 2 + i / 100, "b": i / 7, "label": NAMES[i % 2]} for i in range(20)]
    if kind == "csv":
        source.write_text("id,a,b,label\n" + "".join(f"{r['id']},{r['a']},{r['b']},{r['label']}\n" for r in rows))
    elif kind == "jsonl":
        source.write_text("".join(json.dumps(row) + "\n" for row in rows))
    elif kind == "parquet":
        pq.write_table(pa.Table.from_pylist(rows), source)
    else:
        np.savez(source, features=[[r["a"], r["b"]] for r in rows], labels=[r["label"] for r in rows])
    (tmp_path / "p.csv").write_text(f"id,old,new\n{'1' if kind == 'npz' else 'r1'},bee,ant\n")
    counted, true_open = [], builtins.open
    monkeypatch.setattr(
        builtins, "open", lambda file, *a, **k: (counted.append(str(file)), true_open(file, *a, **k))[1]
    )
    ls.load(str(source))
    loads = counted.count(str(source))
    ls.apply(str(source), out=tmp_path / "clean", patch=tmp_path / "p.csv")
    assert counted.count(str(source)) == 2 * loads + 1 > 1


needs_page = pytest.mark.skipif(not (STATIC / "index.html").exists(), reason="the review page is not built")


def post(url, body):
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(
        re.match(r"http://[^/]+/", url)[0] + "api/decisions", json.dumps(body).encode(), headers
    )
    return json.load(urllib.request.urlopen(request))


@needs_page
def test_a_review_from_python_saves_every_decision_and_ends_with_its_block(made, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(shutil.copytree(made, tmp_path / "x"))
    with ls.review("t.sieve", block=False, browser=False, port=0, sample="first", known="known.csv") as page:
        assert (
            page.is_open and page.url in repr(page) and f'href="{page.url.replace("&", "&amp;")}"' in page._repr_html_()
        )
        assert "sample=first" in page.url and any(
            "drawn at random as the sample 'first'" in note for note in page.notes
        )
        post(page.url, {"batch": "batch-one", "acts": [{"i": 9, "act": "exclude"}]})
        assert (page.reviewed.reviewed, page.reviewed.wrong, page.reviewed.examples) == (4, 3, N)
    assert not page.is_open and "(closed)" in repr(page) and page.reviewed.reviewed == 4
    page.close()
    with pytest.raises(OSError):
        urllib.request.urlopen(page.url, timeout=2)
    assert {row.id for row in ls.open_run("t.sieve").decisions} == {"k0", "k1", "k2", "k9"}
    assert capfd.readouterr() == ("", "")


@needs_page
def test_two_pages_are_served_side_by_side(made, tmp_path, monkeypatch):
    monkeypatch.chdir(shutil.copytree(made, tmp_path / "x"))
    run = ls.open_run("t.sieve")
    with (
        ls.review(run, block=False, browser=False) as one,
        ls.review("photos.sieve", block=False, browser=False) as two,
    ):
        assert one.url != two.url
        assert json.load(urllib.request.urlopen(one.url + "api/run"))["n"] == N
        assert json.load(urllib.request.urlopen(two.url + "api/run"))["n"] == N


@needs_page
def test_the_page_leaves_the_log_of_the_program_alone(made, tmp_path, monkeypatch):
    monkeypatch.chdir(shutil.copytree(made, tmp_path / "x"))
    handler = logging.StreamHandler(io.StringIO())
    monkeypatch.setattr(handler, "close", lambda: pytest.fail("the handler was closed"))
    with ls.review("t.sieve", block=False, browser=False, port=0) as page:
        assert json.load(urllib.request.urlopen(page.url + "api/run"))["n"] == N


IN_A_NOTEBOOK = """
import asyncio, labelsieve as ls
async def cell():  # a notebook's cells run inside an event loop
    page = ls.review("t.sieve", browser=False, port=0)
    print(page.is_open, page.reviewed.reviewed)
asyncio.new_event_loop().run_until_complete(cell())
"""


@needs_page
def test_a_cell_of_a_notebook_serves_until_it_is_interrupted(made, tmp_path):
    place = shutil.copytree(made, tmp_path / "x")
    process = subprocess.Popen(
        [sys.executable, "-c", IN_A_NOTEBOOK], cwd=place, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        url = re.findall(r"http://\S+", process.stderr.readline())[0]
        post(url, {"batch": "batch-one", "acts": [{"i": 9, "act": "keep"}]})
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=60)[0] == "False 4\n" and process.returncode == 0
    finally:
        process.kill()


MISTAKES = {
    "export to something there": (
        "export",
        {"to": "csv", "out": "t.csv"},
        "name a new file with {}.",
        ("out=", "--out"),
    ),
    "apply without a place": (
        "apply",
        {},
        "Name the new folder with {} to see what would change.",
        ("out=, or use dry_run=True", "--out, or use --dry-run"),
    ),
    "apply into a folder of others": ("apply", {"out": "photos"}, "name a new folder with {}", ("out=", "--out")),
    "apply with low certainty": (
        "apply",
        {"out": "x", "auto": 0.3},
        "{}: below 0.5 a label is more likely right than wrong",
        ("auto=0.3", "--auto 0.3"),
    ),
    "apply a patch and suggestions": (
        "apply",
        {"out": "x", "auto": 0.9, "patch": "patch.csv"},
        "{} already lists the changes",
        ("patch=", "--patch"),
    ),
    "apply with columns": ("apply", {"out": "x", "label": "y"}, "leave out {}.", ("label=", "--label")),
    "report into a folder": ("report", {"out": "photos"}, "name an HTML file with {}.", ("out=", "--out")),
    "report over another file": ("report", {"out": "t.csv"}, "name another file with {}.", ("out=", "--out")),
    "import from nobody": (
        "import",
        {"file": "answers.csv", "from_": "csv"},
        "name the reviewer with {}.",
        ("reviewer='NAME'", "--reviewer NAME"),
    ),
    "import from nowhere": (
        "import",
        {"file": "none.csv", "from_": "csv"},
        "There is no file or folder none.csv.{}",
        ("", ""),
    ),
    "review on no port": ("review", {"port": 99999}, "{} is not a port", ("port=99999", "--port 99999")),
    "review elsewhere": (
        "review",
        {"host": "192.0.2.1", "port": 0},
        "choose another {}.",
        ("port= or host=", "--port or --host"),
    ),
    "review with a bad journal": (
        "review",
        {"journal": "mysql://x"},
        "is not the address of a PostgreSQL server{}",
        ("", ""),
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_give_one_sentence_for_python_and_for_the_command_line(made, tmp_path, monkeypatch, capsys, mistake):
    verb, settings, sentence, (python, shell) = MISTAKES[mistake]
    if verb == "review" and not (STATIC / "index.html").exists():
        pytest.skip("the review page is not built")
    monkeypatch.chdir(shutil.copytree(made, tmp_path / "x"))
    named, before = dict(settings), contents(Path("t.sieve"))
    file = [named.pop("file")] if "file" in named else []
    more = {"browser": False} if verb == "review" else {}
    with pytest.raises(ls.UserError) as caught:
        getattr(ls, verb if file == [] else "import_decisions")("t.sieve", *file, **named, **more)
    assert sentence.format(python) in str(caught.value) and "--" not in str(caught.value)
    options = [part for name, value in named.items() for part in (f"--{name.strip('_')}", str(value))]
    assert main([verb, "t.sieve", *file, *options, *(["--no-browser"] if more else [])]) == 2
    assert sentence.format(shell) in capsys.readouterr().err
    assert {name for name in contents(Path("t.sieve")) if "sqlite" not in name} == {
        n for n in before if "sqlite" not in n
    }


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: ls.export("t.sieve", to="csw", out="x"), "There is no format 'csw'. Did you mean 'csv'?"),
        (lambda: ls.import_decisions("t.sieve", "answers.csv", from_="excel"), "There is no format 'excel'."),
        (lambda: ls.import_decisions("t.sieve", 7, from_="csv"), "The file of answers is 7; give a path"),
        (lambda: ls.export("t.sieve", to="csv", out=None), "The name of the export is None; give a path"),
        (lambda: ls.report("none.sieve"), "none.sieve"),
        (lambda: ls.report("t.sieve", figures=3), "The folder of the figures is 3; give a path"),
        (lambda: ls.apply(None, dry_run=True), "The run folder is None; give a path"),
        (lambda: ls.apply("t.sieve", out="x", auto="lots"), "auto is 'lots'; write it as 20% or 0.2."),
        (lambda: ls.review(None), "The run folder is None; give a path"),
        (lambda: ls.review("t.sieve", port="http"), "The port is a str; give a whole number."),
    ],
)
def test_values_of_a_wrong_type_are_refused_with_a_message(made, tmp_path, monkeypatch, call, sentence):
    if "review" in call.__code__.co_names and not (STATIC / "index.html").exists():
        pytest.skip("the review page is not built")
    monkeypatch.chdir(shutil.copytree(made, tmp_path / "x"))
    with pytest.raises(ls.UserError) as caught:
        call()
    assert sentence in str(caught.value)
