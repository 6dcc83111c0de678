"""Details: zoom, groups of duplicates, comments, and the meaning of the classes."""

from __future__ import annotations

import pytest
from waiting import decided, eventually, still

from labelsieve.store.run import load

pytestmark = pytest.mark.browser


def test_the_wheel_zooms_at_the_pointer_and_z_shows_full_size(serve, open_page, pictures):
    page = open_page(f"{serve(pictures).url}/focus")
    page.locator(".zoom img").wait_for()
    box, picture = page.locator(".zoom"), page.locator(".zoom img")
    eventually(lambda: picture.bounding_box()["width"] > 300)
    before = still(picture)
    at = (before["x"] + before["width"] / 4, before["y"] + before["height"] / 4)  # a quarter into the picture
    page.mouse.move(*at)
    page.mouse.wheel(0, -500)
    eventually(lambda: picture.bounding_box()["width"] > 1.5 * before["width"])
    after = picture.bounding_box()
    assert abs((at[0] - after["x"]) / after["width"] - 0.25) < 0.01  # what was under the pointer still is
    assert picture.evaluate("(e) => getComputedStyle(e).imageRendering") == "pixelated"
    page.mouse.down()
    page.mouse.move(at[0] + 60, at[1] + 30)
    page.mouse.up()
    eventually(lambda: abs(picture.bounding_box()["x"] - after["x"] - 60) < 1)
    assert abs(picture.bounding_box()["y"] - after["y"] - 30) < 1
    page.keyboard.press("z")
    eventually(lambda: abs(picture.bounding_box()["width"] - before["width"]) < 1)
    page.keyboard.press("z")
    natural = picture.evaluate("(e) => e.naturalWidth")
    eventually(lambda: abs(picture.bounding_box()["width"] - natural) < 1)  # 1:1
    assert picture.evaluate("(e) => getComputedStyle(e).imageRendering") != "pixelated"
    assert box.bounding_box()["width"] > natural


def test_one_decision_for_a_group_is_one_batch_and_one_undo(serve, open_page, twins):
    server = serve(twins)
    page = open_page(f"{server.url}/duplicates")
    groups = page.locator(".duplicates ol > li")
    groups.first.wait_for()
    assert groups.count() == 2 and groups.nth(0).locator(".member").count() == 3
    page.get_by_role("button", name="Labels disagree").click()
    eventually(lambda: groups.count() == 1)
    groups.first.get_by_role("button", name="All 3 are b").click()
    eventually(lambda: len(server.decisions()) == 3)
    decided(server, {"0": ("relabel", "b"), "40": ("relabel", "b"), "41": ("keep", None)})
    assert len({row.batch for row in server.rows()}) == 1
    page.get_by_text("in 0 the labels disagree").wait_for()
    page.keyboard.press("u")
    eventually(lambda: server.decisions() == {})
    page.get_by_text("in 1 the labels disagree").wait_for()
    page.keyboard.press("1")  # the first class, for the whole group that is marked
    eventually(lambda: server.decisions() == {"0": ("keep", None), "40": ("keep", None), "41": ("relabel", "a")})


def test_the_grid_can_show_only_duplicates_that_disagree(serve, open_page, twins):
    page = open_page(f"{serve(twins).url}/grid?duplicates=disagree&state=all")
    page.wait_for_selector(".slot")
    eventually(lambda: page.locator(".slot").count() == 3)


def test_a_comment_goes_with_the_decision_and_can_follow_it(serve, open_page, twins):
    server = serve(twins)
    page = open_page(f"{server.url}/focus?state=all&by=id")
    first = page.locator("#id").inner_text()
    page.keyboard.press("c")
    page.keyboard.type("blurred; q is not a key here")
    page.reload()  # a draft outlives the page
    page.get_by_text("is saved with your decision").wait_for()
    assert server.rows() == []
    page.keyboard.press("q")
    eventually(lambda: server.decisions() == {first: ("keep", None)})
    assert [row.note for row in server.rows()] == ["blurred; q is not a key here"]
    eventually(lambda: page.locator("#id").inner_text() != first)
    page.keyboard.press("ArrowLeft")
    eventually(lambda: page.locator(".note input").input_value() == "blurred; q is not a key here")
    page.keyboard.press("c")
    page.keyboard.press("End")
    page.keyboard.type("!")
    page.keyboard.press("Enter")
    eventually(lambda: [row.note for row in server.rows()][-1].endswith("here!"))
    decided(server, {first: ("keep", None)})
    assert page.locator("#id").inner_text() == first
    page.keyboard.press("e")  # another decision keeps the comment
    decided(server, {first: ("exclude", None)})
    assert server.rows()[-1].note.endswith("here!")


def test_codes_have_names_guidelines_and_an_example(serve, open_page, twins, tmp_path):
    (tmp_path / "classes.csv").write_text(
        "code,name,guideline,example\na,alpha,Small and round.,5\nb,beta,Large & square.,\n"
    )
    server = serve(twins, "--classes", str(tmp_path / "classes.csv"))
    page = open_page(f"{server.url}/focus?state=all&i=41")
    keys = page.locator("section[aria-label=Classes] button")
    keys.first.wait_for()
    assert "alpha" in keys.nth(0).inner_text() and "beta" in keys.nth(1).inner_text()
    assert "Small and round." in keys.nth(0).get_attribute("title")
    guide = page.locator("aside details")
    guide.get_by_text("Large & square.").wait_for()
    assert guide.get_by_text("Small and round.").count() == 1
    page.keyboard.press("/")
    page.get_by_role("combobox", name="Search a class").fill("alp")
    page.locator("#found").get_by_text("a · alpha").wait_for()
    page.goto(f"{server.url}/classes")
    page.get_by_text("Small and round.").wait_for()
    page.get_by_role("link", name="a · alpha").wait_for()
    assert load(server.run).classes == ("a", "b")  # the codes stay what they are


def test_the_gallery_shows_examples_that_are_not_doubted(serve, open_page, pictures):
    server = serve(pictures)
    page = open_page(f"{server.url}/classes")
    page.locator("section img").first.wait_for()
    findings = load(server.run)
    place = {id: i for i, id in enumerate(findings.ids)}
    for section, label in zip(page.locator("section").all(), findings.classes, strict=True):
        ids = section.locator("img").evaluate_all("all => all.map((e) => e.alt)")
        assert ids and all(
            findings.classes[findings.given[place[id]]] == label and findings.p_wrong[place[id]] <= 0.5 for id in ids
        )
    page.goto(f"{server.url}/classes?blind=1", wait_until="networkidle")
    assert page.locator("section img").count() == 0
