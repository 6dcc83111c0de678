"""A corrected copy is used like any other data: further rounds and training on it, in every format."""

import csv
import gzip
import json
import os

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

import labelsieve as ls
from labelsieve.cli import main
from labelsieve.core import added_columns
from labelsieve.core.decision import Decision
from labelsieve.detectors import DETECTORS
from labelsieve.store.journal import Journal

N = 90
ADDED = ("label_before", "label_decision")
NAMES = {
    "int": [4, 7, 9],
    "bool": [False, True],
    "name": ["ant", "bee", "cow"],
    "float": [0.5, 1.5, 2.5],
}
TABLES = ["t.csv", "t.tsv", "t.csv.gz", "t.jsonl", "t.jsonl.gz", "t.parquet"]


def columns(kind):
    """Features that tell the classes apart, and labels of which five are wrong."""
    names = NAMES[kind]
    rng = np.random.default_rng(3)
    true = np.arange(N) % len(names)
    x = rng.normal(size=(N, 3)) + 4 * true[:, None]
    given = true.copy()
    given[[5, 20, 41, 63, 77]] += 1
    given %= len(names)
    return {f"f{j}": x[:, j].round(4).tolist() for j in range(3)} | {"label": [names[c] for c in given]}


def write(path, table):
    """Write the columns to a file in the format of its suffix."""
    name = os.path.basename(path)
    if name.endswith("parquet"):
        pq.write_table(pa.table(table), path)
        return path
    rows = [dict(zip(table, row, strict=True)) for row in zip(*table.values(), strict=True)]
    opened = gzip.open if name.endswith("gz") else open
    with opened(path, "wt", newline="", encoding="utf-8") as file:
        if ".jsonl" in name:
            file.write("".join(json.dumps(row) + "\n" for row in rows))
        else:
            writer = csv.DictWriter(file, list(table), delimiter="\t" if ".tsv" in name else ",", lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
    return path


def read(path):
    """The columns of a file, unchanged."""
    name = os.path.basename(path)
    if name.endswith("parquet"):
        return pq.read_table(path).to_pydict()
    if name.endswith("npz"):
        with np.load(path) as result:
            return {key: result[key].tolist() for key in result.files}
    if name == "data":
        from datasets import load_from_disk

        return load_from_disk(str(path)).with_format("arrow")[:].to_pydict()
    with (gzip.open if name.endswith("gz") else open)(path, "rt", newline="", encoding="utf-8") as file:
        rows = (
            [json.loads(line) for line in file]
            if ".jsonl" in name
            else list(csv.DictReader(file, delimiter="\t" if ".tsv" in name else ","))
        )
    return {key: [row[key] for row in rows] for key in rows[0]}


def called(*arguments):
    assert main([str(a) for a in arguments]) == 0


def decide(folder, **acts):
    """Row number (r3=...) -> the class, or None to leave the example out."""
    journal = Journal(folder)
    at = f"2026-01-02T03:04:{len(journal.read()[0]):02}+00:00"
    for row, label in acts.items():
        act = "exclude" if label is None else "relabel"
        journal.append([Decision(row.removeprefix("r"), act, label, "ann", at, f"{row}{at}")])
    journal.close()


def same_findings(a, b):
    """Whether two sets of findings are equal for every example."""
    one, other = a.table(), b.table()
    assert one.column_names == other.column_names and a.classes == b.classes and a.wrong == b.wrong
    for name in one.column_names:
        assert one[name].to_pylist() == other[name].to_pylist(), name


def three_rounds(tmp_path, source, inner, capsys):
    """Find and apply three times; returns the copies' columns after each round, and the output of the second `find`."""
    copies = []
    for number in (1, 2, 3):
        run, out = tmp_path / f"{number}.sieve", tmp_path / f"copy{number}"
        capsys.readouterr()
        called("find", source, "-o", run)
        message = " ".join(capsys.readouterr().out.split())
        assert ("label_before, label_decision" in message) == (number > 1)
        classes = ls.open_run(run).findings.classes
        if number == 1:
            called("apply", run, "-o", out, "--auto", "0.9")
        else:
            turned = classes[1] if len(classes) == 2 else classes[0]  # row 2 is of the class 0 of two, of 2 of three
            decide(run, r0=classes[1], **({"r1": None, "r2": turned} if number == 2 else {}))
            called("apply", run, "-o", out)
        copies.append(out / inner)
        source = f"hf:{out / inner}" if inner == "data" else out / inner
    return copies


@pytest.mark.parametrize("kind", NAMES)
@pytest.mark.parametrize("name", [*TABLES, "t.npz", "data"])
def test_three_rounds_keep_the_first_label_and_the_latest_decision(tmp_path, capsys, name, kind):
    table = columns(kind)
    if name == "t.npz":
        labels = np.array(table["label"])
        np.savez(tmp_path / name, features=np.array([table[f"f{j}"] for j in range(3)]).T, labels=labels)
        source = tmp_path / name
    elif name == "data":
        datasets = pytest.importorskip("datasets")
        datasets.Dataset.from_dict(table).save_to_disk(str(tmp_path / "hf"))
        source = f"hf:{tmp_path / 'hf'}"
    else:
        source = write(tmp_path / name, table)
    one, two, three = (read(path) for path in three_rounds(tmp_path, source, name, capsys))
    label = "labels" if name == "t.npz" else "label"
    given = [str(v) for v in table["label"]]
    auto = [i for i in range(N) if one["label_decision"][i]]
    assert set(auto) <= {5, 20, 41, 63, 77} and len(auto) >= 3
    assert [str(v) for v in one["label_before"]] == given
    left = [i for i in range(N) if i != 1]  # the second round left out the row 1
    assert [str(v) for v in two["label_before"]] == [given[i] for i in left]
    assert [two["label_decision"][left.index(i)] for i in auto] == [one["label_decision"][i] for i in auto]
    assert two["label_decision"][0] == "ann relabel" and two["label_decision"][left.index(2)] == "ann relabel"
    changed = {i for i, j in enumerate(left) if str(two[label][i]) != str(one[label][j])}
    assert changed <= {0, left.index(2)}
    # the third round names the rows of the second copy: its row 0 is changed again
    assert [str(v) for v in three["label_before"]] == [str(v) for v in two["label_before"]]
    assert three["label_decision"][1:] == two["label_decision"][1:] and list(three) == list(two) == list(one)


@pytest.mark.parametrize("kind", ["int", "bool", "name"])
@pytest.mark.parametrize("name", [*TABLES, "frame", "polars", "hf", "npz"])
def test_added_columns_do_not_change_the_findings_of_round_two(tmp_path, name, kind):
    table = columns(kind)
    added = {"label_before": table["label"], "label_decision": ["ann relabel"] * 9 + [""] * (N - 9)}
    added |= {
        "p_wrong": np.linspace(0, 1, N).tolist(),
        "score_aum": np.linspace(1, 0, N).tolist(),
        "suggested_label": table["label"],
    }
    if name in TABLES:
        plain, more = write(tmp_path / f"a{name}", table), write(tmp_path / f"b{name}", table | added)
    elif name == "npz":
        x, y = np.array([table[f"f{j}"] for j in range(3)]).T, np.array(table["label"])
        np.savez(tmp_path / "a.npz", features=x, labels=y)
        np.savez(
            tmp_path / "b.npz", features=x, labels=y, label_before=y, label_decision=np.array(added["label_decision"])
        )
        plain, more = tmp_path / "a.npz", tmp_path / "b.npz"
    elif name == "hf":
        datasets = pytest.importorskip("datasets")
        plain, more = datasets.Dataset.from_dict(table), datasets.Dataset.from_dict(table | added)
    else:
        frame = pytest.importorskip("pandas" if name == "frame" else name).DataFrame
        plain, more = frame(table), frame(table | added)
    a, b = ls.find(ls.load(plain)), ls.find(ls.load(more))
    same_findings(a, b)
    assert any("label_before, label_decision" in note and "Ignored" in note for note in b.notes)
    assert not any("Ignored" in note for note in a.notes)


def test_joined_columns_of_findings_are_not_features(tmp_path):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(columns("int"))
    frame["id"] = [f"k{i}" for i in range(N)]
    first = ls.find(frame)
    joined = frame.merge(first.to_pandas(), on="id")
    assert {"given_label", "rank", "flagged", "p_given", "duplicate_group"} <= set(joined.columns)
    same_findings(first, ls.find(joined))
    mine = frame.assign(
        rank=np.arange(N) % 7, note=1.5, flagged=0.0
    )  # without a finding beside them these are the user's own
    assert ls.load(mine).columns.names == ("f0", "f1", "f2", "rank", "note", "flagged")


def test_an_exported_data_set_is_read_like_the_source(tmp_path):
    datasets = pytest.importorskip("datasets")
    x = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32) + (np.arange(40) % 2 * 5)[:, None]
    np.savez(
        tmp_path / "d.npz", features=x, labels=np.array(["u", "v"] * 20), ids=np.array([f"k{i}" for i in range(40)])
    )
    called("find", tmp_path / "d.npz", "-o", tmp_path / "d.sieve")
    called("export", tmp_path / "d.sieve", "--to", "hf", "-o", tmp_path / "out")
    second = ls.load(datasets.load_from_disk(str(tmp_path / "out")))
    assert second.kind == "features" and np.allclose(second.inputs, x) and second.ids[3] == "k3"
    assert [second.classes[c] for c in second.labels[:2]] == ["u", "v"]


