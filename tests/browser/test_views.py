"""Histogram, map, explained words, the other language, and a matrix that is fully visible."""

from __future__ import annotations

import re

import numpy as np
import pytest
from waiting import eventually, still

from labelsieve.store.run import load

pytestmark = pytest.mark.browser


def test_a_range_of_the_histogram_is_a_filter(serve, open_page, pictures):
    server = serve(pictures)
    page = open_page(f"{server.url}/grid?state=all")
    page.wait_for_selector(".slot")
    page.get_by_role("button", name="Filters").click()
    bars = page.locator("header .histogram svg")
    bars.wait_for()
    box = still(bars)
    page.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] - 1, box["y"] + 20)
    page.mouse.up()
    page.wait_for_url(re.compile("pmin=0.5"))
    result = load(server.run)
    n = int((result.p_wrong >= 0.5).sum())
    eventually(lambda: page.locator(".tools .num").inner_text() == f"{n} in this view")
    page.mouse.click(box["x"] + 5, box["y"] + 20)  # everything again
    eventually(lambda: page.locator(".tools .num").inner_text() == f"{len(result)} in this view")


def test_a_line_drawn_on_the_map_filters_the_grid(serve, open_page, pictures):
    server = serve(pictures)
    page = open_page(f"{server.url}/map")
    page.get_by_role("button", name="by class").wait_for(timeout=30_000)
    place = np.load(server.run / "evidence" / "map.npy")
    assert place.shape == (len(load(server.run)), 2)
    box = still(page.locator("canvas"))
    side = min(box["width"], box["height"])
    left, top = box["x"] + (box["width"] - side) / 2, box["y"] + (box["height"] - side) / 2
    middle = float(np.median(place[:, 0]))
    corners = [(-0.05, -0.05), (middle, -0.05), (middle, 1.05), (-0.05, 1.05)]  # all that lies left of the middle
    path = [
        (x + (u - x) * k / 20, y + (v - y) * k / 20)
        for (x, y), (u, v) in zip(corners, corners[1:], strict=False)
        for k in range(20)
    ]
    spots = [
        (min(max(left + x * side, box["x"] + 1), box["x"] + box["width"] - 1), top + (1 - y) * side)
        for x, y in [*path, corners[-1]]
    ]
    spots = [(x, min(max(y, box["y"] + 1), box["y"] + box["height"] - 1)) for x, y in spots]
    page.mouse.move(*spots[0])
    page.mouse.down()
    for spot in spots[1:]:
        page.mouse.move(*spot)
    page.mouse.up()
    page.wait_for_url(re.compile("lasso="))
    link = page.get_by_role("link", name="in the grid")
    eventually(lambda: re.search(r"\d+", link.inner_text()) is not None)
    n = int(re.search(r"\d+", link.inner_text()).group())
    expected = int((place[:, 0] < middle).sum())
    assert abs(n - expected) <= 2  # a pixel more or less
    page.keyboard.press("Enter")
    eventually(lambda: page.locator(".tools .num").inner_text() == f"{n} in this view")
    page.get_by_text("selection on the map").wait_for()
    page.locator(".chip").get_by_role("button", name="Clear").click()
    eventually(lambda: page.locator(".tools .num").inner_text() == f"{len(place)} in this view")


def test_words_are_explained_under_the_pointer_and_with_the_focus(serve, open_page, pictures):
    page = open_page(f"{serve(pictures).url}/focus")
    page.locator(".p dfn").hover()
    page.get_by_role("tooltip").get_by_text("estimated probability that the given label is wrong").wait_for()
    page.mouse.move(5, 5)
    page.get_by_role("tooltip").wait_for(state="detached")
    page.locator("aside dfn", has_text="consensus").focus()
    page.get_by_role("tooltip").get_by_text("the agreement of all detectors").wait_for()
    page.locator(".reason dfn").first.hover()
    page.get_by_role("tooltip").get_by_text("held-out").wait_for()


def test_the_focus_view_marks_the_detectors_that_flag_an_example(serve, open_page, pictures):
    findings = load(pictures)
    page = open_page(f"{serve(pictures).url}/focus")
    i = findings.ids.tolist().index(page.locator("#id").inner_text())
    rows = {row.locator("th").inner_text(): row for row in page.locator("aside tr", has=page.locator(".flag")).all()}
    assert set(rows) == set(findings.scores)
    for name, row in rows.items():
        assert row.locator(".flag [role=img]").count() == int(findings.flags[name][i]), name
    assert any(findings.flags[name][i] for name in rows)
    likely = findings.classes[findings.suggestions["consensus"][i]]
    assert likely in rows["consensus"].locator(".flag [role=img]").get_attribute("title")


def test_the_language_is_switched_and_kept_and_reasons_speak_it_too(serve, open_page, pictures):
    page = open_page(f"{serve(pictures).url}/focus")
    first = page.locator("#id").inner_text()
    english = page.locator(".reason").inner_text()
    assert english.startswith("The model gives")
    page.get_by_role("button", name="Language: English").click()
    page.locator("html[lang=zh-CN] .reason").wait_for()
    assert page.locator("#id").inner_text() == first
    reason = page.locator(".reason").inner_text()
    assert "模型" in reason and not re.search(r"[a-z]{3}", reason)
    page.reload()
    page.locator(".reason").wait_for()
    assert page.locator("html").get_attribute("lang") == "zh-CN"
    page.get_by_role("button", name="语言").click()
    page.locator("html[lang=en] .reason").wait_for()


def test_a_loss_curve_is_explained(serve, open_page, pictures):
    page = open_page(f"{serve(pictures).url}/focus?state=all")
    page.locator("aside svg").first.wait_for()
    message = page.locator("aside p", has_text=re.compile("The loss|The models have memorised"))
    assert message.count() >= 1


@pytest.mark.parametrize("width", [1440, 1920])
def test_a_matrix_of_ten_classes_is_fully_visible(serve, open_page, ten, width):
    page = open_page(f"{serve(ten).url}/")
    page.set_viewport_size({"width": width, "height": 900})
    page.wait_for_selector(".matrix")
    cut = "(e) => e.scrollWidth > e.clientWidth + 1"
    assert not page.locator(".scroll:has(.matrix)").evaluate(cut)
    assert not any(row.evaluate(cut) for row in page.locator(".matrix tbody th").all())
    names = page.locator(".matrix .name")
    assert names.count() == 10 and not any(
        name.evaluate("(e) => e.scrollHeight > e.clientHeight + 1") for name in names.all()
    )
    used = page.locator(".matrix").bounding_box()["width"]
    assert used > (780 if width == 1440 else 840)


def test_tiles_show_both_names_in_full(serve, open_page, ten):
    page = open_page(f"{serve(ten).url}/grid")
    page.wait_for_selector("#at0 .labels")
    cut = "all => all.filter((e) => e.scrollWidth > e.clientWidth + 1).length"
    eventually(lambda: page.locator("#at0 .labels bdi").evaluate_all(cut) == 0)
