"""`evaluate`: findings compared with true labels from a file or a list (oracle; true labels never reach `find`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from os import PathLike
from typing import TYPE_CHECKING, Any

from labelsieve.core.findings import Findings
from labelsieve.data.truth import contradiction, read_truth_with_notes
from labelsieve.decide import evaluate as measures
from labelsieve.decide.evaluate import Evaluation
from labelsieve.places.at_addresses import at_addresses, read_from
from labelsieve.store.open_run import Run, open_run
from labelsieve.store.run_copies import read_run

if TYPE_CHECKING:
    import numpy as np


@at_addresses(run=read_run, truth=read_from)
def evaluate(
    run: str | PathLike[str] | Run | Findings,
    truth: str | PathLike[str] | Sequence[str | None] | np.ndarray,
    *,
    replicates: int = 500,
    seed: int = 0,
) -> Evaluation:
    """Compare findings with true labels (oracle).

    Args:
        run: the run folder that `find` wrote, a `Run`, or findings.
        truth: a file: a table with id and label, or one label per row in the order of the run, or with several labels
            per example a table in a form of the data; or the n true class names in the order of the findings, None
            where unknown. A name that is not a class of the data is a class that the given labels never use.
        replicates: number of bootstrap resamples for the intervals.
        seed: seed of the resamples.

    Raises:
        UserError: the file cannot be read or fits other data, the number of labels differs, no true label is known, or
            none of them is a class.

    >>> ls.evaluate("photos.sieve", "truth.csv").measures["AUPRC"]  # doctest: +SKIP
    Measure(value=0.93, low=0.9, high=0.95)
    """
    findings = run if isinstance(run, Findings) else open_run(run).findings
    if not isinstance(truth, str | PathLike):
        return measures.evaluate(findings, truth, replicates=replicates, seed=seed)
    labels, notes = _read(truth, findings)
    return replace(measures.evaluate(findings, labels, replicates=replicates, seed=seed), notes=notes)


def _read(truth: Any, findings: Findings) -> tuple[list[str | None], tuple[str, ...]]:
    left_out = {item.id for item in findings.excluded}
    labels, notes = read_truth_with_notes(truth, findings.ids, findings.classes, left_out, findings)
    return labels, (*notes, *contradiction(labels, findings))
