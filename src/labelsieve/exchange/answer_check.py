"""Checks that the answers of a file belong to the examples of the run; ids alone may be another tool's task numbers.

Other columns of the file decide: first the content of an example (or the text itself), then its given label. If most of
them contradict the ids, the whole file is refused; single contradictions are listed. A file that has only ids and
labels is refused if its answers change far more labels than are expected to be wrong.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from labelsieve.core.conflict import Conflict
from labelsieve.core.content_hash import hexed, of_inputs
from labelsieve.core.errors import UserError
from labelsieve.core.findings import Findings
from labelsieve.core.reused_ids import WHY, is_reused
from labelsieve.core.row_matching import Follow
from labelsieve.exchange.answers import LABEL, Answer

FEW = 3  # fewer contradicting answers are not evidence
ENOUGH = 8  # fewer answers with labels alone are not evidence
EXPECTED = 3.0  # most changed labels, as a multiple of the expected number of wrong labels


def belonging(
    answers: Sequence[Answer], findings: Findings, follow: Follow, own: bool
) -> tuple[list[Answer], list[Conflict]]:
    """The answers with the ids that their examples have in the run, and conflicts for those that belong to no example.

    Args:
        own: the ids come from the column `labelsieve_id`, which only Labelsieve writes.

    Raises:
        UserError: the answers are clearly not about the examples of their ids.
    """
    keys = [(answer.id, _valid_content(answer.content), answer.given) for answer in answers]
    places = follow.places(keys)
    kept: list[Answer] = []
    conflicts: list[Conflict] = []
    contradicting, compared = [], 0
    reused = is_reused(findings)
    unclear = [
        key[1] is None and reused(answer.id) and not isinstance(place, str)
        for answer, key, place in zip(answers, keys, places, strict=True)
    ]
    _require_clear(answers, unclear)
    for answer, key, place, doubtful in zip(answers, keys, places, unclear, strict=True):
        if doubtful:
            conflicts.append(Conflict(answer.id, WHY))
            continue
        if isinstance(place, str):
            conflicts.append(Conflict(answer.id, place if key[1] else "the run has no such id"))
            continue
        given_now = findings.classes[findings.given[place]]
        compared += answer.given is not None
        if answer.given not in (None, given_now) and not (
            key[1] and answer.label == given_now and answer.act in ("", LABEL, "relabel")
        ):
            what = f"its given label in the file is {answer.given!r} and in the run {given_now!r}"
            contradicting.append(
                (key, place, Conflict(answer.id, f"the answer was given for another example, or another label: {what}"))
            )
            continue
        kept.append(replace(answer, id=str(findings.ids[place])))
    _require_known([a for a, doubtful in zip(answers, unclear, strict=True) if not doubtful], places, findings)
    by_id_alone = [place for key, place, _ in contradicting if not key[1]]
    if len(by_id_alone) >= FEW and len(by_id_alone) > compared * min(0.5, _chance_of_difference(findings) / 2):
        first = "; ".join(f"{item.id!r}: {item.reason.partition(': ')[2]}" for _, _, item in contradicting[:FEW])
        raise UserError(
            f"{len(by_id_alone):,} of {compared:,} answers contradict the given labels of the run ({first}), so their "
            "ids belong to other data, or the rows of the run have moved since the file was written. Nothing was "
            "imported. Keep the column labelsieve_id or content, which exports write: it identifies the example of "
            "each row."
        )
    if not own:
        _require_plausible(
            [a for a, key in zip(answers, keys, strict=True) if not key[1] and a.given is None], findings, follow
        )
    return kept, [*conflicts, *(item for _, _, item in contradicting)]


def with_contents(rows: Sequence[dict[str, str]], findings: Findings, other_columns: Sequence[str]) -> list[str | None]:
    """The content of each row of a sheet, from the column whose cells are texts of the run, if there is one.

    Args:
        other_columns: columns that are not texts.
    """
    nothing: list[str | None] = [None] * len(rows)
    if not rows or findings.content is None or findings.settings.get("kind") != "text":
        return nothing
    known = set(findings.content.tolist())
    best: list[str | None] = nothing
    hits = 0
    for name in rows[0]:
        if name in other_columns:
            continue
        contents = of_inputs([row[name] for row in rows])
        matches = sum(value in known for value in contents.tolist())
        if matches > hits:
            best, hits = [hexed(value) if value else None for value in contents.tolist()], matches
    return best if 2 * hits > len(rows) else nothing


def _valid_content(content: str | None) -> str | None:
    """The content in the form of the journal; None if the cell holds something else."""
    return content if content and re.fullmatch("[0-9a-f]{16}", content) else None


def _require_known(answers: Sequence[Answer], places: Sequence[int | str], findings: Findings) -> None:
    """Raise UserError if no answer is about an example of the run."""
    if not answers or any(not isinstance(place, str) for place in places):
        return
    known_ids = {_normalised(key) for key in findings.ids.tolist()}
    same_ids = all(_normalised(answer.id) in known_ids for answer in answers)
    why = (
        "a spreadsheet seems to have rewritten them; keep the column content in the file, or read the ids as text"
        if same_ids
        else "these are answers on other data"
    )
    raise UserError(
        f"None of the {len(answers):,} ids is in the run, which has ids such as {findings.ids[0][:80]!r}, but the "
        f"file has {answers[0].id[:80]!r}; {why}."
    )


def _normalised(id: str) -> str:
    """An id without the differences that spreadsheets make: spaces around it, case, leading zeros, 7.0 for 7."""
    try:
        return repr(float(id))
    except ValueError:
        return id.strip().casefold()


def _require_clear(answers: Sequence[Answer], unclear: Sequence[bool]) -> None:
    """Raise UserError if it is not clear which examples most answers mean."""
    first = next((answer.id for answer, doubtful in zip(answers, unclear, strict=True) if doubtful), "")
    if 2 * sum(unclear) > len(answers):
        raise UserError(
            "The rows of the data have moved between two runs of `find`, and the file has no column content, so it "
            f"is not clear which examples {sum(unclear):,} of its {len(answers):,} ids mean (the first is "
            f"{first[:80]!r}). Nothing was imported. Export the run again, and keep the column content in the "
            "returned file."
        )


def _chance_of_difference(findings: Findings) -> float:
    """The probability that two randomly drawn examples differ in their given label."""
    share = np.bincount(findings.given, minlength=len(findings.classes)) / max(1, len(findings))
    return float(1 - (share**2).sum())


def _require_plausible(answers: Sequence[Answer], findings: Findings, follow: Follow) -> None:
    """Raise UserError if answers with labels alone would change far more labels than expected."""
    labels = [answer for answer in answers if answer.act in ("", LABEL) and answer.exported is None]
    placed = [
        (answer, place)
        for answer, place in zip(labels, follow.places([(a.id, None, None) for a in labels]), strict=True)
    ]
    rows = [(answer, place) for answer, place in placed if not isinstance(place, str)]
    if len(rows) < ENOUGH:
        return
    changed = sum(answer.label != findings.classes[findings.given[place]] for answer, place in rows)
    expected = float(findings.p_wrong[[place for _, place in rows]].sum())
    if changed > max(EXPECTED * expected, len(rows) * _chance_of_difference(findings) / 2):
        raise UserError(
            f"{changed:,} of {len(rows):,} answers would change the label, but only about {expected:.0f} of these "
            "labels are expected to be wrong; the ids of the file are probably those of another tool, not of the run. "
            "Nothing was imported. If they are those of the run, call their column labelsieve_id, or add the column "
            "given_label."
        )
