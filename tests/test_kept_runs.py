"""Runs made from Python keep what was handed over: each can be reviewed, reported, exported and corrected like a run on
a file."""

import csv
import json

import numpy as np
import pyarrow.parquet as pq
import pytest
from starlette.testclient import TestClient

import labelsieve as ls
from labelsieve.cli import main
from labelsieve.page.desk import Desk
from labelsieve.page.server import application
from labelsieve.store import kept_data as kept

N = 60
NAMES = np.array(["ant", "bee", "cow"])


def features(seed=0):
    rng = np.random.default_rng(seed)
    true = np.arange(N) % 3
    x = (rng.normal(size=(N, 3)) + 4 * true[:, None]).astype(np.float32)
    given = true.copy()
    given[[4, 17, 33]] = (given[[4, 17, 33]] + 1) % 3
    return x, NAMES[given], np.full((N, 3), 0.02) + 0.94 * np.eye(3)[true]


def frame(pandas=True, **more):
    x, labels, _ = features()
    table = {
        "a": x[:, 0],
        "b": x[:, 1],
        "c": x[:, 2],
        "label": labels,
        "remark": [f"seen {i}" for i in range(N)],
        **more,
    }
    return pytest.importorskip("pandas" if pandas else "polars").DataFrame(table)


def pictures(sizes):
    rng = np.random.default_rng(1)
    true = np.arange(N) % 3
    return [
        np.clip(rng.integers(0, 90, (s, s, 3)) + 80 * c, 0, 255).astype(np.uint8)
        for s, c in zip(sizes, true, strict=True)
    ]


def torch_pictures():
    torch = pytest.importorskip("torch")

    class Pairs(torch.utils.data.Dataset):
        classes = ("cow", "ant", "bee")  # in an order of their own

        def __len__(self):
            return N

        def __getitem__(self, i):
            return shown[i], int(i % 3)

    shown = [torch.from_numpy(p).permute(2, 0, 1) for p in pictures([16 + i % 3 for i in range(N)])]
    return Pairs()


def hub():
    datasets = pytest.importorskip("datasets")
    x, labels, _ = features()
    codes = [["cow", "ant", "bee"].index(name) for name in labels]
    kind = datasets.Features(
        {
            "features": datasets.Sequence(datasets.Value("float32")),
            "label": datasets.ClassLabel(names=["cow", "ant", "bee"]),
        }
    )
    return datasets.Dataset.from_dict({"features": x.tolist(), "label": codes}, kind)


def handed(kind, tmp_path):
    """What is handed over, with the arguments of `find`, and the file that `apply` writes."""
    x, labels, probs = features()
    text = [f"a text of {name} number {i}" for i, name in enumerate(labels)]
    np.savez(tmp_path / "mine.npz", features=x)
    return {
        "array": lambda: (x, {"labels": labels}, "data.npz"),
        "frame": lambda: (frame(), {}, "data.parquet"),
        "indexed": lambda: (frame().set_index(np.array([f"k{i}" for i in range(N)])), {}, "data.parquet"),
        "shuffled": lambda: (frame().sample(frac=1, random_state=0), {}, "data.parquet"),
        "polars": lambda: (frame(pandas=False), {}, "data.parquet"),
        "frame and labels": lambda: (frame().drop(columns="label"), {"labels": labels}, "data.parquet"),
        "grouped": lambda: (frame(patient=[f"p{i // 2}" for i in range(N)]), {"group": "patient"}, "data.parquet"),
        "texts": lambda: (text, {"labels": labels, "probs": probs}, "data.parquet"),
        "images": lambda: (np.stack(pictures([16] * N)), {"labels": labels, "probs": probs}, "data.npz"),
        "torch": lambda: (torch_pictures(), {"probs": probs[:, [2, 0, 1]]}, "pictures.parquet"),
        "hub": lambda: (hub(), {}, "data"),
        "probs": lambda: (ls.load_probabilities(probs, labels), {}, "labels.csv"),
        "file and labels": lambda: (str(tmp_path / "mine.npz"), {"labels": list(labels)}, "labels.csv"),
        "file and probs": lambda: (write(tmp_path / "f.csv"), {"probs": probs}, "f.csv"),
    }[kind]()


def write(path):
    frame().to_csv(path, index=False)
    return str(path)


