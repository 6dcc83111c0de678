"""labelsieve apply: the corrected data set, in the layout it came in."""

from __future__ import annotations

import os
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from cyclopts import Parameter

from labelsieve.cli.options import a_share, folder
from labelsieve.core.errors import UserError

if TYPE_CHECKING:
    from labelsieve.core.conflict import Conflict
    from labelsieve.core.dataset import Dataset
    from labelsieve.corrections.history import History
    from labelsieve.corrections.patch import Change
    from labelsieve.store.reopen import Reopened

SHOWN = 10
LISTED = 5  # ids in a message


def apply(
    source: Annotated[
        str, Parameter(help="A run folder that `find` wrote; with --patch, the data themselves will do.")
    ],
    /,
    *,
    out: Annotated[
        Path | None, Parameter(name=["--out", "-o"], help="The new folder of the corrected copy.", converter=folder)
    ] = None,
    auto: Annotated[
        float | None,
        Parameter(help="Also take the suggestion where p_wrong is at least this, 95% or 0.95.", converter=a_share),
    ] = None,
    dry_run: Annotated[bool, Parameter(help="Say what would change and write nothing.", negative="")] = False,
    patch: Annotated[Path | None, Parameter(help="Apply this patch file, not the decisions of the run.")] = None,
    image: Annotated[str | None, Parameter(help="Column of image paths, where the source is data.")] = None,
    text: Annotated[str | None, Parameter(help="Column of texts, where the source is data.")] = None,
    label: Annotated[str | None, Parameter(help="Column of given labels, where the source is data.")] = None,
    id: Annotated[str | None, Parameter(help="Column of ids, where the source is data.")] = None,
    labels: Annotated[str | None, Parameter(help="File of given labels, where the source is data.")] = None,
    json: Annotated[bool, Parameter(help="Print what changed as one JSON object.", negative="")] = False,
) -> None:
    """Write a corrected copy of the data with a patch of what changed. The source is only read."""
    if out is None and not dry_run:
        raise UserError("Name the new folder with --out, or say --dry-run to see what would change.")
    if auto is not None and patch:
        raise UserError("--patch names its changes itself; leave out --auto.")
    if auto is not None and not 0.5 <= auto <= 1:
        raise UserError(f"--auto {auto:g}: a label has a suggestion only where p_wrong is above 0.5; give 0.5 to 1.")
    named = {"image": image, "text": text, "label": label, "id": id, "labels": labels}
    dataset, changes, conflicts, notes = _wanted(
        source, patch, auto, {name: value for name, value in named.items() if value}
    )
    from labelsieve.corrections import patch as patches

    given = dict(zip(dataset.ids.tolist(), (dataset.classes[c] for c in dataset.labels), strict=True))
    if patch is None:
        changes, done = _open(changes, given)
        notes = [*notes, *done]
        changes, unfit = patches.fitting(changes, given, "this was decided when the given label was")
    else:
        changes, unfit = patches.fitting(changes, given)
    conflicts = [*conflicts, *unfit]
    told: dict[str, Any] = {
        "source": dataset.source,
        "out": None if dry_run else str(out),
        "files": [],
        "renamed": [],
        "notes": notes,
    }
    if not dry_run and out is not None:
        _write(dataset, given, changes, conflicts, out, told)
    told |= {"changes": [asdict(c) for c in changes], "conflicts": [asdict(c) for c in conflicts]}
    told["not_read"] = [asdict(e) for e in dataset.excluded]
    if json:
        from labelsieve.cli.terminal import print_json

        print_json(told)
    else:
        _show(told, changes, conflicts, len(dataset))


