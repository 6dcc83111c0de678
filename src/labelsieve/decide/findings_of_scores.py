"""From the scores of all detectors to findings: the consensus ranks, the count sets the scale."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from labelsieve.core.dataset import Dataset
from labelsieve.core.evidence import Evidence
from labelsieve.core.findings import Estimate, Findings
from labelsieve.core.scores import Scores
from labelsieve.decide.count import HARD, count_wrong, of_votes, probability_wrong, rank, to_flag, unjudgeable, unseen
from labelsieve.decide.judge_annotators import annotators
from labelsieve.stats import duplicates


def findings_of_scores(
    dataset: Dataset,
    evidence: Evidence,
    scores: dict[str, Scores],
    group: np.ndarray | None,
    alone: np.ndarray | None,
    notes: list[str],
) -> Findings:
    """Return the findings on a data set.

    Args:
        scores: name -> scores of n labels; the consensus is among them.
        group: (n,) the group of duplicates that each example belongs to, or None.
        alone: (n,) bool, labels that no example outside their own group can judge, or None.
        notes: the sentences so far; new ones are appended.
    """
    main = scores.get("votes", scores["consensus"])
    voted = main.model is not None
    judge = evidence.probs_gce if evidence.probs_gce is not None else evidence.probs
    assert judge is not None and main.suggestion is not None
    asked = dataset.questions
    unjudged = unjudgeable(dataset.labels) & (not voted)
    shut_in = np.zeros(len(dataset), bool) if alone is None or voted else alone
    blind = np.zeros(len(dataset), bool)
    if evidence.probs_gce is None and not voted and asked is None:
        blind = unseen(judge, dataset.labels)
    counted = _without(main, blind)
    wrong, doubt = (of_votes(main), None) if voted else _count(counted, group, ~(shut_in | blind))
    out = unjudged | shut_in | blind
    p_wrong = 1 - main.extra["p_given"] if voted else probability_wrong(main, wrong, out)
    place = rank(p_wrong, main.suspicion)
    if doubt:
        encoded = dataset.kind in ("image", "text") and dataset.probs is None
        other = " Another encoder may do better." if doubt == HARD and encoded else ""
        notes.append(doubt + other)
    if unjudged.any():
        names = sorted({dataset.classes[c] for c in dataset.labels[unjudged]})
        shown = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
        notes.append(
            f"Classes with only one example: {len(names)} ({shown}). Their labels cannot be judged; they get the "
            "overall rate."
        )
    extra = dict(main.extra)
    if "knn_vote" in scores:
        extra |= scores["knn_vote"].extra
    if "placement" in scores:
        extra |= scores["placement"].extra
    if group is not None:
        _, inverse, count = np.unique(group, return_inverse=True, return_counts=True)
        several = count[inverse] > 1
        extra["duplicate_group"] = np.where(several, group, -1)
        extra["duplicate_conflict"] = np.isin(group, duplicates.conflicts(group, dataset.labels))
    if asked is not None:
        extra["example"] = asked.examples.ids[asked.example]
        extra["asked"] = np.array(asked.names, object)[asked.asked]
    if dataset.splits is not None:
        extra["split"] = np.array([name or "" for name in dataset.splits], object)
    return Findings(
        ids=dataset.ids,
        classes=dataset.classes,
        given=dataset.labels,
        other=main.suggestion,
        p_wrong=p_wrong,
        rank=place,
        flagged=_first(place, out, to_flag(_part(counted, np.flatnonzero(~out), 1.0)) if (~out).any() else 0),
        scores={name: np.asarray(score.suspicion, np.float64) for name, score in scores.items()},
        extra=extra,
        wrong=wrong,
        excluded=dataset.excluded,
        notes=tuple(notes),
        flags={name: score.flags for name, score in scores.items() if score.flags is not None},
        suggestions=_suggestions(scores),
        annotators=annotators(main.model, dataset.classes, dataset.ids) if voted else None,
    )


def _suggestions(scores: dict[str, Scores]) -> dict[str, np.ndarray]:
    """The class that each detector would give; that of the votes is their consensus, which may be the given label."""
    named = {name: score.suggestion for name, score in scores.items() if score.suggestion is not None}
    return named | {name: score.model.consensus() for name, score in scores.items() if score.model is not None}


def _without(consensus: Scores, blind: np.ndarray) -> Scores:
    """The scores with a count without the labels (n,) of classes that the judge never knew, all of which it called
    wrong."""
    if consensus.n_wrong is None or not blind.any():
        return consensus
    return replace(consensus, n_wrong=max(0.0, consensus.n_wrong - float(blind.sum())) / float((~blind).mean()))


def _first(place: np.ndarray, out: np.ndarray, many: int) -> np.ndarray:
    """(n,) bool: the first `many` rows of the ranking among those that could be judged."""
    flagged = np.zeros(len(place), bool)
    order = np.argsort(place)
    flagged[order[~out[order]][:many]] = True
    return flagged


def _count(consensus: Scores, copies: np.ndarray | None, judged: np.ndarray) -> tuple[Estimate, str | None]:
    """The count of wrong labels. Labels that cannot be judged (n,) count with the same share as the others; the low end
    takes none of them for wrong, and the high end all."""
    if judged.all() or not judged.any():
        return count_wrong(consensus, copies)
    share, rows = float(judged.mean()), np.flatnonzero(judged)
    wrong, doubt = count_wrong(_part(consensus, rows, share), None if copies is None else copies[rows])
    return Estimate(wrong.count / share, wrong.low, wrong.high + float((~judged).sum())), doubt


def _part(consensus: Scores, rows: np.ndarray, share: float) -> Scores:
    """The scores of some rows, which hold this share of the modelled count."""
    assert consensus.flags is not None
    modelled = None if consensus.n_wrong is None else consensus.n_wrong * share
    extra = {name: column[rows] for name, column in consensus.extra.items()}
    return replace(
        consensus, suspicion=consensus.suspicion[rows], flags=consensus.flags[rows], extra=extra, n_wrong=modelled
    )
