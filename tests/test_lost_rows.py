"""A source that lost or gained rows after `find`, or between two readings of `apply`: nothing is ever written for the
wrong row."""

import csv
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import labelsieve as ls
from labelsieve.cli import main
from labelsieve.core.decision import Decision
from labelsieve.core.errors import UserError
from labelsieve.corrections.npz import apply_npz
from labelsieve.corrections.patch import Change
from labelsieve.corrections.plan import plan
from labelsieve.corrections.table_file import apply_table
from labelsieve.store.journal import Journal
from labelsieve.store.run import load

N = 40


def rows(n=N):
    rng = np.random.default_rng(0)
    kinds = ("ash", "elm")
    return [
        {
            "id": f"t{i}",
            "a": round(float(rng.normal(6 * (i % 2), 1)), 4),
            "b": round(float(rng.normal()), 4),
            "label": kinds[i % 2],
        }
        for i in range(n)
    ]


def write(path, output):
    if path.suffix == ".csv":
        with open(path, "w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, rows(1)[0])
            writer.writeheader()
            writer.writerows(output)
    elif path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in output))
    elif path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(output), path)
    else:
        features = np.array([[row["a"], row["b"]] for row in output])
        np.savez(path, features=features, labels=np.array([row["label"] for row in output]))
    return path


def opened(name):
    return open(name, "rb")


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet", "npz"])
@pytest.mark.parametrize("n", [N - 1, N + 1])
def test_a_file_of_another_length_than_the_plan_is_refused_and_nothing_written(tmp_path, kind, n):
    source = write(tmp_path / f"trees.{kind}", rows())
    data = ls.load(str(source)) if kind == "npz" else ls.load(str(source), label="label", id="id")
    made = plan(N, data, [Change(str(data.ids[3]), "elm", "ash")])
    write(source, rows(n))
    out = tmp_path / f"out.{kind}"
    with pytest.raises(UserError, match=rf"has {n} rows, but the run read {N}; run find on it again"):
        apply_npz(str(source), made, out, opened) if kind == "npz" else apply_table(
            str(source), "label", made, out, opened
        )
    assert not out.exists()


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet", "npz"])
def test_a_table_that_lost_rows_since_find_is_corrected_where_its_rows_are_now(tmp_path, kind, capsys):
    source, run = write(tmp_path / f"trees.{kind}", rows()), tmp_path / "trees.sieve"
    named = [] if kind == "npz" else ["--label", "label", "--id", "id"]
    assert main(["find", str(source), *named, "--detectors", "knn_vote", "-o", str(run)]) == 0
    found = load(run)
    journal = Journal(run)
    journal.append(
        [
            Decision(
                str(found.ids[i]), "relabel", "ash", "ann", "2026-01-01T00:00:00+00:00", f"batch {i}", given="elm",
                content=f"{int(found.content[i]):016x}",
            )
            for i in (5, 9)
        ]
    )  # fmt: skip
    journal.close()
    write(source, rows()[2:8] + rows()[10:])  # row 9 has gone, and row 5 has moved up by two
    capsys.readouterr()
    assert main(["apply", str(run), "-o", str(tmp_path / "clean")]) == 2
    output = capsys.readouterr().err
    assert "1 of the 2 changes cannot be made" in output and repr(str(found.ids[9])) in output
    assert not (tmp_path / "clean").exists()
    write(source, rows()[2:])  # only what nobody decided on has gone
    assert main(["apply", str(run), "-o", str(tmp_path / "clean")]) == 0
    clean = tmp_path / "clean" / f"trees.{kind}"
    labels = np.load(clean)["labels"].tolist() if kind == "npz" else ls.load(str(clean), label="label", id="id")
    if kind != "npz":
        labels = [labels.classes[c] for c in labels.labels]
    assert labels == ["ash" if i in (5, 9) else row["label"] for i, row in enumerate(rows())][2:]
