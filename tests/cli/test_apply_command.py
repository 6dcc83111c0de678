import csv
import gzip
import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import labelsieve
from labelsieve.cli import main
from labelsieve.cli.apply import apply
from labelsieve.core.dataset import Exclusion
from labelsieve.core.decision import Decision
from labelsieve.core.errors import UserError
from labelsieve.core.findings import Estimate, Findings
from labelsieve.store import run
from labelsieve.store.journal import Journal

ODD = 'q"uo,te\nnew \u202eline'


def made(source, folder, p_wrong=None, **columns):
    """A run on the data as `find` leaves it, without the finding."""
    data = labelsieve.load(source, **columns)
    n, k = len(data), len(data.classes)
    p = np.full(n, 0.1) if p_wrong is None else np.asarray(p_wrong, float)
    settings = {"source": data.source, "kind": data.kind, "recipe": data.recipe, "folder": os.getcwd()}
    findings = Findings(
        data.ids, data.classes, data.labels, (data.labels + 1) % k, p, np.argsort(np.argsort(-p)) + 1, p > 0.5,
        {"consensus": p}, {}, Estimate(p.sum(), 0, n), data.excluded, (), settings,
    )  # fmt: skip
    folder.mkdir()
    run.save(findings, folder)
    return findings


def decide(folder, *rows, reviewer="ann"):
    journal = Journal(folder)
    at = f"2026-01-02T03:04:{len(journal.read()[0]):02}+00:00"
    journal.append([Decision(id, act, label, reviewer, at, f"{reviewer}-{id}-{at}") for id, act, label in rows])
    journal.close()


def pictures(root, names):
    for i, name in enumerate(names):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (4, 4), (i * 20 % 256, i, 0)).save(path)
    return root


