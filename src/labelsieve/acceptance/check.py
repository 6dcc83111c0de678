"""`check`: does a data set, after its decisions, keep its contract? With files for build servers and pull requests."""

from __future__ import annotations

from dataclasses import dataclass
from os import PathLike
from pathlib import Path

from labelsieve.acceptance.check_files import junit_xml, markdown_table
from labelsieve.core.arguments import require_path
from labelsieve.core.errors import UserError
from labelsieve.core.files import replacing
from labelsieve.decide import contract as rules_of
from labelsieve.decide.contract import Rule
from labelsieve.places.at_addresses import at_addresses, read_from, written_to_address
from labelsieve.store.open_run import Run, require_current, with_decisions_of_now
from labelsieve.store.run_copies import read_run


@dataclass(frozen=True, repr=False)
class ContractCheck:
    """What `check` returns.

    Attributes:
        holds: every rule holds.
        rules: the result of each rule that the contract names, with the offending ids.
        notes: what has changed in the data since `find`, or why the data could not be compared.
    """

    run: Path
    contract: Path
    holds: bool
    rules: tuple[Rule, ...]
    notes: tuple[str, ...]

    def __repr__(self) -> str:
        broken = [rule.name for rule in self.rules if not rule.holds]
        what = f"broken: {', '.join(broken)}" if broken else f"all {len(self.rules)} rules hold"
        return f"ContractCheck({self.run}: {what})"


@at_addresses(run=read_run, contract=read_from, against=read_run, junit=written_to_address, markdown=written_to_address)
def check(
    run: str | PathLike[str] | Run,
    *,
    contract: str | PathLike[str],
    against: str | PathLike[str] | Run | None = None,
    junit: str | PathLike[str] | None = None,
    markdown: str | PathLike[str] | None = None,
) -> ContractCheck:
    """Check a data set, after its decisions, against a contract.

    Args:
        run: the run folder that `find` wrote, or a `Run`.
        contract: the TOML file of the rules (docs/gate.md).
        against: the run folder of the last version, for the rule no_worse_than_last.
        junit: a file to write the verdict to as JUnit XML.
        markdown: a file to write the verdict to as a Markdown table.

    Raises:
        UserError: the run does not exist, the contract cannot be read, the data have changed since `find`, or a file
            cannot be written.

    >>> ls.check("photos.sieve", contract="labels.toml").holds  # doctest: +SKIP
    True
    """
    rules_file = require_path(contract, "The contract")
    files = [
        (require_path(path, f"The file of {name}"), make)
        for path, name, make in ((junit, "junit", junit_xml), (markdown, "markdown", markdown_table))
        if path is not None
    ]
    limits = rules_of.read_contract(rules_file)
    if against is not None and not limits.no_worse_than_last:
        raise UserError(
            f"<against> is not used: {rules_file} has no rule no_worse_than_last = true. Add the rule, or leave out "
            "<against>.",
            against="",
        )
    opened = with_decisions_of_now(run)
    notes = require_current(opened)
    rules = rules_of.check(limits, opened.now, None if against is None else with_decisions_of_now(against).now)
    for path, make in files:
        _write(path, make(rules, str(opened.path)))
    return ContractCheck(opened.path, rules_file, all(rule.holds for rule in rules), rules, tuple(notes))


def _write(path: Path, text: str) -> None:
    try:
        with replacing(path) as partial:
            partial.write_bytes(text.encode("utf-8", "backslashreplace"))
    except OSError as error:
        raise UserError(f"{path} cannot be written ({error.strerror or error}).") from error
