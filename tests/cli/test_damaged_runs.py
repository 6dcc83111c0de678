"""Damaged files of a run folder: each command names the file and says what to do, or gives the right result."""

import contextlib
import copy
import io
import json
import shutil
import sqlite3

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import labelsieve as ls
from labelsieve.cli import main
from labelsieve.page.desk import Desk
from labelsieve.page.server import application

N = 60
GONE = object()
VALUES = (GONE, None, "", [], {}, 5, "x", -1, float("nan"), True, [None], [5], {"x": None})


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run on 60 rows with decisions, an acceptance sample, known examples, and other files that the commands need."""
    folder = tmp_path_factory.mktemp("damaged")
    rng = np.random.default_rng(0)
    labels = np.arange(N) % 3
    features = rng.normal(size=(N, 6)) + 3 * np.eye(3, 6)[labels]
    np.savez(folder / "data.npz", features=features, labels=np.where(np.arange(N) % 10 == 0, (labels + 1) % 3, labels))
    run = folder / "data.sieve"
    (folder / "truth.csv").write_text("id,label\n" + "".join(f"{i},{c}\n" for i, c in enumerate(labels)))
    (folder / "labels.toml").write_text("max_error_upper = 0.9\nconflicting_duplicates = 9\nmin_reviewed = 0\n")
    (folder / "compared.toml").write_text("no_worse_than_last = true\n")
    with contextlib.chdir(folder):
        for arguments in (
            ["find", "data.npz", "--out", str(run)],
            ["export", str(run), "--to", "csv", "-o", "sheet.csv"],
            ["accept", str(run), "--max-error", "30%", "--size", "30"],
            ["accept", str(run), "--max-error", "30%", "--plan", "single", "--name", "counted"],
        ):
            assert main(arguments) in (0, 1)
    from labelsieve.core.decision import Decision
    from labelsieve.store.journal import Journal

    drawn = json.loads((run / "samples" / "accept-batch.json").read_text())["ids"][:6]
    sheet = [line.split(",") for line in (folder / "sheet.csv").read_text().splitlines()]
    decision = sheet[0].index("decision")
    for row in sheet[1:]:
        row[decision] = "keep" if row[0] in drawn else ""
    (folder / "sheet.csv").write_text("\n".join(map(",".join, sheet)) + "\n")
    assert main(["import", str(run), str(folder / "sheet.csv"), "--from", "csv", "--reviewer", "ana"]) == 0
    journal = Journal(run)
    at = "2026-01-01T00:00:00.000+00:00"
    for name in ("accept-batch", "accept-counted"):
        ids = json.loads((run / "samples" / f"{name}.json").read_text())["ids"][:20]
        journal.append(
            [
                Decision(id, "keep", reviewer="bo", at=at, batch=f"{name}{id}", pick=f"accept:{name}", blind=True)
                for id in ids
            ]
        )
    journal.close()
    (run / "known.json").write_text('{"3": "1"}')
    (run / "classes.csv").write_text("class,name,guideline,example,content\n0,nought,none,0,\n1,one,,,\n")
    shutil.copytree(run, folder / "last.sieve")
    return folder


def commands(folder, run):
    out = str(folder / "out")
    return {
        "report": ["report", run, "--json"],
        "apply": ["apply", run, "--dry-run", "--auto", "0.9", "--json"],
        "apply -o": ["apply", run, "--auto", "0.9", "-o", out],
        "export csv": ["export", run, "--to", "csv", "-o", out],
        "import": ["import", run, str(folder / "sheet.csv"), "--from", "csv", "--reviewer", "ana", "--json"],
        "accept": ["accept", run, "--json"],
        "accept counted": ["accept", run, "--name", "counted", "--json"],
        "check": ["check", run, "--contract", str(folder / "labels.toml"), "--json"],
        "check --against": [
            "check",
            str(folder / "last.sieve"),
            "--contract",
            str(folder / "compared.toml"),
            "--against",
            run,
        ],
        "diff": ["diff", str(folder / "last.sieve"), run, "--json"],
        "evaluate": ["evaluate", run, "--truth", str(folder / "truth.csv"), "--json"],
        "find": ["find", "data.npz", "--out", run, "--json"],
    }


def error_of(arguments, folder):
    """(exit code, stderr) of a command; anything but a sentence fails here."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.chdir(folder), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(arguments)
    for path in (folder / "out",):
        shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)
    assert code in (0, 1, 2), (arguments, err.getvalue())
    if code == 2:
        assert err.getvalue().count("\n") == 1 and len(err.getvalue()) < 700, err.getvalue()
    elif arguments[-1] == "--json":
        json.loads(out.getvalue(), parse_constant=lambda name: pytest.fail(f"{arguments} prints {name}"))
    return code, err.getvalue()


