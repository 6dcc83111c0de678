"""Files that are replaced: whole or not at all, and errors that name them."""

import errno
import os
import subprocess
import sys
import tempfile
import time

import numpy as np
import pytest

from labelsieve.cli import main
from labelsieve.core.errors import UserError
from labelsieve.core.files import _HERE, replacing, require_own, scratch, sweep, write_array, write_json


@pytest.fixture
def small_disk():
    """No file of more than 1000 bytes can be written."""
    resource = pytest.importorskip("resource", exc_type=ImportError)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def write_text(path, n):
    with replacing(path) as partial, open(partial, "w") as file:
        file.write("x" * n)


@pytest.mark.skipif(sys.platform == "win32", reason="no limits on files there")
@pytest.mark.parametrize(
    "write", [write_text, lambda path, n: write_array(path, np.zeros(n)), lambda path, n: write_json(path, ["x"] * n)]
)
def test_a_full_disk_leaves_the_file_before(tmp_path, small_disk, write):
    path = tmp_path / "file"
    write(path, 10)
    before = path.read_bytes()
    with pytest.raises(OSError) as caught:
        write(path, 5000)
    assert caught.value.filename == str(path) and caught.value.errno in (errno.EFBIG, errno.ENOSPC)
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]


def test_an_error_about_another_file_keeps_its_name(tmp_path):
    with pytest.raises(FileNotFoundError) as caught, replacing(tmp_path / "file"):
        (tmp_path / "source").read_bytes()
    assert caught.value.filename == str(tmp_path / "source") and not list(tmp_path.iterdir())


def test_a_pipe_or_device_stays_what_it_is(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UserError, match="not a regular file"), replacing(tmp_path / "pipe"):
        pass
    assert (tmp_path / "pipe").is_fifo()


def test_only_an_own_file_or_an_empty_one_is_replaced(tmp_path):
    path = tmp_path / "file.csv"
    require_own(path, "id,label\n", "predict")
    for fine in ("", "id,label\n", "id,label\n1,ant\n"):
        path.write_text(fine)
        require_own(path, "id,label\n", "predict")
    for foreign in ("i", "id,label,note\n", "\n"):
        path.write_text(foreign)
        with pytest.raises(UserError, match="file.csv already exists and was not written by `labelsieve predict`"):
            require_own(path, "id,label\n", "predict")


def dead_process():
    """The number of a process that has ended."""
    done = subprocess.Popen([sys.executable, "-c", ""])
    done.wait()
    return done.pid


@pytest.fixture
def leftovers(tmp_path):
    """Puts a file or a folder there as a killed process left it, and one of a process that still runs."""

    def put(place, name):
        place.mkdir(parents=True, exist_ok=True)
        gone = [place / f".{name}.{dead_process()}.part", place / f".{name}.{_HERE}-{dead_process()}.part"]
        live = [
            place / f".{name}.{os.getppid()}.part",
            place / f".{name}.{_HERE}-{os.getppid()}.part",
            place / f".{name}.abcdef-1.part",
        ]
        for path in (*gone[:1], *live):
            path.write_text("half")
        (gone[1] / "inside").mkdir(parents=True)
        return gone, live

    return put


def test_leftovers_of_a_killed_process_are_removed_when_the_file_is_written(tmp_path, leftovers):
    gone, live = leftovers(tmp_path, "checkpoint.pt")
    others, _ = leftovers(tmp_path, "other.pt")
    write_text(tmp_path / "checkpoint.pt", 10)
    assert not any(path.exists() for path in gone)
    assert all(path.exists() for path in (*live, *others))


def test_leftovers_of_another_machine_are_removed_after_a_day(tmp_path):
    for name, age in (("new", 3600), ("old", 90_000)):
        path = tmp_path / f".{name}.000000-{os.getpid()}.part"
        path.write_text("half")
        os.utime(path, (time.time() - age,) * 2)
    sweep(tmp_path)
    assert [path.name.split(".")[1] for path in tmp_path.iterdir()] == ["new"]


def test_temporary_folders_of_killed_processes_are_removed(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    (tmp_path / f"labelsieve-{_HERE}-{dead_process()}-x").mkdir()
    (tmp_path / f"labelsieve-{_HERE}-{os.getppid()}-x").mkdir()
    (tmp_path / "labelsieve-mine").mkdir()
    with scratch() as folder:
        assert folder.is_dir() and len(list(tmp_path.iterdir())) == 3
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("command", ["find", "train", "apply", "report"])
def test_a_repeated_command_removes_leftovers_of_its_killed_predecessor(tmp_path, leftovers, command, capsys):
    rng = np.random.default_rng(0)
    np.savez(
        tmp_path / "d.npz",
        features=rng.normal(size=(60, 3)) + 4 * np.eye(3)[np.arange(60) % 3],
        labels=np.arange(60) % 3,
    )
    data, run = str(tmp_path / "d.npz"), str(tmp_path / "d.sieve")
    find = ["find", data, "-o", run, "--detectors", "knn_vote"]
    train = [
        "train",
        data,
        "--method",
        "standard",
        "--network",
        "linear",
        "--epochs",
        "1",
        "-o",
        str(tmp_path / "model"),
    ]
    places = {
        "find": [
            (tmp_path / "d.sieve", "run.json"),
            (tmp_path / "d.sieve" / "evidence", "neighbours.npy"),
            (tmp_path / "d.sieve", "data"),
        ],
        "train": [(tmp_path / "model", "checkpoint.pt"), (tmp_path / "model" / "record", "loss.npy")],
        "apply": [(tmp_path, "clean")],
        "report": [(tmp_path, "r.html")],
    }[command]
    if command in ("apply", "report"):
        assert main(find) == 0
    pairs = [leftovers(*place) for place in places]
    again = {"find": find, "train": train, "apply": ["apply", run, "-o", str(tmp_path / "clean")]}
    done = main(again.get(command, ["report", run, "-o", str(tmp_path / "r.html")]))
    output = capsys.readouterr()
    assert not any(path.exists() for gone, _ in pairs for path in gone), output
    assert all(path.exists() for _, live in pairs for path in live)
    # a folder with the file of a live process is not theirs yet
    assert done == 0 or command in ("find", "train"), output
