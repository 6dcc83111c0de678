"""The most suspicious examples of findings: rows to iterate over, and how a terminal and a notebook show them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from labelsieve.core.printable import visible

if TYPE_CHECKING:
    import pyarrow as pa

    from labelsieve.core.findings import Findings

SHOWN = 50  # rows that a notebook or a terminal shows
PLAIN = 10  # rows of whole findings in a notebook
_STYLE = "text-align:left;vertical-align:middle;padding:2px 8px"


@dataclass(frozen=True)
class Finding:
    """One row of the findings."""

    rank: int
    id: str
    given_label: str
    suggested_label: str
    other_label: str
    p_wrong: float
    flagged: bool


@dataclass(frozen=True, eq=False, repr=False)
class Top(Sequence[Finding]):
    """The m most suspicious examples, the worst first.

    Attributes:
        findings: the whole result that they come from.
        rows: (m,) int64, their positions in the data.
    """

    findings: Findings
    rows: np.ndarray

    def __len__(self) -> int:
        return len(self.rows)

    @overload
    def __getitem__(self, index: int) -> Finding: ...
    @overload
    def __getitem__(self, index: slice) -> Top: ...
    def __getitem__(self, index: int | slice) -> Finding | Top:
        if isinstance(index, slice):
            return Top(self.findings, self.rows[index])
        return finding(self.findings, int(self.rows[index]))

    def __iter__(self) -> Iterator[Finding]:
        return (finding(self.findings, int(row)) for row in self.rows)

    def table(self) -> pa.Table:
        """These rows of `Findings.table`, the worst first."""
        return self.findings.table(ranked=False).take(self.rows)

    def to_pandas(self) -> Any:
        """These rows as a pandas frame."""
        return self.findings.to_pandas(self)

    def __repr__(self) -> str:
        cells: list[tuple[str, ...]] = [("rank", "id", "given", "likely", "p(wrong)")]
        for one in self[:SHOWN]:
            words = (
                visible(text, width) for text, width in ((one.id, 48), (one.given_label, 24), (one.other_label, 24))
            )
            cells.append((str(one.rank), *words, f"{one.p_wrong:.2f}"))
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        lines = [
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells
        ]
        return "\n".join([*lines, *self._rest()])

    def _repr_html_(self) -> str:
        shown = self[:SHOWN]
        samples = None if self.findings.examples is None else self.findings.examples.show(shown.rows.tolist())
        names = ("rank", *(() if samples is None else ("example",)), "id", "given", "likely", "p(wrong)")
        head = "".join(f'<th style="{_STYLE}">{name}</th>' for name in names)
        body = []
        for i, one in enumerate(shown):
            cells = [str(one.rank), *([] if samples is None else [_cell(samples[i])]), escape(visible(one.id, 80))]
            cells += [escape(visible(one.given_label, 40)), escape(visible(one.other_label, 40)), f"{one.p_wrong:.2f}"]
            body.append("<tr>" + "".join(f'<td style="{_STYLE}">{cell}</td>' for cell in cells) + "</tr>")
        rest = "".join(f"<p>{line}</p>" for line in self._rest())
        return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(body)}</tbody></table>{rest}"

    def _rest(self) -> list[str]:
        return [f"and {len(self) - SHOWN:,} more"] if len(self) > SHOWN else []


def finding(findings: Findings, row: int) -> Finding:
    """The finding at a position in the data."""
    names, other = findings.classes, int(findings.other[row])
    given, p = int(findings.given[row]), float(findings.p_wrong[row])
    flagged = bool(findings.flagged[row])
    likely = other if flagged or p > 0.5 else given
    return Finding(
        int(findings.rank[row]), str(findings.ids[row]), names[given], names[likely], names[other], p, flagged
    )


def notebook(findings: Findings, head: str) -> str:
    """Whole findings as HTML: a line about all, the worst examples, the notes."""
    notes = "".join(f"<li>{escape(visible(note, 300))}</li>" for note in findings.notes[:PLAIN])
    return f"<p>{escape(head)}</p>" + findings.top(PLAIN)._repr_html_() + (f"<ul>{notes}</ul>" if notes else "")


def _cell(example: Any) -> str:
    """A small example (`encode.small_example.Sample`) as HTML."""
    if example.picture is not None:
        return f'<img src="{escape(example.picture)}" alt="{escape(example.size)}">'
    if example.text is not None:
        return escape(example.text)
    if example.values:
        return escape(", ".join(f"{name} {value}" for name, value in example.values))
    return f"<i>{escape(example.odd)}</i>"
