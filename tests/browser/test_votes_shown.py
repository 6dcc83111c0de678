"""The votes of several annotators on the page, in Chromium."""

import csv

import numpy as np
import pytest
from waiting import eventually, press, shown

import labelsieve as ls

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def voted(tmp_path_factory):
    """Eighty examples with three votes each; cleo errs on every third."""
    folder, rng = tmp_path_factory.mktemp("voted"), np.random.default_rng(0)
    with open(folder / "votes.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("item", "who", "label"))
        for i, true in enumerate(rng.integers(0, 3, 80)):
            for who in ("ana", "ben", "cleo"):
                said = (true + 1) % 3 if who == "cleo" and i % 3 == 0 else true
                writer.writerow((f"item-{i:02d}", who, ("ant", "bee", "cow")[said]))
    ls.find(folder / "votes.csv", id="item", annotator="who", label="label", out=folder / "votes.sieve")
    return folder / "votes.sieve"


def chips(page):
    return [" ".join(text.split()) for text in page.locator(".votes li").all_inner_texts()]


def test_votes_are_chips_and_those_that_differ_are_marked(serve, open_page, voted):
    run = ls.open_run(voted)
    votes, findings = run.annotators.votes, run.findings
    page = open_page(f"{serve(voted).url}/focus")
    for _ in range(4):
        i = findings.ids.tolist().index(shown(page))
        expected = sorted(
            f"{votes.annotators[votes.annotator[j]]} {findings.classes[votes.label[j]]}"
            + (" ≠" if votes.label[j] != findings.suggestions["votes"][i] else "")
            for j in votes.of(i)
        )
        eventually(lambda expected=expected: sorted(chips(page)) == expected)
        press(page, "q")
    assert page.locator(".votes .who").first.evaluate("e => getComputedStyle(e).backgroundColor") != "rgba(0, 0, 0, 0)"


def test_blind_mode_hides_the_votes(serve, open_page, voted):
    page = open_page(f"{serve(voted).url}/focus?blind=1")
    page.wait_for_selector("#id")
    page.wait_for_selector("aside")
    assert page.locator(".votes").count() == 0