@pytest.mark.parametrize("name", TABLES)
def test_guessed_columns_stay_the_same_in_the_copy(tmp_path, name, capsys):
    texts = [f"the {'cat sat on a mat' if i % 2 else 'dog ran to a park'} number {i}" for i in range(12)]
    table = {"what": texts, "label": [f"c{i % 2}" for i in range(12)]}  # only one column of texts: no name is needed
    source = write(tmp_path / name, table)
    (tmp_path / "p.csv").write_text("id,old,new,who,why\n3,c1,c0,ann,seen\n")
    called("apply", source, "--patch", tmp_path / "p.csv", "-o", tmp_path / "one")
    second = ls.load(tmp_path / "one" / name)
    assert second.kind == "text" and list(second.inputs) == texts and second.classes == ("c0", "c1")
    (tmp_path / "q.csv").write_text("id,old,new\n4,c0,c1\n")
    called("apply", tmp_path / "one" / name, "--patch", tmp_path / "q.csv", "-o", tmp_path / "two")
    two = read(tmp_path / "two" / name)
    assert two["label_before"] == table["label"]
    assert [i for i, why in enumerate(two["label_decision"]) if why] == [3, 4] and two["label_decision"][
        3
    ] == "ann seen"


@pytest.mark.parametrize("names", [("label_before",), ("label_decision",), ("label_before", "label_decision")])
@pytest.mark.parametrize("name", ["t.csv", "t.jsonl", "t.parquet", "t.npz"])
def test_a_user_column_with_our_name_is_kept(tmp_path, name, names, capsys):
    table = columns("int")
    own = {key: [f"mine {i}" for i in range(N)] for key in names}
    if name == "t.npz":
        x = np.array([table[f"f{j}"] for j in range(3)]).T
        np.savez(
            tmp_path / name, features=x, labels=np.array(table["label"]), **{k: np.array(v) for k, v in own.items()}
        )
    else:
        write(tmp_path / name, table | own)
    called("find", tmp_path / name, "-o", tmp_path / "r")
    decide(tmp_path / "r", r0="9")
    capsys.readouterr()
    called("apply", tmp_path / "r", "-o", tmp_path / "out")
    message = " ".join(capsys.readouterr().out.split())
    result = read(tmp_path / "out" / name)
    if len(names) == 2:  # both together are a copy's
        assert (
            result["label_before"] == own["label_before"] and result["label_decision"][1:] == own["label_decision"][1:]
        )
        return
    assert result[names[0]] == own[names[0]] and "labelsieve_label_before" in message
    assert [int(v) for v in result["labelsieve_label_before"]] == table["label"]
    assert result["labelsieve_label_decision"] == ["ann relabel"] + [""] * (N - 1)
    called("find", tmp_path / "out" / name, "-o", tmp_path / "r2")
    decide(tmp_path / "r2", r1="9")
    called("apply", tmp_path / "r2", "-o", tmp_path / "out2")
    second = read(tmp_path / "out2" / name)
    assert second[names[0]] == own[names[0]] and list(second) == list(result)
    assert [int(v) for v in second["labelsieve_label_before"]] == table["label"]
    assert second["labelsieve_label_decision"] == ["ann relabel"] * 2 + [""] * (N - 2)


