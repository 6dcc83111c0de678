"""The review page in Chromium against the real server, on runs over pictures, texts and plain features."""

from __future__ import annotations

import re
import time
from pathlib import Path

import numpy as np
import pytest
from waiting import decided, eventually, press, shown

from labelsieve.cli.accept import accept
from labelsieve.core.decision import Decision
from labelsieve.store import sample_files
from labelsieve.store.journal import Journal
from labelsieve.store.run import load

pytestmark = pytest.mark.browser
ROOT = Path(__file__).resolve().parents[2]
AXE = ROOT / "web" / "node_modules" / "axe-core" / "axe.min.js"
VIEWS = (
    "overview",
    "map",
    "classes",
    "duplicates",
    "grid",
    "focus",
    "grid?blind=1",
    "focus?blind=1",
    "grid?like=4",
    "grid?state=conflict",
)


def test_each_key_is_one_decision_and_undo_goes_back_through_reloads(serve, open_page, pictures):
    server = serve(pictures)
    findings = load(pictures)
    classes = dict(zip(findings.ids, zip(findings.given, findings.other, strict=True), strict=True))
    page = open_page(f"{server.url}/focus")
    ids = []
    for key in "wqea3":
        ids.append(shown(page))
        press(page, key)
    third = findings.classes[2]
    expected = [
        ("relabel", findings.classes[classes[ids[0]][1]]),
        ("keep", None),
        ("exclude", None),
        ("ambiguous", None),
    ]
    expected.append(("keep", None) if findings.classes[classes[ids[4]][0]] == third else ("relabel", third))
    decided(server, dict(zip(ids, expected, strict=True)))
    press(page, "u")
    assert shown(page) == ids[4]
    page.reload()
    for left in (3, 2, 1, 0):
        page.wait_for_selector("#id")
        page.keyboard.press("Control+z")
        eventually(lambda left=left: len(server.decisions()) == left)
    page.keyboard.press("Shift+U")
    eventually(lambda: server.decisions() == {ids[0]: expected[0]})


def test_a_killed_server_loses_nothing_and_doubles_nothing(serve, open_page, pictures):
    server = serve(pictures)
    page = open_page(f"{server.url}/focus", quiet=False)
    first = shown(page)
    fetched = "performance.getEntriesByType('resource').filter(({ name }) => name.includes('/api/item/')).length"
    eventually(lambda: page.evaluate(fetched) >= 4)  # this example and the next three are loaded
    server.kill()
    page.keyboard.press("e")
    page.get_by_text("not saved yet").wait_for()
    eventually(lambda: shown(page) != first)  # kept in the browser, so it may go on
    assert server.decisions() == {}
    second = server.restart()
    try:
        page.get_by_text("not saved yet").wait_for(state="detached")
        assert second.decisions() == {first: ("exclude", None)}
    finally:
        second.kill()


def test_a_selection_is_one_batch_and_one_undo(serve, open_page, pictures):
    server = serve(pictures)
    page = open_page(f"{server.url}/grid")
    page.wait_for_selector("#at3 img")
    for _ in range(2):
        page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("e")
    page.get_by_role("button", name="Apply to 3").wait_for()
    assert server.decisions() == {}  # the number is shown before anything happens
    page.keyboard.press("Enter")
    page.get_by_text("Decided: 3 examples.").wait_for()
    eventually(lambda: page.locator(".sign").count() == 3)
    eventually(lambda: list(server.decisions().values()) == 3 * [("exclude", None)])
    page.keyboard.press("u")
    page.get_by_text("Taken back: 3 examples: excluded").wait_for()
    assert server.decisions() == {}  # the message comes after the undo is saved


def test_examples_of_an_overview_cell_can_be_decided_together(serve, open_page, pictures):
    server = serve(pictures)
    page = open_page(f"{server.url}/")
    page.locator(".matrix a").first.click()
    page.wait_for_url("**/grid?given=*&other=*")
    page.wait_for_selector(".slot img")
    findings = load(pictures)
    given, other = (re.findall(rf"{name}=(\w+)", page.url)[0] for name in ("given", "other"))
    here = (findings.given == findings.classes.index(given)) & (findings.other == findings.classes.index(other))
    members = {str(findings.ids[i]) for i in np.flatnonzero(here)}
    n = len(members)
    if n > 1:
        page.locator("summary").click()
        page.get_by_role("button", name=f"Exclude · {n}").click()
        page.get_by_role("button", name=f"Apply to {n}").click()
    else:
        page.keyboard.press("e")
    page.get_by_text(re.compile(f"Decided: {n}|excluded")).first.wait_for()
    eventually(lambda: server.decisions())
    decided(server, dict.fromkeys(members, ("exclude", None)))
    page.go_back()
    page.wait_for_selector(".matrix")
    assert "given=" not in page.url


