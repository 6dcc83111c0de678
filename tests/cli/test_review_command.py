"""`labelsieve review`: its address, a review that begins with a sample, and its end."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import urllib.request

import numpy as np
import pytest

import labelsieve as ls
from labelsieve.cli import main
from labelsieve.core.errors import UserError
from labelsieve.page.listen import listen
from labelsieve.page.server import STATIC
from labelsieve.store import sample_files


def test_the_address_accepts_connections_once_it_is_printed():
    with listen("127.0.0.1", 0) as listening:
        socket.create_connection(listening.getsockname(), timeout=5).close()


def test_two_servers_never_share_a_port():
    with listen("127.0.0.1", 0) as first:
        port = first.getsockname()[1]
        with pytest.raises(UserError, match=f"127.0.0.1:{port} cannot be used as an address"):
            listen("127.0.0.1", port)


@pytest.mark.parametrize("port", [-1, 65536, 99999])
def test_invalid_ports_are_an_error(port):
    with pytest.raises(UserError, match=f"port={port} is not a port"):
        listen("127.0.0.1", port)


def test_an_address_of_another_machine_is_an_error():
    with pytest.raises(UserError, match="choose another port= or host="):
        listen("192.0.2.1", 0)


def _served(run, *options):
    """`labelsieve review` in its own process: the process and the address it prints."""
    if not (STATIC / "index.html").exists():
        pytest.skip("the review page is not built (`make web`)")
    command = [sys.executable, "-m", "labelsieve", "review", str(run), "--port", "0", "--no-browser", *options]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1", "COLUMNS": "200"}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    assert process.stdout is not None
    return process, re.findall(r"http://\S+", process.stdout.readline())[0]


def _ended(process, how=signal.SIGINT):
    process.send_signal(how)
    late = threading.Timer(60, process.kill)  # a server that does not end fails the test and does not stop it
    late.start()
    message, trouble = (
        process.stdout.read(),
        process.stderr.read(),
    )  # `communicate` would lose what is read ahead already
    late.cancel()
    return process.wait(timeout=30), message, trouble


@pytest.fixture
def sieve(tmp_path):
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 150)
    features = rng.normal(size=(150, 8)) + 5 * np.eye(3, 8)[labels]
    np.savez(tmp_path / "rows.npz", features=features.astype(np.float32), labels=labels)
    ls.find(str(tmp_path / "rows.npz"), out=tmp_path / "my rows.sieve", detectors=["knn_vote"])
    return tmp_path / "my rows.sieve"


def test_ctrl_c_ends_a_review_and_prints_the_next_steps(sieve):
    process, address = _served(sieve)
    body = json.dumps({"batch": "batch-of-two", "acts": [{"i": 1, "act": "exclude"}, {"i": 2, "act": "keep"}]})
    request = urllib.request.Request(address + "api/decisions", body.encode(), {"Content-Type": "application/json"})
    assert json.load(urllib.request.urlopen(request))["progress"]["reviewed"] == 2
    code, message, trouble = _ended(process)
    assert code == 0 and trouble == ""
    assert "Reviewed: 2 of 150, 1 of them found wrong." in message
    for command in ("review", "report", "apply", "export", "accept"):
        assert f"labelsieve {command} '{sieve}'" in message


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such signal")
def test_a_service_manager_ends_a_review_as_ctrl_c_does(sieve):
    code, message, trouble = _ended(_served(sieve)[0], signal.SIGTERM)
    assert code == 0 and trouble == "" and "Reviewed: 0 of 150" in message


def test_a_missing_sample_is_drawn_and_opened_blind(sieve):
    process, address = _served(sieve, "--sample", "first")
    assert "/focus?" in address and "sample=first" in address and "blind=1" in address
    code, message, _ = _ended(process)
    assert code == 0 and "100 examples were drawn at random as the sample 'first'" in message
    drawn = sample_files.load(sieve, "first").ids
    assert len(set(drawn)) == 100
    process, _ = _served(sieve, "--sample", "first")
    assert "were drawn" not in _ended(process)[1] and sample_files.load(sieve, "first").ids == drawn


@pytest.mark.parametrize("name", ["no/name", "accept-batch"])
def test_a_sample_that_cannot_be_drawn_is_refused_before_anything_starts(sieve, name, capsys):
    assert main(["review", str(sieve), "--sample", name, "--port", "0", "--no-browser"]) == 2
    assert "sample" in capsys.readouterr().err
    assert sample_files.names(sieve) == []