def page(run):
    """What the page asks for first, or the sentence that `review` would end with."""
    from starlette.testclient import TestClient

    try:
        desk = Desk(run)
    except ls.UserError as error:
        return str(error)
    try:
        client = TestClient(application(desk, name="ana"), base_url="http://127.0.0.1")
        state = client.get("/api/run")
        assert state.status_code < 500, state.text
        if state.status_code != 200:
            return state.text
        for address in ("/api/items?state=all", "/api/item/0", "/api/item/59", "/api/items?sample=accept-batch"):
            assert client.get(address).status_code < 500
        return json.dumps(state.json()["notes"])
    finally:
        desk.close()


def examine(folder, run, number, file):
    """Every way into a damaged run. Where reading it fails, one command in turn; where it does not, several."""
    every = commands(folder, str(run))
    why = ""
    try:
        ls.open_run(run)
    except ls.UserError as error:
        why = str(error)
    if why:
        assert file in why and str(run) in why
        name = list(every)[number % len(every)]
        code, err = error_of(every[name], folder)
        assert code in ((0, 2) if name == "find" else (2,)), (name, err)
        if number % 10 == 0:
            assert file in page(run)
        return True
    for place, arguments in enumerate(every.values()):
        if number % 7 == 0 or (number + place) % 4 == 0:
            error_of(arguments, folder)
    if number % 5 == 0:
        page(run)
    return False


def copied(whole, tmp_path):
    run = tmp_path / "data.sieve"
    shutil.rmtree(run, ignore_errors=True)
    shutil.copytree(whole / "last.sieve", run)
    return run


def paths(value, here=()):
    if isinstance(value, dict):
        for key, inner in value.items():
            yield (*here, key)
            yield from paths(inner, (*here, key))
    elif isinstance(value, list) and value:
        yield (*here, 0)


def changed(value, path, new):
    value = copy.deepcopy(value)
    inner = value
    for key in path[:-1]:
        inner = inner[key]
    if new is GONE:
        del inner[path[-1]]
    else:
        inner[path[-1]] = new
    return value


@pytest.mark.slow
def test_every_key_of_the_manifest(whole, tmp_path):
    run = copied(whole, tmp_path)
    manifest = json.loads((run / "run.json").read_text())
    refused, number = set(), 0
    for path in paths(manifest):
        for new in (GONE, VALUES[1 + number % 6], VALUES[7 + number % 6]):
            (run / "run.json").write_text(json.dumps(changed(manifest, path, new)))
            number += 1
            if examine(whole, run, number, "run.json") and new is GONE:
                refused.add(path)
    for name in ("classes", "wrong", "notes", "scores", "extra", "settings", "finished"):
        assert (name,) in refused, name
    for name in ("source", "kind", "recipe", "data_hash", "seconds", "detectors", "encoder", "folder", "seed"):
        assert ("settings", name) in refused, name


ANOTHER = (
    lambda column: None,  # left out
    lambda column: pa.array([{"x": 1}] * len(column)),
    lambda column: pa.array(["x"] * len(column)),
    lambda column: pa.array([-7.5] * len(column)),
    lambda column: pa.array([float("nan")] * len(column)),
    lambda column: pa.array([None] * len(column), column.type),
    lambda column: pa.array([None, *column.to_pylist()[1:]], column.type),
    lambda column: pa.array([1] * len(column)),
)


