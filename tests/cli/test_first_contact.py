"""What somebody meets who has just installed Labelsieve: mistakes are told with the next step, and leave nothing behind."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from labelsieve.cli import main


@pytest.fixture
def features(tmp_path):
    rng = np.random.default_rng(0)
    labels = np.arange(90) % 3
    np.savez(tmp_path / "f.npz", features=rng.normal(size=(90, 8)) + 2 * np.eye(3, 8)[labels], labels=labels)
    return tmp_path


def refused(capsys, *arguments):
    assert main([os.fspath(part) for part in arguments]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    return err


def test_a_run_in_the_place_of_data_asks_whether_to_review_it(features, capsys, monkeypatch):
    monkeypatch.chdir(features)
    assert main(["find", "f.npz", "--detectors", "consensus"]) == 0
    capsys.readouterr()
    for name in ("f.sieve", "f.sieve/", "./f.sieve", "f.sieve/findings.parquet"):
        err = refused(capsys, "find", name)
        assert "is a run of Labelsieve and no data; review it? labelsieve review f.sieve" in err
    assert "labelsieve review f.sieve" in refused(capsys, "noise", "f.sieve", "--rate", "20%", "-o", "noisy")
    assert not (features / "noisy").exists()
    assert "Did you mean f.sieve?" in refused(capsys, "report", "f.npz")
    (features / "mine").mkdir()
    os.rename("f.sieve", "mine/my run.sieve")
    assert "labelsieve review 'mine/my run.sieve'" in refused(capsys, "find", "mine/my run.sieve")


@pytest.mark.parametrize(
    "arguments",
    [
        ["--encoder", "use"],
        ["--side", "64"],
        ["--detectors", "quux"],
        ["--from-network", "resnet18"],
        ["--label", "x"],
        ["--labels", "nowhere.csv"],
    ],
)
def test_a_find_that_fails_leaves_no_folder(features, capsys, monkeypatch, arguments):
    monkeypatch.chdir(features)
    before = sorted(features.iterdir())
    refused(capsys, "find", "f.npz", *arguments)
    refused(capsys, "find", "f.npz", "--out", "new/deep/run", *arguments)
    (features / "empty").mkdir()
    refused(capsys, "find", "f.npz", "--out", "empty", *arguments)
    assert not any((features / "empty").iterdir())
    (features / "empty").rmdir()
    assert sorted(features.iterdir()) == before


def test_bad_data_leave_no_folder(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.savez("one.npz", features=np.eye(8), labels=np.zeros(8, int))
    for c in "ab":
        (tmp_path / "broken" / c).mkdir(parents=True)
        for i in range(4):
            (tmp_path / "broken" / c / f"{i}.png").write_bytes(b"no image")
    before = sorted(tmp_path.iterdir())
    refused(capsys, "find", "one.npz")
    refused(capsys, "find", "broken")  # found out while encoding, when a folder of features is there
    assert sorted(tmp_path.iterdir()) == before


def test_a_run_that_is_there_stays_when_another_find_fails(features, capsys, monkeypatch):
    monkeypatch.chdir(features)
    assert main(["find", "f.npz", "--detectors", "consensus"]) == 0
    there = {path: path.read_bytes() for path in (features / "f.sieve").rglob("*") if path.is_file()}
    capsys.readouterr()
    refused(capsys, "find", "f.npz", "--detectors", "quux")
    assert {path: path.read_bytes() for path in (features / "f.sieve").rglob("*") if path.is_file()} == there


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError, MemoryError])
def test_stopped_before_anything_was_saved_leaves_no_folder(features, monkeypatch, error):
    def stop(*_, **__):
        raise error

    monkeypatch.chdir(features)
    monkeypatch.delenv("LABELSIEVE_DEBUG", raising=False)
    monkeypatch.setattr("labelsieve.gather.of_panel", stop)
    assert main(["find", "f.npz"]) in (130, 70, 2)
    assert not (features / "f.sieve").exists()


def test_stopped_later_keeps_what_was_saved(features, monkeypatch):
    from labelsieve.core.files import write_array

    def stop(*_, folder, **__):
        write_array(folder / "half.npy", np.arange(3))
        raise KeyboardInterrupt

    monkeypatch.chdir(features)
    monkeypatch.setattr("labelsieve.gather.of_panel", stop)
    assert main(["find", "f.npz"]) == 130
    assert (features / "f.sieve" / "evidence" / "half.npy").exists()
    monkeypatch.undo()
    monkeypatch.chdir(features)
    assert main(["find", "f.npz", "--detectors", "consensus"]) == 0


@pytest.mark.slow
def test_a_killed_process_may_go_on(features):
    """Ctrl-C at any moment: either nothing is left, or the same command ends well."""
    command = [sys.executable, "-m", "labelsieve", "find", "f.npz"]
    for wait in (0.3, 0.8, 1.2):
        process = subprocess.Popen(command, cwd=features, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        time.sleep(wait)
        process.send_signal(signal.SIGINT)
        process.communicate()
        assert process.returncode in (0, 130)
        if (features / "f.sieve").exists():
            assert {path.name for path in (features / "f.sieve").iterdir()} > {"run.json"}
    assert subprocess.run(command, cwd=features, stdout=subprocess.DEVNULL, check=False).returncode == 0


# What each kind of source has no use for.
NO_USE = {
    "features": (["f.npz"], [["--fast"], ["--side", "64"], ["--encoder", "lite0"], ["--encoder", "use"], ["--from-network", "small-cnn"]]),
    "probs": (
        ["--probs", "p.npy", "--labels", "l.csv"],
        [["--fast"], ["--side", "64"], ["--encoder", "lite0"], ["--from-network", "small-cnn"]],
    ),
    "texts": (["t.csv", "--text", "body", "--label", "topic"], [["--fast"], ["--side", "64"], ["--encoder", "fast"]]),
    "images": (["i.npz"], [["--encoder", "use"], ["--encoder", "none"], ["--fast", "--side", "64"], ["--fast", "--from-network", "x"]]),
}
NO_USE["images"][1].append(["--from-network", "small-cnn", "--encoder", "lite0"])
COLUMNS = [["--image", "x"], ["--text", "x"], ["--label", "x"], ["--id", "x"], ["--group", "x"]]


@pytest.mark.parametrize("kind", list(NO_USE))
def test_what_does_nothing_is_refused(features, capsys, monkeypatch, kind):
    monkeypatch.chdir(features)
    labels = np.arange(90) % 3
    np.save("p.npy", np.where(np.eye(3)[labels] > 0, 0.8, 0.1))
    (features / "l.csv").write_text("id,label\n" + "".join(f"{i},{c}\n" for i, c in enumerate(labels)))
    (features / "t.csv").write_text("body,topic\n" + "".join(f"word {i} {c},t{c}\n" for i, c in enumerate(labels)))
    np.savez("i.npz", images=np.random.default_rng(0).integers(0, 255, (90, 16, 16, 3), np.uint8), labels=labels)
    source, options = NO_USE[kind]
    for option in options + (COLUMNS if kind in ("features", "images") else []):
        err = refused(capsys, "find", *source, *option)
        assert "leave" in err or "There are" in err or "there are" in err or "or --encoder" in err, err
        assert not list(features.glob("*.sieve"))


def test_terms_of_another_plan_are_refused(features, capsys, monkeypatch):
    monkeypatch.chdir(features)
    assert main(["find", "f.npz", "--detectors", "consensus"]) == 0
    capsys.readouterr()
    for option in (["--aql", "1%"], ["--producer-risk", "5%"]):
        assert "goes with --plan single or double" in refused(capsys, "accept", "f.sieve", "--max-error", "5%", *option)
    assert not (features / "f.sieve" / "samples").exists()
