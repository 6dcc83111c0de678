"""Findings compared with true labels (oracle): how good are the ranking, the flags, the count and the probabilities?

Measures: average precision (Davis and Goadrich, ICML 2006: a sum over the ranking, no interpolation), AUROC, precision
among the first E (E = number of true errors), precision among the first 100, precision, recall and F1 of the flags,
relative error of the count, expected calibration error (Naeini et al., AAAI 2015; 15 bins of equal mass) and Brier
score of p_wrong. Intervals: 95 %, percentiles of a bootstrap over examples (Efron 1979) with the ranking fixed. A
resample is a vector of weights, so that nothing is sorted again. Resampling adds noise to the calibration error, so its
interval is extended to contain the value itself.
Cost: replicates x ten passes over n numbers; 50,000 examples x 500
take seconds.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from labelsieve.core.arguments import require_instance, require_row_of, require_seed, require_whole
from labelsieve.core.errors import UserError
from labelsieve.core.findings import Findings
from labelsieve.core.plain_values import plain_labels

BINS = 15
FIRST = 100

MEANING = {
    "AUPRC": "average precision of the ranking",
    "AUROC": "probability that a wrong label ranks above a right one",
    "precision@E": "share of wrong labels among the first E, E = their true number",
    f"precision@{FIRST}": f"share of wrong labels among the first {FIRST}",
    "precision": "share of the flagged that are wrong",
    "recall": "share of the wrong that are flagged",
    "F1": "harmonic mean of precision and recall",
    "suggestions": "share of the flagged wrong labels whose suggestion is right",
    "count error": "(estimated - true number) / true number",
    "calibration error": f"mean gap between p_wrong and reality, {BINS} bins",
    "Brier": "mean square gap between p_wrong and reality",
}


@dataclass(frozen=True)
class Measure:
    """One number and its 95 % bootstrap interval; NaN where it is not defined (no wrong label, none flagged)."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Evaluation:
    """Findings compared with the true labels (oracle).

    Attributes:
        examples: how many have a known true label; the measures cover these.
        unknown: how many have none.
        n_wrong: how many given labels are wrong.
        estimate: (low, count, high) that the findings state.
        inside: whether `n_wrong` lies from low to high; None if some true labels are unknown.
        measures: by the names in `MEANING`.
        several: the examples are questions about examples with several labels.
        notes: ids of the file of true labels that the run does not have, and other doubts about the file.
    """

    examples: int
    unknown: int
    n_wrong: int
    estimate: tuple[float, float, float]
    inside: bool | None
    measures: dict[str, Measure]
    notes: tuple[str, ...] = ()
    several: bool = False

    def __repr__(self) -> str:
        low, count, high = self.estimate
        ranked = "" if "AUPRC" not in self.measures else f", AUPRC {self.measures['AUPRC'].value:.3f}"
        stated = f"estimated {count:,.0f} ({low:,.0f} to {high:,.0f})"
        return f"<Evaluation (oracle): {self.n_wrong:,} of {self.examples:,} labels wrong, {stated}{ranked}>"

    def rows(self) -> Iterator[tuple[str, Measure, str]]:
        """Name, measure, meaning."""
        return ((name, measure, MEANING[name]) for name, measure in self.measures.items())


@dataclass(frozen=True, eq=False)
class _Ranked:
    """The examples with a known true label, most suspicious first; float columns (n,) of zeros and ones, except `p`."""

    wrong: np.ndarray
    flagged: np.ndarray
    found: np.ndarray
    repaired: np.ndarray
    p: np.ndarray
    by_p: np.ndarray
    bins: np.ndarray