def _wanted(
    source: str, path: Path | None, auto: float | None, named: dict[str, str]
) -> tuple[Dataset, list[Change], list[Conflict], list[str]]:
    """The data, the changes that are wanted, what is in conflict already, and notes."""
    from labelsieve.corrections import patch as patches
    from labelsieve.store.run import MANIFEST
    from labelsieve.store.run_reader import require_manifest

    if not os.path.exists(os.path.join(source, MANIFEST)):
        require_manifest(Path(source))
        if path is None:
            raise UserError(
                f"{source} is not a run folder of Labelsieve; name one, or give the changes with --patch FILE."
            )
        from labelsieve.data import load

        dataset = load(source, **named)
        changes, conflicts = patches.followed(patches.read(path), dataset)
        return dataset, changes, conflicts, []
    if named:
        raise UserError(f"A run knows its columns and labels; leave out --{next(iter(named))}.")
    from labelsieve.store.open_run import open_run
    from labelsieve.store.reopen import reopen

    there = open_run(source)
    findings = there.findings
    again = reopen(source, findings, thorough=True)
    dataset = _usable(again)
    if path is not None:
        changes, doubtful = _sure(patches.read(path), again)
        changes, conflicts = patches.followed(changes, dataset)
        return dataset, changes, [*doubtful, *conflicts], again.notes()
    now = datetime.now(UTC).isoformat(timespec="seconds")
    p_wrong = findings.p_wrong if auto is None and not there.decisions else there.p_wrong
    changes, conflicts = patches.decided(findings, there.fold, p_wrong, auto, now)
    barred = there.follow.barred  # somebody decided on these; --auto leaves them alone
    changes = _under_ids_of_now(
        [c for c in changes if c.who != patches.AUTO or c.id not in barred], again, Path(source)
    )
    refused = [patches.Conflict(item.id, f"decided for another example: {item.reason}") for item in there.unmatched]
    return dataset, changes, [*refused, *conflicts], again.notes()


def _open(changes: list[Change], given: dict[str, str]) -> tuple[list[Change], list[str]]:
    """The decisions that are not yet carried out in the data, and a note of those that are."""
    done = [
        change for change in changes if change.new and change.new != change.old and given.get(change.id) == change.new
    ]
    if not done:
        return changes, []
    those = f"{len(done):,} examples have" if len(done) > 1 else "1 example has"
    note = f"{those} the label that was decided on in the data already; the first is {done[0].id!r}."
    left = set(changes) - set(done)
    return [change for change in changes if change in left], [note]


def _sure(changes: list[Change], again: Reopened) -> tuple[list[Change], list[Conflict]]:
    """The changes without those that name by its id alone, without content, an example that had, or has now, another id."""
    from labelsieve.core.conflict import Conflict
    from labelsieve.core.reused_ids import WHY, is_reused

    reused = is_reused(again.findings)
    gone = set(again.findings.ids[again.moved | (again.at < 0)].tolist())
    doubtful = {change.id for change in changes if not change.content and (change.id in gone or reused(change.id))}
    return [c for c in changes if c.content or c.id not in doubtful], [Conflict(key, WHY) for key in sorted(doubtful)]


def _usable(again: Reopened) -> Dataset:
    """The data of now without what `find` could not decode."""
    found, data = again.findings, again.data
    unread = {item.id for item in found.excluded} - set(data.ids[again.at[again.at >= 0]].tolist())
    keep = np.array([key not in unread for key in data.ids.tolist()], bool)
    excluded = {item.id: item for item in (*found.excluded, *data.excluded)}
    return replace(data.take(keep), excluded=tuple(excluded.values()))