def test_the_address_is_the_state(serve, open_page, pictures):
    server = serve(pictures)
    page = open_page(f"{server.url}/focus?state=all&by=id&at=7")
    seventh = sorted(map(str, load(pictures).ids))[7]
    assert shown(page) == seventh
    press(page, "ArrowRight")
    eighth = shown(page)
    page.wait_for_url("**/focus?state=all&by=id&at=8")
    page.keyboard.press("g")
    page.wait_for_url("**/grid?state=all&by=id&at=8")
    page.go_back()
    assert shown(page) == eighth


def test_hidden_data_are_not_sent_in_blind_mode(serve, open_page, pictures):
    server = serve(pictures)
    page = open_page(f"{server.url}/focus")
    suggestion = page.locator(".label.other bdi").inner_text()
    with page.expect_response("**/api/items*") as answer:
        page.keyboard.press("b")
    eventually(lambda: shown(page).startswith("#"))
    items = answer.value.json()["items"]
    assert items and all(item["given"] is None and item["other"] is None and item["p"] is None for item in items)
    assert page.locator(".label, .suggested, .given, .near").count() == 0
    page.keyboard.press("w")  # nothing to take
    page.wait_for_timeout(200)
    assert server.decisions() == {}
    classes = list(load(pictures).classes)
    press(page, str(classes.index(suggestion) + 1))
    eventually(lambda: list(server.decisions().values()) == [("relabel", suggestion)])


def test_a_decision_can_be_applied_to_similar_examples(serve, open_page, pictures):
    server = serve(pictures)
    page = open_page(f"{server.url}/focus")
    first = shown(page)
    label = page.locator(".label.other bdi").inner_text()
    press(page, "w")
    press(page, "ArrowLeft")
    page.keyboard.press("s")
    page.wait_for_url("**/grid?like=*")
    page.wait_for_selector("#at2 img")
    page.keyboard.press("Space")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Space")
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Apply to 2").click()
    eventually(lambda: len(server.decisions()) == 3)
    decisions = server.decisions()
    findings = load(pictures)
    given = dict(zip(findings.ids, (findings.classes[c] for c in findings.given), strict=True))
    assert decisions[first] == ("relabel", label)
    assert all(
        answer == (("keep", None) if given[id] == label else ("relabel", label)) for id, answer in decisions.items()
    )


def test_one_reviewer_resolves_a_disagreement_of_two(serve, open_page, pictures):
    server = serve(pictures)
    ana, ben = open_page(f"{server.url}/focus"), open_page(f"{server.url}/focus")
    ben.get_by_placeholder("your name").fill("ben")
    ben.get_by_placeholder("your name").blur()
    first = shown(ana)
    assert shown(ben) == first
    press(ana, "q")
    press(ben, "e")
    ana.get_by_role("button", name="Conflicts 1").click()  # told by the server, without a reload
    eventually(lambda: shown(ana) == first)
    history = ana.locator(".history")
    eventually(
        lambda: history.count() and "label kept ana" in history.inner_text() and "excluded ben" in history.inner_text()
    )
    ana.keyboard.press("w")
    ana.get_by_text("That was the last one").wait_for()
    eventually(lambda: server.decisions()[first][0] == "relabel")
    ana.get_by_role("button", name="Conflicts 0").wait_for()


def test_many_classes_can_be_searched(serve, open_page, rows):
    server = serve(rows)
    page = open_page(f"{server.url}/focus")
    first, given = shown(page), page.locator(".label.given bdi").inner_text()
    assert page.locator(".lens table tbody tr").count() == 40  # the lens of feature rows
    requested = "17" if given != "17" else "18"
    page.keyboard.press("/")
    page.locator("#found").get_by_role("option").first.wait_for()
    page.route(re.compile(r"/api/classes\?q="), lambda route: (time.sleep(0.3), route.continue_()))
    page.get_by_role("combobox", name="Search a class").fill(requested)
    press(page, "Enter")  # before the answer: not the first of all classes, but of those that were searched
    decided(server, {first: ("relabel", requested)})


def test_texts_are_escaped(serve, open_page, texts):
    server = serve(texts)
    page = open_page(f"{server.url}/grid")
    page.wait_for_selector("#at2 .text")
    assert "<img src=x onerror=alert(1)>" in page.locator("#at0 .text").inner_text()
    page.keyboard.press("Enter")
    page.wait_for_selector(".lens .text")
    assert "<img src=x onerror=alert(1)>" in page.locator(".lens .text").inner_text()


def test_keys_are_shown_and_closed(serve, open_page, rows):
    page = open_page(f"{serve(rows).url}/grid")
    page.wait_for_selector(".slot")
    page.keyboard.press("?")
    assert page.get_by_role("dialog").get_by_text("take the suggestion").is_visible()
    page.keyboard.press("Escape")
    page.get_by_role("dialog").wait_for(state="detached")


