"""`accept`: the sample to review from a batch of annotated data, then the verdict on the batch and the signed
report."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from getpass import getuser
from os import PathLike
from pathlib import Path
from typing import Any, get_args

from labelsieve.acceptance import batch_sample, signed_report, verdict
from labelsieve.acceptance.counting_plan import CountingPlan
from labelsieve.acceptance.verdict import UNCLEAR, Acceptance, Kind, Verdict
from labelsieve.core.arguments import require_choice, require_seed, require_text, require_whole
from labelsieve.core.decision import Decision
from labelsieve.core.errors import UserError
from labelsieve.core.findings import Findings
from labelsieve.core.sample import ACCEPT, Sample
from labelsieve.core.shares import share
from labelsieve.places.at_addresses import at_addresses
from labelsieve.store import sample_files
from labelsieve.store.open_run import Run, with_decisions_of_now
from labelsieve.store.reopen import Reopened, reopen
from labelsieve.store.run_copies import decide_run

_SIZES = (1, 10**9)


@dataclass(frozen=True, repr=False)
class BatchVerdict:
    """What `accept` returns.

    Attributes:
        verdict: "accept", "reject" or "go on" (review more rows); None while no row of the sample has an answer.
        sample: the rows to review, in their order; `sample.plan` holds the plan.
        result: what the answers show, with the intervals of the batch, its classes and its groups; None without
            answers.
        rows: number of rows of the batch.
        note: what has changed in the data since `find`, or why the data could not be compared; "" if nothing.
        report: the signed report in Markdown, next to the same report as JSON; None without answers.
        record: everything as plain values, as the command prints it in JSON.
    """

    verdict: Verdict | None
    sample: Sample
    result: Acceptance | None
    rows: int
    note: str
    report: Path | None
    record: dict[str, Any]

    def __repr__(self) -> str:
        if self.result is None:
            return f"BatchVerdict(no answers yet: review {len(self.sample.ids):,} rows of {self.sample.name!r})"
        return f"BatchVerdict({self.verdict}: {self.result.why})"


@at_addresses(run=decide_run)
def accept(
    run: str | PathLike[str] | Run,
    *,
    max_error: float | str | None = None,
    confidence: float | str | None = None,
    plan: Kind | None = None,
    aql: float | str | None = None,
    producer_risk: float | str | None = None,
    reviewer_error: float | str | None = None,
    size: int | None = None,
    name: str = "batch",
    seed: int = 0,
    by: str = "",
) -> BatchVerdict:
    """Draw a random sample of a batch to review; once it has answers, accept or reject the batch.

    The first call draws the sample and fixes the plan; every later call reads the answers so far. `ls.review(run,
    sample="accept-batch")` shows the sample blind. There are many parameters because each is one term of the signed
    plan.

    Args:
        run: the run folder that `find` wrote for the batch, or a `Run`.
        max_error: the highest acceptable share of wrong labels, 0.03 or "3%"; needed when the sample is drawn.
        confidence: confidence of the verdict and of the intervals; 0.95.
        plan: "sequential" (the default), "single" or "double".
        aql: single and double: the share of wrong labels that should pass; a quarter of `max_error`.
        producer_risk: single and double: the probability of rejecting a batch at `aql`; 0.05.
        reviewer_error: sequential: reviewers err on at most this share of the rows; 0.
        size: sequential: number of rows of the sample; a larger number extends it. By default as many as are expected
            to suffice.
        name: name of the sample. Its file is `samples/accept-NAME.json` in the run folder.
        seed: same seed, same sample.
        by: who signs the report; by default the user who is logged in.

    Raises:
        UserError: a share is out of bounds, a term differs from the plan of the drawn sample, or the batch has changed.

    >>> ls.accept("batch.sieve", max_error="3%")  # doctest: +SKIP
    BatchVerdict(no answers yet: review 184 rows of 'accept-batch')
    """
    requested = _requested_terms(plan, max_error, confidence, aql, producer_risk, reviewer_error)
    size = None if size is None else _size(size)
    sample_name = ACCEPT + require_text(name, "The name of the sample").removeprefix(ACCEPT)
    sample_files.require_name(sample_name)
    seed, signer = require_seed(seed), require_text(by, "by, who signs the report,") or getuser()
    opened = with_decisions_of_now(run)
    folder, findings = opened.path, opened.findings
    if not len(findings):
        raise UserError(f"{folder} has no examples to accept.")
    new = sample_name not in sample_files.names(folder)
    data, note = _data_of_now(folder, findings)
    if new:
        sample = batch_sample.begin(findings, sample_name, requested, size, seed)
    else:
        sample = batch_sample.follow(sample_files.load(folder, sample_name), opened, data)
        sample = batch_sample.continued(findings, sample, requested, size)
    sample_files.save(folder, sample)
    if new and findings.content is not None:
        batch_sample.keep_strata(folder, findings, sample)
    answers = verdict.answers(sample, opened.fold)
    if not (answers != UNCLEAR).any():
        waiting = {"run": str(folder), "verdict": None, **_plain(sample), "note": note}
        return BatchVerdict(None, sample, None, len(findings), note, None, waiting)
    stratum = None if new else batch_sample.strata_drawn_from(folder, findings, sample)
    result = _weighed(opened, sample, answers, data, stratum)
    record = _record(folder, findings, opened.decisions, sample, result, signer, note)
    report = signed_report.write(folder, sample_name, record)
    return BatchVerdict(result.verdict, sample, result, len(findings), note, report, record)


def _requested_terms(
    plan: Any, max_error: Any, confidence: Any, aql: Any, producer_risk: Any, reviewer_error: Any
) -> dict:
    """The terms that the call set, with None for the others; shares as numbers."""
    if plan is not None:
        require_choice(plan, get_args(Kind), "plan")
    return {
        "kind": plan,
        "max_error": _share(max_error, "max_error"),
        "confidence": _share(confidence, "confidence", least=0.5),
        "aql": _share(aql, "aql"),
        "producer_risk": _share(producer_risk, "producer_risk"),
        "reviewer_error": _share(reviewer_error, "reviewer_error", below=0.5),
    }


def _share(value: float | str | None, name: str, least: float = 0.0, below: float = 1.0) -> float | None:
    """A share within the bounds of the option `name`."""
    if value is None:
        return None
    try:
        number = share(value, f"<{name}>")
    except UserError as error:
        raise UserError(error.args[0], **{name: ""}) from error
    if not least <= number < below:
        bounds = f"at least {least:.0%} and below {below:.0%}" if least else f"below {below:.0%}"
        raise UserError(f"<{name}> is {value!r}; it must be {bounds}.", **{name: ""})
    return number


def _size(size: Any) -> int:
    if not _SIZES[0] <= require_whole(size, "size, the rows of the sample,") <= _SIZES[1]:
        raise UserError(f"<size> is {size}; it must be a whole number of rows, 1 or more.", size="")
    return int(size)


def _data_of_now(folder: Path, findings: Findings) -> tuple[Reopened | None, str]:
    """The current data, or None; and what has changed in them, or why they cannot be read."""
    if findings.settings.get("recipe") is None:
        return None, ""
    try:
        data = reopen(folder, findings, thorough=True)
    except UserError as error:
        return None, f"There are no results per annotator or group, and the data are not compared: {error.in_words()}"
    return data, " ".join(data.notes())


def _weighed(opened: Run, sample: Sample, answers: Any, data: Reopened | None, stratum: Any) -> Acceptance:
    terms, findings, people = sample.plan, opened.findings, opened.annotators
    return verdict.weigh(
        findings,
        sample,
        answers,
        limit=terms["max_error"],
        confidence=terms["confidence"],
        error=terms["reviewer_error"],
        plan=CountingPlan(**terms["counts"]) if "counts" in terms else None,
        groups=None if data is None else data.aligned().groups,
        stratum=stratum,
        votes=None if people is None else people.votes,
        truth=None if people is None else verdict.classes_of(sample, opened.fold, findings),
    )


def _record(
    folder: Path,
    findings: Findings,
    decisions: Sequence[Decision],
    sample: Sample,
    result: Acceptance,
    signer: str,
    note: str,
) -> dict[str, Any]:
    """The signed report as plain values."""
    return {
        "run": str(folder),
        "verdict": result.verdict,
        "why": result.why,
        "signed_by": signer,
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "rows": len(findings),
        "result": asdict(result),
        **_plain(sample),
        "data_sha256": _hash([findings.ids.tolist(), findings.given.tolist(), list(findings.classes)]),
        "decisions_sha256": _hash([asdict(row) for row in decisions]),
        "note": note,
    }


def _plain(sample: Sample) -> dict[str, Any]:
    return {"plan": sample.plan, "sample": asdict(replace(sample, plan={}))}


def _hash(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
