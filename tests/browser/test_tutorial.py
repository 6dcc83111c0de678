"""The tutorial (docs/tutorial.md) as a reader goes through it: find, look, decide, report, apply, train again.

LABELSIEVE_PICTURES=docs/pictures writes its pictures there. The reviewer knows the letters that were drawn (oracle).
"""

from __future__ import annotations

import csv
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from waiting import decided, eventually, shown, still

from labelsieve.data import demo
from labelsieve.store.run import load

pytestmark = [pytest.mark.browser, pytest.mark.slow]
TUTORIAL = Path(__file__).resolve().parents[2] / "docs" / "tutorial.md"
PICTURES = Path(os.environ["LABELSIEVE_PICTURES"]).resolve() if "LABELSIEVE_PICTURES" in os.environ else None


def labelsieve(folder: Path, *words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "labelsieve", *words], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def letters(tmp_path_factory) -> tuple[Path, dict[str, str]]:
    """A folder with photos/, later/ and their findings; and the letter that each picture of photos/ shows."""
    pytest.importorskip("onnxruntime")
    folder = tmp_path_factory.mktemp("tutorial")
    truth = demo.write(folder / "photos", 0)
    with open(folder / "later.csv", "w", newline="") as file:
        csv.writer(file).writerows([("id", "label"), *demo.write(folder / "later", 1).items()])
    labelsieve(folder, "find", "photos/")
    return folder, truth


def taken(page, name: str) -> None:
    """A picture of what the page shows, once it no longer moves."""
    still(page.locator("body"))
    if PICTURES:
        page.screenshot(path=str(PICTURES / f"{name}.jpg"), type="jpeg", quality=80)


def answer(page, letter: str, given: str, likely: str) -> None:
    """Press the key that says which letter is shown."""
    digits = {name: str((i + 1) % 10) for i, name in enumerate(sorted(demo.LETTERS)[:10])}
    if letter == given:
        page.keyboard.press("q")
    elif letter == likely and page.locator("text=/take the suggestion/i").count():
        page.keyboard.press("w")
    elif letter in digits:
        page.keyboard.press(digits[letter])
    else:
        page.keyboard.press("/")
        page.keyboard.type(letter)
        page.keyboard.press("Enter")


def test_from_doubtful_pictures_to_a_better_model(letters, serve, open_page, chromium, tmp_path, monkeypatch):
    folder, truth = letters
    monkeypatch.chdir(tmp_path)  # so that the page shows the name of the run alone
    server = serve(folder / "photos.sieve")
    findings = load(folder / "photos.sieve")
    names = dict(zip(findings.ids, zip(findings.given, findings.other, strict=True), strict=True))
    page = open_page(f"{server.url}/overview")
    page.wait_for_selector("h1")
    taken(page, "1-overview")
    for number, view in ((2, "grid"), (3, "focus"), (4, "duplicates"), (5, "classes"), (6, "map")):
        page.goto(f"{server.url}/{view}")
        page.wait_for_selector("#id" if view == "focus" else "canvas" if view == "map" else "img")
        eventually(lambda: not page.get_by_text("is being computed").count(), 60)
        taken(page, f"{number}-{view}")
    page.goto(f"{server.url}/focus")
    page.wait_for_selector("#id")
    expected, flagged = {}, int(findings.flagged.sum())
    while len(expected) < flagged:
        id = shown(page)
        given, likely = (findings.classes[k] for k in names[id])
        answer(page, truth[id], given, likely)
        expected[id] = ("keep", None) if truth[id] == given else ("relabel", truth[id])
        eventually(lambda id=id: page.locator(".end h1").count() or shown(page) != id)
    decided(server, expected)
    taken(page, "7-later-in-the-queue")
    page.get_by_text("Finish", exact=True).click()
    page.wait_for_selector("text=labelsieve apply")
    taken(page, "8-finish")
    page.goto(f"{server.url}/overview")
    page.wait_for_selector("h1")
    taken(page, "9-overview-after")
    page.close()
    server.kill()

    run = str(server.run)
    labelsieve(tmp_path, "report", run, "-o", "photos.html")
    report = chromium.new_page(viewport={"width": 1280, "height": 800})
    report.goto((tmp_path / "photos.html").as_uri())
    taken(report, "10-report")
    report.close()
    labelsieve(tmp_path, "apply", run, "-o", "clean/")
    accuracy = {}
    for model, source in (("before", str(folder / "photos")), ("after", "clean/")):
        labelsieve(tmp_path, "train", source, "--features", "-o", f"{model}.model")
        scored = labelsieve(
            *(tmp_path, "score", f"{model}.model", str(folder / "later"), "--labels", str(folder / "later.csv")),
            "--json",
        )
        accuracy[model] = json.loads(scored)["accuracy"]
    assert accuracy["after"] >= accuracy["before"]
    told = re.findall(r"(\d\d\.\d) %(?: right|\.)", TUTORIAL.read_text())
    assert [100 * accuracy[model] for model in ("before", "after")] == pytest.approx(
        [float(x) for x in told[:2]], abs=1
    )
