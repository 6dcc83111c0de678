"""Decoding: every oddity becomes either the right pixels or a sentence."""

import io
import subprocess
import sys
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from labelsieve.encode.decode_image import DecodeError, decode
from labelsieve.stats.duplicates import near_pairs
from labelsieve.stats.same_picture import BYTES

SIDE = 32
RAMP = np.add.outer(np.arange(48), np.arange(64)).astype(np.uint8)  # (48, 64) grey, 0 at the top left
COLOURS = np.stack([RAMP, 255 - RAMP, np.full_like(RAMP, 90)], axis=2)


def packed(image: Image.Image, kind: str, **options) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def stretched(array: np.ndarray) -> np.ndarray:
    return np.asarray(Image.fromarray(array).convert("RGB").resize((SIDE, SIDE), Image.Resampling.BICUBIC))


def close(pixels: np.ndarray, expected: np.ndarray, most: int = 2) -> bool:
    return np.abs(pixels.astype(int) - expected.astype(int)).max() <= most


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "PPM", "TGA"])
def test_lossless_formats_give_the_same_pixels_and_key(kind):
    made = decode(packed(Image.fromarray(COLOURS), kind), SIDE)
    assert made.pixels.shape == (SIDE, SIDE, 3) and made.pixels.dtype == np.uint8
    assert np.array_equal(made.pixels, stretched(COLOURS))
    assert made.content == decode(COLOURS, SIDE).content


@pytest.mark.parametrize("kind", ["JPEG", "WEBP", "AVIF"])
def test_lossy_formats_are_close(kind):
    from PIL import features

    if kind == "AVIF" and not features.check("avif"):
        pytest.skip("this Pillow has no AVIF")
    assert close(decode(packed(Image.fromarray(COLOURS), kind, quality=95), SIDE).pixels, stretched(COLOURS), 12)


@pytest.mark.parametrize("shape", [(48, 64), (48, 64, 1), (48, 64, 3), (48, 64, 4)])
def test_arrays_of_every_layout(shape):
    array = np.full(shape, 200, np.uint8)
    if shape[-1] == 4:
        array[..., 3] = 255
    assert (decode(array, SIDE).pixels == 200).all()


@pytest.mark.parametrize(
    "array",
    [np.zeros((8, 8, 2), np.uint8), np.zeros((8, 8), np.float32), np.zeros((0, 8, 3), np.uint8), np.zeros(5, np.uint8)],
)
def test_arrays_that_are_not_images_are_refused(array):
    with pytest.raises(DecodeError, match="array|without pixels"):
        decode(array, SIDE)


def test_exif_orientation_is_applied():
    exif = Image.Exif()
    for tag, turn in {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        6: Image.Transpose.ROTATE_270,
        8: Image.Transpose.ROTATE_90,
        5: Image.Transpose.TRANSPOSE,
    }.items():
        exif[0x0112] = tag
        made = decode(packed(Image.fromarray(COLOURS), "PNG", exif=exif), SIDE)
        assert np.array_equal(made.pixels, stretched(np.asarray(Image.fromarray(COLOURS).transpose(turn)))), tag


def test_transparency_lies_over_white():
    layers = np.dstack([COLOURS, np.zeros_like(RAMP)])
    assert (decode(packed(Image.fromarray(layers), "PNG"), SIDE).pixels == 255).all()
    assert (decode(layers, SIDE).pixels == 255).all()
    half = np.dstack([np.zeros_like(COLOURS), np.full_like(RAMP, 128)])
    assert close(decode(half, SIDE).pixels, np.full((SIDE, SIDE, 3), 127), 1)


