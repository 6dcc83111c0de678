"""What a power cut may cost: the order of the system's own calls, as the commands make them."""

import hashlib
import os
import sys
from pathlib import Path

import numpy as np
import pytest

from labelsieve.cli import main
from labelsieve.core import files

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the names of open files are read from /proc")


@pytest.fixture
def calls(monkeypatch):
    """("sync", inode, digest of the bytes or None for a folder) and ("rename", new path) in the order in which they
    were made."""
    made, sync, replace = [], os.fsync, os.replace

    def fsync(handle):
        at = Path(os.readlink(f"/proc/self/fd/{handle}"))
        sync(handle)
        made.append(("sync", at.stat().st_ino, None if at.is_dir() else digest(at)))

    def rename(source, goal, **more):
        replace(source, goal, **more)
        made.append(("rename", Path(goal).absolute()))

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "replace", rename)
    return made


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def require_lasting(path, calls):
    """The bytes of the file were synced, then it, or a folder that holds it, got its name, then the folder of that name
    was synced."""
    whole = [at for at, call in enumerate(calls) if call == ("sync", path.stat().st_ino, digest(path))]
    names = [
        at for at, call in enumerate(calls) if call[0] == "rename" and (call[1] == path or call[1] in path.parents)
    ]
    assert whole and names and whole[0] < names[-1], f"{path} was named before its bytes were on the disk"
    assert ("sync", calls[names[-1]][1].parent.stat().st_ino, None) in calls[names[-1] :], (
        f"the name of {path} was not synced"
    )


def those_of(folder):
    return [path for path in sorted(folder.rglob("*")) if path.is_file()]


@pytest.fixture(scope="module")
def sieve(tmp_path_factory):
    """A finished run on a table with wrong labels."""
    folder = tmp_path_factory.mktemp("lasting")
    rng, names = np.random.default_rng(0), np.array(["ash", "elm", "oak"])
    kind = np.arange(90) % 3
    rows = rng.normal(size=(90, 3)) + 6 * np.eye(3)[kind]
    given = names[np.where(np.arange(90) < 6, (kind + 1) % 3, kind)]
    lines = [
        ",".join([f"t{i}", *(f"{v:.4f}" for v in row), label])
        for i, (row, label) in enumerate(zip(rows, given, strict=True))
    ]
    (folder / "trees.csv").write_text("\n".join(["id,a,b,c,label", *lines]) + "\n")
    assert (
        main(["find", str(folder / "trees.csv"), "--label", "label", "--id", "id", "-o", str(folder / "trees.sieve")])
        == 0
    )
    return folder


def test_a_finished_run_is_on_the_disk(sieve, tmp_path, calls):
    run = tmp_path / "new" / "trees.sieve"
    assert main(["find", str(sieve / "trees.csv"), "--label", "label", "--id", "id", "-o", str(run)]) == 0
    for name in ("findings.parquet", "excluded.csv", "run.json"):
        require_lasting(run / name, calls)
    last = max(at for at, call in enumerate(calls) if call == ("rename", run / "run.json"))
    before = {call[1:] for call in calls[:last] if call[0] == "sync"}
    for path in those_of(run):
        if path.name != "run.json":  # the manifest says that all else is there
            assert (path.stat().st_ino, digest(path)) in before, f"{path} may be lost although the run is finished"
    for made in (run, tmp_path / "new"):  # folders that were not there before
        assert (made.parent.stat().st_ino, None) in before


@pytest.mark.parametrize(
    ("command", "written"),
    [
        (["apply", "{run}", "--auto", "0.5", "-o", "{out}"], ["out/patch.csv", "out/trees.csv"]),
        (["export", "{run}", "--to", "csv", "-o", "{out}.csv"], ["out.csv"]),
        (["export", "{run}", "--to", "hf", "-o", "{out}"], ["out/dataset_info.json", "out/state.json"]),
        (["report", "{run}", "-o", "{out}.html"], ["out.html"]),
    ],
)
def test_what_a_command_wrote_is_on_the_disk(sieve, tmp_path, calls, command, written):
    if "hf" in command:
        pytest.importorskip("datasets")
    assert main([part.format(run=sieve / "trees.sieve", out=tmp_path / "out") for part in command]) == 0
    assert {tmp_path / name for name in written} <= set(those_of(tmp_path))
    for path in those_of(tmp_path):
        require_lasting(path, calls)


def test_a_model_is_on_the_disk_and_its_weights_last(sieve, tmp_path, calls):
    pytest.importorskip("torch")
    model = tmp_path / "model"
    method = ["--method", "standard", "--network", "linear", "--epochs", "1"]
    assert main(["train", str(sieve / "trees.csv"), "--label", "label", "--id", "id", *method, "-o", str(model)]) == 0
    assert (model / "weights.safetensors").is_file()
    for path in those_of(model):
        require_lasting(path, calls)


def test_a_file_system_that_cannot_sync_is_no_fault_and_a_full_disk_is(tmp_path, monkeypatch):
    def failing(error):
        def fsync(handle):
            raise OSError(error, os.strerror(error))

        return fsync

    monkeypatch.setattr(os, "fsync", failing(files.errno.EINVAL))
    files.write_json(tmp_path / "a.json", [1])
    assert (tmp_path / "a.json").read_text() == "[\n  1\n]\n"
    monkeypatch.setattr(os, "fsync", failing(files.errno.EIO))
    with pytest.raises(OSError) as caught:
        files.write_json(tmp_path / "a.json", [2])
    assert caught.value.filename == str(tmp_path / "a.json")
    assert (tmp_path / "a.json").read_text() == "[\n  1\n]\n" and len(list(tmp_path.iterdir())) == 1
