"""`torchrun -m labelsieve train` from the command line: two processes, one result, one sentence per error."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import labelsieve
from labelsieve.cli import main
from labelsieve.engine import model_file

pytest.importorskip("torch")
pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform == "win32", reason="no such signals there")]


@pytest.fixture
def place(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 2000)
    features = rng.normal(size=(3, 16))[labels] + rng.normal(size=(2000, 16))
    np.savez(tmp_path / "f.npz", features=features.astype(np.float32), labels=labels)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def begun(*arguments):
    """The command under torchrun, in a process group of its own."""
    environment = {**os.environ, "PYTHONPATH": str(Path(labelsieve.__file__).parents[1]), "OMP_NUM_THREADS": "1"}
    launcher = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc-per-node",
        "2",
        "-m",
        "labelsieve",
    ]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen([*launcher, *arguments], env=environment, start_new_session=True, **pipes)


def ended(process):
    """Exit code, stdout, and what Labelsieve said among the launcher's own reports. All processes are gone."""
    out, err = process.communicate(timeout=100)
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)
    return process.returncode, out, [line for line in err.splitlines() if line.startswith("labelsieve: ")]


@pytest.mark.parametrize("arguments", [("--method", "gcee"), ("-o", "f.npz")], ids=["met by both", "met by the first"])
def test_a_mistake_is_reported_once(place, arguments):
    code, out, message = ended(begun("train", "f.npz", *arguments))
    assert code != 0 and out == "" and len(message) == 1, message
    assert "no method 'gcee'" in message[0] or "f.npz is a file" in message[0]


def test_interruption_and_restart(place):
    command = ("train", "f.npz", "--epochs", "25")
    process = begun(*command, "-o", "stopped")
    while not (place / "stopped" / "checkpoint.pt").exists():
        assert process.poll() is None
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGINT)  # Ctrl-C in a terminal
    code, out, message = ended(process)
    assert code != 0 and out == "" and message == ["labelsieve: interrupted; run the same command again to continue."]
    assert (place / "stopped" / "checkpoint.pt").exists() and not (place / "stopped" / "weights.safetensors").exists()
    code, out, message = ended(begun(*command, "-o", "stopped"))
    assert code == 0 and message == [] and out.count("Next: ") == 1
    assert main([*command, "-o", "alone"]) == 0
    pair, alone = (model_file.load(place / name)[0] for name in ("stopped", "alone"))
    for name, value in alone.items():
        np.testing.assert_allclose(pair[name], value, rtol=1e-3, atol=1e-4, err_msg=name)