@pytest.mark.slow
def test_every_column_of_the_findings(whole, tmp_path):
    run = copied(whole, tmp_path)
    table = pq.read_table(run / "findings.parquet")
    fits = {
        ("id", 2),
        ("flagged", 0),
        *((name, i) for name in table.column_names if name.startswith("score_") for i in (3, 4, 7)),
    }
    fits |= {("neighbours_agree", i) for i in (4, 7)} | {
        (name, 7) for name in ("p_wrong", "p_given", "p_other", "duplicate_group")
    }
    fits |= {("p_given", 4), ("p_other", 4), ("neighbours", 7), ("content", 0)}  # not known, or of an older version
    for place, name in enumerate(table.column_names):
        for number, another in enumerate(ANOTHER):
            if number and (place + number) % 2:  # the other half of the columns
                continue
            new = another(table[name])
            changed = table.drop_columns(name) if new is None else table.set_column(place, name, new)
            pq.write_table(changed, run / "findings.parquet")
            if not examine(whole, run, place + number, "findings.parquet"):
                assert (name, number) in fits, (name, number)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda table: table.slice(1), "it has 59 rows where run.json says 60"),
        (lambda table: pa.concat_tables([table, table]), "it has 120 rows where run.json says 60"),
        (lambda table: table.set_column(0, "id", pa.array(["7"] * N)), "the id '7' occurs more than once"),
        (
            lambda table: table.set_column(1, "given_label", pa.array(["ferret"] * N)),
            "the label 'ferret', which is not a class of run.json",
        ),
        (
            lambda table: table.append_column("score_mine", pa.array([1.0] * N)),
            "run.json is damaged (it does not list the column score_mine",
        ),
        (
            lambda table: table.append_column("flag_mine", pa.array([True] * N)),
            "run.json is damaged (it does not list the column flag_mine",
        ),
        (
            lambda table: table.append_column("suggested_mine", pa.array(["a"] * N)),
            "run.json is damaged (it does not list the column suggested_mine",
        ),
        (lambda table: table.drop_columns("flag_aum"), "it lacks the column flag_aum"),
        (
            lambda table: table.set_column(
                table.column_names.index("suggested_consensus"), "suggested_consensus", pa.array(["ferret"] * N)
            ),
            "the column suggested_consensus has the label 'ferret', which is not a class of run.json",
        ),
    ],
)
def test_the_findings_fit_the_manifest(whole, tmp_path, change, message):
    run = copied(whole, tmp_path)
    pq.write_table(change(pq.read_table(run / "findings.parquet")), run / "findings.parquet")
    code, err = error_of(["report", str(run)], whole)
    assert code == 2 and message in err and "run the same `labelsieve find` command again" in err


def test_a_table_rewritten_by_pandas_or_polars_is_read(whole, tmp_path):
    run = copied(whole, tmp_path)
    before = ls.open_run(run).findings.table()
    polars = pytest.importorskip("polars")
    polars.read_parquet(run / "findings.parquet").write_parquet(run / "findings.parquet")
    assert ls.open_run(run).findings.table().equals(before)
    pytest.importorskip("pandas").read_parquet(run / "findings.parquet").to_parquet(run / "findings.parquet")
    assert ls.open_run(run).findings.table().equals(before)


# File -> the commands that do not read it. A `find` makes the run whole again, but for the journal.
READS = {
    "run.json": set(),
    "findings.parquet": set(),
    "excluded.csv": set(),
    "decisions.sqlite": {"find", "evaluate"},
}


