"""`labelsieve train` after a kill, a full disk or with a foreign checkpoint: files stay and training resumes."""

import signal
import subprocess
import sys
import time

import numpy as np
import pyarrow.parquet as pq
import pytest

from labelsieve.cli import main
from labelsieve.engine import model_file

N, WIDTH = 8000, 64


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("train")
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 4, N)
    features = (rng.normal(size=(4, WIDTH))[labels] * 0.3 + rng.normal(size=(N, WIDTH))).astype(np.float32)
    given = np.where(rng.random(N) < 0.3, rng.integers(0, 4, N), labels)
    np.savez(folder / "f.npz", features=features, labels=given)
    np.savez(folder / "g.npz", features=features + 1, labels=given)
    shades = rng.integers(0, 120, (600, 16, 16)) + 30 * labels[:600, None, None]
    np.savez(folder / "images.npz", images=shades.astype(np.uint8), labels=given[:600])
    return folder


@pytest.fixture
def data_folder(place, tmp_path, monkeypatch):
    """The folder of the data; `tmp_path` is for models."""
    monkeypatch.chdir(place)
    return tmp_path


def stopped(*arguments, when=lambda: False, limit=None):
    """The command in a separate process, killed as soon as `when` is true, or limited to files of `limit` bytes."""

    def hold():
        import resource

        if limit is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    command = [sys.executable, "-m", "labelsieve", *map(str, arguments)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=hold)
    while process.poll() is None:
        if when():
            process.send_signal(signal.SIGKILL)
            break
        time.sleep(0.005)
    _, err = process.communicate()
    return process.returncode, err


def same(a, b):
    for read in (
        lambda model: model_file.load(model)[0],
        lambda model: pq.read_table(model / "history.parquet").to_pydict(),
    ):
        before, after = read(a), read(b)
        assert before.keys() == after.keys()
        for name, value in before.items():
            np.testing.assert_array_equal(value, after[name], err_msg=name)
    for column in ("loss", "argmax"):
        np.testing.assert_array_equal(np.load(a / "record" / f"{column}.npy"), np.load(b / "record" / f"{column}.npy"))


@pytest.mark.slow
@pytest.mark.parametrize(
    "command",
    [
        ("train", "f.npz", "--method", "m-dyr-h", "--epochs", "8"),
        ("train", "f.npz", "--method", "promix", "--epochs", "8"),
        ("train", "images.npz", "--method", "o2u", "--epochs", "2", "--set", "cycle=2", "--batch", "32"),
    ],
    ids=["features", "promix", "images"],
)
def test_a_killed_and_resumed_training_gives_the_same_numbers(data_folder, command):
    assert main([*command, "-o", str(data_folder / "whole")]) == 0
    checkpoint, seen = data_folder / "killed" / "checkpoint.pt", []

    def written():
        if checkpoint.exists() and (not seen or checkpoint.stat().st_mtime_ns != seen[-1]):
            seen.append(checkpoint.stat().st_mtime_ns)
        return len(seen) == 2 or (seen and any((data_folder / "killed").glob(".checkpoint.pt.*.part")))

    assert stopped(*command, "-o", data_folder / "killed", when=written)[0] == -signal.SIGKILL
    assert checkpoint.exists() and not (data_folder / "killed" / "weights.safetensors").exists()
    assert main([*command, "-o", str(data_folder / "killed")]) == 0
    same(data_folder / "whole", data_folder / "killed")
    assert not list((data_folder / "killed").rglob("*.part"))


def begin(data_folder, monkeypatch, *arguments, after=2):
    """A run on f.npz that is cut off after so many epochs, in this process."""
    from labelsieve.engine.session import Session

    save = Session._save

    def cut(self, *state):
        save(self, *state)
        if len(self.history) == after:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Session, "_save", cut)
        assert main(["train", "f.npz", *arguments, "-o", str(data_folder / "model")]) == 130
    return data_folder / "model"