def test_the_column_of_first_labels_can_be_the_label(tmp_path):
    table = columns("int")
    source = write(tmp_path / "t.csv", table | {"label_before": table["label"], "label_decision": [""] * N})
    first = ls.load(source, label="label_before")
    assert first.columns.names == ("f0", "f1", "f2") and [int(first.classes[c]) for c in first.labels] == table["label"]


def test_rows_added_to_a_copy_keep_their_first_label(tmp_path):
    source = write(tmp_path / "t.csv", columns("int"))
    called("find", source, "-o", tmp_path / "r")
    decide(tmp_path / "r", r0="9")
    called("apply", tmp_path / "r", "-o", tmp_path / "one")
    with open(tmp_path / "one/t.csv", "a", encoding="utf-8") as file:
        file.write("0.1,0.2,0.3,4,,\n")
    called("find", tmp_path / "one/t.csv", "-o", tmp_path / "r2")
    called("apply", tmp_path / "r2", "-o", tmp_path / "two")
    result = read(tmp_path / "two/t.csv")
    assert result["label_before"][-1] == "4" and result["label_before"][0] == "4" and result["label"][0] == "9"


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".npy", ".txt"])
def test_a_label_file_keeps_its_history_for_three_rounds(tmp_path, suffix):
    table = columns("name")
    np.save(tmp_path / "x.npy", np.array([table[f"f{j}"] for j in range(3)]).T)
    ids = [str(i) for i in range(N)]
    labels = tmp_path / f"y{suffix}"
    if suffix == ".npy":
        np.save(labels, np.array(table["label"]))
    elif suffix == ".txt":
        labels.write_text("\n".join(table["label"]) + "\n")
    else:
        write(labels, {"id": ids, "label": table["label"]})
    for number in (1, 2, 3):
        called("find", tmp_path / "x.npy", "--labels", labels, "-o", tmp_path / f"{number}.sieve")
        decide(tmp_path / f"{number}.sieve", **({"r0": "bee"}, {"r1": "ant", "r2": None}, {"r0": "cow"})[number - 1])
        called("apply", tmp_path / f"{number}.sieve", "-o", tmp_path / f"c{number}")
        labels = tmp_path / f"c{number}/labels.csv"
    result = read(labels)
    kept = [i for i in range(N) if i != 2]
    assert result["label_before"] == [table["label"][i] for i in kept] and result["id"] == [ids[i] for i in kept]
    assert result["label"][:2] == ["cow", "ant"] and result["label_decision"][:3] == ["ann relabel", "ann relabel", ""]


