"""A small run on pictures, and a client of its server."""

import csv
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from labelsieve.core.findings import Estimate, Findings
from labelsieve.data import load
from labelsieve.page.desk import Desk
from labelsieve.page.server import application
from labelsieve.store import run


def findings_of(data, seed=0):
    rng, n, k = np.random.default_rng(seed), len(data), len(data.classes)
    p = rng.random(n) ** 4
    rank = np.empty(n, np.int64)
    rank[np.argsort(-p, kind="stable")] = np.arange(1, n + 1)
    settings = {
        "source": data.source,
        "kind": data.kind,
        "recipe": data.recipe,
        "data_hash": data.fingerprint(),
        "folder": ".",
    }
    other = (data.labels + rng.integers(1, k, n)) % k
    scores = {"consensus": p + 0.0, "knn_vote": rng.random(n)}
    twins = np.arange(n) < 4
    extra = {"duplicate_group": np.where(twins, 0, -1), "duplicate_conflict": twins, "p_given": 1 - p, "p_other": p}
    wrong = Estimate(float(p.sum()), float(p.sum()) * 0.8, float(p.sum()) * 1.2)
    spoken = {"flags": {"knn_vote": rng.random(n) > 0.5}, "suggestions": {"knn_vote": other[::-1].copy()}}
    return Findings(
        data.ids, data.classes, data.labels, other, p, rank, p > 0.5, scores, extra, wrong, settings=settings, **spoken
    )


@pytest.fixture
def make_findings():
    """The function that makes findings for a data set."""
    return findings_of


@pytest.fixture
def sieve(tmp_path):
    rng = np.random.default_rng(0)
    for c in ("cat", "dog", "<b>&'\"owl"):
        for j in range(20):
            path = tmp_path / "photos" / c.replace("/", "") / f"{j}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(rng.integers(0, 255, (40, 30, 3), np.uint8)).save(path)
    folder = tmp_path / "photos.sieve"
    folder.mkdir()
    findings = findings_of(load(str(tmp_path / "photos")))
    folder.joinpath("evidence").mkdir()
    index = (np.arange(60)[:, None] + np.arange(1, 6)) % 60
    np.save(folder / "evidence" / "neighbours.npy", index.astype(np.int32))
    np.save(folder / "evidence" / "similarity.npy", np.tile(np.linspace(0.9, 0.5, 5, dtype=np.float32), (60, 1)))
    run.save(replace(findings, settings=findings.settings), folder)
    return folder


@pytest.fixture
def serve(sieve):
    """Starts servers on the run folder; each is a new desk, as after a restart."""
    started = []

    def start(reviewer="ann", **how):
        client = TestClient(application(Desk(sieve), name=reviewer, **how), base_url="http://127.0.0.1:8765")
        client.__enter__()
        started.append(client)
        return client

    yield start
    for client in started:
        client.__exit__(None, None, None)


@pytest.fixture
def page(serve):
    return serve()


@pytest.fixture
def odd_texts(tmp_path):
    """A client of a run on texts that would turn the page around, and one that is long."""
    texts = ["plain", "\u202eturned\u202c", "bell\x07 and\nline", "שלום", "x" * 200_000, "last"]
    keys = ["a", "\u202egnp.exe", "new\nline", "d", "e" * 4000, "f"]
    with open(tmp_path / "t.csv", "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("id", "text", "label"), *zip(keys, texts, "ababab", strict=True)])
    (tmp_path / "t.sieve").mkdir()
    run.save(findings_of(load(str(tmp_path / "t.csv"), text="text", label="label")), tmp_path / "t.sieve")
    with TestClient(application(Desk(tmp_path / "t.sieve")), base_url="http://127.0.0.1:8765") as client:
        yield client


@pytest.fixture(autouse=True)
def patient(monkeypatch):
    """Every answer waits for the newest calibration, however busy the machine is."""
    monkeypatch.setattr("labelsieve.page.desk.PATIENCE", 60.0)