def _under_ids_of_now(changes: list[Change], again: Reopened, run: Path) -> list[Change]:
    """The changes, each with the id that its example has in the data now.

    Raises:
        UserError: an example is not there any more, or has changed; then nothing is written.
    """
    if changes and again.findings.content is None and again.relabelled.any():
        first = again.findings.ids[np.flatnonzero(again.relabelled)[0]]
        raise UserError(
            f"The run {run} was made by an older version, which kept no hash of the examples, and {int(again.relabelled.sum())} given "
            f"labels are not those of the run (the first is that of {first!r}), so its rows may have moved. Run find on the data again "
            f"with -o {run}."
        )
    place = {key: i for i, key in enumerate(again.findings.ids.tolist())}
    rows = [place[change.id] for change in changes]
    lost = [f"{change.id!r} ({again.why(i)})" for change, i in zip(changes, rows, strict=True) if again.at[i] < 0]
    lost += [
        f"{change.id!r} (one of several identical examples, of which some have gone)"
        for change, i in zip(changes, rows, strict=True)
        if again.at[i] >= 0 and not change.new and again.copies_gone(i)
    ]
    if lost:
        first = ", ".join(lost[:LISTED]) + (", ..." if len(lost) > LISTED else "")
        raise UserError(
            f"{len(lost)} of the {len(changes)} changes cannot be made, because {again.data.source} no longer holds their examples as "
            f"`find` saw them: {first}. Nothing was written; run find on the data again with -o {run}, which keeps the decisions that "
            "still fit."
        )
    ids = again.data.ids[again.at[rows]].tolist() if rows else []
    return [replace(change, id=key) for change, key in zip(changes, ids, strict=True)]


def _write(
    dataset: Dataset,
    given: dict[str, str],
    changes: list[Change],
    conflicts: list[Conflict],
    out: Path,
    told: dict[str, Any],
) -> None:
    from labelsieve.corrections import patch as patches
    from labelsieve.corrections.destination import new_folder
    from labelsieve.data import paths

    recipe = dict(dataset.recipe or {})
    source = recipe.get("source", "")
    with new_folder(out, source.removeprefix("hf:")) as place:
        if "labels" in recipe:
            _labels(recipe, dataset, changes, place, told)
        elif source.startswith("hf:") and not paths.is_remote(source):
            _hub(recipe, dataset, changes, place, told)
        elif paths.is_folder(source):
            _folder(dataset, given, changes, place, told)
        elif paths.suffix(source) == ".npz":
            _arrays(source, dataset, changes, place, told)
        else:
            _table(recipe, dataset, changes, place, told)
        patches.write(place / patches.FILE, changes, told.pop("more", None))
        if conflicts:
            patches.write_conflicts(place / patches.CONFLICTS, conflicts)
        told["files"] = sorted(entry.name for entry in place.iterdir())


def _labels(recipe: dict[str, str], dataset: Dataset, changes: list[Change], place: Path, told: dict[str, Any]) -> None:
    from labelsieve.corrections.label_list import OWN, apply_labels
    from labelsieve.data.label_file import labels_again

    ids, labels, more = labels_again(recipe, dataset, OWN)
    history = apply_labels(ids, labels, more, changes, place / "labels.csv", by_order="source" not in recipe)
    told["notes"] += _told(history)


def _told(history: History) -> list[str]:
    return [history.note] if history.note else []


def _hub(recipe: dict[str, str], dataset: Dataset, changes: list[Change], place: Path, told: dict[str, Any]) -> None:
    from labelsieve.corrections.huggingface import apply_hub
    from labelsieve.corrections.plan import plan
    from labelsieve.data.columns import Columns
    from labelsieve.data.hub import columns_of, open_split

    asked = Columns(recipe.get("label"), recipe.get("text"), recipe.get("image"), recipe.get("id"), recipe.get("group"))
    found, source = open_split(recipe["source"])
    columns = columns_of(found, asked, False, source)
    told["notes"] += _told(apply_hub(found, str(columns.label), plan(len(found), dataset, changes), place / "data"))


def _folder(dataset: Dataset, given: dict[str, str], changes: list[Change], place: Path, told: dict[str, Any]) -> None:
    from labelsieve.corrections.class_folders import apply_folder
    from labelsieve.corrections.folder_history import carry
    from labelsieve.data import paths

    if paths.is_remote(dataset.source):
        raise UserError(
            f"{dataset.source} is an address; a corrected copy is made of a local folder. Download it first."
        )
    files = dict(zip(dataset.ids.tolist(), dataset.inputs.paths, strict=True))  # pyright: ignore[reportAttributeAccessIssue]
    goals = apply_folder(files, given, changes, place)
    told["renamed"] = [
        {"id": key, "file": goal}
        for key, goal in goals.items()
        if os.path.basename(goal) != os.path.basename(files[key])
    ]
    told["more"] = carry(Path(dataset.source), place, goals, given, changes)


