"""Late or reordered answers of the server, in Chromium: the page must not act on data that it does not have yet."""

from __future__ import annotations

import csv

import numpy as np
import pytest
from waiting import decided, eventually, press, shown

import labelsieve as ls
from labelsieve.store.journal import Journal
from labelsieve.store.run import load

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def copies(tmp_path_factory):
    """30 rows of two classes, each twice: more groups of duplicates than the page loads at once."""
    folder, rng = tmp_path_factory.mktemp("copies"), np.random.default_rng(0)
    rows = [(*(f"{x:.3f}" for x in rng.normal(5 * (i % 2), 1, 3)), "ab"[i % 2]) for i in range(30)]
    with open(folder / "copies.csv", "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("x", "y", "z", "label"), *rows, *rows])
    ls.find(str(folder / "copies.csv"), out=folder / "copies.sieve", detectors=["knn_vote"])
    return folder / "copies.sieve"


@pytest.mark.parametrize("view", ["grid", "focus"])
def test_keys_wait_until_the_position_of_the_example_is_known(serve, open_page, ten, view):
    server, result = serve(ten), load(ten)
    i = int(result.order()[150])
    page = open_page(f"{server.url}/{view}?at={i}", late={"/api/where": [None]})
    page.locator(".states button", has_text="Open 400").wait_for()
    for key in ("e", "ArrowRight", "q"):
        page.keyboard.press(key)
    assert page.locator(".slot.here, #id").count() == 0  # not at the first example either
    page.evaluate("window.released = true")
    if view == "grid":
        page.locator(".slot.here", has_text=str(result.ids[i])).wait_for()
    else:
        assert shown(page) == str(result.ids[i])
    assert server.decisions() == {}


def test_the_decision_for_similar_examples_waits_for_the_example(serve, open_page, plants):
    server = serve(plants)
    page = open_page(f"{server.url}/grid?like=9", late={"/api/item/9?": [None]})
    page.locator("#at2 .labels").wait_for()
    top = page.locator(".box").bounding_box()["y"]
    page.keyboard.press("Space")
    page.keyboard.press("Enter")
    page.evaluate("window.released = true")
    page.get_by_text("Decide on the example itself first").first.wait_for()
    assert "/grid" in page.url and page.locator(".box").bounding_box()["y"] == top  # nothing moved under the pointer
    assert server.decisions() == {}


def test_a_name_that_is_typed_before_the_run_is_known_is_kept(serve, open_page, ten):
    """The answer used to put the server's name over it, and decisions went under that name."""
    server = serve(ten)
    page = open_page(f"{server.url}/focus", late={"/api/run": [None]})
    name = page.get_by_placeholder("your name")
    name.fill("ben")
    page.evaluate("window.released = true")
    page.locator("#id").wait_for()
    name.blur()
    assert name.input_value() == "ben"
    press(page, "e")
    eventually(lambda: [row.reviewer for row in Journal(server.run).read()[0]] == ["ben"])


def test_older_counts_do_not_replace_newer_ones(serve, open_page, ten):
    server = serve(ten)
    page = open_page(f"{server.url}/focus", late={"/api/view": [0, 1200, 0]})
    page.locator(".states button", has_text="Decided 0").wait_for()
    page.evaluate(
        """() => {
          window.seen = []
          const states = document.querySelector('.states')
          const note = () => seen.push(Number(/Decided (\\d+)/.exec(states.innerText.replace(/\\s+/g, ' '))?.[1] ?? -1))
          new MutationObserver(note).observe(states, { subtree: true, characterData: true, childList: true })
        }"""
    )
    for turn in range(1, 7):
        press(page, "q")  # waits for the next example, or the key would be lost
        eventually(lambda turn=turn: len(server.decisions()) == turn)
        page.wait_for_timeout(450)
    page.locator(".states button", has_text="Decided 6").wait_for()
    page.wait_for_timeout(1300)
    seen = [n for n in page.evaluate("seen") if n >= 0]
    assert seen == sorted(seen) and seen[-1] == 6


def test_an_older_answer_does_not_replace_a_newer_decision(serve, open_page, ten):
    server = serve(ten)
    page = open_page(f"{server.url}/grid?by=id", late={"/api/decisions": [900]})
    page.locator("#at0 .p").wait_for()
    page.keyboard.press("e")
    page.locator("#at0 .sign", has_text="excluded").wait_for()
    page.locator("#at0").click()
    page.keyboard.press("a")
    page.locator("#at0 .sign", has_text="ambiguous").wait_for()
    signs = set()
    for _ in range(25):
        signs.add(page.locator("#at0 .sign").inner_text())
        page.wait_for_timeout(100)
    assert len(signs) == 1
    decided(server, {str(min(load(ten).ids)): ("ambiguous", None)})


def test_more_groups_are_loaded_once(serve, open_page, copies):
    page = open_page(f"{serve(copies).url}/duplicates", late={"at=20": [700]})
    groups = page.locator(".duplicates ol > li")
    groups.first.wait_for()
    for _ in range(22):
        page.keyboard.press("ArrowDown")
    eventually(lambda: groups.count() == 30)
    page.wait_for_timeout(800)
    assert groups.count() == 30


def test_blind_mode_hides_examples_that_are_shown_already(serve, open_page, plants):
    page = open_page(f"{serve(plants).url}/classes", late={"/api/gallery": [300]})
    page.locator("section li").first.wait_for()
    page.keyboard.press("b")
    page.get_by_text("not shown in blind mode").wait_for()
    assert page.locator("section li").count() == 0
    page.keyboard.press("b")
    page.locator("section li").first.wait_for()


def test_a_new_ranking_does_not_move_a_reviewer_who_has_gone_on(serve, open_page, ten):
    server = serve(ten)
    page = open_page(f"{server.url}/focus", late={"/api/rerank": [None]})
    shown(page)
    page.keyboard.press("q")
    eventually(lambda: len(server.decisions()) == 1)
    page.keyboard.press("o")
    page.get_by_role("button", name="Learn from the decisions").click()
    page.get_by_role("link", name="Review now").click()
    first = shown(page)
    page.keyboard.press("ArrowRight")
    eventually(lambda: shown(page) != first)
    second = shown(page)
    with page.expect_response("**/api/run"):  # after the new ranking
        page.evaluate("window.released = true")
    page.wait_for_timeout(200)
    assert shown(page) == second
