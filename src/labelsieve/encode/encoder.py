"""The interface of encoders: a name that identifies weights and settings, and a call from a batch to features."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType
from typing import Any, Protocol

import numpy as np

from labelsieve.core.errors import UserError, first_line
from labelsieve.core.processors import threads

__all__ = ["Encoder", "require", "threads"]


class Encoder(Protocol):
    """Anything with these five attributes and this call is an encoder.

    Attributes:
        name: identifies weights and settings; features under one name are interchangeable, so the cache relies on it.
        kind: what a batch is: "image", uint8 (b, side, side, 3) RGB; "text", a list of b str.
        width: d.
        side: the side of the square images it takes; 0 for text.
        batch: the number of examples in one call that suits it.
    More are optional: `notes`, sentences for the user (a tuple of str); `option`, its name for `encode.encoder`, of
    encoders that may be the default; `resample`, a number of `PIL.Image.Resampling`, to resize images to `side`
    (default bicubic); and `read(batch)`, features and how many parts each text has (b,), of a text encoder that reads
    long texts in parts (`encode.long_texts`), with `size`, a description of what fits into one part.
    """

    name: str
    kind: str
    width: int
    side: int
    batch: int

    def __call__(self, batch: Any) -> np.ndarray:
        """Features (b, d) float32."""
        ...


def require(module: str, encoder: str, extra: str) -> ModuleType:
    """The imported module, which comes with `labelsieve[extra]`.

    Raises:
        UserError: it is not installed, or does not fit the other packages; the message has the command to install it.
    """
    try:
        return import_module(module)
    except ImportError as error:
        missing = error.name or module
        raise UserError(
            f"The encoder {encoder!r} needs {missing}, which is not installed: pip install 'labelsieve[{extra}]'"
        ) from error
    except RuntimeError as error:  # torchvision for a different version of torch
        together = f"pip install -U torch torchvision {module}"
        raise UserError(
            f"{module} cannot be imported ({first_line(error)}); install versions that fit together: {together}"
        ) from error
