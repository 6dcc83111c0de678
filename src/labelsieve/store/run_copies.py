"""Run and model folders at addresses: how each command works on the local copy."""

from __future__ import annotations

import json
from contextlib import closing
from functools import partial
from pathlib import Path

from labelsieve.core.run_files import MANIFEST
from labelsieve.places.working_copy import Kind, working_copy
from labelsieve.store.journal import FILE, Journal

LARGE = ("features/", "evidence/", "thumbs/")  # not needed to read findings and decisions
SHARED = ("features/shard-", "features/manifest.parquet", "evidence/lists-")  # for workers, who read the address
REPORT = "report.html"


def _unfinished(manifest: Path) -> bytes:
    """The manifest while the other files are uploaded: a reader is told that the run has not finished."""
    whole = json.loads(manifest.read_text(encoding="utf-8"))
    settings = whole.get("settings", {})
    return json.dumps({"finished": False, "settings": {"source": settings.get("source", "")}}).encode()


def _closed(folder: Path) -> None:
    """Write what is in the log of the journal into its file."""
    if (folder / FILE).exists():
        with closing(Journal(folder)) as journal:
            journal.fold_log()


def _merged(old: Path, new: Path) -> None:
    """Add the decisions that were never uploaded to those that somebody else has uploaded since."""
    if (old / FILE).exists():
        with closing(Journal(old)) as journal, closing(Journal(new)) as target:
            target.append(journal.read()[0])


MODEL = Kind("model.json")
RUN = Kind(MANIFEST, begun=_unfinished, ready=_closed, merge=_merged)

read_run = partial(working_copy, kind=RUN, writes=False, without=LARGE)
write_run = partial(working_copy, kind=RUN, writes=True, without=SHARED)
decide_run = partial(working_copy, kind=RUN, writes=True, without=LARGE)
report_run = partial(working_copy, kind=RUN, writes=False, without=LARGE, only=(REPORT,))
read_model = partial(working_copy, kind=MODEL, writes=False)
write_model = partial(working_copy, kind=MODEL, writes=True)
