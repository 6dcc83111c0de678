"""True labels of several labels per example, from a table in a form of the data: lists of names, or a column of 0 and 1
for each class (oracle; see `truth`)."""

from __future__ import annotations

import numpy as np

from labelsieve.core.errors import UserError
from labelsieve.core.findings import Findings
from labelsieve.core.questions import NOT
from labelsieve.data.label_file import ids_in, keyed
from labelsieve.data.label_sets import LabelSets, class_columns, of_table
from labelsieve.data.labels import require_unique
from labelsieve.data.readers import READERS, TableFile, open_table
from labelsieve.places import paths


def true_answers(path: str, findings: Findings) -> tuple[list[str | None], tuple[str, ...]] | None:
    """The true answer to each of N questions, None where the file has none, and notes; None instead if the findings are
    no questions, or the file is no table of examples: no table at all, or one that names the questions.

    Raises:
        UserError: it is not clear which columns say the classes, or none of them is one of the run.
    """
    if not findings.settings.get("several") or not paths.is_file(path) or paths.suffix(path) not in READERS:
        return None
    own = ids_in(path)
    if own is not None and not set(own).isdisjoint(findings.ids.tolist()):
        return None
    about, asked = findings.extra["example"].tolist(), findings.extra["asked"].tolist()
    examples = list(dict.fromkeys(about))
    sets, keys, notes = _read(path, findings, examples)
    if keys is None and len(sets) != len(examples):
        raise UserError(f"{path} has {len(sets)} rows for the {len(examples)} examples of the run; add a column id.")
    keys = examples if keys is None else keys
    require_unique(keys, path)
    row = {key: i for i, key in enumerate(keys) if i not in sets.unknown}
    place = {name: c for c, name in enumerate(sets.names)}
    if place.keys().isdisjoint(asked):
        raise UserError(
            f"{path} has no class of the run; its classes are like {sets.names[:1]}, the run's {asked[0]!r}."
        )
    if row.keys().isdisjoint(examples):
        raise UserError(f"{path} has labels for no example of the run, whose ids look like {examples[0]!r}.")
    lists = len(sets.columns) == 1 and sets.names != sets.columns
    answers = []
    for example, name in zip(about, asked, strict=True):
        if example not in row or not (lists or name in place):
            answers.append(None)
        else:
            yes = name in place and bool(np.asarray(sets.given)[row[example], place[name]])
            answers.append(name if yes else NOT + name)
    return answers, notes


def _read(path: str, findings: Findings, examples: list[str]) -> tuple[LabelSets, list[str | None] | None, tuple]:
    """The sets of a table, the example of each of its rows (None: they are in the order of the run), and notes."""
    file = open_table(path)
    label = _label(file, path, (findings.settings.get("recipe") or {}).get("label"), findings)
    columns = class_columns(file, label, path, ["id"])
    numbered = examples == [str(i) for i in range(len(examples))]
    keys, _, notes = keyed(path, examples, columns[0], None, numbered)
    return of_table(file, label, path, ["id"]), keys, notes


def _label(file: TableFile, path: str, label: str | None, findings: Findings) -> str | None:
    """The columns of the classes, as in `label_sets.of_table`: those of the data, or those that the table shows."""
    for one in (label, None):
        try:
            class_columns(file, one, path, ["id"])
            return one
        except UserError:
            continue
    raise UserError(
        f"It is not clear which columns of {path} say the true classes; name them as in the data, or give a row for "
        f"each question: id (such as {findings.ids[0]}) and label ({findings.classes[0]} or {findings.classes[1]})."
    )
