"""Several labels per example, in Chromium: the page asks about one class at a time, and apply writes the answers."""

import csv

import numpy as np
import pytest
from PIL import Image
from waiting import decided, eventually, shown

import labelsieve as ls

pytestmark = pytest.mark.browser
COLOURS = {"red": (255, 0, 0), "green": (0, 200, 0), "blue": (0, 0, 255)}


@pytest.fixture(scope="module")
def stripes(tmp_path_factory):
    """Forty pictures with a stripe of each colour that they have, one colour missing among the labels of 7.png, and
    probabilities of each colour."""
    folder = tmp_path_factory.mktemp("questions")
    place, rng, names = folder / "stripes", np.random.default_rng(0), list(COLOURS)
    place.mkdir()
    truth = rng.random((40, 3)) < 0.5
    truth[7] = (True, True, False)
    given = truth.copy()
    given[7, 0] = False
    for i, row in enumerate(truth):
        image = Image.new("RGB", (96, 96), "white")
        for c in np.flatnonzero(row).tolist():
            image.paste(COLOURS[names[c]], (0, 32 * c, 96, 32 * c + 20))
        image.save(place / f"{i}.png")
    with open(place / "labels.csv", "w", newline="") as file:
        rows = ([f"{i}.png", *map(int, row)] for i, row in enumerate(given))
        csv.writer(file).writerows([["image", *names], *rows])
    np.save(folder / "probs.npy", truth * 0.8 + 0.1)
    ls.find(place / "labels.csv", several=True, probs=folder / "probs.npy", out=folder / "stripes.sieve")
    return folder / "stripes.sieve"


def test_the_page_asks_about_one_class_and_apply_writes_the_answer(serve, open_page, stripes, tmp_path):
    server = serve(stripes)
    page = open_page(f"{server.url}/focus")
    assert shown(page) == "7#red"
    question = page.get_by_role("heading", level=2).first
    assert question.inner_text().replace("\xa0", " ") == "Is it red?"
    answers = page.get_by_role("region", name="Classes").get_by_role("button")
    assert [text.split()[1] for text in answers.all_inner_texts()] == ["Yes", "No"]
    page.keyboard.press("1")
    eventually(lambda: shown(page) != "7#red")
    assert question.inner_text().startswith("Is it ")
    decided(server, {"7#red": ("relabel", "red")})
    done = ls.apply(server.run, out=tmp_path / "fixed")
    assert done.relabelled == 1
    before, after = (list(csv.reader(open(p / "labels.csv"))) for p in (stripes.parent / "stripes", tmp_path / "fixed"))  # noqa: SIM115
    assert [(a, b) for a, b in zip(before, after, strict=True) if a != b] == [
        (["7.png", "0", "1", "0"], ["7.png", "1", "1", "0"])
    ]
    assert (tmp_path / "fixed" / "7.png").exists()
