"""The progress bar: drawn where somebody looks, and nowhere else."""

import io
import os
import pty
import subprocess
import sys
import types

import numpy as np
import pytest

import labelsieve as ls

PROBS = "import labelsieve as ls, numpy as np; P = np.eye(2).repeat(9, 0) * .8 + .1; "
CODE = PROBS + "ls.find(probs=P, labels=[0, 1] * 9{more})"


def seen(more=""):
    """What `find` writes to stderr where that is a terminal."""
    ours, theirs = pty.openpty()
    env = {**os.environ, "TERM": "xterm", "COLUMNS": "80"}
    with subprocess.Popen(
        [sys.executable, "-c", CODE.format(more=more)], stderr=theirs, stdout=theirs, env=env
    ) as process:
        os.close(theirs)
        out = b""
        while True:
            try:
                part = os.read(ours, 4096)
            except OSError:
                break
            if not part:
                break
            out += part
        assert process.wait() == 0
    os.close(ours)
    return out.decode()


@pytest.mark.slow
def test_in_a_terminal_by_default():
    assert "detectors" in seen()
    assert seen(", progress=False") == ""


class Screen(io.StringIO):
    def __init__(self, tty=False):
        super().__init__()
        self.tty = tty

    def isatty(self):
        return self.tty


def find(**more):
    return ls.find(probs=np.eye(2).repeat(9, 0) * 0.8 + 0.1, labels=[0, 1] * 9, **more)


def test_elsewhere_nothing(monkeypatch):
    monkeypatch.setattr(sys, "stderr", screen := Screen())
    find()
    assert screen.getvalue() == ""


def test_in_a_notebook_one_line(monkeypatch):
    kernel = types.SimpleNamespace(get_ipython=lambda: types.SimpleNamespace(kernel=object()))
    monkeypatch.setitem(sys.modules, "IPython", kernel)
    monkeypatch.setattr(sys, "stderr", screen := Screen())
    find()
    text = screen.getvalue()
    assert text.startswith("\rdetectors") and "\n" not in text and text.endswith(" \r")
    monkeypatch.setattr(sys, "stderr", screen := Screen())
    find(progress=False)
    assert screen.getvalue() == ""
    plain = types.SimpleNamespace(
        get_ipython=lambda: types.SimpleNamespace()
    )  # IPython in a terminal that is no terminal
    monkeypatch.setitem(sys.modules, "IPython", plain)
    find()
    assert screen.getvalue() == ""


def test_a_function_is_called_and_nothing_drawn(monkeypatch):
    monkeypatch.setattr(sys, "stderr", screen := Screen(tty=True))
    calls = []
    find(progress=lambda *call: calls.append(call))
    assert calls[-1][0] == "detectors" and calls[-1][1] == calls[-1][2] and screen.getvalue() == ""


def test_other_processes_of_torchrun_are_silent(monkeypatch):
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setattr(sys, "stderr", screen := Screen(tty=True))
    find()
    assert screen.getvalue() == ""


def test_training_draws_the_same_bar(monkeypatch):
    pytest.importorskip("torch")
    X, y = np.random.default_rng(0).normal(size=(40, 3)), [0, 1] * 20
    kernel = types.SimpleNamespace(get_ipython=lambda: types.SimpleNamespace(kernel=object()))
    monkeypatch.setitem(sys.modules, "IPython", kernel)
    for more, drawn in (({}, True), ({"progress": False}, False)):
        monkeypatch.setattr(sys, "stderr", screen := Screen())
        ls.train(ls.load(X, labels=y), method="standard", epochs=2, **more)
        assert ("2/2" in screen.getvalue()) is drawn, screen.getvalue()
