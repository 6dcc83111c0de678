"""Which image sides a model accepts, after it has refused one. Models differ in how they check their input, so sides
are tried."""

from __future__ import annotations

from collections.abc import Callable

from labelsieve.core.errors import UserError, first_line

USUAL = (224, 256, 384, 192, 128, 96, 64, 32, 448, 512)  # pixels


def refusal(
    model: str, side: int, error: Exception, refuses: Callable[[int], Exception | None], own: int | None
) -> UserError:
    """The error for a model that does not accept images of `side` pixels: why, and the next best side that works.

    Args:
        model: as the user named it.
        error: what it raised.
        refuses: the model's error for images of a side, None if it accepts them.
        own: the side it was built for, None if unknown.
    """
    works = next(
        (tried for tried in dict.fromkeys((own or USUAL[0], *USUAL)) if tried != side and refuses(tried) is None), None
    )
    advice = "give <side>" if works else "none of the usual sides works either"
    return UserError(f"{model!r} cannot take images of {side} px ({first_line(error)}); {advice}.", side=works)
