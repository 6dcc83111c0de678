"""The first use of the page with the README alone: consistent figures, views that begin with open examples, nothing
urged that is not believed. In Chromium."""

from __future__ import annotations

import csv
import re
import subprocess
import sys

import numpy as np
import pytest
from waiting import eventually, shown, still

from labelsieve.store.run import load

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """Probabilities of one's own for 200 examples of four classes; one label in ten is wrong."""
    folder, rng = tmp_path_factory.mktemp("own"), np.random.default_rng(0)
    true = rng.integers(0, 4, 200)
    logits = rng.normal(size=(200, 4)) + 5 * np.eye(4)[true]
    probs = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    given = np.where(rng.random(200) < 0.1, (true + 1) % 4, true)
    np.save(folder / "probs.npy", probs)
    (folder / "labels.csv").write_text("label\n" + "\n".join("abcd"[c] for c in given) + "\n", encoding="utf-8")
    command = [
        sys.executable,
        "-m",
        "labelsieve",
        "find",
        "--probs",
        "probs.npy",
        "--labels",
        "labels.csv",
        "-o",
        "own.sieve",
    ]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return folder / "own.sieve"


def tab(page, name: str) -> int:
    return int(re.findall(r"\d+$", page.locator(".states button", has_text=name).inner_text())[0])


def test_the_tabs_follow_quick_decisions(serve, open_page, ten):
    page = open_page(f"{serve(ten).url}/focus")
    page.locator(".states button", has_text="Decided 0").wait_for()
    page.wait_for_timeout(600)  # the requests of the opening are answered
    for _ in range(150):
        page.keyboard.press("q")
        page.wait_for_timeout(120)  # never 400 ms without a decision
        if tab(page, "Decided"):
            break
    assert tab(page, "Decided") > 0
    eventually(lambda: tab(page, "Decided") + tab(page, "Open") == 400)
    eventually(lambda: f"{tab(page, 'Decided')} reviewed" in page.locator("header").inner_text())


def test_a_new_view_begins_with_open_examples(serve, open_page, ten):
    server, order = serve(ten), [str(load(ten).ids[i]) for i in load(ten).order()]
    page = open_page(f"{server.url}/focus")
    for key in order[:3]:
        eventually(lambda key=key: shown(page) == key)
        page.keyboard.press("q")
    eventually(lambda: shown(page) == order[3] and len(server.decisions()) == 3)
    page.keyboard.press("o")
    page.get_by_role("link", name="Review now").click()
    eventually(lambda: page.locator("#id").count() == 1 and shown(page) not in order[:3])
    eventually(lambda: "1 of 397" in page.locator(".top").inner_text())
    page.keyboard.press("g")
    eventually(lambda: page.locator(".tools .num").inner_text() == "397 in this view" and tab(page, "Open") == 397)
    page.locator(".slot.here .p").wait_for()
    page.keyboard.press("e")  # a decided example stays in sight, and does not count
    eventually(lambda: page.locator(".tools .num").inner_text() == "396 in this view" and tab(page, "Open") == 396)
    page.locator(".states button", has_text="All").click()
    page.locator(".states button", has_text="Open").click()
    page.locator(".slot.here .p").wait_for()  # under another filter and back: open, not what was just excluded
    assert page.locator(".slot .sign").count() == 0


def test_counted_neighbours_are_the_voting_and_shown_ones(serve, open_page, plants):
    server = serve(plants)
    page = open_page(f"{server.url}/focus?state=all&i=9")
    page.locator(".near a").first.wait_for()
    agree, n = map(int, re.findall(r"(\d+) of (\d+) carry the given label", page.locator("aside").inner_text())[0])
    assert n == page.locator(".near a").count() == 9
    assert agree / n == pytest.approx(float(load(plants).extra["neighbours_agree"][9]))
    assert "Percentages: similarity" in page.locator("aside").inner_text()


def test_values_are_shown_as_in_the_data_and_never_cut(serve, open_page, plants):
    with open(plants.parent / "plants.csv", encoding="utf-8", newline="") as file:
        row = list(csv.DictReader(file))[7]
    page = open_page(f"{serve(plants).url}/focus?state=all&i=7")
    values = page.locator(".lens .features tbody tr")
    values.first.wait_for()
    assert {each.locator("th").inner_text(): each.locator("td.n").first.inner_text() for each in values.all()} == {
        name: f"{float(row[name]):g}" for name in ("width", "height")
    }
    page.goto(f"{page.url.split('/focus')[0]}/grid?state=all&by=id")
    page.locator("#at0 .cell").first.wait_for()
    page.set_viewport_size({"width": 700, "height": 700})
    cut = page.locator(".cell > span").evaluate_all(
        "all => all.filter((one) => one.scrollWidth > one.clientWidth + 1).length"
    )
    assert page.locator(".cell > span").count() > 10 and cut == 0


def test_probabilities_show_the_likeliest_classes_except_in_blind_mode(serve, open_page, own):
    server, result = serve(own), load(own)
    page = open_page(f"{server.url}/grid")
    page.locator("#at0 .cell").first.wait_for()
    i = int(result.order()[0])
    first = page.locator("#at0 .cell").first.inner_text().split()
    assert first[0] == result.classes[result.other[i]] and float(first[1]) == pytest.approx(
        result.extra["p_other"][i], abs=6e-4
    )
    page.keyboard.press("b")
    page.locator("#at0 .id", has_text="#").first.wait_for()
    assert page.locator(".cell").count() == 0
    page.goto(f"{server.url}/focus")
    page.wait_for_selector("#id")
    page.locator(".acts button").first.wait_for()
    assert page.get_by_role("button", name="Similar").count() == 0  # probabilities have no neighbours
    page.keyboard.press("s")
    page.wait_for_timeout(150)
    assert "like=" not in page.url


def test_the_overview_says_stop_without_doubted_examples(serve, open_page, plants):
    server = serve(plants)
    page = open_page(f"{server.url}/overview")
    for name in ("Resolve conflicts", "Later", "Duplicates"):
        assert page.get_by_role("link", name=name).count() == 0  # there are none
    assert page.get_by_role("button", name="Learn from the decisions").is_disabled()
    assert "primary" in page.get_by_role("link", name="Review now").get_attribute("class")
    page.goto(f"{server.url}/focus?state=doubted")
    page.locator(".acts .primary", has_text="Take the suggestion").wait_for()
    page.keyboard.press("w")
    page.get_by_text("1 of 60 reviewed").wait_for()  # the end of this view
    page.goto(f"{server.url}/overview")
    page.get_by_role("note").wait_for()
    assert re.search("hardly any|about 1 in", page.get_by_role("note").inner_text())
    assert "primary" in page.get_by_role("link", name="Stop here").get_attribute("class")
    assert "primary" not in page.get_by_role("link", name="Review now").get_attribute("class")
    page.keyboard.press("u")
    page.get_by_text(re.compile("Taken back: 7: class fern")).wait_for()


def test_similar_examples_stay_visible_during_decisions(serve, open_page, plants):
    server = serve(plants)
    page = open_page(f"{server.url}/grid?like=9")
    page.locator("#at2 .labels").wait_for()
    page.locator(".spread strong").wait_for()
    still(page.locator(".box"))  # its height decides how many examples are drawn
    ids = page.locator(".slot .id").all_inner_texts()
    with (
        page.expect_response("**/api/view?*"),
        page.expect_response("**/api/similar/9?*"),
    ):  # the page loads its figures again
        page.keyboard.press("e")
    eventually(lambda: len(server.decisions()) == 1)
    page.locator("#at0 .sign").wait_for()
    assert page.locator(".slot .id").all_inner_texts() == ids