def error_of(capsys, *arguments):
    capsys.readouterr()
    assert main([str(a) for a in arguments]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1, err
    return err


def test_an_interrupted_training_resumes(data_folder, monkeypatch, capsys):
    model = begin(data_folder, monkeypatch, "--method", "gce")
    assert "run the same command again to continue" in capsys.readouterr().err
    assert "has not finished; run the same `labelsieve train` command again" in error_of(
        capsys, "predict", model, "f.npz"
    )
    assert main(["train", "f.npz", "--method", "gce", "-o", str(model)]) == 0
    assert main(["train", "f.npz", "--method", "gce", "-o", str(data_folder / "whole")]) == 0
    same(data_folder / "whole", model)
    assert not (model / "checkpoint.pt").exists()


def test_a_checkpoint_of_a_different_run_is_refused_and_kept(data_folder, monkeypatch, capsys, place):
    model = begin(data_folder, monkeypatch)
    before = (model / "checkpoint.pt").read_bytes()
    assert "(method, settings differ)" in error_of(capsys, "train", "f.npz", "--method", "gce", "-o", model)
    assert "(settings differ)" in error_of(capsys, "train", "f.npz", "--lr", "0.5", "-o", model)
    assert "(network" in error_of(capsys, "train", "f.npz", "--network", "mlp", "-o", model)
    assert "(seed differs)" in error_of(capsys, "train", "f.npz", "--seed", "5", "-o", model)
    assert "holds a model of f.npz, not of g.npz" in error_of(capsys, "train", "g.npz", "-o", model)
    (data_folder / "changed").mkdir()
    monkeypatch.chdir(data_folder / "changed")
    (data_folder / "changed" / "f.npz").write_bytes((place / "g.npz").read_bytes())
    assert "(data differ)" in error_of(capsys, "train", "f.npz", "-o", model)
    assert (model / "checkpoint.pt").read_bytes() == before


@pytest.mark.parametrize("left", [0.0, 0.5, 0.99])
def test_a_truncated_checkpoint_is_an_error(data_folder, monkeypatch, capsys, left):
    path = begin(data_folder, monkeypatch) / "checkpoint.pt"
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * left)])
    assert "checkpoint.pt is damaged" in error_of(capsys, "train", "f.npz", "-o", path.parent)
    path.unlink()
    assert main(["train", "f.npz", "-o", str(path.parent)]) == 0


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="no limits on files there")
def test_a_full_disk_while_checkpointing(data_folder):
    """The record grows by the epoch, so that a limit on the size of files stops a later checkpoint."""
    command = ("train", "f.npz", "--epochs", "8", "-o", data_folder / "model")
    assert main(["train", "f.npz", "--epochs", "1", "--seed", "3", "-o", str(data_folder / "model")]) == 0
    older = (data_folder / "model" / "weights.safetensors").read_bytes()
    code, err = stopped(*command, limit=60 * N)
    assert (
        code == 2 and err.count("\n") == 1 and "cannot be written" in err and "the previous checkpoint is intact" in err
    ), err
    assert (data_folder / "model" / "weights.safetensors").read_bytes() == older
    assert not list((data_folder / "model").glob(".*"))
    assert main([*map(str, command)]) == 0
    assert main(["train", "f.npz", "--epochs", "8", "-o", str(data_folder / "whole")]) == 0
    same(data_folder / "whole", data_folder / "model")


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="no limits on files there")
def test_a_full_disk_when_the_model_is_written(data_folder):
    code, err = stopped("train", "f.npz", "--epochs", "1", "-o", data_folder / "model", limit=100 * N)
    assert code == 2 and err.count("\n") == 1 and "The model cannot be written" in err, err
    assert (data_folder / "model" / "checkpoint.pt").exists() and not (
        data_folder / "model" / "weights.safetensors"
    ).exists()
    assert main(["train", "f.npz", "--epochs", "1", "-o", str(data_folder / "model")]) == 0


def test_a_folder_below_a_file(data_folder, capsys):
    (data_folder / "file").write_text("")
    assert "cannot be" in error_of(capsys, "train", "f.npz", "-o", data_folder / "file" / "model")
