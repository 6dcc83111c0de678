"""Augmentation: each operation against Pillow, one image at a time; the batch against its parts; crop and flip against
slicing."""

import numpy as np
import pytest
import torch
from PIL import Image, ImageEnhance, ImageOps
from torch.nn import functional as F

from labelsieve.engine import augment, image_operations

SIDE = 24


def pictures(seed=0, channels=3):
    rng = np.random.default_rng(seed)
    coarse = rng.integers(20, 235, (6, channels, 6, 6)).astype(np.float32)
    smooth = F.interpolate(torch.from_numpy(coarse), SIDE, mode="bilinear")
    return (smooth + torch.from_numpy(rng.normal(0, 6, smooth.shape).astype(np.float32))).clamp(0, 255).round() / 255


def pillow(name, image, u):
    """One image (uint8, H, W, 3) the long way."""
    kept, signed = 0.05 + 0.9 * u, 0.3 * (2 * u - 1)
    move = lambda *matrix: image.transform(image.size, Image.Transform.AFFINE, matrix)  # noqa: E731
    return {
        "autocontrast": lambda: ImageOps.autocontrast(image),
        "brightness": lambda: ImageEnhance.Brightness(image).enhance(kept),
        "colour": lambda: ImageEnhance.Color(image).enhance(kept),
        "contrast": lambda: ImageEnhance.Contrast(image).enhance(kept),
        "equalise": lambda: ImageOps.equalize(image),
        "identity": lambda: image,
        "posterise": lambda: ImageOps.posterize(image, 4 + int(5 * u)),
        "rotate": lambda: image.rotate(-30 + 60 * u),
        "sharpness": lambda: ImageEnhance.Sharpness(image).enhance(kept),
        "shear_x": lambda: move(1, signed, 0, 0, 1, 0),
        "shear_y": lambda: move(1, 0, 0, signed, 1, 0),
        "solarise": lambda: ImageOps.solarize(image, int(np.ceil(255 * u))),
        "translate_x": lambda: move(1, 0, signed * SIDE, 0, 1, 0),
        "translate_y": lambda: move(1, 0, 0, 0, 1, signed * SIDE),
    }[name]()


@pytest.mark.parametrize("operation", image_operations.OPERATIONS, ids=lambda f: f.__name__)
def test_operation_does_what_pillow_does(operation):
    x = pictures()
    u = torch.tensor([0.03, 0.21, 0.38, 0.57, 0.74, 0.93])
    ours = operation(x, u)
    assert ours.shape == x.shape
    for image, strength, got in zip(x, u.tolist(), ours, strict=True):
        theirs = pillow(operation.__name__, Image.fromarray((image * 255).byte().permute(1, 2, 0).numpy()), strength)
        difference = (got * 255 - torch.from_numpy(np.array(theirs)).permute(2, 0, 1)).abs()
        assert (difference > 2.01).float().mean() < 0.005, (
            difference.max()
        )  # Pillow rounds twice, and here and there an edge falls on a tie


@pytest.mark.parametrize("operation", image_operations.OPERATIONS, ids=lambda f: f.__name__)
@pytest.mark.parametrize("channels", [1, 3])
def test_operation_takes_flat_and_grey_images(operation, channels):
    flat = torch.full((2, channels, 8, 8), 0.25)
    out = operation(flat, torch.tensor([0.1, 0.9]))
    assert out.shape == flat.shape and torch.isfinite(out).all() and out.min() >= 0 and out.max() <= 1


def test_distort_is_three_operations_an_image_and_a_cutout():
    x, seed = pictures(), 3
    generator = torch.Generator().manual_seed(seed)
    got = augment.distort(x, generator)
    again = torch.Generator().manual_seed(seed)
    rounds = [(torch.randint(14, (6,), generator=again), torch.rand(6, generator=again)) for _ in range(3)]
    expected = []
    for i in range(6):
        image = x[i : i + 1]
        for which, strength in rounds:
            image = image_operations.OPERATIONS[which[i]](image, strength[i : i + 1])
        expected.append(image)
    side, down, across = torch.rand(3, 6, 1, generator=again)
    for i, image in enumerate(expected):
        for row in range(SIDE):
            for column in range(SIDE):
                near = (
                    max(abs(row + 0.5 - down[i] * SIDE), abs(column + 0.5 - across[i] * SIDE)) < 0.25 * side[i] * SIDE
                )
                if near:
                    image[0, :, row, column] = 0.5
    torch.testing.assert_close(got, torch.cat(expected))
    assert torch.equal(x, pictures()), "the batch that was given is not changed"


def test_every_operation_is_drawn_about_equally_often(monkeypatch):
    seen = dict.fromkeys(range(14), 0)

    def counting(number):
        def count(x, u):
            seen[number] += len(x)
            return x

        return count

    monkeypatch.setattr(augment, "OPERATIONS", tuple(counting(i) for i in range(14)))
    augment.distort(torch.zeros(14_000, 1, 2, 2), torch.Generator().manual_seed(0))
    assert sum(seen.values()) == 42_000
    assert all(abs(count - 3000) < 300 for count in seen.values())


def test_cutout_covers_an_eighth_at_most_on_average():
    x = augment.cutout(torch.zeros(4000, 1, 16, 16), torch.Generator().manual_seed(0))
    covered = (x > 0).float().mean((1, 2, 3))
    assert covered.max() <= 0.25 + 1e-6
    assert 0.06 < covered.mean() < 1 / 12  # E[side^2] / 4 is 1/12 without the parts beyond the border


def test_crop_and_flip_is_a_slice_of_the_padded_image():
    x = pictures(1)
    got = augment.crop_and_flip(x, torch.Generator().manual_seed(5))
    again = torch.Generator().manual_seed(5)
    top, left = torch.randint(0, 7, (6, 1), generator=again), torch.randint(0, 7, (6, 1), generator=again)
    mirrored = torch.rand(6, 1, generator=again) < 0.5
    padded = F.pad(x, (3, 3, 3, 3))
    for i in range(6):
        part = padded[i, :, top[i] : top[i] + SIDE, left[i] : left[i] + SIDE]
        torch.testing.assert_close(got[i], part.flip(2) if mirrored[i] else part)


def test_dropped_features_keep_their_mean():
    x = torch.ones(400, 100)
    out = augment.drop(x, torch.Generator().manual_seed(0))
    assert set(out.unique().tolist()) == {0.0, 1.25}
    assert abs(out.mean() - 1) < 0.01
