"""labelsieve accept: is a batch that came back from annotators good enough?"""

from __future__ import annotations

import hashlib
import json as jsonlib
import shlex
from dataclasses import asdict, replace
from datetime import UTC, datetime
from getpass import getuser
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from labelsieve.cli.options import SEEDS, within
from labelsieve.core.errors import UserError
from labelsieve.core.shares import share

if TYPE_CHECKING:
    from labelsieve.acceptance.counting_plan import CountingPlan
    from labelsieve.acceptance.verdict import Acceptance
    from labelsieve.core.findings import Findings
    from labelsieve.core.sample import Sample
    from labelsieve.store.open_run import Run
    from labelsieve.store.reopen import Reopened

LISTED = 3  # ids in a message


def accept(
    run: Annotated[Path, Parameter(help="A run folder that `find` wrote for the batch.")],
    /,
    *,
    max_error: Annotated[
        str | None, Parameter(help="The highest share of wrong labels that is good enough, as 3 % or 0.03.")
    ] = None,
    confidence: Annotated[
        str | None, Parameter(help="Confidence of the verdict and the intervals; default: 95 %.")
    ] = None,
    plan: Annotated[
        Literal["sequential", "single", "double"] | None, Parameter(help="How to sample; default: sequential.")
    ] = None,
    aql: Annotated[
        str | None,
        Parameter(help="For single and double: the share that should pass; default: a quarter of --max-error."),
    ] = None,
    producer_risk: Annotated[
        str | None, Parameter(help="For single and double: chance to reject a batch at --aql; default: 5 %.")
    ] = None,
    reviewer_error: Annotated[str | None, Parameter(help="Reviewers err on at most this share; default: 0.")] = None,
    size: Annotated[
        int | None,
        Parameter(
            help="Rows of a sequential sample; a larger one continues it. Default: as many as are expected to suffice.",
            converter=within((1, 10**9)),
        ),
    ] = None,
    name: Annotated[str, Parameter(help="Name of the sample.")] = "batch",
    seed: Annotated[int, Parameter(help="Same seed, same sample.", converter=within(SEEDS))] = 0,
    by: Annotated[str, Parameter(help="Who signs the report; default: who is logged in.")] = "",
    json: Annotated[bool, Parameter(help="Print one JSON object.", negative="")] = False,
) -> int:
    """Draw a sample to review, then say accept, reject or go on. Exit code 0: accept, 1: reject or go on, 2: a mistake."""
    from labelsieve.acceptance import verdict as accepting
    from labelsieve.store import sample_files
    from labelsieve.store.open_run import open_run

    there = open_run(run)
    findings, decisions = there.findings, there.decisions
    if not len(findings):
        raise UserError(f"{run} has no examples to accept.")
    sample_name = f"accept-{name.removeprefix('accept-')}"
    asked = {
        "kind": plan,
        "max_error": _share(max_error, "--max-error"),
        "confidence": _share(confidence, "--confidence"),
    }
    asked |= {"aql": _share(aql, "--aql"), "producer_risk": _share(producer_risk, "--producer-risk")}
    asked["reviewer_error"] = _share(reviewer_error, "--reviewer-error", 0.5)
    new = sample_name not in sample_files.names(run)
    again, note = _again(run, findings)
    if new:
        sample = _begin(findings, sample_name, asked, size, seed)
    else:
        sample = _continue(findings, _followed(run, sample_files.load(run, sample_name), there, again), asked, size)
    sample_files.save(run, sample)
    if new and findings.content is not None:
        sample_files.save_strata(run, sample_name, _examples(findings), accepting.strata(findings, sample.plan["kind"]))
    terms, counting = sample.plan, _counting(sample.plan)
    said = accepting.answers(sample, there.fold)
    if not (said != accepting.UNCLEAR).any():
        _tell_plan(run, sample, note, json)
        return 1
    keywords = {"limit": terms["max_error"], "confidence": terms["confidence"], "error": terms["reviewer_error"]}
    groups = None if again is None else again.aligned().groups
    stratum = None if new else _strata(run, findings, sample)
    result = accepting.weigh(findings, sample, said, plan=counting, groups=groups, stratum=stratum, **keywords)
    record = {
        "run": str(run),
        "verdict": result.verdict,
        "why": result.why,
        "signed_by": by or getuser(),
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "rows": len(findings),
        "result": asdict(result),
        "plan": terms,
        "sample": asdict(replace(sample, plan={})),
        "data_sha256": _data_hash(findings),
        "decisions_sha256": _hash([asdict(row) for row in decisions]),
        "note": note,
    }
    _write(run, sample_name, record)
    if json:
        from labelsieve.cli.terminal import print_json

        print_json(record)
    else:
        _tell(run, sample, result, len(findings), note)
    return 0 if result.verdict == "accept" else 1


