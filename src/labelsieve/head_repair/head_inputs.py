"""The inputs of a head for its training examples, with their given labels: .npz files to which `repair` fits the
head."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from labelsieve.core.errors import UserError
from labelsieve.head_repair.head_file import SavedModel, read_npz


def recorded(saved: SavedModel) -> list[Path]:
    """Return the files that the model folder lists, one per head.

    Raises:
        UserError: the folder lists none, or one is missing.
    """
    files = [saved.path / name for name in saved.manifest.get("features") or ()]
    if not files:
        raise UserError(
            f"{saved.path} does not contain the inputs of its head; pass <features> with features and labels.",
            features="FILE.npz",
        )
    missing = next((path for path in files if not path.is_file()), None)
    if missing is not None:
        raise UserError(
            f"{missing}, the inputs of the head, is missing; restore it, or pass <features> with features and labels.",
            features="FILE.npz",
        )
    return files


def read_inputs_of(path: Path, classes: Sequence[str] | None) -> tuple[np.ndarray, np.ndarray]:
    """Return features (n, d) and labels (n,) as positions; text labels are looked up in the classes of the model.

    Raises:
        UserError: the file cannot be read, or its arrays do not fit each other or the classes.
    """
    arrays = read_npz(path)
    if "features" not in arrays or "labels" not in arrays:
        raise UserError(f"{path} should hold the arrays features and labels; it holds: {', '.join(arrays) or 'none'}.")
    features, labels = arrays["features"], arrays["labels"]
    if features.ndim != 2 or features.dtype.kind not in "fiu" or labels.shape != features.shape[:1] or not len(labels):
        raise UserError(
            f"{path}: features {features.shape} should be numbers (n, d), and labels {labels.shape} one per row, (n,)."
        )
    return features, labels if labels.dtype.kind in "iu" else _positions(labels, classes or (), path)


def _positions(labels: np.ndarray, classes: Sequence[str], path: Path) -> np.ndarray:
    positions = {name: i for i, name in enumerate(classes)}
    unknown = next((str(name) for name in labels.tolist() if str(name) not in positions), None)
    if unknown is not None:
        known = (
            f"its classes are {', '.join(map(str, classes[:10]))}"
            if classes
            else "it has no class names: use positions"
        )
        raise UserError(f"{path}: the label {unknown!r} is not a class of the model ({known}).")
    return np.array([positions[str(name)] for name in labels.tolist()])
