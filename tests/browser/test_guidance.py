"""Guidance by the page: suggestions, positions, keys, the stopping line, the end, the random sample. In
Chromium."""

from __future__ import annotations

import re
import signal
import time

import numpy as np
import pytest
from waiting import decided, eventually, press, shown

import labelsieve as ls
from labelsieve.store import sample_files
from labelsieve.store.run import load

pytestmark = pytest.mark.browser
WRONG = 30


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    """300 rows of ten classes named "0" to "9"; thirty carry another label, a few lie between two classes."""
    folder, rng = tmp_path_factory.mktemp("digits"), np.random.default_rng(1)
    labels = rng.integers(0, 10, 300)
    features = rng.normal(size=(300, 16)) + 4 * np.eye(10, 16)[labels]
    given = labels.copy()
    given[:WRONG] = (labels[:WRONG] + 1 + rng.integers(0, 8, WRONG)) % 10
    np.savez(folder / "it's digits.npz", features=features.astype(np.float32), labels=given)
    run = folder / "it's digits.sieve"
    ls.find(str(folder / "it's digits.npz"), out=run, detectors=["knn_vote", "aum"])
    return run


@pytest.fixture(scope="module")
def hard(tmp_path_factory):
    """600 rows of five classes that lie into each other, so that nobody can count the wrong labels from them."""
    folder, rng = tmp_path_factory.mktemp("hard"), np.random.default_rng(1)
    labels = rng.integers(0, 5, 600)
    features = rng.normal(size=(600, 16)) + 1.5 * np.eye(5, 16)[labels]
    np.savez(folder / "hard.npz", features=features.astype(np.float32), labels=labels)
    ls.find(str(folder / "hard.npz"), out=folder / "hard.sieve", detectors=["knn_vote"])
    return folder / "hard.sieve"


def least(run) -> int:
    """The position of an example whose label nobody doubts."""
    return int(np.argmin(load(run).p_wrong))


def test_a_suggestion_only_where_the_label_is_doubted(serve, open_page, digits):
    server, result = serve(digits), load(digits)
    page = open_page(f"{server.url}/focus?state=all&at={int(np.argmax(result.p_wrong))}")
    page.locator(".acts .primary", has_text="Take the suggestion").wait_for()
    assert page.locator(".verdict .arrow").count() == 1 and page.locator("[aria-label=Classes] .suggested").count() == 1
    i = least(digits)
    page.goto(f"{server.url}/focus?state=all&at={i}")
    page.locator(".acts .primary", has_text="Keep").wait_for()
    main = page.locator("main")
    assert shown(page) == str(result.ids[i])
    assert (
        page.locator(".verdict .arrow").count() == 0
        and "★" not in main.inner_text()
        and "→" not in page.locator(".acts").inner_text()
    )
    assert "Next most likely" in page.locator(".verdict").inner_text() and page.locator(".suggested").count() == 0
    page.keyboard.press("w")
    page.get_by_text("No suggestion here").wait_for()
    assert server.decisions() == {} and shown(page) == str(result.ids[i])
    page.goto(f"{server.url}/grid?state=all&by=id&at={i}")
    page.locator(".slot.here", has_text="Next most likely").wait_for()
    page.keyboard.press("w")
    page.get_by_text("No suggestion here").wait_for()
    assert server.decisions() == {}


def test_the_suggestion_for_a_whole_view_leaves_the_rest_alone_and_says_so(serve, open_page, digits):
    server, result = serve(digits), load(digits)
    doubted = np.flatnonzero(result.p_wrong > 0.5)
    assert 0 < len(doubted) < len(result)
    page = open_page(f"{server.url}/grid")
    page.get_by_role("button", name=f"Doubted {len(doubted)}").wait_for()
    page.locator("summary").click()
    page.get_by_text(f"{len(result) - len(doubted)} have no suggestion and are left alone").wait_for()
    page.get_by_role("button", name=f"Take the suggestion · {len(doubted)}").click()
    page.get_by_role("button", name=f"Apply to {len(doubted)}").click()
    page.get_by_text(f"{len(result) - len(doubted)} without a suggestion were left alone").wait_for()
    decided(server, {str(result.ids[i]): ("relabel", result.classes[result.other[i]]) for i in doubted})