def _begin(findings: Findings, name: str, asked: dict[str, Any], size: int | None, seed: int) -> Sample:
    """The plan that was asked for and its sample."""
    from labelsieve.acceptance import counting_plan
    from labelsieve.acceptance import verdict as accepting

    if asked["max_error"] is None:
        raise UserError("Name the highest share of wrong labels that is good enough, for example --max-error 3%.")
    default = {
        "kind": "sequential",
        "confidence": 0.95,
        "aql": asked["max_error"] / 4,
        "producer_risk": 0.05,
        "reviewer_error": 0.0,
    }
    terms: dict[str, Any] = default | {key: value for key, value in asked.items() if value is not None}
    idle = next((f"--{key.replace('_', '-')}" for key in ("aql", "producer_risk") if asked[key] is not None), None)
    if terms["kind"] == "sequential" and idle:
        raise UserError(f"{idle} goes with --plan single or double; the sequential plan has no use for it.")
    kind, limit, confidence, error = (terms[key] for key in ("kind", "max_error", "confidence", "reviewer_error"))
    if kind == "sequential":
        many = size or accepting.outlook(findings, limit=limit, confidence=confidence, error=error, seed=seed)
    elif error or size:
        raise UserError(
            "--size and --reviewer-error go with the sequential plan; single and double plans count exact answers."
        )
    else:
        make = counting_plan.single if kind == "single" else counting_plan.double
        risks = {"producer_risk": terms["producer_risk"], "consumer_risk": 1 - confidence}
        counting = make(len(findings), aql=terms["aql"], ltpd=limit, **risks)
        terms["counts"], many = asdict(counting), counting.first + counting.second
    return accepting.draw(findings, many, name=name, seed=seed, kind=kind, plan=terms)


def _continue(findings: Findings, sample: Sample, asked: dict[str, Any], size: int | None) -> Sample:
    """The sample that is there, longer if that was asked for. Its plan was fixed before the answers were seen and stays."""
    from labelsieve.acceptance import verdict as accepting

    if "max_error" not in sample.plan:
        raise UserError(f"The sample {sample.name!r} has no acceptance plan; choose another --name.")
    for key, value in asked.items():
        if value is not None and value != sample.plan.get(key):
            option = "--plan" if key == "kind" else f"--{key.replace('_', '-')}"
            raise UserError(
                f"The sample {sample.name!r} was drawn with {option} {sample.plan.get(key)}; a plan is not changed once its sample is "
                "drawn. Leave the option out, or draw a sample of another --name."
            )
    if size is None or size == len(sample.ids):
        return sample
    if sample.plan["kind"] != "sequential" or size < len(sample.ids):
        raise UserError(
            f"The sample {sample.name!r} has {len(sample.ids):,} rows; only a sequential one can be made longer, none shorter."
        )
    longer = accepting.draw(findings, size, name=sample.name, seed=sample.seed, plan=sample.plan)
    if longer.ids[: len(sample.ids)] != sample.ids:
        raise UserError(
            f"The findings have changed since the sample {sample.name!r} was drawn; draw one of another --name."
        )
    return longer


