"""The page shows an example's columns, the position of its values, and its neighbours."""

from __future__ import annotations

import pytest
from waiting import eventually

pytestmark = pytest.mark.browser


def test_a_row_shows_columns_value_positions_and_other_columns(serve, open_page, plants):
    page = open_page(f"{serve(plants).url}/focus?state=all&i=7")
    rows = page.locator(".lens .features tbody tr")
    rows.first.wait_for()
    assert rows.first.locator("th").inner_text() == "height" and rows.count() == 2
    assert rows.first.locator(".for").inner_text() == "fern"  # not what it is called
    lies = rows.first.locator("svg").get_attribute("aria-label")
    assert "class oak: 29" in lies and "class fern: 9" in lies
    others = page.locator(".lens section dl")
    assert "note" in others.inner_text() and "bed 7 <b>by the wall</b>" in others.inner_text()
    assert "height" in page.locator(".near a").first.inner_text()
    page.keyboard.press("b")
    page.wait_for_selector(".blind .features")
    assert page.locator(".lens section dl, .lens .for").count() == 0  # nothing that tells the label


def test_a_tile_of_a_row_shows_its_first_values(serve, open_page, plants):
    page = open_page(f"{serve(plants).url}/grid?state=all&by=id")
    page.wait_for_selector("#at0 .cell")
    assert page.locator("#at0 .cell").all_inner_texts()[0].startswith("width")
    assert page.locator("#at0 .cell").count() == 2


def test_neighbours_of_a_text_show_their_text_and_open_under_the_pointer(serve, open_page, texts):
    page = open_page(f"{serve(texts).url}/focus?state=all&i=0")
    near = page.locator(".near a")
    near.first.wait_for()
    assert "scored twice in match" in near.first.inner_text()
    near.first.hover()
    page.locator(".peek .text").wait_for()
    assert "scored twice in match" in page.locator(".peek .text").inner_text()
    page.mouse.move(10, 10)
    page.locator(".peek").wait_for(state="detached")


def test_a_neighbour_that_is_a_picture_is_large_under_the_pointer(serve, open_page, pictures):
    page = open_page(f"{serve(pictures).url}/focus")
    page.locator(".near img").first.wait_for()
    page.locator(".near a").first.hover()
    page.locator(".peek img").wait_for()
    small = page.locator(".near img").first.bounding_box()["width"]
    eventually(lambda: page.locator(".peek img").bounding_box()["width"] > 4 * small)
