"""What entered a head for its training examples, with their given labels: the .npz files that `repair` fits the head to."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from labelsieve.core.errors import UserError
from labelsieve.head_repair.head_file import SavedModel, read_npz


def recorded(saved: SavedModel) -> list[Path]:
    """The files that the model folder names, one for each head.

    Raises:
        UserError: it names none, or one is gone.
    """
    named = [saved.path / name for name in saved.manifest.get("features") or ()]
    if not named:
        raise UserError(
            f"{saved.path} does not say what its head was trained on; give <features> with features and labels.",
            features="FILE.npz",
        )
    gone = next((path for path in named if not path.is_file()), None)
    if gone is not None:
        raise UserError(
            f"{gone} is missing, what the head was trained on; put it back, or give <features> with features and labels.",
            features="FILE.npz",
        )
    return named


def read_inputs_of(path: Path, classes: Sequence[str] | None) -> tuple[np.ndarray, np.ndarray]:
    """Features (n, d) and labels (n,) as positions; labels that are text are looked up in the classes of the model.

    Raises:
        UserError: the file cannot be read, or its arrays do not fit each other or the classes.
    """
    arrays = read_npz(path)
    if "features" not in arrays or "labels" not in arrays:
        raise UserError(f"{path} should hold the arrays features and labels; it holds: {', '.join(arrays) or 'none'}.")
    features, labels = arrays["features"], arrays["labels"]
    if features.ndim != 2 or features.dtype.kind not in "fiu" or labels.shape != features.shape[:1] or not len(labels):
        raise UserError(
            f"{path}: features {features.shape} should be numbers (n, d), and labels {labels.shape} one for each, (n,)."
        )
    return features, labels if labels.dtype.kind in "iu" else _positions(labels, classes or (), path)


def _positions(labels: np.ndarray, classes: Sequence[str], path: Path) -> np.ndarray:
    positions = {name: i for i, name in enumerate(classes)}
    unknown = next((str(name) for name in labels.tolist() if str(name) not in positions), None)
    if unknown is not None:
        known = (
            f"the model knows {', '.join(map(str, classes[:10]))}"
            if classes
            else "the model names no classes: give positions"
        )
        raise UserError(f"{path}: the label {unknown!r} is none of its classes ({known}).")
    return np.array([positions[str(name)] for name in labels.tolist()])
