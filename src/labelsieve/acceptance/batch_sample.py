"""The sample that a batch is judged by: drawn for a plan, continued, and followed to where its examples are now."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from labelsieve.acceptance import counting_plan, verdict
from labelsieve.core.content_hash import numbered, tagged
from labelsieve.core.errors import UserError
from labelsieve.core.findings import Findings
from labelsieve.core.sample import Sample
from labelsieve.store import sample_files
from labelsieve.store.open_run import Run
from labelsieve.store.reopen import Reopened

LISTED = 3  # ids in a message


def begin(findings: Findings, name: str, wanted: dict[str, Any], size: int | None, seed: int) -> Sample:
    """A new sample and its plan.

    Args:
        wanted: the terms of the plan (`kind`, `max_error`, `confidence`, `aql`, `producer_risk`, `reviewer_error`); None for the default.

    Raises:
        UserError: `max_error` is missing, or a term does not belong to this kind of plan.
    """
    if wanted["max_error"] is None:
        raise UserError(
            "Name the highest share of wrong labels that is good enough, for example <max_error>.", max_error="3%"
        )
    terms = _terms(wanted)
    _require_use(terms, wanted, size)
    kind, limit, confidence, error = (terms[key] for key in ("kind", "max_error", "confidence", "reviewer_error"))
    if kind == "sequential":
        many = size or verdict.outlook(findings, limit=limit, confidence=confidence, error=error, seed=seed)
    else:
        make = counting_plan.single if kind == "single" else counting_plan.double
        risks = {"producer_risk": terms["producer_risk"], "consumer_risk": 1 - confidence}
        counts = make(len(findings), aql=terms["aql"], ltpd=limit, **risks)
        terms["counts"], many = asdict(counts), counts.first + counts.second
    return verdict.draw(findings, many, name=name, seed=seed, kind=kind, plan=terms)


def _terms(wanted: dict[str, Any]) -> dict[str, Any]:
    default = {
        "kind": "sequential",
        "confidence": 0.95,
        "aql": wanted["max_error"] / 4,
        "producer_risk": 0.05,
        "reviewer_error": 0.0,
    }
    return default | {key: value for key, value in wanted.items() if value is not None}


def _require_use(terms: dict[str, Any], wanted: dict[str, Any], size: int | None) -> None:
    """Every term that was given has a use in this kind of plan."""
    if terms["kind"] == "sequential":
        idle = next((key for key in ("aql", "producer_risk") if wanted[key] is not None), None)
        if idle:
            raise UserError(
                f"<{idle}> goes with <plan> single or double; the sequential plan has no use for it.",
                **{idle: "", "plan": ""},
            )
    elif terms["reviewer_error"] or size:
        raise UserError(
            "<size> and <reviewer_error> go with the sequential plan; single and double plans count exact answers.",
            size="",
            reviewer_error="",
        )


def continued(findings: Findings, sample: Sample, wanted: dict[str, Any], size: int | None) -> Sample:
    """The sample, longer if `size` says so. Its plan was fixed before the answers were seen and stays.

    Raises:
        UserError: a term differs from the plan, or the sample cannot be made longer.
    """
    if "max_error" not in sample.plan:
        raise UserError(f"The sample {sample.name!r} has no acceptance plan; choose another <name>.", name="")
    for key, value in wanted.items():
        if value is not None and value != sample.plan.get(key):
            option = "plan" if key == "kind" else key
            raise UserError(
                f"The sample {sample.name!r} was drawn with <{option}> {sample.plan.get(key)}; a plan is not changed once its "
                "sample is drawn. Leave it out, or draw a sample of another <name>.",
                **{option: "", "name": ""},
            )
    if size is None or size == len(sample.ids):
        return sample
    if sample.plan["kind"] != "sequential" or size < len(sample.ids):
        raise UserError(
            f"The sample {sample.name!r} has {len(sample.ids):,} rows; only a sequential one can be made longer, none shorter."
        )
    longer = verdict.draw(findings, size, name=sample.name, seed=sample.seed, plan=sample.plan)
    if longer.ids[: len(sample.ids)] != sample.ids:
        raise UserError(
            f"The findings have changed since the sample {sample.name!r} was drawn; draw one of another <name>.",
            name="",
        )
    return longer


def follow(sample: Sample, opened: Run, data: Reopened | None) -> Sample:
    """The sample under the ids that its examples have in the findings now.

    Raises:
        UserError: an example that was drawn is no longer there, or has changed.
    """
    findings = opened.findings
    places = opened.follow.places(sample.keys)
    lost = [f"{key!r}: {why}" for key, why in zip(sample.ids, places, strict=True) if isinstance(why, str)]
    rows = [i for i in places if not isinstance(i, str)]
    if data is not None:
        lost += [f"{findings.ids[i]!r}: {data.why(i)}" for i in rows if data.at[i] < 0]
    if lost:
        first = "; ".join(lost[:LISTED]) + ("; ..." if len(lost) > LISTED else "")
        raise UserError(
            f"{len(lost)} of the {len(sample.ids):,} rows that the sample {sample.name!r} drew are no longer there as they were "
            f"({first}), so it no longer speaks for the batch; run find on the data again and draw a sample of another <name>.",
            name="",
        )
    return replace(sample, ids=tuple(str(findings.ids[i]) for i in rows))


def keep_strata(run: Path, findings: Findings, sample: Sample) -> None:
    """Write down the stratum of every row of the batch: a later `find` may score it anew."""
    stratum = verdict.strata(findings, sample.plan["kind"])
    sample_files.save_strata(run, sample.name, _examples(findings), stratum)


def strata_drawn_from(run: Path, findings: Findings, sample: Sample) -> np.ndarray | None:
    """(n,) the strata that the sample was drawn from, or None where they were not kept.

    Raises:
        UserError: the batch holds an example that was not there when the sample was drawn.
    """
    kept = sample_files.load_strata(run, sample.name)
    if kept is None or findings.content is None:
        return None
    content, stratum = kept
    at = np.full(len(findings), -1, np.int64)
    place = {key: i for i, key in enumerate(findings.ids.tolist())}
    at[[place[key] for key in sample.ids]] = sample.stratum
    examples = _examples(findings)
    old, now = np.lexsort((stratum, content)), np.argsort(examples, kind="stable")
    where = np.minimum(np.searchsorted(content[old], examples[now]), len(content) - 1)
    known = content[old][where] == examples[now]
    at[now] = np.where(at[now] >= 0, at[now], np.where(known, stratum[old][where], -1))
    new = np.flatnonzero(at < 0)
    if len(new):
        first = ", ".join(map(repr, findings.ids[new[:LISTED]].tolist())) + (", ..." if len(new) > LISTED else "")
        raise UserError(
            f"The batch has {len(new):,} examples ({first}) that were not there when the sample {sample.name!r} was drawn, so it "
            "does not speak for them; draw a sample of another <name>.",
            name="",
        )
    return at


def _examples(findings: Findings) -> np.ndarray:
    """(n,) uint64 that tell the examples apart in a later `find`: their content, or a hash of the id where that is not known."""
    assert findings.content is not None
    made = np.array(findings.content)
    unknown = np.flatnonzero(made == 0)
    ids = (str(key).encode("utf-8", "surrogatepass") for key in findings.ids[unknown])
    made[unknown] = numbered(b"".join(tagged(b"id", key) for key in ids))
    return made