@pytest.mark.slow
def test_every_file_of_the_folder(whole, tmp_path):
    run = copied(whole, tmp_path)
    for name in sorted(str(path.relative_to(run)) for path in run.rglob("*") if path.is_file()):
        if name.startswith(("evidence/cyclic", "evidence/threshold", "decisions.sqlite-")) or name.endswith(
            (".md", ".html")
        ):
            continue  # read by nothing but the same `find`, which makes them anew
        content = (run / name).read_bytes()
        for number, new in enumerate((None, b"", content[: len(content) // 2], b"\x00\xff garbage \xfe" * 50)):
            if name.startswith("evidence") and number in (1, 3):
                continue
            run = copied(whole, tmp_path)
            for log in run.glob("decisions.sqlite-*"):
                log.unlink()
            (run / name).unlink() if new is None else (run / name).write_bytes(new)
            optional = name in ("known.json", "decisions.sqlite", "classes.csv")
            if not (optional and new is None) and (optional or name.startswith("evidence")):
                message = page(run)
                assert (
                    name.rpartition("/")[2].replace("similarity", "neighbours").split(".")[0] in message
                    or "record/" in name
                ), (name, message)
            for place, (command, arguments) in enumerate(commands(whole, str(run)).items()):
                if (place + number) % 3 and (command != "find" or number != 2):
                    continue
                if command == "find" and name == "run.json":
                    assert error_of(arguments, whole)[0] == 2
                    continue
                code, err = error_of(arguments, whole)
                if (
                    name in READS
                    and command not in {*READS[name], "find"}
                    and not (name == "decisions.sqlite" and new is None)
                ):
                    assert code == 2 and name in err and str(run) in err, (name, number, command, err)


@pytest.mark.parametrize(
    ("column", "value"),
    [("act", "dance"), ("blind", "x"), ("p_wrong", "high"), ("p_wrong", 7), ("label", b"\xff"), ("content", "xyz")],
)
def test_invalid_journal_rows(whole, tmp_path, column, value):
    run = copied(whole, tmp_path)
    with contextlib.closing(sqlite3.connect(run / "decisions.sqlite")) as journal:
        journal.execute(f"UPDATE decisions SET {column} = ? WHERE seq = 2", (value,))
        journal.commit()
    for command in ("report", "apply", "export csv", "import", "accept", "check", "diff"):
        code, err = error_of(commands(whole, str(run))[command], whole)
        assert code == 2 and "decisions.sqlite is damaged (row 2 has" in err and f"as its {column}" in err, err
    assert "decisions.sqlite is damaged" in page(run)


@pytest.mark.parametrize("name", ["accept-batch", "accept-counted"])
def test_every_key_of_a_sample(whole, tmp_path, name):
    run = copied(whole, tmp_path)
    path = run / "samples" / f"{name}.json"
    sample = json.loads(path.read_text())
    for number, key in enumerate([*paths(sample), ("plan", "counts")]):
        for new in (GONE, VALUES[1 + number % 12], -1):
            try:
                path.write_text(json.dumps(changed(sample, key, new)))
            except KeyError:
                continue
            code, err = error_of(["accept", str(run), "--name", name, "--json"], whole)
            assert (
                code in (0, 1)
                or f"{name}.json is damaged" in err
                or f"sample '{name}' has" in err
                or "since the sample" in err
            ), err


@pytest.mark.parametrize(
    "levels", [-1, "x", [1], {"a": 1}, {"whole": [0]}, {"whole": [9, 0]}, {"decimal": [0, float("nan")]}]
)
def test_levels_of_another_shape(whole, tmp_path, levels):
    run = copied(whole, tmp_path)
    manifest = json.loads((run / "run.json").read_text())
    for fine in (None, {}, {"whole": [0, 4095], "decimal": [-1.0, 1.0]}):
        manifest["settings"]["levels"] = fine
        (run / "run.json").write_text(json.dumps(manifest))
        assert len(ls.open_run(run).findings) == 60
    manifest["settings"]["levels"] = levels
    (run / "run.json").write_text(json.dumps(manifest))
    code, err = error_of(["report", str(run)], whole)
    assert code == 2 and "run.json is damaged (settings.levels should be" in err


@pytest.mark.parametrize("content", ["[]", '{"3": 5}', '{"3": ["1"]}', "null"])
def test_known_examples_of_another_shape(whole, tmp_path, content):
    run = copied(whole, tmp_path)
    (run / "known.json").write_text(content)
    code, err = error_of(["report", str(run)], whole)
    assert code == 2 and "known.json is damaged (it should name the class of each id); pass --known again" in err


@pytest.mark.parametrize("content", ["[]", '{"address": 5}', "{}", '{"address": "x"}'])
def test_a_journal_pointer_without_a_server(whole, tmp_path, content):
    run = copied(whole, tmp_path)
    (run / "journal.json").write_text(content)
    code, err = error_of(["report", str(run)], whole)
    assert code == 2 and "journal.json is damaged (" in err and "start `review` with --journal again" in err


def test_the_page_names_missing_evidence(whole, tmp_path):
    run = copied(whole, tmp_path)
    assert page(run) == "[]"
    np.save(run / "evidence" / "neighbours.npy", np.zeros((7, 3), np.int32))
    assert "neighbours.npy is damaged (it should have 60 rows" in page(run)
    np.save(run / "evidence" / "neighbours.npy", np.full((60, 3), 60, np.int32))
    np.save(run / "evidence" / "similarity.npy", np.ones((60, 3), np.float32))
    assert "neighbours.npy is damaged (it has row numbers that do not exist)" in page(run)
    (run / "evidence" / "record" / "loss.npy").write_bytes(b"x")
    assert "Losses while learning are not shown" in page(run)


def test_find_repairs_a_damaged_run_and_keeps_its_decisions(whole, tmp_path):
    run = copied(whole, tmp_path)
    manifest = json.loads((run / "run.json").read_text())
    del manifest["classes"]
    (run / "run.json").write_text(json.dumps(manifest))
    (run / "findings.parquet").write_bytes(b"")
    assert error_of(["find", "data.npz", "--out", str(run)], whole)[0] == 0
    assert error_of(["export", str(run), "--to", "csv", "-o", "out", "--json"], whole)[0] == 0
    assert ls.open_run(run).findings.table().equals(ls.open_run(whole / "last.sieve").findings.table())
    with contextlib.closing(sqlite3.connect(run / "decisions.sqlite")) as journal:
        assert journal.execute("SELECT count(*) FROM decisions").fetchone()[0] > 30


def test_classes_of_another_shape(whole, tmp_path):
    run = copied(whole, tmp_path)
    for content in ("garbage", "class,name\n0,nought\n", "class,name,guideline,example\n0,nought\n"):
        (run / "classes.csv").write_text(content)
        assert "classes.csv is damaged (it lacks 'class, name, guideline, example')" in page(run)


def test_the_strata_of_a_sample(whole, tmp_path):
    run = copied(whole, tmp_path)
    for path in run.glob("samples/*.npz"):
        content = path.read_bytes()
        for new in (b"", content[: len(content) // 2], b"garbage"):
            path.write_bytes(new)
            code, err = error_of(["accept", str(run), "--name", path.stem], whole)
            assert code in (0, 1) or (code == 2 and f"{path.name} is damaged" in err), err


def test_damaged_data_in_the_run_folder(tmp_path):
    """A run made from Python holds its data; damaged ones are named by whoever needs them, and by the page."""
    rng = np.random.default_rng(0)
    labels = np.arange(N) % 3
    run = tmp_path / "mine.sieve"
    ls.find(
        ls.load(rng.normal(size=(N, 6)) + 3 * np.eye(3, 6)[labels], labels=labels), out=run, detectors=["consensus"]
    )
    [kept] = [path for path in (run / "data").iterdir() if path.is_file()]
    content = kept.read_bytes()
    for new in (None, b"", content[: len(content) // 2], b"garbage"):
        kept.unlink(missing_ok=True)
        if new is not None:
            kept.write_bytes(new)
        code, err = error_of(["apply", str(run), "--dry-run", "--auto", "0.9"], tmp_path)
        assert code == 2 and kept.name in err, err
        assert error_of(["report", str(run)], tmp_path)[0] == 0  # without pictures, and says why
        page(run)
