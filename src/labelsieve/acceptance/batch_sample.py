"""The sample for the verdict on a batch: drawn for a plan, extended, and matched to the ids that its examples have
now."""

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
from labelsieve.core.wording import plain_words
from labelsieve.store import sample_files
from labelsieve.store.open_run import Run
from labelsieve.store.reopen import Reopened

LISTED = 3  # ids that a message lists


def begin(findings: Findings, name: str, requested: dict[str, Any], size: int | None, seed: int) -> Sample:
    """A new sample and its plan.

    Args:
        requested: the terms of the plan (`kind`, `max_error`, `confidence`, `aql`, `producer_risk`, `reviewer_error`);
            None for the default.

    Raises:
        UserError: `max_error` is missing, or a term does not belong to this kind of plan.
    """
    if requested["max_error"] is None:
        raise UserError("Set the highest acceptable share of wrong labels, for example <max_error>.", max_error="3%")
    terms = _terms(requested)
    _require_use(terms, requested, size)
    kind, limit, confidence, error = (terms[key] for key in ("kind", "max_error", "confidence", "reviewer_error"))
    if kind == "sequential":
        many = size or verdict.outlook(findings, limit=limit, confidence=confidence, error=error, seed=seed)
    else:
        make = counting_plan.single if kind == "single" else counting_plan.double
        risks = {"producer_risk": terms["producer_risk"], "consumer_risk": 1 - confidence}
        counts = make(len(findings), aql=terms["aql"], ltpd=limit, **risks)
        terms["counts"], many = asdict(counts), counts.first + counts.second
    return verdict.draw(findings, many, name=name, seed=seed, kind=kind, plan=terms)


def _terms(requested: dict[str, Any]) -> dict[str, Any]:
    default = {
        "kind": "sequential",
        "confidence": 0.95,
        "aql": requested["max_error"] / 4,
        "producer_risk": 0.05,
        "reviewer_error": 0.0,
    }
    return default | {key: value for key, value in requested.items() if value is not None}


def _require_use(terms: dict[str, Any], requested: dict[str, Any], size: int | None) -> None:
    """Refuse a term that this kind of plan does not use."""
    if terms["kind"] == "sequential":
        unused = next((key for key in ("aql", "producer_risk") if requested[key] is not None), None)
        if unused:
            raise UserError(
                f"<{unused}> belongs to <plan> single or double; the sequential plan does not use it.",
                **{unused: "", "plan": ""},
            )
    elif terms["reviewer_error"] or size:
        raise UserError(
            "<size> and <reviewer_error> belong to the sequential plan; single and double plans count exact answers.",
            size="",
            reviewer_error="",
        )


def continued(findings: Findings, sample: Sample, requested: dict[str, Any], size: int | None) -> Sample:
    """The sample, extended to `size` if that is larger. Its plan was fixed before the answers were seen, and stays.

    Raises:
        UserError: a term differs from the plan, or the sample cannot be made longer.
    """
    if "max_error" not in sample.plan:
        raise UserError(f"The sample {sample.name!r} has no acceptance plan; choose another <name>.", name="")
    for key, value in requested.items():
        if value is not None and value != sample.plan.get(key):
            option = "plan" if key == "kind" else key
            raise UserError(
                f"The sample {sample.name!r} was drawn with {plain_words(option)} {sample.plan.get(key)}; a plan "
                f"cannot change after its sample is drawn. Leave <{option}> out, or draw a sample with another <name>.",
                **{option: "", "name": ""},
            )
    if size is None or size == len(sample.ids):
        return sample
    if sample.plan["kind"] != "sequential" or size < len(sample.ids):
        raise UserError(
            f"The sample {sample.name!r} has {len(sample.ids):,} rows. A sample cannot be made shorter, and only the "
            "sample of a sequential plan can be made longer."
        )
    longer = verdict.draw(findings, size, name=sample.name, seed=sample.seed, plan=sample.plan)
    if longer.ids[: len(sample.ids)] != sample.ids:
        raise UserError(
            f"The findings have changed since the sample {sample.name!r} was drawn; draw a sample with another <name>.",
            name="",
        )
    return longer


def follow(sample: Sample, opened: Run, data: Reopened | None) -> Sample:
    """The sample under the ids that its examples have in the current findings.

    Raises:
        UserError: an example of the sample is missing, or has changed.
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
            f"{len(lost)} of the {len(sample.ids):,} rows of the sample {sample.name!r} are missing or have changed "
            f"({first}), so it no longer represents the batch. Run find on the data again and draw a sample with "
            "another <name>.",
            name="",
        )
    return replace(sample, ids=tuple(str(findings.ids[i]) for i in rows))


def keep_strata(run: Path, findings: Findings, sample: Sample) -> None:
    """Save the stratum of every row of the batch, because a later `find` may change its score."""
    stratum = verdict.strata(findings, sample.plan["kind"])
    sample_files.save_strata(run, sample.name, _examples(findings), stratum)


def strata_drawn_from(run: Path, findings: Findings, sample: Sample) -> np.ndarray | None:
    """(n,) the strata that the sample was drawn from, or None if they were not saved.

    Raises:
        UserError: the batch has an example that is new since the sample was drawn.
    """
    saved = sample_files.load_strata(run, sample.name)
    if saved is None or findings.content is None:
        return None
    content, stratum = saved
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
            f"The batch has {len(new):,} examples ({first}) that are new since the sample {sample.name!r} was drawn, "
            "so the sample does not represent them; draw a sample with another <name>.",
            name="",
        )
    return at


def _examples(findings: Findings) -> np.ndarray:
    """(n,) uint64 that identify the examples in a later `find`: their content, or a hash of the id if it is unknown."""
    assert findings.content is not None
    codes = np.array(findings.content)
    unknown = np.flatnonzero(codes == 0)
    ids = (str(key).encode("utf-8", "surrogatepass") for key in findings.ids[unknown])
    codes[unknown] = numbered(b"".join(tagged(b"id", key) for key in ids))
    return codes