def evaluate(
    findings: Findings, truth: Sequence[str | None] | np.ndarray, *, replicates: int = 500, seed: int = 0
) -> Evaluation:
    """Measure findings of n examples against their true labels.

    Args:
        truth: n true class names in the order of the findings, None where unknown. A name that is not a class of the
            data is a class that the given labels never use.
        replicates: number of bootstrap resamples.
        seed: seed of the resamples.

    Raises:
        UserError: the number of labels differs, no true label is known, or none of them is a class of the findings.
    """
    require_instance(findings, Findings, "findings", "what labelsieve.find returns, or the findings of an open run")
    seed, replicates = require_seed(seed), require_whole(replicates, "replicates, the number of resamples,")
    if replicates < 0:
        raise UserError(f"replicates is {replicates}; give the number of resamples, 0 for no intervals.")
    truth = [_name(value) for value in plain_labels(require_row_of(truth, "truth"), "truth")]
    if len(truth) != len(findings):
        raise UserError(
            f"There are {len(truth)} true labels for {len(findings)} examples; pass one per example, in the same order."
        )
    position = {name: i for i, name in enumerate(findings.classes)}
    true = np.array([-2 if name is None else position.get(name, -1) for name in truth], np.int64)
    if not (true > -2).any():
        raise UserError("None of the true labels is known, so there is nothing to compare with.")
    if not (true > -1).any():
        first = next(name for name in truth if name is not None)
        listed = ", ".join(findings.classes[:10]) + (", ..." if len(findings.classes) > 10 else "")
        raise UserError(
            f"None of the true labels (such as {first!r}) is a class of the findings. Their classes are: {listed}."
        )
    ranked = _ranked(findings, true)
    n, errors = len(ranked.wrong), int(ranked.wrong.sum())
    rng, ones = np.random.default_rng(seed), np.ones(n)
    value = _measures(ranked, ones)
    resampled = [
        _measures(ranked, np.bincount(rng.integers(n, size=n), minlength=n).astype(np.float64))
        for _ in range(replicates)
    ]
    estimate = findings.wrong
    return Evaluation(
        examples=n,
        unknown=len(truth) - n,
        n_wrong=errors,
        estimate=(estimate.low, estimate.count, estimate.high),
        inside=estimate.low <= errors <= estimate.high if n == len(truth) else None,
        several=bool(findings.settings.get("several")),
        measures={name: _interval(value[name], np.array([r[name] for r in resampled])) for name in MEANING},
    )


def _name(value: Any) -> str | None:
    """A true label written as the class names are (1.0 is "1"); None if it is missing."""
    if value is None or value != value or type(value).__name__ in ("NAType", "NaTType"):
        return None
    return str(int(value)) if isinstance(value, float | np.floating) and float(value).is_integer() else str(value)


def _ranked(findings: Findings, true: np.ndarray) -> _Ranked:
    order = findings.order()
    order = order[true[order] > -2]
    true, wrong = true[order], true[order] != findings.given[order]
    flagged, p = findings.flagged[order], findings.p_wrong[order]
    by_p = np.argsort(p, kind="stable")
    bins = np.unique(np.linspace(0, len(p), BINS, endpoint=False).astype(np.int64))  # where each bin starts
    repaired = flagged & wrong & (findings.other[order] == true)
    columns = [column.astype(np.float64) for column in (wrong, flagged, flagged & wrong, repaired, p)]
    return _Ranked(*columns, by_p=by_p, bins=bins)


def _measures(ranked: _Ranked, weight: np.ndarray) -> dict[str, float]:
    """All measures of the examples, each example counted `weight` (n,) times."""
    hits = weight * ranked.wrong
    total, found = weight.cumsum(), hits.cumsum()
    n, errors = total[-1], found[-1]
    right = n - errors
    above = (weight * (1 - ranked.wrong)) @ found  # pairs of a wrong label above a right one
    flagged, caught = weight @ ranked.flagged, weight @ ranked.found
    gap = weight * (ranked.p - ranked.wrong)
    return {
        "AUPRC": _ratio(hits @ (found / np.maximum(total, 1)), errors),
        "AUROC": _ratio(above, errors * right),
        "precision@E": _among_first(errors, total, found),
        f"precision@{FIRST}": _among_first(min(FIRST, n), total, found),
        "precision": _ratio(caught, flagged),
        "recall": _ratio(caught, errors),
        "F1": _ratio(2 * caught, flagged + errors),
        "suggestions": _ratio(weight @ ranked.repaired, caught),
        "count error": _ratio(gap.sum(), errors),
        "calibration error": _ratio(np.abs(np.add.reduceat(gap[ranked.by_p], ranked.bins)).sum(), n),
        "Brier": _ratio(gap @ (ranked.p - ranked.wrong), n),
    }


def _among_first(m: Any, total: np.ndarray, found: np.ndarray) -> float:
    """Share of wrong labels among the first m examples; a tie at the border counts in proportion."""
    return _ratio(float(np.interp(m, np.append(0, total), np.append(0, found))), m)


def _ratio(part: Any, whole: Any) -> float:
    return float(part / whole) if whole > 0 else float("nan")


def _interval(value: float, resampled: np.ndarray) -> Measure:
    defined = resampled[np.isfinite(resampled)]
    if np.isnan(value) or not len(defined):
        return Measure(value, float("nan"), float("nan"))
    low, high = np.percentile(defined, [2.5, 97.5])
    return Measure(value, min(float(low), value), max(float(high), value))
