"""Whatever an example is, what stands in the report is small and says what it is."""

import base64
import io
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from labelsieve.core.dataset import Dataset
from labelsieve.core.feature_columns import FeatureColumns
from labelsieve.encode.small_example import sample


def image_bytes(size=(640, 480), kind="PNG", mode="RGB"):
    out = io.BytesIO()
    Image.new(mode, size, 120 if mode != "RGBA" else (9, 9, 9, 0)).save(out, kind)
    return out.getvalue()


def shown(value, kind="image", classes=("a", "b")):
    inputs = value if isinstance(value, np.ndarray) and kind in ("features", "probs") else [value]
    return sample(Dataset(np.array(["x"], object), np.zeros(1, np.int64), classes, inputs, kind), 0)


def drawn(one):
    return Image.open(io.BytesIO(base64.b64decode(one.picture.partition(",")[2])))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF"])
def test_pictures_are_shown_small_with_their_size(kind):
    one = shown(image_bytes(kind=kind))
    assert max(drawn(one).size) == 200 and one.size == f"640 × 480 px {kind}"


@pytest.mark.parametrize("mode", ["L", "RGBA", "1", "CMYK", "I;16"])
def test_every_mode_of_colour(mode):
    one = shown(image_bytes(kind="TIFF", mode=mode))
    assert drawn(one).mode == "RGB"


def test_what_is_transparent_is_white():
    assert drawn(shown(image_bytes(mode="RGBA"))).getpixel((5, 5)) == (255, 255, 255)


def test_a_large_jpeg_is_drawn_and_turned_upright():
    out, tags = io.BytesIO(), Image.Exif()
    tags[0x0112] = 6  # turned by 90 degrees
    Image.new("L", (9000, 6000), 90).save(out, "JPEG", exif=tags)
    assert drawn(shown(out.getvalue())).size == (133, 200)


def test_small_arrays_are_enlarged():
    assert drawn(shown(np.zeros((32, 32, 3), np.uint8))).size == (192, 192)
    assert drawn(shown(np.zeros((28, 28), np.uint8))).size == (196, 196)


def bomb(side):
    """A PNG whose header promises side x side pixels."""
    chunk = lambda kind, data: struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))  # noqa: E731
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("value", "description"),
    [
        (b"", "zero bytes"),
        (bomb(9_000), "9,000 × 9,000 px"),
        (bomb(20_000), "100 megapixels"),
        (bomb(2_000_000), "100 megapixels"),
        (b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>', "SVG"),
        (b"plain words in a file named .png", "not an image"),
        (image_bytes()[:200], "cannot be shown"),
        (np.zeros((3, 3, 7), np.uint8), "cannot be shown"),
        (np.zeros((0, 4, 3), np.uint8), "cannot be shown"),
        (None, "zero bytes"),
    ],
)
def test_oddities_are_named(value, description):
    one = shown(value)
    assert one.picture is None and description in one.odd


def test_a_wrong_suffix_does_not_matter_and_the_format_is_shown():
    assert shown(image_bytes(kind="JPEG")).size.endswith("JPEG")


def test_an_unreadable_input_is_reported():
    class Gone(list):
        def __getitem__(self, i):
            raise FileNotFoundError("cat.jpg is gone <b>")

    one = sample(Dataset(np.array(["x"], object), np.zeros(1, np.int64), ("a",), Gone(), "image"), 0)
    assert "cat.jpg is gone" in one.odd


def test_text_is_an_excerpt_with_nothing_hidden():
    one = shown("a\u202eb" + "x" * 10_000, "text")
    assert "\\u202e" in one.text and len(one.text) <= 420 and one.size == "10,003 characters"
    assert shown("  \n", "text").odd == "empty text"


def test_values_of_features_and_the_largest_probabilities():
    assert shown(np.arange(20.0)[None], "features").values[:2] == (("feature 0", "0"), ("feature 1", "1"))
    named = Dataset(
        np.array(["a"], object),
        np.zeros(1, np.int64),
        ("a", "b"),
        np.ones((1, 2)),
        "features",
        columns=FeatureColumns(("wide", "tall")),
    )
    assert sample(named, 0).values == (("wide", "1"), ("tall", "1"))
    assert shown(np.array([[0.2, 0.8]]), "probs").values == (("b", "0.800"), ("a", "0.200"))


@settings(max_examples=60, deadline=None)
@given(
    st.binary(max_size=300),
    st.sampled_from([b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF89a", b"BM", b"II*\0", b"RIFF"]),
)
def test_arbitrary_bytes_never_raise(data, start):
    one = shown(start + data)
    assert (one.picture is None) == bool(one.odd)
