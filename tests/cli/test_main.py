"""What every command does when it is stopped, or when something breaks."""

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
    np.savez(tmp_path / "f.npz", features=rng.normal(size=(300, 8)), labels=np.arange(300) % 3)
    return tmp_path


def started(*arguments, cwd):
    command = [sys.executable, "-m", "labelsieve", *arguments]
    return subprocess.Popen(command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_interrupted_says_that_it_goes_on_from_there(features):
    process = started("find", "f.npz", cwd=features)
    while process.poll() is None and not (features / "f.sieve").exists():
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate()
    if process.returncode != 0:  # it may have been done just then
        assert (process.returncode, out) == (130, "") and err == "labelsieve: interrupted; the same command goes on from there.\n"


@pytest.mark.skipif(os.name == "nt", reason="pipes break differently")
def test_a_reader_that_leaves_is_no_fault(features):
    assert started("find", "f.npz", cwd=features).wait() == 0
    process = started("find", "f.npz", cwd=features)
    process.stdout.close()
    assert (process.wait(), process.stderr.read()) == (0, "")


def test_a_fault_of_ours_is_a_sentence_and_a_trace_only_on_request(monkeypatch, capsys):
    def broken(*_, **__):
        raise RuntimeError("wheels came off\nat full speed")

    monkeypatch.setattr("labelsieve.data.load", broken)
    monkeypatch.delenv("LABELSIEVE_DEBUG", raising=False)
    assert main(["find", "f.npz"]) == 70
    err = capsys.readouterr().err
    assert "RuntimeError: wheels came off)" in err and "report it" in err and err.count("\n") == 1
    monkeypatch.setenv("LABELSIEVE_DEBUG", "1")
    with pytest.raises(RuntimeError):
        main(["find", "f.npz"])


@pytest.mark.parametrize(("error", "code", "said"), [(KeyboardInterrupt, 130, "interrupted"), (MemoryError, 2, "out of memory")])
def test_exit_codes(monkeypatch, capsys, error, code, said):
    def stop(*_, **__):
        raise error

    monkeypatch.setattr("labelsieve.data.load", stop)
    assert main(["find", "f.npz"]) == code
    assert said in capsys.readouterr().err


def test_version(capsys):
    import labelsieve

    assert main(["--version"]) == 0
    assert capsys.readouterr().out.strip() == labelsieve.__version__