def _counting(terms: dict[str, Any]) -> CountingPlan | None:
    from labelsieve.acceptance.counting_plan import CountingPlan

    return CountingPlan(**terms["counts"]) if "counts" in terms else None


def _share(text: str | None, option: str, below: float = 1.0) -> float | None:
    """A share, in bounds that the option has of its own."""
    if text is None:
        return None
    value = share(text, option)
    if value >= below:
        raise UserError(f"{option} is {text!r}; it lies below {100 * below:.0f} %.")
    if option == "--confidence" and value < 0.5:
        raise UserError(f"{option} is {text!r}; it is at least 50 %.")
    return value


def _again(run: Path, findings: Findings) -> tuple[Reopened | None, str]:
    """The data of now, or None; and what has changed in them, or why they cannot be read again."""
    from labelsieve.store.reopen import reopen

    if findings.settings.get("recipe") is None:
        return None, ""
    try:
        again = reopen(run, findings, thorough=True)
    except UserError as error:
        return None, f"Annotators and groups are not told apart, and the data are not compared: {error.in_words()}"
    return again, " ".join(again.notes())


def _followed(run: Path, sample: Sample, there: Run, again: Reopened | None) -> Sample:
    """The sample under the ids that its examples have in the findings now.

    Raises:
        UserError: one that was drawn is no longer there, or has changed.
    """
    findings = there.findings
    found = there.follow.places(sample.keys)
    lost = [f"{key!r}: {why}" for key, why in zip(sample.ids, found, strict=True) if isinstance(why, str)]
    rows = [i for i in found if not isinstance(i, str)]
    if again is not None:
        lost += [f"{findings.ids[i]!r}: {again.why(i)}" for i in rows if again.at[i] < 0]
    if lost:
        first = "; ".join(lost[:LISTED]) + ("; ..." if len(lost) > LISTED else "")
        raise UserError(
            f"{len(lost)} of the {len(sample.ids):,} rows that the sample {sample.name!r} drew are no longer there as they were ({first}), "
            "so it no longer speaks for the batch; run find on the data again and draw a sample of another --name."
        )
    return replace(sample, ids=tuple(str(findings.ids[i]) for i in rows))


def _strata(run: Path, findings: Findings, sample: Sample) -> Any:
    """(n,) the strata that the sample was drawn from, or None where they were not kept.

    Raises:
        UserError: the batch holds an example that was not there when it was drawn.
    """
    import numpy as np

    from labelsieve.store import sample_files

    kept = sample_files.load_strata(run, sample.name)
    if kept is None or findings.content is None:
        return None
    content, stratum = kept
    at = np.full(len(findings), -1, np.int64)
    place = {key: i for i, key in enumerate(findings.ids.tolist())}
    drawn = [place[key] for key in sample.ids]
    at[drawn] = sample.stratum
    found = _examples(findings)
    old, now = np.lexsort((stratum, content)), np.argsort(found, kind="stable")
    where = np.minimum(np.searchsorted(content[old], found[now]), len(content) - 1)
    there = content[old][where] == found[now]
    at[now] = np.where(at[now] >= 0, at[now], np.where(there, stratum[old][where], -1))
    new = np.flatnonzero(at < 0)
    if len(new):
        first = ", ".join(map(repr, findings.ids[new[:LISTED]].tolist())) + (", ..." if len(new) > LISTED else "")
        raise UserError(
            f"The batch has {len(new):,} examples ({first}) that were not there when the sample {sample.name!r} was drawn, so it does not "
            "speak for them; draw a sample of another --name."
        )
    return at


def _examples(findings: Findings) -> Any:
    """(n,) uint64 that tell the examples apart in a later `find`: their content, or a hash of the id where that is not known."""
    import numpy as np

    from labelsieve.core.content_hash import numbered, tagged

    assert findings.content is not None
    made = np.array(findings.content)
    unknown = np.flatnonzero(made == 0)
    ids = (str(key).encode("utf-8", "surrogatepass") for key in findings.ids[unknown])
    made[unknown] = numbered(b"".join(tagged(b"id", key) for key in ids))
    return made


