"""A folder of pictures with planted wrong labels, drawn on the spot: letters on walls, one folder per letter.

Nothing is downloaded. About 8 % of the labels are wrong: half of those confuse letters that look alike, half use any
other letter. Some pictures occur twice under different labels, byte for byte or slightly changed; one file is truncated
and one is not a picture.
Cost: about 3 ms per picture.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from labelsieve.core.errors import UserError
from labelsieve.core.files import replacing

if TYPE_CHECKING:
    from PIL import Image

LETTERS = "ABEFHKMNOQSX"
ALIKE = {"E": "F", "F": "E", "M": "N", "N": "M", "O": "Q", "Q": "O", "H": "K", "K": "H"}
EACH = 100  # pictures per letter
WRONG = 0.08
TWINS = 8  # pictures that occur twice, under different labels; half of them slightly changed
SIDE = 96
CUT_OFF, NO_PICTURE = "A/scan_9998.png", "A/notes.txt"


@dataclass(frozen=True)
class _Picture:
    """The letter drawn, its label, and the number that seeds the drawing; `changed` marks a slightly changed copy."""

    letter: str
    label: str
    number: int
    changed: bool = False


def write(folder: str | os.PathLike[str], seed: int = 0) -> dict[str, str]:
    """Draw the pictures into `folder`; the same seed draws the same files.

    Returns:
        The id of each picture (its path in the folder) -> the letter that it shows.

    Raises:
        UserError: the folder holds other files, or cannot be written.
    """
    root, pictures = Path(folder), _plan(np.random.default_rng(seed))
    expected = {*pictures, CUT_OFF, NO_PICTURE}
    try:
        present = (
            {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}
            if root.exists()
            else set()
        )
        if present - expected:
            raise UserError(f"{root} holds other files ({min(present - expected)}); name a new folder for the demo.")
        for name, picture in pictures.items():
            with replacing(root / name) as partial:
                partial.write_bytes(_png(picture, seed))
        with replacing(root / CUT_OFF) as partial:
            partial.write_bytes(_png(_Picture("A", "A", 0), seed)[:2000])
        with replacing(root / NO_PICTURE) as partial:
            partial.write_text("Scanned on a rainy afternoon.\n", encoding="utf-8")
    except OSError as error:
        raise UserError(
            f"{root} cannot be written ({error.strerror or error}); name another folder for the demo."
        ) from error
    return {name: picture.letter for name, picture in pictures.items()}


def _plan(rng: np.random.Generator) -> dict[str, _Picture]:
    """File name -> picture. The names are shuffled, so that they give nothing away."""
    n = EACH * len(LETTERS)
    letters = np.repeat(list(LETTERS), EACH).tolist()
    labels = list(letters)
    wrong = rng.choice(n, round(WRONG * n) + TWINS, replace=False)
    wrong, twins = wrong[TWINS:], wrong[:TWINS]
    for i in wrong[::2]:
        labels[i] = ALIKE.get(letters[i]) or _other(letters[i], rng)
    for i in wrong[1::2]:
        labels[i] = _other(letters[i], rng)
    pictures = [_Picture(letter, label, i) for i, (letter, label) in enumerate(zip(letters, labels, strict=True))]
    pictures += [
        _Picture(letters[i], _other(letters[i], rng), int(i), changed=bool(t % 2)) for t, i in enumerate(twins)
    ]
    numbers = rng.permutation(len(pictures))
    return {
        f"{picture.label}/scan_{number:04d}.png": picture for picture, number in zip(pictures, numbers, strict=True)
    }


def _other(letter: str, rng: np.random.Generator) -> str:
    return str(rng.choice([other for other in LETTERS if other != letter]))


def _png(picture: _Picture, seed: int) -> bytes:
    from PIL import Image

    image = _draw(picture.letter, np.random.default_rng((seed, picture.number)))
    if picture.changed:
        image = Image.fromarray((np.asarray(image) * 0.94 + 8).astype(np.uint8))
    file = BytesIO()
    image.save(file, "PNG", compress_level=1)
    return file.getvalue()


def _draw(letter: str, rng: np.random.Generator) -> Image.Image:
    """A letter of any size, place, tilt and colour on a patchy wall, a little out of focus and grainy."""
    from PIL import Image, ImageDraw, ImageFilter, ImageFont

    paint = rng.integers(60, 196, 3)
    ink = tuple(((paint + rng.integers(90, 167, 3)) % 256).tolist())
    patches = paint + rng.normal(0, 14, (7, 7, 3))
    image = Image.fromarray(np.clip(patches, 0, 255).astype(np.uint8)).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    stencil = Image.new("L", (SIDE, SIDE))
    middle = tuple((SIDE / 2 + rng.uniform(-8, 8, 2)).tolist())
    font = ImageFont.load_default(float(rng.uniform(58, 78)))
    ImageDraw.Draw(stencil).text(middle, letter, fill=255, font=font, anchor="mm")
    stencil = stencil.rotate(rng.uniform(-10, 10), Image.Resampling.BICUBIC)
    image.paste(ink, mask=stencil)
    image = image.filter(ImageFilter.GaussianBlur(rng.uniform(0, 1)))
    grain = rng.normal(0, rng.uniform(2, 10), (SIDE, SIDE, 3))
    return Image.fromarray(np.clip(np.asarray(image) + grain, 0, 255).astype(np.uint8))
