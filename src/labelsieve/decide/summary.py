"""What a person wants to know first: the findings in a few plain numbers. The terminal and `--json` show the same."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np

from labelsieve.core.annotators import Annotator, Annotators, Ask, Copies
from labelsieve.core.count_words import ends
from labelsieve.core.dataset import Dataset
from labelsieve.core.findings import Findings
from labelsieve.core.leaks import Leak, in_order
from labelsieve.core.shares import percent
from labelsieve.core.snippet import snippet
from labelsieve.decide.box_counts import BoxCounts, box_counts
from labelsieve.decide.calibrate import Calibrated
from labelsieve.decide.next_steps import sample_first
from labelsieve.decide.outlook import as_now

TOP = 10
SNIPPET = 160  # characters
PLACED = {
    "beside": "beside its object",
    "too_small": "too small",
    "too_large": "too large",
}
FEW = 9  # neighbours; below, their share is shown as a count


@dataclass(frozen=True)
class Suspect:
    """One example of the ranked list, with the reason in words and a snippet of its content (`core.snippet`), "" for an
    image. `suggested_label` is the likely class if the label is flagged or more likely wrong than right, else the given
    label; `other_label` is the likeliest other class; `flagged_by` lists the detectors whose own rule calls the label
    wrong."""

    rank: int
    id: str
    given_label: str
    suggested_label: str
    other_label: str
    p_wrong: float
    flagged: bool
    reason: str
    snippet: str = ""
    flagged_by: tuple[str, ...] = ()


@dataclass(frozen=True)
class ClassHealth:
    """One class: its examples, how many of them are expected to be wrong, and which class those mostly look like."""

    label: str
    examples: int
    expected_wrong: float
    rate: float
    mostly: str


@dataclass(frozen=True)
class SplitHealth:
    """One split: its examples, and how many of them are expected to be wrong."""

    split: str
    examples: int
    expected_wrong: float
    rate: float


@dataclass(frozen=True)
class Confusion:
    """The expected number of examples with one given label that are likely another."""

    given_label: str
    likely_label: str
    expected: float


@dataclass(frozen=True)
class Duplicates:
    """Groups of exact and near duplicates, and how many of them have labels that disagree."""

    groups: int
    conflicting: int
    examples: tuple[tuple[tuple[str, str], ...], ...]  # of conflicting groups: (id, given label) of each member


@dataclass(frozen=True)
class AnnotatorSummary:
    """The annotators in a few numbers (`core.annotators.Annotators` has all): how many they and their votes are, how
    far they agree, the least accurate ones, the names of those who look like spam, the pairs that look like copies, and
    the examples that want one more vote most."""

    annotators: tuple[Annotator, ...]
    many: int
    votes: int
    agreement: float | None
    fleiss_kappa: float | None
    alpha: float | None
    spam: tuple[str, ...]
    copies: tuple[Copies, ...]
    ask: tuple[Ask, ...]


@dataclass(frozen=True)
class Summary:
    """The findings in a few plain numbers; `estimate` is (low, count, high) wrong labels. Low to high depends on what
    is assumed; it is a 95 % interval if `measured` (`Calibrated.measured`). `expected_precision` is the share of the
    flagged labels that should be wrong; None without flags.

    `classes_rest` and `confusions_rest` are the wrong labels expected in the classes and confusions that the lists
    leave out, so that each list plus its rest adds up to the count. `first` is the random sample to review first, or
    None (`decide.next_steps`). `annotators` are those of the votes, None without votes. `splits` and `leaks` are empty
    if the data have no splits. `boxes` are the counts of boxes alone and of crops without a box; None for other data.
    """

    source: str
    kind: str
    examples: int
    classes: int
    excluded: int
    exclusion_reasons: tuple[tuple[str, int], ...]
    estimate: tuple[float, float, float]
    rate: float
    measured: bool
    unreviewed: int
    flagged: int
    expected_precision: float | None
    worst_classes: tuple[ClassHealth, ...]
    classes_rest: float
    confusions: tuple[Confusion, ...]
    confusions_rest: float
    duplicates: Duplicates | None
    top: tuple[Suspect, ...]
    notes: tuple[str, ...]
    settings: dict[str, Any]
    first: dict[str, Any] | None = None
    annotators: AnnotatorSummary | None = None
    splits: tuple[SplitHealth, ...] = ()
    leaks: tuple[Leak, ...] = ()
    boxes: BoxCounts | None = None

    @property
    def ends(self) -> str:
        """The two ends of the estimate in words."""
        low, _, high = self.estimate
        return ends(f"{low:,.0f}", f"{high:,.0f}", measured=self.measured, n=self.unreviewed)


def summarise(
    findings: Findings, *, top: int = TOP, calibrated: Calibrated | None = None, data: Dataset | None = None
) -> Summary:
    """The summary of the findings with the `top` most suspicious examples, after the decisions if `calibrated` is
    given. `data` is the data set of the findings; it provides the snippets."""
    first = sample_first(findings, calibrated)
    findings = findings if calibrated is None else as_now(findings, calibrated)
    names = findings.classes
    given, likely, expected = (column[:top] for column in findings.confusions())
    shown = expected >= 0.5
    total, health, suggested = float(findings.p_wrong.sum()), class_health(findings), findings.suggested
    return Summary(
        source=findings.settings.get("source", ""),
        kind=findings.settings.get("kind", ""),
        examples=len(findings),
        classes=len(names),
        excluded=len(findings.excluded),
        exclusion_reasons=tuple(Counter(e.reason for e in findings.excluded).most_common()),
        estimate=(findings.wrong.low, findings.wrong.count, findings.wrong.high),
        rate=findings.wrong.count / max(1, len(findings)),
        measured=calibrated is not None and calibrated.measured,
        unreviewed=len(findings) - (0 if calibrated is None else calibrated.reviewed),
        flagged=int(findings.flagged.sum()),
        expected_precision=findings.expected_precision if findings.flagged.any() else None,
        worst_classes=health[:top],
        classes_rest=sum(each.expected_wrong for each in health[top:]),
        confusions=tuple(
            Confusion(names[g], names[o], float(e))
            for g, o, e in zip(given[shown], likely[shown], expected[shown], strict=True)
        ),
        confusions_rest=max(0.0, total - float(expected[shown].sum())),
        duplicates=_duplicates(findings, top),
        top=tuple(
            Suspect(
                int(findings.rank[i]),
                str(findings.ids[i]),
                names[findings.given[i]],
                names[suggested[i]],
                names[findings.other[i]],
                float(findings.p_wrong[i]),
                bool(findings.flagged[i]),
                reason(findings, i),
                _snippet(data, str(findings.ids[i])),
                findings.flagged_by(i),
            )
            for i in findings.order()[:top]
        ),
        notes=findings.notes,
        settings=findings.settings,
        first=first,
        annotators=None if findings.annotators is None else _annotators(findings.annotators, top),
        splits=split_health(findings),
        leaks=() if findings.leaks is None else findings.leaks.pairs,
        boxes=box_counts(findings),
    )


def _annotators(found: Annotators, top: int) -> AnnotatorSummary:
    agreement, kappa, alpha = (
        float(value) if np.isfinite(value) else None for value in (found.agreement, found.fleiss_kappa, found.alpha)
    )
    return AnnotatorSummary(
        found.annotators[:top],
        len(found),
        sum(one.votes for one in found.annotators),
        agreement,
        kappa,
        alpha,
        tuple(one.name for one in found.annotators if one.spam),
        found.copies[:top],
        found.ask[:top],
    )


def _snippet(data: Dataset | None, id: str) -> str:
    """A snippet of the example, looked up by its id, because the findings may lack rows of the data."""
    if data is None:
        return ""
    at = np.flatnonzero(data.ids == id)
    return snippet(data, int(at[0]), SNIPPET) if len(at) else ""


def class_health(findings: Findings) -> tuple[ClassHealth, ...]:
    """Every class that occurs, the worst rate first."""
    k, given = len(findings.classes), findings.given
    size, wrong = np.bincount(given, minlength=k), np.bincount(given, findings.p_wrong, minlength=k)
    confused, likely, _ = findings.confusions()
    mostly = dict(zip(confused[::-1], likely[::-1], strict=True))  # the commonest confusion of a class is written last
    rate = wrong / np.maximum(size, 1)
    order = [c for c in np.argsort(-rate, kind="stable") if size[c]]
    return tuple(
        ClassHealth(findings.classes[c], int(size[c]), float(wrong[c]), float(rate[c]), findings.classes[mostly[c]])
        for c in order
    )


def split_health(findings: Findings) -> tuple[SplitHealth, ...]:
    """Every split, those of training first; examples in no split are left out. Empty without splits."""
    if findings.splits is None:
        return ()
    out = []
    for name in in_order(findings.splits):
        p = findings.p_wrong[findings.splits == name]
        out.append(SplitHealth(name, len(p), float(p.sum()), float(p.mean())))
    return tuple(out)


def reasons(findings: Findings, i: int) -> list[dict[str, Any]]:
    """Why row `i` is suspicious, as codes with their numbers, so that they can be worded in any language:
    {"code": "model", "likely": p, "given": p}, {"code": "neighbours", "agree": share} with "of": number if few voted,
    {"code": "no_neighbours"}, {"code": "duplicate"}, {"code": "placement", "kind": one of `PLACED`, "p": p} of a box;
    with votes of several annotators first {"code": "votes", "agree": votes for the given label, "of": all votes}."""
    out: list[dict[str, Any]] = []
    extra = findings.extra
    if "votes_for_given" in extra and extra["votes"][i]:
        out.append({"code": "votes", "agree": int(extra["votes_for_given"][i]), "of": int(extra["votes"][i])})
    if {"p_given", "p_other"} <= extra.keys() and np.isfinite(extra["p_given"][i]) and np.isfinite(extra["p_other"][i]):
        out.append({"code": "model", "likely": float(extra["p_other"][i]), "given": float(extra["p_given"][i])})
    if "neighbours_agree" in extra and np.isfinite(extra["neighbours_agree"][i]):
        out.append(
            _neighbours(
                float(extra["neighbours_agree"][i]), int(extra["neighbours"][i]) if "neighbours" in extra else FEW
            )
        )
    if "duplicate_conflict" in extra and extra["duplicate_conflict"][i]:
        out.append({"code": "duplicate"})
    if extra.keys() >= set(PLACED):
        p, kind = max((float(extra[kind][i]), kind) for kind in PLACED)
        if p > 0.5:
            out.append({"code": "placement", "kind": kind, "p": p})
    return out


def reason(findings: Findings, i: int) -> str:
    """Why row `i` is suspicious, in words: the model's probability for the likely and for the given label, and the
    share of neighbours with the given label."""
    return "; ".join(map(_in_words, reasons(findings, i)))


def _in_words(why: dict[str, Any]) -> str:
    if why["code"] == "model":
        return f"model {percent(why['likely'], '.0f')} against {percent(why['given'], '.0f')}"
    if why["code"] == "votes":
        return f"{why['agree']} of {why['of']} votes for it"
    if why["code"] == "neighbours":
        share = percent(why["agree"], ".0f") if "of" not in why else f"{round(why['agree'] * why['of'])} of {why['of']}"
        return (
            "no neighbour agrees"
            if why["agree"] == 0
            else f"{share}{' of' if 'of' not in why else ''} neighbours agree"
        )
    if why["code"] == "placement":
        return f"box {PLACED[why['kind']]} ({percent(why['p'], '.0f')})"
    if why["code"] == "no_neighbours":
        return "no neighbour outside its own group and copies"
    return "a duplicate has another label"


def _neighbours(agree: float, voters: int) -> dict[str, Any]:
    if voters == 0:
        return {"code": "no_neighbours"}
    return {"code": "neighbours", "agree": agree} | ({"of": voters} if voters < FEW else {})


def _duplicates(findings: Findings, top: int) -> Duplicates | None:
    if not {"duplicate_group", "duplicate_conflict"} <= findings.extra.keys():
        return None
    group, conflict = findings.extra["duplicate_group"], findings.extra["duplicate_conflict"]
    conflicting = np.unique(group[conflict])
    members = [np.flatnonzero(group == g)[:top] for g in conflicting[:top]]
    shown = tuple(tuple((str(findings.ids[i]), findings.classes[findings.given[i]]) for i in rows) for rows in members)
    per = findings.settings.get("several") or 1  # groups of the same question about copies, for each group of copies
    return Duplicates(len(np.unique(group[group >= 0] // per)), len(np.unique(conflicting // per)), shown)