def test_a_reload_continues_with_the_next_open_example(serve, open_page, digits):
    server, result = serve(digits), load(digits)
    order = [str(result.ids[i]) for i in result.order()]
    page = open_page(f"{server.url}/focus")
    for key in order[:10]:
        assert shown(page) == key
        press(page, "q")
    eventually(lambda: len(server.decisions()) == 10)  # else the page would ask before it leaves
    page.reload()
    page.wait_for_selector("#id")
    assert shown(page) == order[10]
    press(page, "ArrowRight")
    page.wait_for_url(
        f"**/focus?at={order[11]}"
    )  # the address names the example; the ids of this run are the positions
    press(page, "ArrowLeft")
    page.wait_for_url("**/focus")  # the first of the view needs no name
    second = open_page(page.url)
    second.wait_for_selector("#id")
    assert shown(second) == order[10]
    press(second, "q")  # decided elsewhere
    eventually(lambda: len(server.decisions()) == 11)
    page.reload()
    page.wait_for_selector("#id")
    assert shown(page) == order[11]
    press(page, "u")  # not in the order that this page froze, so it shows alone
    assert shown(page) == order[10]
    press(page, "q")
    assert shown(page) == order[11]
    page.keyboard.press("g")
    page.locator(".slot.here", has_text=order[11]).wait_for()
    page.reload()
    page.locator(".slot.here", has_text=order[11]).wait_for()
    page.goto(f"{server.url}/overview")
    page.get_by_role("button", name="Learn from the decisions").click()
    page.get_by_role("link", name="Review now").click()
    page.wait_for_selector("#id")
    assert shown(page) not in order[:11] and "1 of 289" in page.locator(".top").inner_text()
    eventually(lambda: set(server.decisions()) == set(order[:11]))


def test_slash_in_the_grid_opens_the_class_search(serve, open_page, rows):
    server = serve(rows)
    page = open_page(f"{server.url}/grid")
    page.wait_for_selector("#at3 .labels")
    page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("/")
    field = page.get_by_role("combobox", name="Search a class")
    field.wait_for()
    page.keyboard.type("qwean17")  # no decision, whatever is typed
    assert field.input_value() == "qwean17" and server.decisions() == {}
    page.keyboard.press("Escape")
    field.wait_for(state="detached")
    page.keyboard.press("/")
    page.keyboard.type("17")
    eventually(lambda: page.locator("#found li").count() == 1)
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Apply to 2").wait_for()
    page.keyboard.press("q")  # while the question stands, keys decide nothing else
    page.keyboard.press("Enter")
    page.get_by_text("Decided: 2").wait_for()
    eventually(lambda: len(server.decisions()) == 2)
    given = dict(zip(map(str, load(rows).ids), (load(rows).classes[c] for c in load(rows).given), strict=True))
    assert all(
        decision == (("keep", None) if given[id] == "17" else ("relabel", "17"))
        for id, decision in server.decisions().items()
    )


def test_a_class_named_by_a_digit_has_that_digit(serve, open_page, digits):
    server, result = serve(digits), load(digits)
    page = open_page(f"{server.url}/focus")
    first = shown(page)
    given = result.classes[result.given[list(map(str, result.ids)).index(first)]]
    expected = "3" if given != "3" else "0"
    assert (
        page.locator("[aria-label=Classes] button", has=page.get_by_text(expected, exact=True))
        .locator("kbd")
        .first.inner_text()
        == expected
    )
    for key in ("Control+3", "Alt+3", "Meta+3", "Control+Shift+3"):
        page.keyboard.press(key)
    page.wait_for_timeout(150)
    assert server.decisions() == {}
    press(page, expected)
    decided(server, {first: ("relabel", expected)})


def test_keys_in_fields_and_dialogs_decide_nothing_and_enter_leaves_the_name(serve, open_page, digits):
    server = serve(digits)
    page = open_page(f"{server.url}/focus")
    first, name = shown(page), page.get_by_placeholder("your name")
    assert name.input_value() == "ana"  # the name in force
    name.fill("")
    name.press_sequentially("wendy e")
    name.press("Enter")
    assert page.evaluate("document.activeElement.tagName") == "MAIN" and name.input_value() == "wendy e"
    page.get_by_role("button", name="Filters").click()
    page.get_by_role("searchbox").press_sequentially("weqan123")
    page.get_by_role("searchbox").press("Escape")
    page.locator("select.class").first.focus()
    page.keyboard.press("e")
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    page.get_by_role("dialog").wait_for()
    for key in "wqea1n":
        page.keyboard.press(key)
    page.keyboard.press("Escape")
    page.get_by_role("dialog").wait_for(state="detached")
    assert server.decisions() == {}
    page.goto(f"{server.url}/focus")
    page.wait_for_selector("#id")
    press(page, "e")
    decided(server, {first: ("exclude", None)})
    name.fill("")
    name.press("Enter")
    assert name.input_value() == "ana"


def test_undo_and_redo_buttons_report_their_effect(serve, open_page, digits):
    server = serve(digits)
    page = open_page(f"{server.url}/focus")
    first = shown(page)
    press(page, "e")
    page.get_by_role("button", name="Undo").click()
    page.get_by_text(f"Taken back: {first}: excluded").wait_for()
    assert server.decisions() == {}
    page.get_by_role("button", name="Redo").click()
    page.get_by_text(f"Done again: {first}: excluded").wait_for()
    decided(server, {first: ("exclude", None)})


