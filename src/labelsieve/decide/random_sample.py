"""Which examples to review so that what is found speaks for all: a random sample, stratified by the score.

Design: the examples in the order of p_wrong, cut into ten strata that each hold the same share of the expected spread
sqrt(p (1 - p)) (the cumulative-root rule, Dalenius and Hodges, JASA 1959); then the same number from every stratum is
Neyman's allocation (Neyman, JRSS 1934) for the count. It serves the calibration too: reviews are spread evenly over the
whole range of scores instead of falling on the many examples that are surely right.
Differs: p is held between 0.01 and 0.99 when the strata are cut, so that examples that the model is sure of are not
    left out. The strata depend on the findings alone, and the order of the draw on the seed alone: a larger sample of
    the same seed continues a smaller one, and a half-reviewed sample is a sample.
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
_SURE = 0.01  # no example is held to be surer than this


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
        size: how many examples; fewer are drawn only if there are no more.
        seed: the same findings, size and seed draw the same rows.
        name: of the sample.
        without: ids not to draw, because they were decided on before; the sample then speaks for the others, and those
            are known.

    Raises:
        UserError: a size below one.
    """
    if size < 1:
        raise UserError(f"A sample of {size} examples cannot be drawn; ask for at least one.")
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
    )  # which strata come first in a round is drawn too, for a size that STRATA does not divide
    chosen = by_lot[np.lexsort((first[stratum[by_lot]], turn))][:size]
    drawn = np.bincount(stratum[chosen], minlength=STRATA)
    chance = drawn[stratum[chosen]] / many[stratum[chosen]]
    ids, kept = tuple(map(str, findings.ids[chosen])), [stamp(findings, int(i)) for i in chosen]
    content, given = tuple(k["content"] or "" for k in kept), tuple(str(k["given"]) for k in kept)
    return Sample(name, seed, size, ids, tuple(stratum[chosen].tolist()), tuple(chance.tolist()), {}, content, given)
