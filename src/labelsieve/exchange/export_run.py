"""`labelsieve.export`: findings and decisions in the formats of other tools."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from labelsieve.core.arguments import require_path, written_to
from labelsieve.core.dataset import Dataset, Exclusion
from labelsieve.core.errors import UserError
from labelsieve.core.new_folder import new_folder, require_new
from labelsieve.core.row_matching import Refused
from labelsieve.encode.pixel_levels import Levels
from labelsieve.exchange.export_rows import Row, rows
from labelsieve.exchange.formats import Tool, module_of
from labelsieve.exchange.label_studio_several import write_several
from labelsieve.places.at_addresses import at_addresses, written_to_address
from labelsieve.store.open_run import Run, compared, with_decisions_of_now
from labelsieve.store.reopen import Reopened, reopen
from labelsieve.store.run_copies import read_run


@dataclass(frozen=True)
class Exported:
    """The result of an export.

    Attributes:
        format: name of the format.
        files: paths of the file or folder and of additional files next to it.
        examples: number of written examples.
        decided: number of written examples with a decision.
        left_out: examples that the data no longer have as `find` read them, with the reason.
        refused: decisions that no longer belong to an example of the run, with the reason.
        notes: notes for the user about the data and the decisions.
    """

    format: str
    files: tuple[Path, ...]
    examples: int
    decided: int
    left_out: tuple[Exclusion, ...] = field(repr=False)
    refused: tuple[Refused, ...] = field(repr=False)
    notes: tuple[str, ...] = field(repr=False)


@at_addresses(run=read_run, out=written_to_address)
def export(run: str | Path | Run, *, to: Tool, out: str | Path) -> Exported:
    """Write the examples with their findings and decisions for another tool.

    Args:
        run: a run folder, or an open run.
        to: the format: "label-studio", "fiftyone", "coco", "csv" or "hf" (a saved Hugging Face data set).
        out: the new file ("label-studio", "csv") or the new folder ("fiftyone", "coco", "hf").

    Returns:
        The written files, and the examples that were left out.

    Raises:
        UserError: there is no such run or format, the data cannot be read again or are of the wrong kind, or `out`
            exists.

    Example:
        >>> ls.export("photos.sieve", to="csv", out="findings.csv")
        Exported(format='csv', files=(PosixPath('findings.csv'),), examples=1208, decided=31)
    """
    tool = module_of(to)
    out, run = require_path(out, "The name of the export"), with_decisions_of_now(run)
    if run.findings.settings.get("several") and to not in ("csv", "label-studio"):
        raise UserError(f"Several labels per example are exported to csv and label-studio, not to {to}.", to="csv")
    exported = rows(run.findings, run.fold, run.p_wrong, run.calibrated.rank)
    levels = Levels.of(run.findings.settings.get("levels"))
    files, notes, left_out = [out], run.unmatched_notes, []
    if to == "csv":
        require_new(out)
        notes += compared(run)
        with written_to(out):
            tool.write(exported, out)
    elif to == "label-studio":
        require_new(out)
        require_new(out.with_name(out.stem + ".config.xml"))
        exported, data, left_out = _present(exported, _reopened(run), notes)
        with written_to(out):
            if data.questions is None:
                files = tool.write(exported, data.inputs, data.kind, run.findings.classes, out, levels)
            else:
                files = write_several(exported, data, out, levels)
        if len(files) > 2:
            notes.append(
                f"The tasks are in {len(files) - 1} files, because Label Studio takes at most 250 MB at once; import "
                "each of them into the same project."
            )
    else:
        exported, data, left_out = _present(exported, _reopened(run), notes)
        with new_folder(out, data.source) as folder:
            tool.write(exported, data.inputs, data.kind, run.findings.classes, folder, levels)
    decided = sum(bool(row.decision) for row in exported)
    return Exported(to, tuple(files), len(exported), decided, tuple(left_out), run.unmatched, tuple(notes))


def _reopened(run: Run) -> Reopened:
    return reopen(run.path, run.findings, thorough=True)


def _present(exported: list[Row], reopened: Reopened, notes: list[str]) -> tuple[list[Row], Dataset, list[Exclusion]]:
    """The rows whose example is in the data, the data in that order, and the left-out rows; extends `notes`."""
    notes += reopened.notes()
    left_out = [Exclusion(exported[i].id, reopened.why(i)) for i in reopened.lost.tolist()]
    if left_out:
        notes.append(f"Left out, because the data no longer have the example as `find` read it: {len(left_out):,}.")
    keep = np.flatnonzero(reopened.at >= 0)
    return [exported[i] for i in keep.tolist()], reopened.aligned().pick(keep), left_out