def test_escape_leaves_similar(serve, open_page, digits):
    server = serve(digits)
    page = open_page(f"{server.url}/focus")
    first = shown(page)
    page.keyboard.press("s")
    page.wait_for_selector("#at2 .labels")
    page.keyboard.press("Space")
    page.locator(".slot.chosen").wait_for()
    page.keyboard.press("Escape")  # first the selection
    assert "like=" in page.url
    page.keyboard.press("Escape")
    page.wait_for_url("**/focus")
    page.wait_for_selector("#id")
    assert shown(page) == first
    i = list(map(str, load(digits).ids)).index(first)
    page.goto("about:blank")
    page.goto(f"{server.url}/grid?like={i}")  # opened by its address: there is nothing to go back to
    page.wait_for_selector("#at2 .labels")
    page.keyboard.press("Escape")
    page.locator(".slot.here", has_text=first).wait_for()
    assert "like=" not in page.url


def test_the_grid_scrolls_to_the_example_in_the_address(serve, open_page, digits):
    server, result = serve(digits), load(digits)
    page = open_page(f"{server.url}/grid", quiet=False)
    page.wait_for_selector(".slot")
    page.route("**/api/where*", lambda route: (time.sleep(0.8), route.continue_()))
    i = int(result.order()[200])
    page.goto(f"{server.url}/grid?at={i}")
    page.locator(".slot.here", has_text=str(result.ids[i])).wait_for()


def test_a_line_marks_where_to_stop_and_the_end_shows_next_steps(serve, open_page, digits):
    server, result = serve(digits), load(digits)
    page = open_page(f"{server.url}/grid", quiet=False)
    page.wait_for_selector(".slot")
    view = page.evaluate("fetch('/api/view').then((said) => said.json())")
    p = result.p_wrong[result.order()]
    at = view["stop"]["at"]
    page.goto(f"{server.url}/grid?at={result.order()[at]}")
    line = page.get_by_role("note")
    line.wait_for()
    assert (
        re.search(r"From here on (about 1 in \d+|hardly any) is wrong", line.inner_text())
        and "you may stop" in line.inner_text()
    )
    assert (
        p[at : at + 50].mean() <= 0.02
        and (p[at:] <= 0.5).all()
        and (p[at - 1 : at + 49].mean() > 0.02 or p[at - 1] > 0.5)
    )
    assert view["stop"]["rest"] == len(result) - at and view["stop"]["wrong"] == pytest.approx(p[at:].sum())
    page.goto(f"{server.url}/focus")
    page.wait_for_selector("#id")
    assert page.get_by_role("note").count() == 0
    for _ in range(7):
        press(page, "w")
    eventually(lambda: len(server.decisions()) == 7)
    page.get_by_text(re.compile(r"about \d+ min to the line")).wait_for()
    page.goto(f"{server.url}/focus?at={result.order()[at + 20]}")
    page.get_by_role("note").wait_for()
    page.get_by_role("link", name="Stop here").click()
    page.get_by_text("7 of 300 reviewed, 7 of them found wrong").wait_for()
    for command in ("report", "apply", "export", "accept"):
        assert page.get_by_text(re.compile(rf"labelsieve {command} '.*it'\"'\"'s digits\.sieve'")).count() == 1
    server.process.send_signal(signal.SIGINT)
    output = server.process.communicate(timeout=60)[0]
    assert server.process.returncode == 0
    assert (
        "Reviewed: 7 of 300, 7 of them found wrong." in output
        and "labelsieve report '" in output
        and "labelsieve apply '" in output
    )


def test_all_decided_ends_with_the_summary(serve, open_page, digits):
    server, result = serve(digits), load(digits)
    page = open_page(f"{server.url}/grid?given=3")
    n = int((result.given == result.classes.index("3")).sum())
    page.locator("summary").click()
    page.get_by_role("button", name=f"Keep · {n}").click()
    page.get_by_role("button", name=f"Apply to {n}").click()
    page.get_by_text(f"Decided: {n} examples.").wait_for()
    page.keyboard.press("g")
    page.get_by_text(f"{n} of 300 reviewed, 0 of them found wrong").wait_for()
    assert page.get_by_text(re.compile("labelsieve report")).count() == 1


def test_the_random_sample_comes_first_where_the_counts_differ(serve, open_page, hard):
    server = serve(hard)
    page = open_page(f"{server.url}/")
    page.get_by_role("button", name="100 blind reviews, about 8 minutes").click()
    page.wait_for_selector("#id")
    drawn = sample_files.load(server.run, "random").ids
    assert shown(page) == f"#{drawn[0]}" and page.locator(".label").count() == 0
    press(page, "2")
    assert shown(page) == f"#{drawn[1]}"
    eventually(lambda: set(server.decisions()) == {drawn[0]})
    page.reload()
    page.wait_for_selector("#id")
    assert shown(page) == f"#{drawn[1]}"
    page.goto(f"{server.url}/overview")
    page.get_by_role("button", name="99 blind reviews, about 8 minutes").click()  # it goes on
    page.wait_for_selector("#id")
    assert shown(page) == f"#{drawn[1]}"


def test_no_sample_comes_first_where_the_counts_agree(serve, open_page, digits):
    page = open_page(f"{serve(digits).url}/")
    page.get_by_role("link", name="Review now").wait_for()
    assert page.get_by_text("First: a random sample").count() == 0
