"""10,000 decisions at 50 per second from four clients while the server is killed five times: none lost or doubled."""

import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from http.client import HTTPException
from uuid import uuid4

import numpy as np
import pytest

from labelsieve.core.findings import Estimate, Findings
from labelsieve.store import run
from labelsieve.store.journal import Journal

SERVER = """
import sys, uvicorn
from labelsieve.page.desk import Desk
from labelsieve.page.server import application
uvicorn.run(application(Desk(sys.argv[1])), host="127.0.0.1", port=int(sys.argv[2]), log_level="error")
"""
N, CLIENTS, KILLS = 10_000, 4, 5
ACTS = ("keep", "exclude", "ambiguous", "later")


def write(folder):
    rng = np.random.default_rng(0)
    p, given = rng.random(N), rng.integers(0, 3, N)
    rank = np.argsort(np.argsort(-p)) + 1
    ids = np.array([f"{i}' ; \"\n\u202e{'x' * (4000 if i == 7 else 1)}" for i in range(N)], object)
    result = Findings(
        ids,
        ("a", "b", "c"),
        given,
        (given + 1) % 3,
        p,
        rank,
        p > 0.5,
        {"consensus": p},
        {},
        Estimate(1, 0, 2),
        settings={"source": "x"},
    )
    folder.mkdir()
    run.save(result, folder)
    return result


def start(folder, port):
    return subprocess.Popen(
        [sys.executable, "-c", SERVER, str(folder), str(port)], env=os.environ | {"OMP_NUM_THREADS": "1"}
    )


def send(port, who, body):
    """Until there is an answer, with the same batch, as the page does."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}/api/decisions",
            json.dumps(body).encode(),
            {"Content-Type": "application/json", "X-Reviewer": who},
        )
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return json.load(answer)
        except urllib.error.HTTPError:
            raise
        except (OSError, ValueError, HTTPException):  # the server is away, or went while it answered
            time.sleep(0.05)
    raise TimeoutError("the server did not come back")


@pytest.mark.slow
@pytest.mark.parametrize("rate", [int(os.environ.get("LABELSIEVE_TEST_RATE", "0"))])
def test_no_decision_is_lost_or_doubled(tmp_path, rate):
    """`rate` decisions a second of all clients together, 0 as fast as they go (the harder case; LABELSIEVE_TEST_RATE=50
    takes 200 s)."""
    folder = tmp_path / "run.sieve"
    result = write(folder)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server, message, answered = start(folder, port), {}, Counter()
    begin = time.monotonic()

    def client(c):
        rng = random.Random(c)
        for turn, i in enumerate(range(c, N, CLIENTS)):
            act = rng.choice(ACTS)
            message[i] = act
            answer = send(
                port, f"client {c}", {"batch": str(uuid4()), "pick": "ranked", "acts": [{"i": i, "act": act}]}
            )
            assert answer["states"] == {str(i): act}
            answered[c] += 1
            if rate:
                time.sleep(max(0.0, begin + turn * CLIENTS / rate - time.monotonic()))

    threads = [threading.Thread(target=client, args=(c,)) for c in range(CLIENTS)]
    try:
        for thread in threads:
            thread.start()
        for kill in range(1, KILLS + 1):
            while answered.total() < N * kill / (KILLS + 1) and any(thread.is_alive() for thread in threads):
                time.sleep(0.02)
            server.send_signal(signal.SIGKILL)
            server.wait()
            server = start(folder, port)
        for thread in threads:
            thread.join()
    finally:
        server.kill()
        server.wait()
    journal = Journal(folder)
    rows, _ = journal.read()
    journal.close()
    assert answered.total() == N and len(rows) == N
    assert {row.id: row.act for row in rows} == {result.ids[i]: act for i, act in message.items()}
