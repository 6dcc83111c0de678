"""Do the answers of a file belong to the examples of the run? Ids alone may be another tool's own task numbers.

What a file carries along decides, the surest first: the content of an example (or the text itself), then its given label. Where most of
it speaks against the ids, all of the file is refused; what little of it does is listed. A file with nothing but ids and labels is refused
where its answers change far more labels than wrong ones are to be expected.
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

FEW = 3  # answers that contradict; fewer say nothing
ENOUGH = 8  # answers with labels alone from which their number says something
EXPECTED = 3.0  # times as many labels changed as are expected to be wrong


def belonging(
    answers: Sequence[Answer], findings: Findings, follow: Follow, own: bool
) -> tuple[list[Answer], list[Conflict]]:
    """The answers under the ids that their examples have in the run, and those that belong to none of them.

    Args:
        own: the ids come from the column `labelsieve_id`, which only Labelsieve writes.

    Raises:
        UserError: the answers are plainly about other examples than those of their ids.
    """
    keys = [(answer.id, _hex(answer.content), answer.given) for answer in answers]
    places = follow.places(keys)
    kept: list[Answer] = []
    conflicts: list[Conflict] = []
    against, compared = [], 0
    reused = is_reused(findings)
    unsure = [
        key[1] is None and reused(answer.id) and not isinstance(place, str)
        for answer, key, place in zip(answers, keys, places, strict=True)
    ]
    _require_sure(answers, unsure)
    for answer, key, place, doubtful in zip(answers, keys, places, unsure, strict=True):
        if doubtful:
            conflicts.append(Conflict(answer.id, WHY))
            continue
        if isinstance(place, str):
            conflicts.append(Conflict(answer.id, place if key[1] else "the run has no such id"))
            continue
        now = findings.classes[findings.given[place]]
        compared += answer.given is not None
        if answer.given not in (None, now) and not (
            key[1] and answer.label == now and answer.act in ("", LABEL, "relabel")
        ):
            what = f"its given label in the file is {answer.given!r} and in the run {now!r}"
            against.append(
                (key, place, Conflict(answer.id, f"the answer was given for another example, or another label: {what}"))
            )
            continue
        kept.append(replace(answer, id=str(findings.ids[place])))
    _require_known([a for a, doubtful in zip(answers, unsure, strict=True) if not doubtful], places, findings)
    by_id = [place for key, place, _ in against if not key[1]]
    if len(by_id) >= FEW and len(by_id) > compared * min(0.5, _by_chance(findings) / 2):
        first = "; ".join(f"{item.id!r}: {item.reason.partition(': ')[2]}" for _, _, item in against[:FEW])
        raise UserError(
            f"{len(by_id):,} of {compared:,} answers contradict the given labels of the run ({first}), so their ids are not those of this "
            "run, or its rows have moved since the file was written. Nothing was taken. A column labelsieve_id or content, as exports "
            "write them, tells which example each row is."
        )
    if not own:
        _require_plausible(
            [a for a, key in zip(answers, keys, strict=True) if not key[1] and a.given is None], findings, follow
        )
    return kept, [*conflicts, *(item for _, _, item in against)]


def with_contents(rows: Sequence[dict[str, str]], findings: Findings, passed: Sequence[str]) -> list[str | None]:
    """The content of each row of a sheet about texts: of the column whose cells are texts of the run, if there is one.

    Args:
        passed: columns that are no texts.
    """
    none: list[str | None] = [None] * len(rows)
    if not rows or findings.content is None or findings.settings.get("kind") != "text":
        return none
    known = set(findings.content.tolist())
    best: list[str | None] = none
    hits = 0
    for name in rows[0]:
        if name in passed:
            continue
        found = of_inputs([row[name] for row in rows])
        many = sum(value in known for value in found.tolist())
        if many > hits:
            best, hits = [hexed(value) if value else None for value in found.tolist()], many
    return best if 2 * hits > len(rows) else none


def _hex(content: str | None) -> str | None:
    """A content as the journal keeps it; None where the cell holds something else."""
    return content if content and re.fullmatch("[0-9a-f]{16}", content) else None


def _require_known(answers: Sequence[Answer], places: Sequence[int | str], findings: Findings) -> None:
    """Raises UserError if not one answer is about an example of the run."""
    if not answers or any(not isinstance(place, str) for place in places):
        return
    known = {_plainly(key) for key in findings.ids.tolist()}
    alike = all(_plainly(answer.id) in known for answer in answers)
    why = (
        "a spreadsheet has rewritten them, it seems; keep the column content in the file, or read the ids as text"
        if alike
        else "these are answers on other data"
    )
    raise UserError(
        f"None of the {len(answers):,} ids is in the run, which has ids like {findings.ids[0][:80]!r} where the file has "
        f"{answers[0].id[:80]!r}; {why}."
    )


def _plainly(id: str) -> str:
    """An id without what spreadsheets change: spaces around it, case, leading zeros, 7.0 for 7."""
    try:
        return repr(float(id))
    except ValueError:
        return id.strip().casefold()


def _require_sure(answers: Sequence[Answer], unsure: Sequence[bool]) -> None:
    """Raises UserError if of most answers it is not clear which example they mean."""
    first = next((answer.id for answer, doubtful in zip(answers, unsure, strict=True) if doubtful), "")
    if 2 * sum(unsure) > len(answers):
        raise UserError(
            f"The rows of the data have moved between two runs of `find`, and the file has no column content, so nothing tells which "
            f"examples {sum(unsure):,} of its {len(answers):,} ids mean (the first is {first[:80]!r}). Nothing was taken. Export the run "
            "again, and keep the column content in the file that comes back."
        )


def _by_chance(findings: Findings) -> float:
    """How often two examples drawn at random differ in their given label."""
    share = np.bincount(findings.given, minlength=len(findings.classes)) / max(1, len(findings))
    return float(1 - (share**2).sum())


def _require_plausible(answers: Sequence[Answer], findings: Findings, follow: Follow) -> None:
    """Raises UserError if labels without any other evidence would change far more than is expected."""
    labels = [answer for answer in answers if answer.act in ("", LABEL) and answer.exported is None]
    found = [
        (answer, place)
        for answer, place in zip(labels, follow.places([(a.id, None, None) for a in labels]), strict=True)
    ]
    rows = [(answer, place) for answer, place in found if not isinstance(place, str)]
    if len(rows) < ENOUGH:
        return
    changed = sum(answer.label != findings.classes[findings.given[place]] for answer, place in rows)
    expected = float(findings.p_wrong[[place for _, place in rows]].sum())
    if changed > max(EXPECTED * expected, len(rows) * _by_chance(findings) / 2):
        raise UserError(
            f"{changed:,} of {len(rows):,} answers would change the label, where about {expected:.0f} of these labels are expected to be "
            "wrong; the ids of the file are probably those of another tool, not of the run. Nothing was taken. If they are those of the "
            "run, call their column labelsieve_id, or add the column given_label."
        )