def _hash(value: Any) -> str:
    return hashlib.sha256(jsonlib.dumps(value, sort_keys=True).encode()).hexdigest()


def _data_hash(findings: Findings) -> str:
    """Of the ids and the labels that were judged."""
    return _hash([findings.ids.tolist(), findings.given.tolist(), list(findings.classes)])


def _write(run: Path, name: str, record: dict[str, Any]) -> None:
    from labelsieve.acceptance.signed_report import markdown
    from labelsieve.core.files import replacing, write_json

    try:
        write_json(run / f"{name}.json", record)
        with replacing(run / f"{name}.md") as partial:
            partial.write_bytes(markdown(record).encode("utf-8", "backslashreplace"))
    except OSError as error:
        raise UserError(f"{run} cannot be written ({error.strerror or error}).") from error


def _tell_plan(run: Path, sample: Sample, note: str, json: bool) -> None:
    from labelsieve.cli.terminal import print_json, printer, prose, safe

    if json:
        print_json(
            {
                "run": str(run),
                "verdict": None,
                "plan": sample.plan,
                "sample": asdict(replace(sample, plan={})),
                "note": note,
            }
        )
        return
    console = printer()
    if note:
        prose(console, safe(note, 600))
    terms = sample.plan
    prose(
        console,
        f"Plan: {terms['kind']}, at most {100 * terms['max_error']:.4g} % wrong, confidence {100 * terms['confidence']:.4g} %.",
    )
    counts = terms.get("counts")
    if counts:
        prose(
            console,
            f"Accept with at most {counts['accept']} wrong among the first {counts['first']:,}; reject with more than {counts['limit']}.",
        )
        if counts["second"]:
            prose(
                console,
                f"Between, review {counts['second']:,} more and accept with at most {counts['limit']} in both together.",
            )
    prose(
        console,
        f"{len(sample.ids):,} rows are drawn, in samples/{sample.name}.json. Review them blind, in their order, then run `accept` again:",
    )
    named = shlex.quote(str(run))
    print(
        f"  labelsieve review {named} --sample {sample.name}\n  labelsieve accept {named} --name {sample.name.removeprefix('accept-')}"
    )


def _tell(run: Path, sample: Sample, result: Acceptance, rows: int, note: str) -> None:
    from rich.text import Text

    from labelsieve.cli.terminal import printer, prose, safe

    console = printer()
    style = {"accept": "bold green", "reject": "bold red", "go on": "bold yellow"}[result.verdict]
    prose(console, Text.assemble((result.verdict.upper(), style), f": {result.why}"))
    unclear = f", {result.unclear:,} without one clear answer" if result.unclear else ""
    prose(console, f"Reviewed {result.reviewed:,} of {len(sample.ids):,} drawn, {result.found:,} wrong{unclear}.")
    for title, parts in (("class", result.classes), ("group", result.groups)):
        for part in sorted(parts, key=lambda p: -p.wrong.low / p.rows)[:5]:
            low, high = 100 * part.wrong.low / part.rows, 100 * part.wrong.high / part.rows
            console.print(
                f"  {title} {safe(part.name, 40)}: {low:.1f} % to {high:.1f} % wrong ({part.reviewed:,} reviewed)"
            )
    if note:
        prose(console, Text(safe(note, 600), "yellow"))
    if result.verdict == "go on":
        longer = (
            " and --size for more rows" if "counts" not in sample.plan and result.reviewed == len(sample.ids) else ""
        )
        console.print(
            f"Continue the review, then run `accept` again with --name {sample.name.removeprefix('accept-')}{longer}."
        )
    prose(console, f"The report is in {safe(str(run / sample.name), 200)}.md and .json.")
