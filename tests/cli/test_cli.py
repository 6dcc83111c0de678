"""The command line as a user types it: real processes, real files."""

from __future__ import annotations

import csv
import json
import os
import shlex
import subprocess
import sys

import numpy as np
import pyarrow.parquet as pq
import pytest


def labelsieve(*arguments, cwd, **environment):
    return subprocess.run(
        [sys.executable, "-m", "labelsieve", *map(str, arguments)],
        cwd=cwd,
        capture_output=True,
        text=True,
        env=os.environ | {"COLUMNS": "100", **environment},
        check=False,
    )


@pytest.fixture
def blobs(tmp_path):
    """features.npz with 30 planted errors in 400 rows, and truth.csv."""
    rng = np.random.default_rng(0)
    true = rng.integers(0, 4, 400)
    features = (rng.normal(size=(400, 16)) + 4 * np.eye(4, 16)[true]).astype(np.float32)
    given = true.copy()
    given[:30] = (given[:30] + 1) % 4
    names = np.array(["ash", "birch", "cedar", "dogwood"])
    ids = np.array([f"tree-{i}" for i in range(400)])
    np.savez(tmp_path / "features.npz", features=features, labels=names[given], ids=ids)
    with open(tmp_path / "truth.csv", "w", newline="") as file:
        csv.writer(file).writerows([("id", "label"), *zip(ids, names[true], strict=True)])
    return tmp_path


def test_find_writes_a_ranked_table_and_prints_next_steps(blobs):
    done = labelsieve("find", "features.npz", cwd=blobs)
    assert done.returncode == 0, done.stderr
    table = pq.read_table(blobs / "features.sieve" / "findings.parquet").to_pandas()
    assert list(table.columns[:7]) == [
        "id",
        "given_label",
        "suggested_label",
        "other_label",
        "p_wrong",
        "rank",
        "flagged",
    ]
    first = table.sort_values("rank").head(30)
    assert sum(int(key.removeprefix("tree-")) < 30 for key in first["id"]) >= 27
    assert "labels are probably wrong" in done.stdout and "labelsieve review features.sieve" in done.stdout
    assert first["id"].iloc[0] in done.stdout


def test_json_summary(blobs):
    done = labelsieve("find", "features.npz", "--json", "-o", "run", cwd=blobs)
    summary = json.loads(done.stdout)
    low, count, high = summary["estimate"]
    assert low <= 30 <= high and low <= count <= high
    assert summary["examples"] == 400 and summary["classes"] == 4 and summary["run"] == "run"
    assert len(summary["top"]) == 10 and {"id", "given_label", "suggested_label", "p_wrong", "reason"} <= set(
        summary["top"][0]
    )
    assert summary["confusions"][0]["expected"] > 1 and summary["worst_classes"][0]["rate"] > 0.02


def test_a_repeated_command_gives_the_same_findings(blobs):
    labelsieve("find", "features.npz", cwd=blobs)
    before = (blobs / "features.sieve" / "findings.parquet").read_bytes()
    assert labelsieve("find", "features.npz", cwd=blobs).returncode == 0
    assert (blobs / "features.sieve" / "findings.parquet").read_bytes() == before


def test_evaluate_against_the_truth(blobs):
    labelsieve("find", "features.npz", cwd=blobs)
    done = labelsieve("evaluate", "features.sieve", "--truth", "truth.csv", "--json", cwd=blobs)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["n_wrong"] == 30
    assert "oracle" in labelsieve("evaluate", "features.sieve", "--truth", "truth.csv", cwd=blobs).stdout


def test_noise_find_evaluate(blobs):
    done = labelsieve("noise", "features.npz", "--rate", "0.2", "-o", "noisy", "--seed", "3", cwd=blobs)
    assert done.returncode == 0, done.stderr
    assert json.loads((blobs / "noisy" / "noise.json").read_text())["realised_rate"] == 0.2
    for line in done.stdout.splitlines()[1:]:  # the two commands it suggests are run as they stand
        assert labelsieve(*shlex.split(line)[1:], cwd=blobs).returncode == 0
    assert (
        labelsieve("noise", "features.npz", "--rate", "0.2", "-o", "i", "--kind", "instance", cwd=blobs).returncode == 0
    )