def rows_of(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def tree(root):
    return {str(p.relative_to(root)): p.read_bytes() for p in Path(root).rglob("*") if p.is_file()}


@pytest.fixture
def photos(tmp_path):
    return pictures(tmp_path / "photos", ["cat/1.png", "cat/2.png", "cat/3.png", "dog/1.png", "dog/4.png", "dog/5.png"])


def test_files_move_to_their_new_class_and_the_source_stays_unchanged(photos, tmp_path, capsys):
    before = tree(photos)
    made(photos, tmp_path / "r")
    decide(tmp_path / "r", ("cat/1.png", "relabel", "dog"), ("dog/4.png", "exclude", None), ("cat/2.png", "keep", None))
    apply(str(tmp_path / "r"), out=tmp_path / "clean", json=True)
    output = json.loads(capsys.readouterr().out)
    after = tree(tmp_path / "clean")
    after.pop("patch.csv")
    assert set(after) == {"cat/2.png", "cat/3.png", "dog/1.png", "dog/1 (from cat).png", "dog/5.png"}
    assert after["dog/1.png"] == before["dog/1.png"] and after["dog/1 (from cat).png"] == before["cat/1.png"]
    assert output["renamed"] == [{"id": "cat/1.png", "file": "dog/1 (from cat).png"}]
    assert tree(photos) == before
    patch = rows_of(tmp_path / "clean/patch.csv")
    assert [(r["id"], r["old"], r["new"], r["who"]) for r in patch] == [
        ("cat/1.png", "cat", "dog", "ann"),
        ("dog/4.png", "dog", "", "ann"),
    ]


def test_patch_of_one_run_applies_to_the_data_like_the_decisions_did(photos, tmp_path, capsys):
    made(photos, tmp_path / "r")
    decide(tmp_path / "r", ("cat/1.png", "relabel", "dog"), ("dog/4.png", "exclude", None))
    apply(str(tmp_path / "r"), out=tmp_path / "a")
    apply(str(photos), patch=tmp_path / "a/patch.csv", out=tmp_path / "b")
    assert tree(tmp_path / "a") == tree(tmp_path / "b")


def test_stale_rows_and_unknown_ids_of_a_patch_are_conflicts(photos, tmp_path, capsys):
    (tmp_path / "p.csv").write_text(
        "id,old,new\ncat/1.png,dog,cat\nnobody,cat,dog\ncat/2.png,cat,dog\ncat/3.png,cat,dog\ncat/3.png,cat,\n"
    )
    apply(str(photos), patch=tmp_path / "p.csv", out=tmp_path / "clean", json=True)
    output = json.loads(capsys.readouterr().out)
    assert [c["id"] for c in output["changes"]] == ["cat/2.png"]
    assert {c["id"] for c in output["conflicts"]} == {"cat/1.png", "nobody", "cat/3.png"}
    assert {r["id"] for r in rows_of(tmp_path / "clean/conflicts.csv")} == {"cat/1.png", "nobody", "cat/3.png"}


def test_disagreeing_reviewers_keep_the_given_label(photos, tmp_path, capsys):
    made(photos, tmp_path / "r", [0.99] * 6)
    decide(tmp_path / "r", ("cat/1.png", "relabel", "dog"))
    decide(tmp_path / "r", ("cat/1.png", "keep", None), reviewer="bob")
    apply(str(tmp_path / "r"), dry_run=True, json=True)
    output = json.loads(capsys.readouterr().out)
    assert output["changes"] == [] and output["conflicts"][0]["id"] == "cat/1.png"


def test_undecodable_files_are_listed(photos, tmp_path, capsys):
    findings = made(photos, tmp_path / "r")
    kept = np.arange(len(findings)) != 1
    part = {name: getattr(findings, name)[kept] for name in ("ids", "given", "other", "p_wrong", "rank", "flagged")}
    run.save(
        replace(findings, **part, scores={}, excluded=(Exclusion("cat/2.png", "the image is truncated"),)),
        tmp_path / "r",
    )
    apply(str(tmp_path / "r"), out=tmp_path / "clean", json=True)
    output = json.loads(capsys.readouterr().out)
    assert output["not_read"] == [{"id": "cat/2.png", "reason": "the image is truncated"}]
    assert not (tmp_path / "clean/cat/2.png").exists()


def test_dry_run_writes_nothing(photos, tmp_path, capsys):
    made(photos, tmp_path / "r")
    decide(tmp_path / "r", ("cat/1.png", "relabel", "dog"))
    apply(str(tmp_path / "r"), out=tmp_path / "clean", dry_run=True)
    assert "Nothing was written" in capsys.readouterr().out and not (tmp_path / "clean").exists()


def test_nothing_is_overwritten(photos, tmp_path):
    made(photos, tmp_path / "r")
    (tmp_path / "full").mkdir()
    (tmp_path / "full/mine.txt").write_text("mine")
    for place, word in (
        (tmp_path / "full", "not empty"),
        (photos / "new", "lies inside the data"),
        (photos, "not empty"),
    ):
        with pytest.raises(UserError, match=word):
            apply(str(tmp_path / "r"), out=place)
    assert tree(tmp_path / "full") == {"mine.txt": b"mine"}
    assert not [p for p in tmp_path.iterdir() if p.name.endswith(".part")]


@pytest.mark.parametrize("name", ["..", ".", "../../evil", "a/b", "a\\b", ".hidden", "x" * 300, "a\nb", " cat"])
def test_class_names_unfit_for_folders_are_refused_before_writing(photos, tmp_path, name):
    made(photos, tmp_path / "r")
    decide(tmp_path / "r", ("cat/1.png", "relabel", name))
    before = sorted(os.listdir(tmp_path))
    with pytest.raises(UserError, match="cannot be the name of a folder"):
        apply(str(tmp_path / "r"), out=tmp_path / "clean")
    assert sorted(os.listdir(tmp_path)) == before


def test_links_in_the_source_become_files(photos, tmp_path):
    (photos / "cat/link.png").symlink_to(photos / "dog/5.png")
    made(photos, tmp_path / "r")
    apply(str(tmp_path / "r"), out=tmp_path / "clean")
    copy = tmp_path / "clean/cat/link.png"
    assert copy.is_file() and not copy.is_symlink()


@pytest.mark.parametrize("name", ["t.csv", "t.tsv", "t.csv.gz"])
def test_text_tables_keep_every_cell(tmp_path, name, capsys):
    source, comma = tmp_path / name, "\t" if "tsv" in name else ","
    lines = [
        ["id", "note", "label", "text"],
        [ODD, "007", "good", "a"],
        ["../x", "", "good ", "b"],
        ["y" * 4096, "1.0", "bad", "c"],
    ]
    lines += [[f"r{i}", "é", "bad", "d"] for i in range(3)] + [["gone", "", "", "e"]]
    with (gzip.open if name.endswith("gz") else open)(source, "wt", newline="", encoding="utf-8") as file:
        csv.writer(file, delimiter=comma).writerows(lines)
    made(source, tmp_path / "r", text="text")
    decide(tmp_path / "r", (ODD, "relabel", "bad"), ("r1", "exclude", None), ("r2", "relabel", "new, class"))
    apply(str(tmp_path / "r"), out=tmp_path / "clean")
    with (gzip.open if name.endswith("gz") else open)(
        tmp_path / "clean" / name, "rt", newline="", encoding="utf-8"
    ) as file:
        result = list(csv.reader(file, delimiter=comma))
    want = [[*row] for row in lines if row[0] != "r1"]
    want[1][2], want[5][2] = "bad", "new, class"
    assert [row[:4] for row in result] == want
    assert (
        result[0][4:] == ["label_before", "label_decision"]
        and result[1][4:] == ["good", "ann relabel"]
        and result[2][4:] == ["good ", ""]
    )
    apply(str(source), patch=tmp_path / "clean/patch.csv", out=tmp_path / "again", text="text")
    assert tree(tmp_path / "again") == tree(tmp_path / "clean")


def test_jsonl_keeps_objects_and_types(tmp_path):
    rows = [{"text": f"t{i}", "label": i % 2, "more": {"a": [1, None]}} for i in range(6)]
    (tmp_path / "t.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    made(tmp_path / "t.jsonl", tmp_path / "r", text="text")
    decide(tmp_path / "r", ("0", "relabel", "1"), ("3", "exclude", None))
    apply(str(tmp_path / "r"), out=tmp_path / "clean")
    result = [json.loads(line) for line in (tmp_path / "clean/t.jsonl").read_text().splitlines()]
    assert [row["label"] for row in result] == [1, 1, 0, 0, 1] and result[0]["label_before"] == 0
    assert all(row["more"] == {"a": [1, None]} for row in result)


@pytest.mark.parametrize(
    "kind", ["int8", "string", "dictionary<values=string, indices=int8, ordered=0>", "decimal128(4, 1)"]
)
def test_parquet_keeps_columns_order_types_and_metadata(tmp_path, kind):
    import pyarrow as pa
    import pyarrow.parquet as pq

    labels = pa.array(["1", "2", "1", "2", "1", "2"])
    labels = labels.dictionary_encode().cast(pa.dictionary(pa.int8(), pa.string())) if "dict" in kind else labels
    if kind == "int8" or "decimal" in kind:
        labels = labels.cast(pa.int8()) if kind == "int8" else labels.cast(pa.decimal128(4, 1))
    columns = {"text": pa.array(list("abcdef")), "label": labels, "w": pa.array(np.arange(6), pa.uint16())}
    table = pa.table(columns).replace_schema_metadata({"mine": "yes"})
    pq.write_table(table, tmp_path / "t.parquet")
    findings = made(tmp_path / "t.parquet", tmp_path / "r", text="text")
    decide(tmp_path / "r", ("0", "relabel", findings.classes[1]), ("3", "exclude", None))
    apply(str(tmp_path / "r"), out=tmp_path / "clean")
    result = pq.read_table(tmp_path / "clean/t.parquet")
    assert result.schema.names == ["text", "label", "w", "label_before", "label_decision"]
    assert [result.schema.field(i).type for i in range(3)] == [table.schema.field(i).type for i in range(3)]
    assert result.schema.metadata[b"mine"] == b"yes"
    assert [str(v) for v in result["label"].cast(pa.string()).to_pylist()] == [
        str(v) for v in labels.cast(pa.string()).take(pa.array([1, 1, 2, 4, 5])).to_pylist()
    ]


def test_images_of_a_table_are_copied(tmp_path):
    pictures(tmp_path / "d", [f"img/{i}.png" for i in range(6)])
    pictures(tmp_path, ["out.png"])
    names = [f"img/{i}.png" for i in range(6)] + ["../out.png"]
    (tmp_path / "d/t.csv").write_text(
        "image,label\n" + "".join(f"{name},{'ab'[i % 2]}\n" for i, name in enumerate(names))
    )
    made(tmp_path / "d/t.csv", tmp_path / "r")
    decide(tmp_path / "r", ("0", "exclude", None))
    apply(str(tmp_path / "r"), out=tmp_path / "deep/clean")
    assert set(tree(tmp_path / "deep")) == {f"clean/{n}" for n in (*names[1:6], "t.csv", "patch.csv")}


@pytest.mark.parametrize("labels", [np.array([0, 1, 0, 1, 0, 1]), np.array(["a", "b"] * 3)])
def test_npz_keeps_its_keys_and_adds_a_new_class(tmp_path, labels):
    features = np.arange(12, dtype=np.float32).reshape(6, 2)
    np.savez(
        tmp_path / "d.npz",
        features=features,
        labels=labels,
        classes=np.array(["a", "b"]),
        ids=np.array(list("uvwxyz")),
        w=np.ones(6),
    )
    made(tmp_path / "d.npz", tmp_path / "r")
    decide(tmp_path / "r", ("u", "relabel", "b"), ("v", "exclude", None), ("w", "relabel", "longer"))
    apply(str(tmp_path / "r"), out=tmp_path / "clean")
    with np.load(tmp_path / "clean/d.npz") as result:
        assert {"features", "labels", "classes", "ids", "w", "label_before", "label_decision"} == set(result)
        assert (
            result["classes"].tolist() == ["a", "b", "longer"]
            and result["ids"].tolist() == list("uwxyz")
            and len(result["w"]) == 5
        )
        assert np.array_equal(result["features"], features[[0, 2, 3, 4, 5]])
    second = labelsieve.load(tmp_path / "clean/d.npz")
    assert [second.classes[c] for c in second.labels] == ["b", "longer", "b", "a", "b"]


def test_separate_labels_are_corrected_in_a_label_file(tmp_path):
    np.save(tmp_path / "x.npy", np.arange(12.0).reshape(6, 2))
    np.save(tmp_path / "y.npy", np.array([0, 1] * 3))
    made(str(tmp_path / "x.npy"), tmp_path / "r", labels=str(tmp_path / "y.npy"))
    decide(tmp_path / "r", ("0", "relabel", "1"), ("1", "exclude", None))
    apply(str(tmp_path / "r"), out=tmp_path / "clean")
    second = labelsieve.load(str(tmp_path / "x.npy"), labels=str(tmp_path / "clean/labels.csv"))
    assert second.ids.tolist() == ["0", "2", "3", "4", "5"] and second.labels.tolist() == [1, 0, 1, 0, 1]


@pytest.mark.parametrize("coded", [True, False])
def test_hugging_face_features_are_kept(tmp_path, coded):
    datasets = pytest.importorskip("datasets")
    kind = datasets.ClassLabel(names=["a", "b"]) if coded else datasets.Value("string")
    values = [0, 1, 0, 1, 0, 1] if coded else ["a", "b"] * 3
    features = datasets.Features({"text": datasets.Value("string"), "label": kind, "n": datasets.Value("int16")})
    datasets.Dataset.from_dict({"text": list("uvwxyz"), "label": values, "n": list(range(6))}, features).save_to_disk(
        tmp_path / "hf"
    )
    made(f"hf:{tmp_path / 'hf'}", tmp_path / "r")
    decide(tmp_path / "r", ("0", "relabel", "b"), ("1", "exclude", None), ("2", "relabel", "c"))
    apply(str(tmp_path / "r"), out=tmp_path / "clean")
    result = datasets.load_from_disk(str(tmp_path / "clean/data"))
    assert result.column_names == ["text", "label", "n", "label_before", "label_decision"]
    assert result.features["n"] == features["n"] and isinstance(result.features["label"], type(kind))
    second = labelsieve.load(f"hf:{tmp_path / 'clean/data'}", text="text", label="label")
    assert [second.classes[c] for c in second.labels] == ["b", "c", "b", "a", "b"]


def test_auto_changes_only_examples_without_a_decision(photos, tmp_path, capsys):
    made(photos, tmp_path / "r", [0.999, 0.999, 0.999, 1 - 1e-9, 1 - 1e-9, 0.001])
    decide(tmp_path / "r", ("cat/1.png", "keep", None), ("cat/2.png", "later", None), ("cat/3.png", "relabel", "dog"))
    decide(tmp_path / "r", ("cat/3.png", "keep", None), reviewer="bob")
    apply(str(tmp_path / "r"), dry_run=True, auto=0.5, json=True)
    output = json.loads(capsys.readouterr().out)
    assert {c["who"] for c in output["changes"]} == {"auto"}
    assert {c["id"] for c in output["changes"]} == {"dog/1.png", "dog/4.png"}


def test_mistakes_are_reported(photos, tmp_path):
    made(photos, tmp_path / "r")
    for arguments, word in (
        ({"source": str(tmp_path / "r")}, "out=.*dry_run=True"),
        ({"source": str(photos), "dry_run": True}, "patch='FILE'"),
        ({"source": str(tmp_path / "r"), "dry_run": True, "auto": 1.5}, "auto is 1.5"),
        (
            {"source": str(tmp_path / "r"), "dry_run": True, "auto": 0.3},
            "below 0.5 a label is more likely right than wrong",
        ),
        ({"source": str(tmp_path / "r"), "dry_run": True, "label": "x"}, "leave out label="),
        ({"source": str(photos), "dry_run": True, "patch": tmp_path / "none.csv"}, "cannot be read"),
    ):
        with pytest.raises(UserError, match=word):
            apply(arguments.pop("source"), **arguments)


def test_folders_that_differ_only_in_case_keep_all_files(tmp_path, capsys):
    source = pictures(tmp_path / "photos", ["Cat/1.png", "cat/1.png", "cat/2.png", "dog/1.png", "dog/2.png"])
    if len(list(source.iterdir())) < 3:
        pytest.skip("this file system takes the two for one")
    made(str(source), tmp_path / "run")
    decide(tmp_path / "run", ("dog/2.png", "relabel", "cat"))
    assert main(["apply", str(tmp_path / "run"), "-o", str(tmp_path / "clean"), "--json"]) == 0
    output = json.loads(capsys.readouterr().out)
    copied = [path for path in tree(tmp_path / "clean") if path.endswith(".png")]
    assert (
        len(copied) == 5 == len({path.casefold() for path in copied})
    )  # whatever the case of names means where they go
    assert {row["id"] for row in output["renamed"]} <= {"Cat/1.png", "cat/1.png", "dog/2.png"} and len(
        output["renamed"]
    ) == 2
    contents = sorted(path.read_bytes() for path in (tmp_path / "clean").rglob("*.png"))
    assert contents == sorted(path.read_bytes() for path in source.rglob("*.png"))
    assert sorted(path.partition("/")[0] for path in copied) == ["Cat", "cat", "cat", "cat", "dog"]


@pytest.mark.parametrize(("moves", "stays"), [("X", "x"), ("x", "X")])
def test_file_names_that_differ_only_in_case_are_renamed(tmp_path, capsys, moves, stays):
    source = pictures(tmp_path / "photos", [f"cat/{moves}.png", "cat/y.png", f"dog/{stays}.png", "dog/z.png"])
    made(str(source), tmp_path / "run")
    decide(tmp_path / "run", (f"cat/{moves}.png", "relabel", "dog"))
    assert main(["apply", str(tmp_path / "run"), "-o", str(tmp_path / "clean"), "--json"]) == 0
    [renamed] = json.loads(capsys.readouterr().out)["renamed"]
    assert renamed == {"id": f"cat/{moves}.png", "file": f"dog/{moves} (from cat).png"}
    assert (tmp_path / "clean" / f"dog/{stays}.png").read_bytes() == (source / f"dog/{stays}.png").read_bytes()
    assert (tmp_path / "clean" / renamed["file"]).read_bytes() == (source / f"cat/{moves}.png").read_bytes()


def test_without_a_decision_it_says_where_decisions_come_from(photos, tmp_path, capsys):
    made(photos, tmp_path / "r", p_wrong=[0.9, *[0.1] * 5])
    assert main(["apply", str(tmp_path / "r"), "--dry-run"]) == 0
    assert "labelsieve review" in capsys.readouterr().out
    assert main(["apply", str(tmp_path / "r"), "--auto", "80%", "--dry-run"]) == 0
    assert "labelsieve review" not in capsys.readouterr().out
    decide(tmp_path / "r", ("cat/1.png", "relabel", "dog"))
    assert main(["apply", str(tmp_path / "r"), "--dry-run"]) == 0
    assert "labelsieve review" not in capsys.readouterr().out
