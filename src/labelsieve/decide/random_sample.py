"""A random sample to review, stratified by the score, so that its answers represent all examples.

Design: the examples in the order of p_wrong are cut into ten strata, each with the same share of the expected spread
sqrt(p (1 - p)) (the cumulative-root rule, Dalenius and Hodges, JASA 1959). Then the same number from every stratum is
Neyman's allocation (Neyman, JRSS 1934) for the count. This serves the calibration too: reviews are spread evenly over
the whole range of scores instead of falling on the many examples that are surely right.
Differs: p is clipped to 0.01..0.99 when the strata are cut, so that examples that the model is sure of are not left
    out. The strata depend on the findings alone, and the order of the draw on the seed alone. So a larger sample with
    the same seed continues a smaller one, and a half-reviewed sample is still a random sample.
Cost: one sort of n numbers.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from labelsieve.core.errors import UserError
from labelsieve.core.findings import Findings
from labelsieve.core.row_matching import stamp
from labelsieve.core.sample import Sample

STRATA = 10
_SURE = 0.01  # no example counts as surer than this


def strata(p_wrong: np.ndarray) -> np.ndarray:
    """(n,) int64 in 0..STRATA-1, the stratum of each example; stratum 0 holds the least suspicious."""
    order = np.argsort(p_wrong, kind="stable")
    p = np.clip(p_wrong[order], _SURE, 1 - _SURE)
    spread = np.sqrt(p * (1 - p))
    before = np.cumsum(spread) - spread / 2
    out = np.empty(len(p_wrong), np.int64)
    out[order] = np.minimum(STRATA * before / spread.sum(), STRATA - 1).astype(np.int64)
    return out


def draw(
    findings: Findings, size: int, *, seed: int = 0, name: str = "sample", without: Collection[str] = ()
) -> Sample:
    """A stratified random sample, in the order in which to review it.

    Args:
        size: number of examples; fewer are drawn only if there are not enough.
        seed: the same findings, size and seed draw the same rows.
        name: name of the sample.
        without: ids not to draw, because they are already decided; the sample then represents the others.

    Raises:
        UserError: the size is below one.
    """
    if size < 1:
        raise UserError(f"A sample of {size} examples cannot be drawn; the size must be at least one.")
    rng = np.random.default_rng(seed)
    stratum, lot = strata(findings.p_wrong), rng.random(len(findings))
    if without:
        known = frozenset(without)
        left = np.flatnonzero([id not in known for id in findings.ids])
    else:
        left = np.arange(len(findings))
    by_lot = left[np.lexsort((lot[left], stratum[left]))]
    many = np.bincount(stratum[left], minlength=STRATA)
    turn = np.arange(len(left)) - np.repeat(np.cumsum(many) - many, many)  # place in the random order of the stratum
    first = rng.permutation(
        STRATA
    )  # the order of the strata in a round is random too, for sizes not divisible by STRATA
    chosen = by_lot[np.lexsort((first[stratum[by_lot]], turn))][:size]
    drawn = np.bincount(stratum[chosen], minlength=STRATA)
    chance = drawn[stratum[chosen]] / many[stratum[chosen]]
    ids, kept = tuple(map(str, findings.ids[chosen])), [stamp(findings, int(i)) for i in chosen]
    content, given = tuple(k["content"] or "" for k in kept), tuple(str(k["given"]) for k in kept)
    return Sample(name, seed, size, ids, tuple(stratum[chosen].tolist()), tuple(chance.tolist()), {}, content, given)