def test_chinese_where_the_browser_asks_for_it(serve, open_page, rows):
    page = open_page(f"{serve(rows).url}/focus", locale="zh-CN")
    page.wait_for_selector("#id")
    assert page.locator("html").get_attribute("lang") == "zh-CN"
    assert page.locator("nav").inner_text().split() == ["总览", "网格", "单个", "地图", "类别"]
    assert not re.search(r"\b(Keep|Exclude|Later|Given)\b", page.locator("main").inner_text())


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_reports_no_serious_problem(serve, open_page, pictures, scheme):
    if not AXE.exists():
        pytest.skip("axe-core is not installed (`npm ci` in web/)")
    server, actual = serve(pictures), []
    journal, findings = Journal(server.run), load(server.run)
    for name, step in (("ana", 1), ("ben", 2)):  # many agreements, so that their table scrolls, and conflicts
        rows = [
            (str(key), findings.classes[(c + step * (i % 2)) % 6])
            for i, (key, c) in enumerate(zip(findings.ids, findings.given, strict=True))
        ]
        journal.append(
            [
                Decision(key, "relabel", label, name, "2026-01-01T00:00:00+00:00", f"{name}-{key}")
                for key, label in rows[:40]
            ]
        )
    journal.close()
    page = open_page(f"{server.url}/", color_scheme=scheme)
    for view in VIEWS:
        page.goto(f"{server.url}/{view}")
        page.wait_for_selector("main h1")
        page.wait_for_timeout(250)
        page.evaluate(AXE.read_text(encoding="utf-8"))
        faults = page.evaluate("axe.run().then(result => result.violations)")
        actual += [
            (view, f["id"], f["nodes"][0]["html"][:200]) for f in faults if f["impact"] in ("serious", "critical")
        ]
    assert actual == []


@pytest.mark.parametrize("view", ["", "grid", "focus"])
def test_a_phone_needs_no_horizontal_scrolling(serve, open_page, pictures, view):
    page = open_page(f"{serve(pictures).url}/{view}")
    page.set_viewport_size({"width": 390, "height": 844})
    page.wait_for_selector("h1")
    fits = "[document.documentElement, document.querySelector('main')].every((e) => e.scrollWidth <= 390)"
    eventually(lambda: page.evaluate(fits))
    if view == "focus":
        item, classes = (page.locator(f"main section >> nth={k}").bounding_box() for k in (0, 1))
        assert classes["y"] >= item["y"] + item["height"] and item["width"] > 350
        assert page.locator(".label.given").bounding_box()["height"] < 60  # on one line


def test_another_reviewer_does_not_see_decisions_as_their_own(serve, open_page, pictures):
    server = serve(pictures)
    findings = load(pictures)
    for name, label in (("ana", findings.classes[0]), ("ben", findings.classes[1])):
        row = Decision(findings.ids[7], "relabel", label, name, "2026-01-01T00:00:00+00:00", f"batch-of-{name}")
        journal = Journal(server.run)
        journal.append([row])
        journal.close()
    page = open_page(f"{server.url}/focus?state=all&i=7")
    page.wait_for_selector("[aria-label=Classes] button.said")
    page.get_by_placeholder("your name").fill("eve")
    page.get_by_placeholder("your name").press("Enter")
    eventually(
        lambda: page.locator("#id").count() == 1 and page.locator("[aria-label=Classes] button.said").count() == 0
    )


def test_an_acceptance_sample_is_judged_blind_in_its_order_and_brings_a_verdict(serve, open_page, pictures, capsys):
    server = serve(pictures)
    findings = load(server.run)
    assert accept(server.run, max_error="60%") == 1
    drawn = sample_files.load(server.run, "accept-batch").ids
    place = {key: i for i, key in enumerate(findings.ids)}
    page = open_page(f"{server.url}/focus?sample=accept-batch")
    for key in drawn:
        page.wait_for_selector("#id")
        eventually(lambda key=key: shown(page) == f"#{place[key]}")
        seen = page.locator("header").inner_text() + page.locator("main").inner_text()
        assert key not in seen and "wrong" not in seen and page.locator(".verdict").count() == 0
        assert page.get_by_text("Order", exact=True).count() == page.get_by_role("button", name="Filters").count() == 0
        page.keyboard.press(str(findings.given[place[key]] + 1))
    page.get_by_text("labelsieve accept").wait_for()
    decided(server, dict.fromkeys(drawn, ("keep", None)))
    capsys.readouterr()
    assert accept(server.run) == 0
    message = capsys.readouterr().out
    assert "ACCEPT" in message and f"Reviewed {len(drawn)} of {len(drawn)} drawn, 0 wrong." in message
