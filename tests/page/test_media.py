"""Pictures are encoded again and bounded in size; a card gives the reason for a missing picture."""

import io
from urllib.parse import unquote

import numpy as np
import pytest
from PIL import Image

from labelsieve.page.desk import Desk
from labelsieve.page.media import Media


def opened(answer):
    return Image.open(io.BytesIO(answer.content))


def source(sieve, i):
    from labelsieve.store import run

    return sieve.parent / "photos" / run.load(sieve).ids[i]


def test_a_small_picture_comes_pixel_for_pixel_but_not_byte_for_byte(page, sieve):
    for path in ("/thumb/3.webp", "/image/3"):
        answer = page.get(path)
        assert "immutable" in answer.headers["cache-control"]
        assert (
            np.array_equal(opened(answer), Image.open(source(sieve, 3)))
            and answer.content != source(sieve, 3).read_bytes()
        )


def test_large_pictures_are_made_smaller(page, sieve):
    Image.effect_noise((3000, 1500), 50).convert("RGB").save(source(sieve, 0), "JPEG")  # wrong suffix too
    assert max(opened(page.get("/thumb/0.webp")).size) == 256
    large = page.get("/image/0")
    assert opened(large).size == (2048, 1024) and large.headers["content-type"] == "image/jpeg"
    assert opened(page.get("/image/0?full=1")).size == (3000, 1500)  # for looking closely


def test_a_line_of_20000_pixels_is_shown(page, sieve):
    Image.new("RGB", (20_000, 10), "red").save(source(sieve, 0))
    assert opened(page.get("/thumb/0.webp")).size[0] == 256 and opened(page.get("/image/0")).size[0] == 2048


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "empty"),
        (b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'><script>alert(1)</script></svg>", "SVG"),
        (b"<html><script>alert(1)</script>", "web page"),
        (b"\x89PNG\r\n\x1a\n" + b"\0" * 40, "damaged"),
        (b"nothing at all", "not an image"),
    ],
)
def test_a_file_that_is_not_a_picture_becomes_a_card_with_the_reason(page, sieve, content, why):
    source(sieve, 0).write_bytes(content)
    for path in ("/thumb/0.webp", "/image/0"):
        answer = page.get(path)
        assert opened(answer).size == (256, 256) and why in unquote(answer.headers["x-broken"])
        assert answer.headers["cache-control"] == "no-store" and b"script" not in answer.content


def test_a_bomb_is_refused_before_it_is_decoded(page, sieve):
    Image.new("1", (20_000, 20_000)).save(source(sieve, 0))
    assert "megapixels" in unquote(page.get("/image/0").headers["x-broken"])


def test_a_removed_picture_is_reported(page, sieve):
    page.get("/api/run")
    assert page.get("/thumb/1.webp").status_code == 200
    source(sieve, 0).unlink()
    assert page.get("/thumb/0.webp").headers.get("x-broken")


def test_moved_data_are_reported_and_the_page_still_works(sieve, serve):
    (sieve.parent / "photos").rename(sieve.parent / "elsewhere")
    client = serve()
    answer = client.get("/thumb/0.webp")
    assert answer.status_code == 200 and answer.headers["x-broken"]
    assert client.get("/api/run").json()["data_error"] and client.get("/api/item/0").status_code == 200


def test_the_cache_stays_below_its_limit_and_keeps_recent_pictures(sieve):
    desk = Desk(sieve)
    media = Media(desk, cache_bytes=40_000)
    made, make = [], media._make
    media._make = lambda i, side: (made.append(i), make(i, side))[1]
    for i in range(40):
        media.thumb(i)
        assert media.thumb(0).broken is None
    files = list((sieve / "thumbs").rglob("*.webp"))
    assert 0 < sum(path.stat().st_size for path in files) <= 40_000
    assert any(path.name == "0.webp" for path in files)
    assert made.count(0) == 1 and sorted(set(made)) == list(
        range(40)
    )  # what is looked at again and again is never made anew
    desk.close()


@pytest.mark.parametrize(
    "path", ["/thumb/60.webp", "/thumb/-1.webp", "/image/99999999999999999999", "/thumb/..%2f1.webp", "/image/x"]
)
def test_other_files_cannot_be_requested(page, path):
    assert page.get(path).status_code == 404


@pytest.mark.parametrize("path", ["/thumb/0.webp", "/image/0"])
def test_a_repaired_picture_is_shown(page, sieve, path):
    whole = source(sieve, 0).read_bytes()
    source(sieve, 0).write_bytes(b"nothing at all")
    assert page.get(path).headers["x-broken"] and not list((sieve / "thumbs").rglob("0.webp"))
    source(sieve, 0).write_bytes(whole)
    answer = page.get(path)
    assert "x-broken" not in answer.headers and np.array_equal(opened(answer), Image.open(source(sieve, 0)))


def test_cached_pictures_are_read_from_the_cache_only(page, sieve, serve):
    first = page.get("/thumb/7.webp").content
    [kept] = (sieve / "thumbs").rglob("7.webp")
    assert kept.read_bytes() == first
    source(sieve, 7).unlink()
    assert serve().get("/thumb/7.webp").content == first


def test_a_read_only_run_caches_no_pictures(sieve, serve, monkeypatch):
    monkeypatch.setattr("labelsieve.page.desk.os.access", lambda path, mode: False)
    assert serve().get("/thumb/7.webp").status_code == 200 and not (sieve / "thumbs").exists()


def test_a_table_of_features_has_no_pictures(odd_texts):
    for path in ("/thumb/0.webp", "/image/0"):
        assert odd_texts.get(path).status_code == 404