@pytest.mark.parametrize("ids", [True, False])
def test_labels_of_probabilities_keep_their_history_for_three_rounds(tmp_path, ids):
    rng = np.random.default_rng(1)
    true = np.arange(60) % 3
    probs = np.full((60, 3), 0.05) + 0.85 * np.eye(3)[true]
    probs[7] = np.nan
    names = ["ant", "bee", "cow"]
    keys = [f"k{i}" for i in range(60)] if ids else [str(i) for i in range(60)]
    if ids:
        np.savez(tmp_path / "p.npz", probs=probs, ids=np.array(keys), classes=np.array(names))
    else:
        np.save(tmp_path / "p.npy", probs)
    given = [names[(c + (rng.random() < 0.1)) % 3] for c in true]
    labels = write(tmp_path / "y.csv", {"id": keys, "label": given})
    for number in (1, 2, 3):
        run = tmp_path / f"{number}.sieve"
        called("find", "--probs", tmp_path / ("p.npz" if ids else "p.npy"), "--labels", labels, "-o", run)
        acts = ({keys[0]: "bee"}, {keys[1]: "cow", keys[2]: None}, {keys[0]: "cow"})[number - 1]
        decide(run, **{f"r{key}": label for key, label in acts.items()})
        called("apply", run, "-o", tmp_path / f"c{number}")
        labels = tmp_path / f"c{number}/labels.csv"
    assert len(ls.open_run(tmp_path / "3.sieve").findings) == 58  # without the row of NaN and the one that was left out
    table = read(labels)
    result = {
        row["id"]: row for row in (dict(zip(table, cells, strict=True)) for cells in zip(*table.values(), strict=True))
    }
    assert result[keys[0]]["label"] == "cow" and result[keys[0]]["label_before"] == given[0]
    assert result[keys[1]]["label_decision"] == "ann relabel" and result[keys[7]]["label"] == given[7]
    assert result.get(keys[2], {"label": ""})["label"] == ""