def test_palette_with_and_without_a_transparent_colour():
    palette = Image.fromarray(RAMP // 64).convert("P")
    palette.putpalette([10, 20, 30] * 256)
    assert (decode(packed(palette, "PNG"), SIDE).pixels == (10, 20, 30)).all()
    assert (decode(packed(Image.new("P", (9, 9), 0), "PNG", transparency=0), SIDE).pixels == 255).all()


def test_grey_with_alpha_and_grey_with_a_transparent_value():
    assert (decode(packed(Image.new("LA", (9, 9), (40, 0)), "PNG"), SIDE).pixels == 255).all()
    assert (decode(packed(Image.new("L", (9, 9), 40), "PNG", transparency=40), SIDE).pixels == 255).all()


def test_cmyk():
    assert close(
        decode(packed(Image.new("CMYK", (40, 40), (0, 255, 255, 0)), "JPEG", quality=100), SIDE).pixels,
        np.full((SIDE, SIDE, 3), (255, 0, 0)),
        6,
    )


def test_bilevel():
    assert (decode(packed(Image.new("1", (9, 9), 1), "PNG"), SIDE).pixels == 255).all()


def test_sixteen_bit_grey_is_scaled_not_clipped():
    deep = (RAMP.astype(np.uint16)) * 257
    assert close(decode(packed(Image.fromarray(deep), "PNG"), SIDE).pixels, stretched(RAMP), 1)


@pytest.mark.parametrize(("factor", "offset"), [(1 / 255, 0.0), (1.0, 0.0), (257.0, 0.0)])
def test_float_grey_in_a_known_range_keeps_it(factor, offset):
    grey = (RAMP * factor + offset).astype(np.float32)
    grey[0, 0], grey[0, 1] = 0, 255 * factor
    expected = RAMP.copy()
    expected[0, :2] = 0, 255
    assert close(decode(packed(Image.fromarray(grey), "TIFF"), SIDE).pixels, stretched(expected), 1)


def test_float_grey_in_an_unknown_range_is_stretched_and_nan_is_accepted():
    grey = RAMP.astype(np.float32) - 50
    grey[3, 3] = np.nan
    pixels = decode(packed(Image.fromarray(grey), "TIFF"), SIDE).pixels
    assert pixels.min() < 10 and pixels.max() > 245


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF"])
def test_an_animation_gives_its_first_frame(kind):
    frames = [Image.new("RGB", (20, 20), colour) for colour in ("red", "blue")]
    data = packed(
        frames[0], kind, save_all=True, append_images=frames[1:], **({"lossless": True} if kind == "WEBP" else {})
    )
    assert (decode(data, SIDE).pixels == (255, 0, 0)).all()


def test_a_large_jpeg_is_drafted_without_changing_the_picture():
    big = Image.fromarray(COLOURS).resize((1600, 1200), Image.Resampling.BICUBIC)
    assert close(decode(packed(big, "JPEG", quality=95), SIDE).pixels, stretched(COLOURS), 12)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b"hello, this is no picture", "not an image"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>", "SVG"),
        (b"\xef\xbb\xbf<?xml version='1.0'?>\n<!-- x -->\n<svg width='1'/>", "SVG"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(64), "HEIC picture.*labelsieve.heic|not an image"),
        (b"<!DOCTYPE html><html><body>404</body></html>", "web page"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n", "not an image"),
        (b"%PDF-1.4\n", "not an image"),
    ],
)
def test_files_that_are_not_pictures_are_refused(data, reason):
    with pytest.raises(DecodeError, match=reason):
        decode(data, SIDE)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "WEBP", "TIFF", "BMP"])