def _arrays(source: str, dataset: Dataset, changes: list[Change], place: Path, told: dict[str, Any]) -> None:
    from labelsieve.corrections.npz import apply_npz
    from labelsieve.corrections.plan import plan
    from labelsieve.data import paths
    from labelsieve.data.array_file import read_npz

    n = len(read_npz(source)["labels"])
    told["notes"] += _told(apply_npz(source, plan(n, dataset, changes), place / os.path.basename(source), paths.opened))


def _table(recipe: dict[str, str], dataset: Dataset, changes: list[Change], place: Path, told: dict[str, Any]) -> None:
    from labelsieve.corrections.class_folders import copy_beside
    from labelsieve.corrections.plan import plan
    from labelsieve.corrections.table_file import apply_table
    from labelsieve.data import paths
    from labelsieve.data.columns import Columns
    from labelsieve.data.readers import open_table
    from labelsieve.data.table import roles

    source = recipe["source"]
    asked = Columns(recipe.get("label"), recipe.get("text"), recipe.get("image"), recipe.get("id"), recipe.get("group"))
    file = open_table(source)
    columns, _ = roles(file, asked, source, False)
    n = len(file.read(Columns(label=columns.label)))
    out = place / os.path.basename(source)
    told["notes"] += _told(apply_table(source, str(columns.label), plan(n, dataset, changes), out, paths.opened))
    pictures = getattr(dataset.inputs, "paths", None)
    if pictures and not paths.is_remote(source):
        gone = {change.id for change in changes if not change.new}
        kept = [path for key, path in zip(dataset.ids, pictures, strict=True) if key not in gone]
        left = copy_beside(kept, os.path.dirname(source), place)
        if left:
            told["notes"].append(
                f"{left:,} images outside the folder of the table were not copied; the table names them as before."
            )


def _show(told: dict[str, Any], changes: list[Change], conflicts: list[Conflict], n: int) -> None:
    from rich.text import Text

    from labelsieve.cli.id_table import print_rows, whole
    from labelsieve.cli.terminal import printer, safe

    console = printer()
    gone = sum(not change.new for change in changes)
    auto = sum(change.who == "auto" for change in changes)
    made = "would be " if told["out"] is None else ""
    console.print(
        f"Of {n:,} examples {len(changes) - gone:,} {made}relabelled ({auto:,} of them by --auto) and {gone:,} {made}left out."
    )
    if changes:
        rows = [
            (whole(c.id), safe(c.old, 14), safe(c.new or "(left out)", 14), safe(c.who, 12), safe(c.why, 120))
            for c in changes[:SHOWN]
        ]
        print_rows(
            console, "What changed" if told["out"] else "What would change", ("id", "old", "new", "who", "why"), rows
        )
        if len(changes) > SHOWN:
            console.print(f"and {len(changes) - SHOWN:,} more, see patch.csv or --json")
    for title, rows in (
        ("Conflicts, on which nothing was done", [(c.id, c.reason) for c in conflicts]),
        (
            "Under another name, because the folder had one of theirs",
            [(row["id"], row["file"]) for row in told["renamed"]],
        ),
        ("Not read by the run", [(row["id"], row["reason"]) for row in told["not_read"]]),
    ):
        if rows:
            console.print(f"{title}: {len(rows):,}")
            for key, what in rows[:SHOWN]:
                console.print(Text(f"  {whole(key)}: {safe(what, 200)}"))
    for note in told["notes"]:
        console.print(Text(safe(note, 300)))
    if told["out"]:
        console.print(Text(f"{safe(told['out'], 200)}: {', '.join(safe(name, 40) for name in told['files'][:SHOWN])}"))
    else:
        console.print("Nothing was written.")
