"""The model folder that training writes: weights, model.json, history, examples, training dynamics, head inputs."""

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
from labelsieve.places.working_copy import origin
from labelsieve.store import run
from labelsieve.training.classifier import EXAMPLES

if TYPE_CHECKING:
    import pyarrow as pa

    from labelsieve.engine.samples import Samples
    from labelsieve.engine.session import Session
    from labelsieve.engine.trained import Trained
    from labelsieve.training.classifier import Model

CACHE = "features"  # features of the encoder, kept until the training has finished


def claim(folder: Path, source: str) -> Path:
    """Return the folder, created if it does not exist, claimed for a model of `source`.

    Raises:
        UserError: it is a file, holds other files or a model of other data, or cannot be written.
    """
    if folder.is_file():
        raise UserError(f"{folder} is a file; choose a folder for the model with <out>.", out="")
    sweep(folder)
    manifest = folder / model_file.MANIFEST
    if folder.is_dir() and not manifest.exists() and any(folder.iterdir()):
        raise UserError(
            f"{folder} is not empty and is not a model of Labelsieve; choose another folder with <out>, or empty this "
            "one.",
            out="",
        )
    try:
        if folder.exists() and not os.access(folder, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        if not manifest.exists() or _only_begun(folder, source):
            shutil.rmtree(folder / CACHE, ignore_errors=True)
            write_json(manifest, {"finished": False, "source": source})
        old_source = json.loads(manifest.read_bytes()).get("source")
    except OSError as error:
        raise UserError(
            f"{folder} cannot be written ({error.strerror or error}); choose another folder with <out>.", out=""
        ) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(
            f"{manifest} is damaged or was not written by Labelsieve; choose another folder with <out>.", out=""
        ) from error
    if old_source != source:
        raise UserError(
            f"{folder} holds a model of {old_source or 'other data'}, not of {source or 'these'}; choose another "
            "folder with <out>.",
            out="",
        )
    return folder


def _only_begun(folder: Path, source: str) -> bool:
    """Whether the folder holds only the claim of a run on another source that failed before its first epoch."""
    manifest = json.loads((folder / model_file.MANIFEST).read_bytes())
    return (
        not manifest["finished"]
        and manifest["source"] != source
        and {path.name for path in folder.iterdir()} <= {model_file.MANIFEST, CACHE}
    )


def replaced(folder: Path) -> str | None:
    """A note on the finished model in the folder that the new one will replace, or None."""
    manifest = json.loads((folder / model_file.MANIFEST).read_bytes())
    if not manifest.get("finished"):
        return None
    made_by = f"{manifest.get('method')}, {manifest.get('network')}, seed {manifest.get('seed')}"
    return f"It replaced the earlier model in {origin(folder)} ({made_by})."


def save(model: Model, folder: Path, data: Dataset, session: Session, trained: Trained, ready: Samples) -> None:
    """Write the model folder, the weights last, so that a folder with weights is complete; then remove the checkpoint.

    Raises:
        UserError: the folder cannot be written; the checkpoint is kept.
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
            f"The model cannot be written into {folder} ({error.strerror or error}); the last checkpoint is intact. "
            "Fix this and run the same command again."
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

    features = outputs(net, ready, net.features).half().cpu().numpy()
    with replacing(path) as partial, open(partial, "wb") as file:
        np.savez(file, features=features, labels=labels)