def test_a_truncated_file_is_refused(kind):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    data = packed(Image.fromarray(noise), kind)
    with pytest.raises(DecodeError, match="truncated or damaged|damaged in its first bytes"):
        decode(data[: len(data) // 2], SIDE)


def bomb(width: int, height: int) -> bytes:
    """A BMP header alone: a reader that decoded before looking would have to ask for the memory."""
    head = bytearray(packed(Image.new("RGB", (1, 1)), "BMP"))
    head[18:22], head[22:26] = width.to_bytes(4, "little"), height.to_bytes(4, "little")
    return bytes(head)


@pytest.mark.parametrize("size", [(10001, 10000), (60000, 60000), (2**30, 2**30)])
def test_an_image_bomb_is_refused_by_its_header(size):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(DecodeError, match="100 megapixels"):
            decode(bomb(*size), SIDE)


def test_content_separates_images_and_sketch_matches_near_copies():
    rng = np.random.default_rng(1)
    smooth = np.asarray(
        Image.fromarray(rng.integers(0, 256, (8, 8, 3), np.uint8)).resize((200, 160), Image.Resampling.BICUBIC)
    )
    other = np.asarray(
        Image.fromarray(rng.integers(0, 256, (8, 8, 3), np.uint8)).resize((200, 160), Image.Resampling.BICUBIC)
    )
    original, copy = (
        decode(packed(Image.fromarray(smooth), "PNG"), SIDE),
        decode(packed(Image.fromarray(smooth).resize((120, 96)), "JPEG"), SIDE),
    )
    assert original.content != copy.content
    sketches = np.stack([original.sketch, copy.sketch, decode(other, SIDE).sketch])
    assert sketches.shape == (3, BYTES)
    flipped = np.bitwise_count(difference_hash(sketches)[0] ^ difference_hash(sketches)[1:])
    assert flipped[0] <= 6 and flipped[1] >= 16
    changed = smooth.copy()
    changed[0, 0, 0] ^= 1
    assert decode(changed, SIDE).content != decode(smooth, SIDE).content
    assert decode(smooth.transpose(1, 0, 2).reshape(smooth.shape), SIDE).content != original.content


def test_content_does_not_depend_on_the_side():
    assert decode(COLOURS, 32).content == decode(COLOURS, 96).content


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_damaged_bytes_never_raise_anything_else(data):
    kind = data.draw(st.sampled_from(["PNG", "JPEG", "GIF", "TIFF", "WEBP", "BMP", "TGA", "PCX", "ICO"]))
    raw = bytearray(packed(Image.fromarray(COLOURS), kind))
    for _ in range(data.draw(st.integers(1, 8))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    try:
        assert decode(bytes(raw), SIDE).pixels.shape == (SIDE, SIDE, 3)
    except DecodeError as error:
        assert str(error)  # noqa: PT017 - most damage is noticed, not all


def difference_hash(sketch):
    return np.ascontiguousarray(sketch[:, :8]).view(">u8")[:, 0].astype(np.uint64)


def photographed(light, rng, side=96, grain=4.0, thing=False):
    """A bare wall, or one with a small thing on it, under one light; the camera adds its grain."""
    y, x = np.mgrid[-1 : 1 : side * 1j, -1 : 1 : side * 1j]
    dx, dy = rng.normal(0, 0.05, 2)
    level = {
        "slope": 120 + 40 * x + 30 * y,
        "vignette": 170 - 60 * ((x - dx) ** 2 + (y - dy) ** 2),
        "spot": 90 + 120 * np.exp(-2 * ((x - 0.2 - dx) ** 2 + (y + 0.1 - dy) ** 2)),
    }[light]
    wall = level + rng.normal(0, grain, (side, side))
    if thing:
        top, left = rng.integers(8, side - 24, 2)
        wall[top : top + 14, left : left + 14] += 60
    return np.clip(wall, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("light", ["slope", "vignette", "spot"])
@pytest.mark.parametrize("thing", [False, True])
def test_the_same_lighting_does_not_make_duplicates(light, thing):
    rng = np.random.default_rng(0)
    sketch = np.stack([decode(photographed(light, rng, thing=thing), SIDE).sketch for _ in range(150)])
    assert len(near_pairs(difference_hash(sketch))) == 0


def test_the_same_scene_under_another_light_is_still_a_duplicate():
    rng = np.random.default_rng(2)
    scene = Image.fromarray(rng.integers(60, 196, (7, 7), np.uint8)).resize((96, 96), Image.Resampling.BICUBIC)
    copies = [np.asarray(scene) + rng.normal(0, 3, (96, 96)) + shift for shift in (0, 20, -15)]
    sketch = np.stack([decode(np.clip(copy, 0, 255).astype(np.uint8), SIDE).sketch for copy in copies])
    assert len(near_pairs(difference_hash(sketch), 6)) >= 2


def test_pillow_does_not_warn_about_a_bomb_in_addition_to_our_message(tmp_path):
    (tmp_path / "bomb.png").write_bytes(bomb(10_000, 10_001))
    code = """if True:
        import sys
        from labelsieve.encode.decode_image import decode
        try:
            decode(open(sys.argv[1], "rb").read(), 64)
        except ValueError as error:
            print(error)
    """
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "bomb.png")], capture_output=True, text=True, check=True
    )
    assert "100 megapixels" in done.stdout and done.stderr == ""
