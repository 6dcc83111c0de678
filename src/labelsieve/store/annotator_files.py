"""The files of several annotators in a run folder: `consensus.csv` (id, label, p, votes), `annotators.csv` (one row per
annotator), `ask.csv` (votes to ask for, to be filled in), `votes.parquet` (id, annotator, label, p_right of every vote)
and `annotators.json`, which is read again."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from labelsieve.core.annotators import Annotators
from labelsieve.core.errors import UserError, cause
from labelsieve.core.files import replacing, write_json
from labelsieve.core.vote_list import in_order

if TYPE_CHECKING:
    from labelsieve.core.findings import Findings

CONSENSUS, TABLE, VOTES, REST = "consensus.csv", "annotators.csv", "votes.parquet", "annotators.json"
ASK = "ask.csv"
AGAIN = "run the same `labelsieve find` command again; it rewrites the file and keeps the decisions"


def save(findings: Findings, folder: Path) -> None:
    """Write the files, or remove those of an earlier run if there are no votes now."""
    found = findings.annotators
    if found is None or found.votes is None or found.p_right is None:
        for name in (CONSENSUS, TABLE, ASK, VOTES, REST):
            (folder / name).unlink(missing_ok=True)
        return
    import pyarrow as pa
    import pyarrow.parquet as pq

    votes, names = found.votes, pa.array(findings.classes, pa.string())
    columns = {
        "id": pa.array(findings.ids, pa.string()).take(pa.array(votes.example)),
        "annotator": pa.array(votes.annotators, pa.string()).take(pa.array(votes.annotator)),
        "label": names.take(pa.array(votes.label)),
        "p_right": pa.array(found.p_right, pa.float64()),
    }
    with replacing(folder / VOTES) as partial, open(partial, "wb") as file:
        pq.write_table(pa.table(columns), file, write_page_checksum=True)
    likely = np.array(findings.classes, object)[findings.suggestions["votes"]]
    p, count = findings.extra["p_consensus"], findings.extra["votes"]
    rows = zip(findings.ids.tolist(), likely.tolist(), (f"{one:.4f}" for one in p), count.tolist(), strict=True)
    _write(folder / CONSENSUS, ["id", "label", "p", "votes"], rows)
    table = found.table()
    _write(folder / TABLE, table.column_names, zip(*(column.to_pylist() for column in table.columns), strict=True))
    ask = ((one.id, next(iter(one.annotators), ""), "") for one in found.ask)
    _write(folder / ASK, ["id", "annotator", "label"], ask)  # the consensus would sway who is asked
    write_json(folder / REST, found.plain())


def _write(path: Path, header: list[str], rows) -> None:
    with replacing(path) as partial, open(partial, "w", newline="", encoding="utf-8", errors="surrogateescape") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)


def read(folder: Path) -> Annotators | None:
    """What `save` wrote, without the votes; None if the run has no votes.

    Raises:
        UserError: the file is damaged.
    """
    path = folder / REST
    if not path.exists():
        return None
    try:
        return Annotators.of_plain(json.loads(path.read_text(encoding="utf-8")), None, None)
    except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise UserError(f"{path} is damaged ({cause(error)}); {AGAIN}.") from error


def with_votes(found: Annotators, folder: Path, findings: Findings) -> Annotators:
    """The annotators with the votes, too.

    Raises:
        UserError: the file of the votes is damaged.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = folder / VOTES
    try:
        with open(path, "rb") as file:
            table = pq.read_table(file, page_checksum_verification=True)
        coded = {name: table[name].dictionary_encode().combine_chunks() for name in ("id", "annotator", "label")}
        places = {
            "id": {key: i for i, key in enumerate(findings.ids.tolist())},
            "annotator": {name: i for i, name in enumerate(sorted(coded["annotator"].dictionary.to_pylist()))},
            "label": {name: i for i, name in enumerate(findings.classes)},
        }
        example, annotator, label = (
            np.array([places[name][value] for value in one.dictionary.to_pylist()], np.int32)[one.indices.to_numpy()]
            for name, one in coded.items()
        )
        votes = in_order(example, annotator, label, tuple(places["annotator"]), len(findings))
        order = np.lexsort((label, annotator, example))
        return replace(found, votes=votes, p_right=table["p_right"].to_numpy()[order])
    except (OSError, ValueError, KeyError, pa.ArrowException) as error:
        raise UserError(f"{path} is damaged ({cause(error)}); {AGAIN}.") from error
