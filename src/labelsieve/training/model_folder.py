"""What a training leaves in its folder: weights and model.json, history, examples, training dynamics, the head's inputs."""

from __future__ import annotations

import errno
import json
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from labelsieve.core.dataset import Dataset
from labelsieve.core.errors import UserError
from labelsieve.core.files import replacing, sweep, write_array, write_json
from labelsieve.engine import model_file
from labelsieve.store import run
from labelsieve.training.classifier import EXAMPLES

if TYPE_CHECKING:
    import pyarrow as pa

    from labelsieve.engine.samples import Samples
    from labelsieve.engine.session import Session
    from labelsieve.engine.trained import Trained
    from labelsieve.training.classifier import Model

CACHE = "features"  # those of the encoder, until the training has finished


def claim(folder: Path, source: str) -> Path:
    """The folder, made if it is not there, for a model of `source`.

    Raises:
        UserError: it is a file, a folder with other things in it, a model of other data, or cannot be written.
    """
    if folder.is_file():
        raise UserError(f"{folder} is a file; name a folder for the model with <out>.", out="")
    sweep(folder)
    manifest = folder / model_file.MANIFEST
    if folder.is_dir() and not manifest.exists() and any(folder.iterdir()):
        raise UserError(
            f"{folder} is not empty and is not a model of Labelsieve; name another folder with <out>, or empty it.",
            out="",
        )
    try:
        if folder.exists() and not os.access(folder, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        if not manifest.exists() or _only_begun(folder, source):
            shutil.rmtree(folder / CACHE, ignore_errors=True)
            write_json(manifest, {"finished": False, "source": source})
        before = json.loads(manifest.read_bytes()).get("source")
    except OSError as error:
        raise UserError(
            f"{folder} cannot be written ({error.strerror or error}); name another folder with <out>.", out=""
        ) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(
            f"{manifest} is damaged or not of Labelsieve; name another folder with <out>.", out=""
        ) from error
    if before != source:
        raise UserError(
            f"{folder} holds a model of {before or 'other data'}, not of {source or 'these'}; name another folder with <out>.",
            out="",
        )
    return folder


def _only_begun(folder: Path, source: str) -> bool:
    """Whether nothing is there yet but the claim of a run on another source, which failed before its first epoch."""
    said = json.loads((folder / model_file.MANIFEST).read_bytes())
    return (
        not said["finished"]
        and said["source"] != source
        and {path.name for path in folder.iterdir()} <= {model_file.MANIFEST, CACHE}
    )


def replaced(folder: Path) -> str | None:
    """A note of the model that lies in the folder, finished, until this one takes its place."""
    before = json.loads((folder / model_file.MANIFEST).read_bytes())
    if not before.get("finished"):
        return None
    return f"It replaced the model that was in {folder} ({before.get('method')}, {before.get('network')}, seed {before.get('seed')})."


def save(model: Model, folder: Path, data: Dataset, session: Session, trained: Trained, ready: Samples) -> None:
    """Everything else first, the weights last: who finds them finds all. Then the checkpoint and the cache go.

    Raises:
        UserError: it cannot be written; the checkpoint is still there.
    """
    try:
        _write_tables(folder, data, session, trained)
        files = []
        for i, net in enumerate(trained.nets):
            if hasattr(net, "head") and hasattr(net, "features"):  # what `repair` needs
                files.append(f"head_inputs{i}.npz")
                _write_head_inputs(folder / files[-1], net, ready, data.labels)
        model.save(folder, features=files)
    except OSError as error:
        raise UserError(
            f"The model cannot be written into {folder} ({error.strerror or error}); the last checkpoint is intact. Mend that and "
            "give the same command again."
        ) from error
    session.finish()
    shutil.rmtree(folder / CACHE, ignore_errors=True)


def _write_tables(folder: Path, data: Dataset, session: Session, trained: Trained) -> None:
    import pyarrow as pa

    names = dict.fromkeys(name for epoch in session.history for name in epoch)
    run.write_excluded(folder / run.EXCLUDED, data.excluded)
    _write_table(
        folder / "history.parquet", pa.table({name: [epoch.get(name) for epoch in session.history] for name in names})
    )
    given = np.array(data.classes, object)[data.labels]
    examples = {"id": pa.array(data.ids.tolist(), pa.string()), "given_label": pa.array(given.tolist(), pa.string())}
    if trained.p_wrong is not None:
        examples["p_wrong"] = pa.array(np.asarray(trained.p_wrong, np.float64))
    _write_table(folder / EXAMPLES, pa.table(examples))
    if session.dynamics is not None:
        for name, column in vars(session.dynamics).items():
            write_array(folder / "record" / f"{name}.npy", column)


def _write_table(path: Path, table: pa.Table) -> None:
    import pyarrow.parquet as pq

    with replacing(path) as partial, open(partial, "wb") as file:
        pq.write_table(table, file)


def _write_head_inputs(path: Path, net, ready: Samples, labels: np.ndarray) -> None:
    from labelsieve.engine.samples import outputs

    seen = outputs(net, ready, net.features).half().cpu().numpy()
    with replacing(path) as partial, open(partial, "wb") as file:
        np.savez(file, features=seen, labels=labels)
