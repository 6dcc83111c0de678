"""Which pictures are the same picture: saved again, compressed more, resized, brightened, or without colours.

Candidates have difference hashes that differ in few bits (`stats.duplicates.near_pairs`). So do different pictures with
the same layout: filled forms, X-rays, screenshots of one program, products on white. So each pair is verified on small
grey and coloured versions: except for brightness and contrast, both must agree up to the noise of compression, which is
small and spread over the picture. A difference concentrated in one place (a word in a form, a stain on a product) is
content; so is a different colour.
"""

from __future__ import annotations

import numpy as np

from labelsieve.stats.duplicates import near_pairs

GREY, TINT = 24, 8  # side in pixels of the grey version, and of the two colour versions
BYTES = 8 + GREY * GREY + 2 * TINT * TINT  # of a sketch: difference hash, grey, colours (Cb, Cr)
_NOISE = (0.12, 1.5)  # deviation of the difference, as a share of the picture's own, or in levels
_STICKS_OUT = (7.0, 1.6)  # largest difference, in deviations of it, or in levels
_COLOUR = (8.0, 24.0)  # mean and largest difference of a colour
_GREY = 2.0  # levels from grey up to which a picture has no colours
_ROWS = 4096


def pairs(sketch: np.ndarray) -> np.ndarray:
    """Pairs of pictures that are the same picture, (m, 2) int64, first < second, sorted; `sketch` (n, BYTES) uint8."""
    hashed = np.ascontiguousarray(sketch[:, :8]).view(">u8")[:, 0].astype(np.uint64)
    near = near_pairs(hashed)
    same = [
        _same(sketch[near[at : at + _ROWS, 0]], sketch[near[at : at + _ROWS, 1]]) for at in range(0, len(near), _ROWS)
    ]
    return near[np.concatenate(same)] if same else near


def _same(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """(m,) bool, for sketches (m, BYTES) each."""
    a, b = (side[:, 8 : 8 + GREY * GREY].astype(np.float32) for side in (one, other))
    a, b = a - a.mean(1, keepdims=True), b - b.mean(1, keepdims=True)
    spread_a, spread_b = a.std(1), b.std(1)
    gain = np.where(spread_a > 1, spread_b / np.maximum(spread_a, 1e-6), 1)
    residual = np.abs(b - a * gain[:, None])
    noise, largest = np.sqrt((residual**2).mean(1)), residual.max(1)
    even = (noise <= np.maximum(_NOISE[0] * np.minimum(spread_a, spread_b), _NOISE[1])) & (
        largest <= np.maximum(_STICKS_OUT[0] * noise, _STICKS_OUT[1])
    )
    a, b = (side[:, 8 + GREY * GREY :].astype(np.float32) - 128 for side in (one, other))
    without = np.minimum(np.abs(a).max(1), np.abs(b).max(1)) <= _GREY
    difference = np.abs(a - b)
    return even & (without | ((difference.mean(1) <= _COLOUR[0]) & (difference.max(1) <= _COLOUR[1])))
