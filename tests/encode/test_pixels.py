"""Images to arrays: sizes, grey and colour, what cannot be read."""

import io

import numpy as np
import pytest
from PIL import Image

from labelsieve.encode.pixels import pixels, usual_side


def png(array):
    file = io.BytesIO()
    Image.fromarray(array).save(file, "PNG")
    return file.getvalue()


def colour(side, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (side, side, 3)).astype(np.uint8)


def test_images_of_that_size_are_taken_as_they_are():
    a, b = colour(20), colour(20, 1)
    out, failed, _ = pixels([png(a), b], 20)
    assert out.dtype == np.uint8 and out.shape == (2, 3, 20, 20) and failed == []
    np.testing.assert_array_equal(out, np.stack([a, b]).transpose(0, 3, 1, 2))


def test_others_are_stretched_to_the_square():
    wide = np.repeat(np.array([[[255, 0, 0]]], np.uint8), 40, 1).repeat(20, 0)
    out, *_ = pixels([png(wide)], 16)
    assert out.shape == (1, 3, 16, 16) and (out[0, 0] == 255).all() and (out[0, 1:] == 0).all()


def test_grey_only_if_all_are():
    grey = colour(20)[..., 0]
    same = np.repeat(grey[..., None], 3, 2)
    assert pixels([grey, png(same)], 20)[0].shape == (2, 1, 20, 20)
    np.testing.assert_array_equal(pixels([grey], 20)[0][0, 0], grey)
    assert pixels([grey, colour(20)], 20)[0].shape == (2, 3, 20, 20)
    assert pixels([grey], 20, channels=3)[0].shape == (1, 3, 20, 20)
    assert pixels([colour(20)], 20, channels=1)[0].shape == (1, 1, 20, 20)


def test_what_cannot_be_read_is_named_and_does_not_decide_the_colours():
    good = colour(20)[..., 0]
    inputs = [good, b"no image", None, png(good)[:60], 3]
    out, failed, _ = pixels(inputs, 20)
    assert [i for i, _ in failed] == [1, 2, 3, 4] and dict(failed)[2] == "it is missing"
    assert out.shape == (5, 1, 20, 20) and (out[1:] == 0).all()


def test_more_images_than_one_thread_takes_keep_their_order():
    images = [np.full((16, 16), i, np.uint8) for i in range(200)]
    assert (pixels(images, 16)[0][:, 0, 0, 0] == np.arange(200)).all()


@pytest.mark.parametrize(("side", "usual"), [(8, 16), (28, 28), (50, 50), (300, 64)])
def test_the_usual_side(side, usual):
    assert usual_side([np.zeros((side, side + 9), np.uint8)] * 5) == usual
    assert usual_side([png(np.zeros((side, side + 9), np.uint8)), b"broken"]) == usual