def test_probabilities_of_the_user(blobs):
    rng = np.random.default_rng(0)
    probs = rng.dirichlet(np.ones(4) * 0.3, 400)
    np.save(blobs / "probs.npy", probs)
    np.savetxt(blobs / "labels.csv", probs.argmax(1), fmt="%d", header="label", comments="")
    done = labelsieve("find", "--probs", "probs.npy", "--labels", "labels.csv", cwd=blobs)
    assert done.returncode == 0, done.stderr
    assert (blobs / "probs.sieve" / "findings.parquet").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["find"], "Pass the data"),
        (["find", "nowhere/"], "nowhere"),
        (["find", "feature.npz"], "features.npz"),
        (["find", "features.npz", "--fast", "--side", "64"], "--fast"),
        (["find", "features.npz", "--detectors", "o2v"], "o2v"),
        (["find", "features.npz", "--seed", "many"], "many"),
        (["find", "--probs", "features.npz"], "--labels"),
        (["find", "features.npz", "--out", "truth.csv"], "truth.csv"),
        (["find", "features.npz", "--encoder", "lite0"], "lite0"),
        (["find", "features.npz", "--no-such-option"], "--no-such-option"),
        (["evaluate", "missing", "--truth", "truth.csv"], "missing"),
        (["noise", "features.npz", "--rate", "7", "-o", "x"], "7"),
        (["no-such-command"], "no-such-command"),
        (["find", "features.npz", "--seed", "-1"], "-1 is not a whole number from 0 to 4294967295"),
        (
            ["noise", "features.npz", "--rate", "0.1", "--seed", "-1", "-o", "x"],
            "-1 is not a whole number from 0 to 4294967295",
        ),
        (["find", "features.npz", "--side", "0"], "32 to 1024"),
        (["find", "features.npz", "--side", "100000"], "32 to 1024"),
        (["find", "features.npz", "--out", ""], "name a folder"),
        (["find", ""], "Pass the data"),
        (["noise", "features.npz", "--rate", "0.1", "-o", "truth.csv/x"], "truth.csv/x cannot be written"),
        (["find", "truth.csv", "--text", "id", "--image", "label"], "Both --text id and --image label"),
        (["find", "features.npz", "--label", "y"], "so --label y cannot be used"),
        (["demo", "."], "contains other files"),
        (["demo", "features.npz"], "is a file"),
    ],
)
def test_a_mistake_is_one_sentence_and_exit_code_2(blobs, arguments, message):
    done = labelsieve(*arguments, cwd=blobs)
    assert done.returncode == 2
    assert message in done.stderr and "Traceback" not in done.stderr
    assert done.stdout == ""


def test_a_run_folder_belongs_to_one_source(blobs):
    np.savez(blobs / "other.npz", features=np.random.default_rng(0).normal(size=(40, 4)), labels=np.arange(40) % 2)
    labelsieve("find", "features.npz", "--out", "run", cwd=blobs)
    done = labelsieve("find", "other.npz", "--out", "run", cwd=blobs)
    assert done.returncode == 2 and "features.npz" in done.stderr
    (blobs / "run" / "run.json").write_text("{")
    assert "damaged" in labelsieve("evaluate", "run", "--truth", "truth.csv", cwd=blobs).stderr


def test_odd_ids_and_labels_are_shown_safely(tmp_path):
    rng = np.random.default_rng(0)
    odd = ["[red]x[/red]", "new\nline", "\u202ertl", 'quo"te', "z" * 4096, "שלום", "\x1b[31mred"]
    ids = np.array(odd + [f"{i}" for i in range(93)])
    true = np.arange(100) % 2
    given = true.copy()
    given[:7] = 1 - given[:7]
    np.savez(
        tmp_path / "f.npz",
        features=rng.normal(size=(100, 6)) + 5 * np.eye(2, 6)[true],
        labels=np.array(["[b]a", "b\tb"])[given],
        ids=ids,
    )
    done = labelsieve("find", "f.npz", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "\x1b" not in done.stdout and "\u202e" not in done.stdout
    assert "[red]x[/red]" in done.stdout and "new\\nline" in done.stdout and "[b]a" in done.stdout
    assert pq.read_table(tmp_path / "f.sieve" / "findings.parquet")["id"].to_pylist() == list(ids)


def test_no_colour_in_a_pipe_and_no_progress(blobs):
    done = labelsieve("find", "features.npz", cwd=blobs)
    assert "\x1b[" not in done.stdout + done.stderr


def test_help_names_every_command(tmp_path):
    text = labelsieve("--help", cwd=tmp_path).stdout
    for command in ("find", "demo", "noise", "evaluate"):
        assert command in text


def test_noise_does_not_overwrite_other_files(blobs):
    done = labelsieve("noise", "features.npz", "--rate", "0.1", "-o", ".", cwd=blobs)
    assert done.returncode == 2 and "is not empty and was not written by noise" in done.stderr


def test_commands_printed_by_noise_work(tmp_path):
    rng = np.random.default_rng(0)
    with open(tmp_path / "my table.csv", "w", newline="") as file:
        rows = [(f"k{i}", "ab"[i % 2], *(rng.normal(size=3) + i % 2)) for i in range(80)]
        csv.writer(file).writerows([("my key", "kind", "x", "y", "z"), *rows])
    done = labelsieve(
        "noise", "my table.csv", "--label", "kind", "--id", "my key", "--rate", "0.1", "-o", "my noise", cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    for line in done.stdout.splitlines()[1:]:
        second = labelsieve(*shlex.split(line)[1:], cwd=tmp_path)
        assert second.returncode == 0, second.stderr


def test_file_names_that_are_not_utf8_work_from_find_to_report(tmp_path):
    rng = np.random.default_rng(0)
    ids = np.array([f"caf\udce9-{i}" for i in range(60)], object)
    with open(tmp_path / "t.csv", "w", encoding="utf-8", errors="surrogateescape") as file:
        file.write("id,label,x,y\n")
        for i, key in enumerate(ids):
            label = "caf\udce9" if i % 2 else "tea"
            file.write(f"{key},{label},{rng.normal() + 5 * (i % 2)},{rng.normal()}\n")
    done = labelsieve("find", "t.csv", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    table = pq.read_table(tmp_path / "t.sieve" / "findings.parquet")
    assert table["id"][0].as_py() == r"caf\xe9-0" and set(table["given_label"].to_pylist()) == {"caf\u00e9", "tea"}
