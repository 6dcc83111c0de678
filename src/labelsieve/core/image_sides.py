"""Which image sides a model takes, where it refuses the one it was given: models check their input in every way there
is, and in none."""

from __future__ import annotations

from collections.abc import Callable

from labelsieve.core.errors import UserError, first_line

USUAL = (224, 256, 384, 192, 128, 96, 64, 32, 448, 512)  # pixels


def refusal(
    model: str, side: int, error: Exception, refuses: Callable[[int], Exception | None], own: int | None
) -> UserError:
    """One sentence for a model that does not take images of `side` pixels: why, and the next best side that works.

    Args:
        model: as the user named it.
        error: what it raised.
        refuses: the error of the model for images of a side, None if it takes them.
        own: the side it was made for, None if that is unknown.
    """
    works = next(
        (tried for tried in dict.fromkeys((own or USUAL[0], *USUAL)) if tried != side and refuses(tried) is None), None
    )
    advice = "give <side>" if works else "no other usual side works either"
    return UserError(f"{model!r} cannot take images of {side} px ({first_line(error)}); {advice}.", side=works)