KINDS = [
    "array",
    "frame",
    "indexed",
    "shuffled",
    "polars",
    "frame and labels",
    "grouped",
    "texts",
    "images",
    "torch",
    "hub",
    "probs",
]
KINDS += ["file and labels", "file and probs"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_on_data_in_memory_is_like_one_on_a_file(kind, tmp_path, capsys, monkeypatch):
    data, arguments, written = handed(kind, tmp_path)
    run = tmp_path / "r"
    found = ls.find(data, out=run, **arguments)
    monkeypatch.chdir(tmp_path / "r")  # the folder of the run is found from anywhere
    (run.parent / "elsewhere").mkdir()
    run = run.rename(run.parent / "elsewhere/moved")
    assert found.flagged.any() and found.settings["recipe"]

    desk, first = Desk(run), int(found.order()[0])
    with TestClient(application(desk, name="ann"), base_url="http://127.0.0.1:8765") as page:
        assert desk.data().inputs[first] is not None and desk.data_error() is None
        item = page.get(f"/api/item/{first}").json()
        shown = (
            page.get(f"/image/{first}").content[:4]
            if desk.data().kind == "image"
            else item["text"] or item["features"] or item["top"]
        )
        assert item["id"] == found.ids[first] and shown
    assert main(["apply", str(run), "-o", str(tmp_path / "out"), "--auto", "0.5", "--json"]) == 0
    output = json.loads(capsys.readouterr().out)
    assert {c["id"] for c in output["changes"]} == set(found.ids[found.p_wrong >= 0.5].tolist()) and output[
        "conflicts"
    ] == []
    assert written in output["files"]
    again = {
        "labels.csv": lambda: labels_of(tmp_path / "out/labels.csv"),
        "data": lambda: named(ls.load(f"hf:{tmp_path / 'out/data'}")),
    }.get(written, lambda: named(ls.load(tmp_path / "out" / written, **columns(found))))()
    want = {
        key: found.classes[c]
        for key, c in zip(found.ids, np.where(found.p_wrong >= 0.5, found.other, found.given), strict=True)
    }
    assert again == want
    assert main(["export", str(run), "--to", "csv", "-o", str(tmp_path / "sheet.csv")]) == 0
    assert main(["report", str(run), "-o", str(tmp_path / "report.html")]) == 0


def columns(found):
    return {
        name: value
        for name, value in found.settings["recipe"].items()
        if name in ("text", "image", "label", "id", "group")
    }


def named(data):
    return {key: data.classes[c] for key, c in zip(data.ids.tolist(), data.labels, strict=True)}


def labels_of(path):
    with open(path, newline="", encoding="utf-8") as file:
        return {row["id"]: row["label"] for row in csv.DictReader(file)}


def test_a_frame_keeps_its_other_columns_and_the_findings_are_the_same(tmp_path):
    table = frame()
    without, found = ls.find(table), ls.find(table, out=tmp_path / "r")
    assert np.array_equal(without.p_wrong, found.p_wrong)
    assert pq.read_table(tmp_path / "r/data/data.parquet").column_names == list(table.columns)
    ls.find(write(tmp_path / "f.csv"), out=tmp_path / "s")
    assert not (tmp_path / "s/data").exists()  # a file is where it is


def test_data_too_large_to_keep_are_noted(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(kept, "LIMIT", 100)
    x, labels, _ = features()
    found = ls.find(x, labels=labels, out=tmp_path / "r")
    assert any("not kept in the run" in note and "Write them to a file" in note for note in found.notes)
    assert not (tmp_path / "r/data").exists() and ls.open_run(tmp_path / "r").findings.notes == found.notes
    assert main(["apply", str(tmp_path / "r"), "-o", str(tmp_path / "out")]) == 2
    assert "were not kept" in capsys.readouterr().err


def test_a_second_find_into_the_run_takes_the_place_of_what_was_kept(tmp_path):
    x, labels, _ = features()
    ls.find(x, labels=labels, out=tmp_path / "r")
    ls.find(x[:45], labels=labels[:45], out=tmp_path / "r")
    with np.load(tmp_path / "r/data/data.npz") as found:
        assert found["features"].shape == (45, 3)


def test_a_polars_frame_with_categories_is_kept_and_corrected(tmp_path):
    pl = pytest.importorskip("polars")
    names = np.array(["zeb", "ant", "mog"])
    y = np.random.default_rng(0).integers(3, size=120)
    p = 0.05 + 0.85 * np.eye(3)[y]
    y[:5] = (y[:5] + 1) % 3
    frame = pl.DataFrame({"x": y + np.arange(120) / 1000, "label": pl.Series(names[y]).cast(pl.Enum(names.tolist()))})
    ls.find(frame, label="label", probs=p, out=tmp_path / "r.sieve")
    assert main(["apply", str(tmp_path / "r.sieve"), "--auto", "0.5", "-o", str(tmp_path / "out")]) == 0
    clean = pl.read_parquet(tmp_path / "out" / "data.parquet")
    assert (clean["label"].cast(pl.String) != frame["label"].cast(pl.String)).sum() == 5
