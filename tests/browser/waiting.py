"""Functions that wait for the page and the server in browser tests."""

from __future__ import annotations

import time


def eventually(true, seconds: float = 20) -> None:
    """Wait until `true()` holds; fail if it never does."""
    until = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until
        time.sleep(0.02)


def shown(page) -> str:
    """The id of the example in the focus view, once there is one."""
    return page.locator("#id").inner_text()


def press(page, key: str) -> None:
    """Press a key in the focus view and wait for another example, or for the end of the queue."""
    before = shown(page)
    page.keyboard.press(key)
    eventually(lambda: page.locator(".end h1").count() or (page.locator("#id").count() and shown(page) != before))


def decided(server, expected: dict) -> None:
    """Wait until exactly these decisions are saved. The page may go on before a slow server has answered."""
    eventually(lambda: server.decisions() == expected)


def still(locator) -> dict:
    """The bounding box of an element once it no longer moves; counts and notes that arrive late may move it."""
    box = locator.bounding_box()
    for _ in range(100):
        time.sleep(0.2)
        box, before = locator.bounding_box(), box
        if box == before and box is not None:
            return box
    raise AssertionError("the element keeps moving")