def test_class_folders_keep_the_first_class_for_three_rounds(tmp_path, capsys):
    for i, name in enumerate(["cat/1.png", "cat/2.png", "cat/3.png", "dog/1.png", "dog/4.png", "dog/5.png"]):
        (tmp_path / "p" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (4, 4), (i * 40, i, 0)).save(tmp_path / "p" / name)
    patches = [
        "cat/1.png,cat,dog,ann,seen",
        "dog/1 (from cat).png,dog,cat,bob,again\ndog/4.png,dog,cat,bob,",
        "cat/2.png,cat,dog,eve,",
    ]
    source = tmp_path / "p"
    for number, row in enumerate(patches, 1):
        (tmp_path / "patch.csv").write_text(f"id,old,new,who,why\n{row}\n")
        called("apply", source, "--patch", tmp_path / "patch.csv", "-o", tmp_path / f"c{number}")
        source = tmp_path / f"c{number}"
        second = ls.load(source)
        assert len(second) == 6 and not second.excluded and "patch.csv" in " ".join(second.notes)
    assert {p.name for p in source.iterdir()} == {"cat", "dog", "patch.csv", "label_before.csv"}
    rows = read(source / "label_before.csv")
    output = {
        key: (old, why) for key, old, why in zip(rows["id"], rows["label_before"], rows["label_decision"], strict=True)
    }
    assert output == {
        "cat/1 (from cat).png": ("cat", "bob again"),
        "cat/4.png": ("dog", "bob"),
        "dog/2.png": ("cat", "eve"),
    } or output == {
        "cat/1 (from cat) (from dog).png": ("cat", "bob again"),
        "cat/4.png": ("dog", "bob"),
        "dog/2.png": ("cat", "eve"),
    }
    (source / "patch.csv").write_text(
        "what,is\nmine,here\n"
    )  # a file of the user's own that happens to have that name is listed
    assert [e.id for e in ls.load(source).excluded] == ["patch.csv"]


def test_a_model_accepts_data_with_and_without_the_added_columns(tmp_path, capsys):
    pytest.importorskip("torch")
    table = columns("int")
    source = write(tmp_path / "t.csv", table)
    called("find", source, "-o", tmp_path / "r")
    called("apply", tmp_path / "r", "-o", tmp_path / "one", "--auto", "0.9")
    called("train", tmp_path / "one/t.csv", "-o", tmp_path / "m", "--epochs", "2")
    assert json.loads((tmp_path / "m/model.json").read_text())["input"]["columns"] == ["f0", "f1", "f2"]
    message = []
    for data in (source, tmp_path / "one/t.csv"):
        capsys.readouterr()
        called("predict", tmp_path / "m", data, "--json")
        message.append(json.loads(capsys.readouterr().out)["predictions"])
        called("score", tmp_path / "m", data)
    assert message[0] == message[1]
    called("compare", tmp_path / "one/t.csv", "--methods", "standard", "--epochs", "1", "--seeds", "1")
    assert "label_before" in capsys.readouterr().out
    called("noise", tmp_path / "one/t.csv", "--rate", "0.1", "--kind", "instance", "-o", tmp_path / "n")
    assert "label_before" in " ".join(capsys.readouterr())


def test_score_columns_are_named_after_the_detectors():
    assert set(added_columns.DETECTORS) == set(DETECTORS)


@pytest.mark.parametrize("excluded", [False, True])
def test_parquet_columns_of_views_are_corrected_and_stay_views(tmp_path, excluded):
    table = pa.table(columns("name"))
    views = {
        "label": table["label"].cast(pa.string_view()),
        "blob": pa.array([bytes([i]) if i % 3 else None for i in range(N)]).cast(pa.binary_view()),
        "words": pa.array([["a", None], None, ["b"]] * 30, pa.list_(pa.string_view())),
        "said": pa.array([f"s{i}" for i in range(N)]).cast(pa.string_view()),
    }
    source = table.drop(["label"])
    for name, column in views.items():
        source = source.append_column(name, column)
    pq.write_table(source, tmp_path / "t.parquet")
    (tmp_path / "p.csv").write_text("id,old,new\n1,bee,ant\n" + ("2,cow,\n7,bee,\n89,cow,\n" if excluded else ""))
    (tmp_path / "q.csv").write_text("id,old,new\n0,ant,new\n")
    called("apply", tmp_path / "t.parquet", "--text", "said", "--patch", tmp_path / "p.csv", "-o", tmp_path / "one")
    called("apply", tmp_path / "one/t.parquet", "--text", "said", "--patch", tmp_path / "q.csv", "-o", tmp_path / "two")
    result = pq.read_table(tmp_path / "two/t.parquet")
    assert [result.schema.field(name).type for name in source.schema.names] == source.schema.types
    kept = [i for i in range(N) if not excluded or i not in (2, 7, 89)]
    want = source.to_pylist()
    want[1]["label"], want[0]["label"] = "ant", "new"
    assert result.drop(["label_before", "label_decision"]).to_pylist() == [want[i] for i in kept]
    assert result["label_before"][:3].to_pylist() == ["ant", "bee", "bee" if excluded else "cow"][:2] + [
        want[kept[2]]["label"]
    ]


def test_a_label_column_of_views_in_memory_is_read(tmp_path):
    table = pa.table(columns("name"))
    views = table.set_column(3, "label", table["label"].cast(pa.string_view()))
    views = views.append_column("said", pa.array(["x"] * N).cast(pa.string_view()))
    same_findings(ls.find(table), ls.find(views))
