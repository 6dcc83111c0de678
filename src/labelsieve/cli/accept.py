"""labelsieve accept: is a batch that came back from annotators good enough?"""

from __future__ import annotations

from typing import Annotated, Literal

from cyclopts import Parameter

from labelsieve.cli.options import SEEDS, Place, within


def accept(
    run: Annotated[Place, Parameter(help="A run folder that `find` wrote for the batch.")],
    /,
    *,
    max_error: Annotated[
        str | None, Parameter(help="The highest acceptable share of wrong labels, as 3 % or 0.03.")
    ] = None,
    confidence: Annotated[
        str | None, Parameter(help="Confidence of the verdict and the intervals; default: 95 %.")
    ] = None,
    plan: Annotated[
        Literal["sequential", "single", "double"] | None, Parameter(help="How to sample; default: sequential.")
    ] = None,
    aql: Annotated[
        str | None,
        Parameter(
            help="For single and double: a share of wrong labels that should pass; default: a quarter of --max-error."
        ),
    ] = None,
    producer_risk: Annotated[
        str | None, Parameter(help="For single and double: probability of rejecting a batch at --aql; default: 5 %.")
    ] = None,
    reviewer_error: Annotated[
        str | None, Parameter(help="The highest share of examples that reviewers judge wrongly; default: 0.")
    ] = None,
    size: Annotated[
        int | None,
        Parameter(
            help="Rows of a sequential sample; a larger number extends it. Default: the number expected to be enough.",
            converter=within((1, 10**9)),
        ),
    ] = None,
    name: Annotated[str, Parameter(help="Name of the sample.")] = "batch",
    seed: Annotated[int, Parameter(help="Same seed, same sample.", converter=within(SEEDS))] = 0,
    by: Annotated[str, Parameter(help="Who signs the report; default: the user who is logged in.")] = "",
    json: Annotated[bool, Parameter(help="Print one JSON object.", negative="")] = False,
) -> int:
    """Draw a sample to review, then accept, reject or go on. Exit code 0: accept, 1: reject or go on, 2: an error."""
    from labelsieve.acceptance.accept import accept as judge
    from labelsieve.cli.terminal import print_json

    batch = judge(
        run,
        max_error=max_error,
        confidence=confidence,
        plan=plan,
        aql=aql,
        producer_risk=producer_risk,
        reviewer_error=reviewer_error,
        size=size,
        name=name,
        seed=seed,
        by=by,
    )
    if json:
        print_json(batch.record)
    else:
        from labelsieve.cli.acceptance_text import show

        show(batch, run)
    return 0 if batch.verdict == "accept" else 1
