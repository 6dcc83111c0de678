"""labelsieve check: does the data set meet its contract?"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from labelsieve.cli.options import Place

if TYPE_CHECKING:
    from labelsieve.acceptance.check import ContractCheck


def check(
    run: Annotated[Place, Parameter(help="A run folder that `find` wrote.")],
    /,
    *,
    contract: Annotated[Place, Parameter(help="A TOML file with the rules.")],
    against: Annotated[
        Place | None, Parameter(help="The run of the previous version, for the rule no_worse_than_last.")
    ] = None,
    junit: Annotated[Place | None, Parameter(help="Write the verdict as JUnit XML, for a build server.")] = None,
    markdown: Annotated[
        Place | None, Parameter(help="Write the verdict as a Markdown table, for a pull request.")
    ] = None,
    json: Annotated[bool, Parameter(help="Print one JSON object.", negative="")] = False,
) -> int:
    """Check a data set, with its decisions, against a contract. Exit code 0: it holds, 1: it is broken, 2: an error."""
    from labelsieve.acceptance.check import check as check_contract
    from labelsieve.cli.terminal import print_json

    verdict = check_contract(run, contract=contract, against=against, junit=junit, markdown=markdown)
    if json:
        rules = [asdict(rule) for rule in verdict.rules]
        about = {"run": str(run), "contract": str(contract), "holds": verdict.holds}
        print_json({**about, "rules": rules, "notes": verdict.notes})
    else:
        _show(verdict)
    return 0 if verdict.holds else 1


def _show(verdict: ContractCheck) -> None:
    from rich.text import Text

    from labelsieve.cli.id_table import whole
    from labelsieve.cli.terminal import printer, prose, safe

    console = printer()
    for rule in verdict.rules:
        mark = ("holds ", "green") if rule.holds else ("BROKEN", "bold red")
        prose(console, Text.assemble(mark, f"  {rule.name}: {safe(rule.sentence, 400)}"))
        if rule.ids:
            more = f" and {rule.offending - 5:,} more" if rule.offending > 5 else ""
            console.print(Text("        " + ", ".join(map(whole, rule.ids[:5])) + more, "dim"))
    for note in verdict.notes:
        prose(console, Text(safe(note, 400), "yellow"))
    broken = sum(not rule.holds for rule in verdict.rules)
    conclusion = f"{broken} of {len(verdict.rules)} rules are broken." if broken else "the contract holds."
    console.print(f"\n{safe(str(verdict.run), 200)}: {conclusion}")
